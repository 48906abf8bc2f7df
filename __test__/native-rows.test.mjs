// App rows in a SQLite file: what they refuse, and what the app has put in the place of their functions.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, text } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";
import { untilNoMore } from "./support/rounds.mjs";

const TABLES = [
  { name: "pages", pkColumns: ["id"] },
  { name: "links", pkColumns: ["from", "to"] },
];

const entry = (op, stamp, row, rest = {}) => ({
  timestamp: stamp,
  appId: "notes",
  table: "pages",
  op,
  row: { ...row, updated_at: text(stamp) },
  ...rest,
});
const page = (id, stamp, more = {}) =>
  entry("insert", stamp, { id, title: id, deleted_at: null, ...more });

const plain = (value) => JSON.parse(JSON.stringify(value));
const scan = async (source, table = "pages", since = "", options = {}) =>
  plain(await source.applier.scanSince("notes", table, since, options));

async function native(t, name = "rows") {
  const rows = sync.createSqliteAppRows({ path: join(folderFor(t), `${name}.db`) });
  t.after(() => rows.close());
  await rows.register("notes", { tables: TABLES, filesEnabled: true });
  return rows;
}

/** A node over `source` against a cloud over `cloudSource`; objects are JavaScript's. */
function world(source, cloudSource) {
  const [local, remote] = [memoryObjects(), memoryObjects()];
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: memoryDatabase(),
    objectStorage: remote,
    clock: clockFor("cloud"),
    syncSharedRecords: false,
    appSyncableSource: cloudSource,
  });
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: memoryDatabase(),
    localObjectStorage: local,
    remoteObjectStorage: remote,
    transport,
    clock: sync.createHLCClock({ nodeId: "node" }),
    syncState: memoryState(),
    syncSharedRecords: false,
    appSyncableSource: source,
    pageLimit: 2,
  });
  return { engine, local, remote };
}

test("a function that the app has put in the place of one of ours is the one that is called", async (t) => {
  const [here, there] = [await native(t, "here"), await native(t, "there")];
  await there.applier.apply(page("a", at(1, "b")));
  const applied = [];
  const source = {
    ...here,
    applier: {
      ...here.applier,
      async apply(one) {
        applied.push(one.row.id);
        await here.applier.apply(one);
      },
    },
  };
  await untilNoMore(world(source, there).engine);
  assert.deepEqual(applied, ["a"]);
  assert.equal((await scan(here)).rows.length, 1);
  here.applier.apply = async () => {
    throw new Error("not today");
  };
  await there.applier.apply(page("b", at(2, "b")));
  const { held } = await untilNoMore(world(here, there).engine);
  assert.equal(held[0].error.message, "not today");
});

test("records, rows and state share one file and come back with it", async (t) => {
  const path = join(folderFor(t), "all.db");
  const open = () => [
    sync.createSqliteDatabaseAdapter({ path }),
    sync.createSqliteAppRows({ path }),
    sync.createSqliteSyncStateStore({ path }),
  ];
  for (let time = 1; time <= 2; time += 1) {
    const stores = open();
    await stores[1].register("notes", { tables: TABLES });
    await stores[1].applier.apply(page(`p${time}`, at(time, "a")));
    assert.equal((await scan(stores[1])).rows.length, time);
    assert.equal(await stores[1].healthCheck(), true);
    for (const store of stores) await store.close();
  }
});

test("what is wrong is refused with a code that says so", async (t) => {
  const rows = await native(t);
  const code = (expected) => (error) => error.code === expected && error.message.length > 20;
  const broken = join(folderFor(t), "text.db");
  writeFileSync(
    broken,
    "this is no database, but a text that is long enough to have been one".repeat(20),
  );
  assert.throws(() => sync.createSqliteAppRows({ path: broken }), code("NOT_A_DATABASE"));
  assert.throws(() => sync.createSqliteAppRows({}), code("INVALID_ARGUMENT"));
  const wrong = [
    [{ ...page("a", at(1, "x")), table: "nothing" }, "UNKNOWN_APP"],
    [{ ...page("a", at(1, "x")), op: "upsert" }, "INVALID_ARGUMENT"],
    [{ ...page("a", at(1, "x")), row: undefined }, "INVALID_ARGUMENT"],
    [entry("insert", at(1, "x"), { title: "no id" }), "INVALID_ARGUMENT"],
    [entry("update", at(1, "x"), { title: "no where" }), "INVALID_ARGUMENT"],
    [{ ...page("a", at(1, "x")), timestamp: at(2, "x") }, "INVALID_ARGUMENT"],
  ];
  for (const [one, expected] of wrong) {
    await assert.rejects(rows.applier.apply(one), code(expected), expected);
  }
  await assert.rejects(
    rows.register("Notes", { tables: [{ name: "PAGES", pkColumns: ["id"] }] }),
    code("INVALID_ARGUMENT"),
  );
  await assert.rejects(
    rows.register("notes", { tables: [{ name: "pages", pkColumns: ["other"] }] }),
    code("INVALID_ARGUMENT"),
  );
  assert.deepEqual((await scan(rows)).rows, []);
  await rows.close();
  await rows.close();
  await assert.rejects(rows.applier.apply(page("a", at(1, "x"))), code("STORE_CLOSED"));
  assert.throws(() => rows.namespaces.list(), code("STORE_CLOSED"));
});
