/**
 * Smoke checks of the baseline: two nodes reach the same data through it, and it fails where it is
 * meant to fail like the version it stands for.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import {
  assertSame,
  blobFor,
  createHlcClock,
  createMemoryAppRows,
  createMemoryDatabaseAdapter,
  createMemoryObjectStorage,
  createMemorySyncState,
  createSqliteDatabaseAdapter,
  fingerprintOf,
  generateRecords,
  openDatabase,
  sqliteMissing,
} from "../adapters/index.mjs";
import * as reference from "./index.mjs";
import { serializeHlc } from "./hlc.mjs";

/** A hub that answers, and laptops whose engines talk to it in process. */
function createHub(tables) {
  const hub = {
    database: createMemoryDatabaseAdapter(),
    storage: createMemoryObjectStorage(),
    rows: tables && createMemoryAppRows({ appId: "photos", tables }),
    clock: createHlcClock({ nodeId: "hub" }),
  };
  const transport = reference.createInProcessSyncTransport({
    databaseAdapter: hub.database,
    objectStorage: hub.storage,
    clock: hub.clock,
    appSyncableSource: hub.rows,
  });
  return { ...hub, transport };
}

function createLaptop(nodeId, hub, options = {}) {
  const laptop = {
    database: createMemoryDatabaseAdapter(),
    storage: createMemoryObjectStorage(),
    rows: hub.rows && createMemoryAppRows({ appId: "photos", tables: hub.rows.namespaces.list()[0].tableNames }),
    state: createMemorySyncState(),
  };
  const engine = reference.createSyncEngine({
    localDatabaseAdapter: laptop.database,
    localObjectStorage: laptop.storage,
    remoteObjectStorage: hub.storage,
    transport: hub.transport,
    clock: createHlcClock({ nodeId }),
    syncState: laptop.state,
    appSyncableSource: laptop.rows,
    ...options,
  });
  return { ...laptop, engine };
}

async function settle({ engine }) {
  for (let rounds = 1; rounds < 100; rounds++) {
    const { applied, shipped, hasMore } = await engine.exchange();
    if (applied === 0 && shipped === 0 && !hasMore) return rounds;
  }
  throw new Error("does not settle");
}

async function fillWithBlobs(laptop, records, size) {
  laptop.database.fill(records);
  for (const record of records) await laptop.storage.put(record.objectStorageKey, blobFor(record, size));
}

test("two laptops hold the same records and blobs after both synced with the hub", async () => {
  const hub = createHub();
  const first = createLaptop("first", hub, { pageLimit: 20, scanPageSize: 7 });
  const second = createLaptop("second", hub, { pageLimit: 20, scanPageSize: 7 });
  const ofFirst = [...generateRecords({ count: 50, seed: 1, nodeIds: ["first"], blobBytes: 64 })];
  const ofSecond = [...generateRecords({ count: 30, seed: 2, nodeIds: ["second"], blobBytes: 64 })];
  await fillWithBlobs(first, ofFirst, 64);
  await fillWithBlobs(second, ofSecond, 64);

  for (const laptop of [first, second, first]) await settle(laptop);

  const expected = fingerprintOf([...ofFirst, ...ofSecond]);
  for (const side of [hub, first, second]) {
    assertSame("records", side.database.fingerprint(), expected);
    for (const record of [...ofFirst, ...ofSecond]) {
      assert.deepEqual((await side.storage.get(record.objectStorageKey))?.data, blobFor(record, 64));
    }
  }
});

test("a round with nothing to do ships and applies nothing", async () => {
  const hub = createHub();
  const laptop = createLaptop("first", hub);
  laptop.database.fill(generateRecords({ count: 5, nodeIds: ["first"] }));
  await settle(laptop);
  assert.deepEqual(await laptop.engine.exchange(), { applied: 0, shipped: 0, hasMore: false });
});

test("a record that is behind a lost blob of its node waits, other nodes go on", async () => {
  const hub = createHub();
  const laptop = createLaptop("first", hub);
  const lost = [...generateRecords({ count: 3, seed: 1, nodeIds: ["first"], blobBytes: 16 })];
  const whole = [...generateRecords({ count: 2, seed: 2, nodeIds: ["other"] })];
  await fillWithBlobs(laptop, lost, 16);
  laptop.database.fill(whole);
  await laptop.storage.delete(lost[1].objectStorageKey);

  const result = await laptop.engine.exchange();

  assert.equal(result.shipped, 3);
  assertSame("hub", hub.database.fingerprint(), fingerprintOf([lost[0], ...whole]));
});

test("app rows and their blobs arrive, deletions too", async () => {
  const hub = createHub(["_starkeep_sync_records", "albums"]);
  const first = createLaptop("first", hub);
  const second = createLaptop("second", hub);
  const hlc = (counter) => ({ wallTime: 1_700_000_000_000, counter, nodeId: "first" });
  const entry = (counter, table, op, row) =>
    first.rows.applier.apply({
      timestamp: hlc(counter),
      appId: "photos",
      table,
      op,
      row: { ...row, updated_at: serializeHlc(hlc(counter)) },
    });
  entry(1, "_starkeep_sync_records", "insert", {
    id: "f",
    object_storage_key: "blob-f",
    size_bytes: "3",
    mime_type: "text/plain",
  });
  entry(2, "albums", "insert", { id: "a", name: "Summer" });
  entry(3, "albums", "delete", { id: "a", name: "Summer" });
  await first.storage.put("blob-f", new Uint8Array([1, 2, 3]));

  await settle(first);
  await settle(second);

  assert.deepEqual(second.rows.rows("albums"), first.rows.rows("albums"));
  assert.equal(second.rows.rows("albums")[0].deleted_at, serializeHlc(hlc(3)));
  assert.deepEqual((await second.storage.get("blob-f"))?.data, new Uint8Array([1, 2, 3]));
});

test("an updated early record hides a later one, as it does in 0.1.0", async () => {
  const hub = createHub();
  const laptop = createLaptop("first", hub, { pageLimit: 1 });
  const [early, late] = generateRecords({ count: 2, nodeIds: ["first"] });
  early.updatedAt = { ...late.updatedAt, wallTime: late.updatedAt.wallTime + 1 };
  laptop.database.fill([early, late]);
  await settle(laptop);
  assertSame("hub", hub.database.fingerprint(), fingerprintOf([early]));
});

test("the same data passes over HTTP", async () => {
  const hub = createHub();
  const handle = reference.createHttpSyncHandler({
    databaseAdapter: hub.database,
    objectStorageAdapter: hub.storage,
    clock: hub.clock,
  });
  const server = createServer(async (req, res) => {
    if (!(await handle(req, res))) res.writeHead(404).end("no such route");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const baseUrl = `http://127.0.0.1:${port}`;
  try {
    const records = [...generateRecords({ count: 20, nodeIds: ["first"] })];
    const laptop = createLaptop("first", hub, {
      transport: reference.createHttpSyncTransport({ baseUrl: `${baseUrl}//` }),
    });
    laptop.database.fill(records);
    await settle(laptop);
    assertSame("hub", hub.database.fingerprint(), fingerprintOf(records));

    const file = `${baseUrl}/files/${encodeURIComponent("a/b c")}`;
    assert.equal(
      (await fetch(file, { method: "PUT", body: "bytes", headers: { "Content-Type": "text/plain" } })).status,
      200,
    );
    assert.equal((await fetch(file, { method: "HEAD" })).status, 200);
    const got = await fetch(file);
    assert.equal(got.headers.get("content-type"), "text/plain");
    assert.equal(await got.text(), "bytes");
    assert.equal((await fetch(file, { method: "DELETE" })).status, 204);
    assert.equal((await fetch(file)).status, 404);

    const elsewhere = reference.createHttpSyncTransport({ baseUrl: `${baseUrl}/nowhere` });
    await assert.rejects(elsewhere.exchange({ watermarks: {} }), (error) => {
      assert.ok(error instanceof reference.SyncError);
      assert.equal(error.message, "/sync/exchange failed: 404 Not Found no such route");
      return true;
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test(
  "state survives in SQLite, and both ages of table hold what was put",
  { skip: sqliteMissing ?? false },
  async () => {
    const db = openDatabase(":memory:");
    const state = reference.createSqliteSyncStateStore({ db });
    assert.deepEqual(await state.getWatermarks(), {});
    assert.equal(await state.getHlcClockState(), null);
    const [record] = generateRecords({ count: 1 });
    await state.setPeerWatermarks({ laptop: record.updatedAt });
    assert.deepEqual(await reference.createSqliteSyncStateStore({ db }).getPeerWatermarks(), {
      laptop: record.updatedAt,
    });

    const kinds = /** @type {const} */ ([
      { shape: "0.1" },
      { shape: "0.2", nodeWatermarks: "grouped" },
      { shape: "0.2", nodeWatermarks: "looked up" },
    ]);
    for (const kind of kinds) {
      const { shape } = kind;
      const adapter = createSqliteDatabaseAdapter({ path: ":memory:", ...kind });
      if (adapter.getNodeWatermarks) assert.deepEqual(await adapter.getNodeWatermarks(), {});
      const records = [...generateRecords({ count: 5, shape, nodeIds: ["a", "b"] })];
      for (const one of records) await adapter.put(one);
      const page = await adapter.query({ limit: 3 });
      assert.deepEqual(page.records, records.slice(0, 3));
      const rest = await adapter.query({ limit: 3, cursor: page.nextCursor });
      assert.deepEqual([rest.records, rest.hasMore, rest.nextCursor], [records.slice(3), false, null]);
      if (adapter.getNodeWatermarks) {
        assert.deepEqual(await adapter.getNodeWatermarks(), { a: records[4].updatedAt, b: records[3].updatedAt });
      }
      await adapter.close();
    }
  },
);
