// The adapters of docs/adapters.md, as they stand there, exchange with the package's own stores.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as sync from "@starkeep/sync-engine";
import { OBJECTS } from "./conformance/objects.mjs";
import { ANSWERS } from "./conformance/record-rounds.mjs";
import { RECORDS } from "./conformance/records.mjs";
import { APP, TABLES } from "./conformance/row-stores.mjs";
import { ROWS } from "./conformance/rows.mjs";
import { STATES } from "./conformance/states.mjs";
import { conform } from "./conformance/suite.mjs";
import { record } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";
import { appWith, examplesOf } from "./support/page-examples.mjs";

const EXAMPLES = examplesOf("docs/adapters.md");
const APPS = { notes: { pages: ["id"] } };

/** What the examples of the page export. */
async function modulesOf(t) {
  const files = [...EXAMPLES].map(([name, { code }]) => [`${name}.mjs`, code]);
  const folder = appWith(t, Object.fromEntries(files));
  const modules = await Promise.all(
    files.map(([file]) => import(pathToFileURL(join(folder, file)).href)),
  );
  return Object.assign({}, ...modules);
}

/** A side of the page's adapters. */
async function ownSide(t, nodeId) {
  const own = await modulesOf(t);
  const path = join(folderFor(t), "state.json");
  const syncState = own.createJsonState(path);
  return {
    databaseAdapter: own.createMapRecords(),
    objectStorage: own.createMapObjects(),
    appSyncableSource: own.createMapRows(APPS),
    clock: own.createOwnClock(nodeId, syncState),
    syncState,
    restarted: () => own.createJsonState(path),
  };
}

/** A side of the package's own stores. */
async function nativeSide(t, nodeId) {
  const folder = folderFor(t);
  const path = join(folder, "native.db");
  const side = {
    databaseAdapter: sync.createSqliteDatabaseAdapter({ path }),
    objectStorage: sync.createFsObjectStorage({ root: join(folder, "objects") }),
    appSyncableSource: sync.createSqliteAppRows({ path }),
    syncState: sync.createSqliteSyncStateStore({ path }),
    clock: sync.createHLCClock({ nodeId }),
  };
  await side.appSyncableSource.register("notes", {
    tables: [{ name: "pages", pkColumns: ["id"] }],
  });
  const { databaseAdapter, objectStorage, appSyncableSource, syncState } = side;
  for (const store of [databaseAdapter, objectStorage, appSyncableSource, syncState])
    t.after(() => store.close());
  return side;
}

const engineOf = (near, far, syncState = near.syncState) =>
  sync.createSyncEngine({
    localDatabaseAdapter: near.databaseAdapter,
    localObjectStorage: near.objectStorage,
    remoteObjectStorage: far.objectStorage,
    appSyncableSource: near.appSyncableSource,
    transport: sync.createInProcessSyncTransport(far),
    clock: near.clock,
    syncState,
    pageLimit: 3,
    scanPageSize: 2,
  });

/** Records, one with an object and one that is deleted, and rows. */
async function write({ databaseAdapter, objectStorage, appSyncableSource, clock }, name) {
  const bytes = new TextEncoder().encode(`of ${name}`);
  await objectStorage.put(`${name}/photo`, bytes, { contentType: "text/plain" });
  const object = { objectStorageKey: `${name}/photo`, sizeBytes: bytes.length };
  await databaseAdapter.put(record(`${name}-photo`, clock.now(), object));
  for (const i of [1, 2, 3, 4]) await databaseAdapter.put(record(`${name}-${i}`, clock.now()));
  await databaseAdapter.delete(`${name}-1`, clock.now());
  for (const id of ["1", "2", "3"]) {
    const where = { id: `${name}-${id}` };
    const row = { ...where, title: `Page ${id}` };
    const entry = { appId: "notes", table: "pages", timestamp: clock.now(), where, row };
    await appSyncableSource.applier.apply({ ...entry, op: "insert" });
  }
}

/** What a side holds, in a form that two sides can be compared in. */
async function heldBy({ databaseAdapter, objectStorage, appSyncableSource }) {
  const { records } = await databaseAdapter.query({});
  const { rows } = await appSyncableSource.applier.scanSince("notes", "pages", "");
  const objects = {};
  for (const { objectStorageKey: key } of records)
    if (key !== "") objects[key] = Buffer.from((await objectStorage.get(key)).data).toString();
  return {
    records: records.map(({ id, updatedAt, deletedAt }) => ({ id, updatedAt, deletedAt })),
    rows: rows.map(({ timestamp, row }) => [sync.serializeHLC(timestamp), row.id, row.title]),
    objects,
  };
}

test("the page has an adapter of each kind", () => {
  assert.deepEqual([...EXAMPLES.keys()], ["records", "rows", "objects", "state", "clock"]);
});

for (const [how, [near, far]] of Object.entries({
  "as the caller of native stores": [ownSide, nativeSide],
  "as the answering side of native stores": [nativeSide, ownSide],
})) {
  test(`the adapters exchange ${how}: both sides hold the same`, async (t) => {
    const [caller, answering] = [await near(t, "near"), await far(t, "far")];
    await write(caller, "a");
    await write(answering, "b");
    const { held, applied, shipped } = await engineOf(caller, answering).drain();
    assert.deepEqual([held, applied, shipped], [[], 5, 8]);
    const kept = await heldBy(caller);
    assert.deepEqual(kept, await heldBy(answering));
    assert.equal(kept.records.length, 10);
    assert.equal(kept.rows.length, 6);
    assert.deepEqual(kept.objects, { "a/photo": "of a", "b/photo": "of b" });
  });
}

test("after a restart the state goes on where it stood, and so does the clock", async (t) => {
  const { createOwnClock } = await modulesOf(t);
  const [caller, answering] = [await ownSide(t, "near"), await nativeSide(t, "far")];
  await write(caller, "a");
  await engineOf(caller, answering).drain();
  const before = caller.clock.now();
  const state = caller.restarted();
  const quiet = await engineOf(caller, answering, state).exchange();
  assert.deepEqual([quiet.applied, quiet.shipped, quiet.hasMore], [0, 0, false]);
  t.mock.method(Date, "now", () => before.wallTime - 60_000);
  for (const clock of [
    createOwnClock("near", state),
    sync.createHLCClock({ nodeId: "near", state, onTick: state.setHlcClockState }),
  ])
    assert.ok(sync.compareHLC(clock.now(), before) > 0);
});

// The sentences that hold of every store hold of these too, but for what the page says that they leave out.

const SORTED = "sorts by a field where it is asked to";
const { [SORTED]: _leftToTheApp, ...records } = { ...RECORDS, ...ANSWERS };
conform(
  {
    "the records of the page": {
      make: async (t) => (await modulesOf(t)).createMapRecords(),
      cannot: {
        delta: "the exchange finds its delta by reading it through",
        "knowing its own callbacks": "its callbacks call what they like",
      },
    },
  },
  records,
);

conform(
  {
    "the rows of the page": {
      make: async (t) => {
        const tables = TABLES.map(({ name, pkColumns }) => [name, pkColumns]);
        return (await modulesOf(t)).createMapRows({ [APP]: Object.fromEntries(tables) });
      },
      cannot: {},
    },
  },
  ROWS,
);

conform(
  {
    "the objects of the page": {
      make: async (t) => (await modulesOf(t)).createMapObjects(),
      cannot: {
        "refusing keys": "any text is a key of a map",
        "refusing what is no bytes": "the app keeps whatever it is given",
      },
    },
  },
  OBJECTS,
);

const { createJsonState } = await modulesOf({ after: (end) => process.once("exit", end) });
const places = (t) => {
  const path = join(folderFor(t), "state.json");
  return () => createJsonState(path);
};
conform({ "the state of the page": { make: (t) => places(t)(), places } }, STATES);
