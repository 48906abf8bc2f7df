// A transaction's callback that calls past its transaction, takes too long, or never ends.
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as sync from "@starkeep/sync-engine";
import { gc } from "./support/gc.mjs";
import { at } from "./support/hlc.mjs";
import { record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

const one = (id, wallTime = 1) => record(id, at(wallTime, "a"));
const codeOf = (work) =>
  work().then(
    () => "nothing was wrong",
    (error) => error.code,
  );
const never = new Promise(() => {});

function adapterFor(t, options = {}) {
  const path = options.path ?? join(folderFor(t), "app.db");
  const adapter = sync.createSqliteDatabaseAdapter({ ...options, path });
  t.after(() => adapter.close());
  return adapter;
}

function engineOver(
  t,
  adapter,
  syncState,
  peer = sync.createSqliteDatabaseAdapter({ path: ":memory:" }),
) {
  const clock = () => sync.createHLCClock({ nodeId: "a" });
  const storage = () => sync.createFsObjectStorage({ root: folderFor(t) });
  return sync.createSyncEngine({
    localDatabaseAdapter: adapter,
    localObjectStorage: storage(),
    remoteObjectStorage: storage(),
    transport: sync.createInProcessSyncTransport({ databaseAdapter: peer, clock: clock() }),
    clock: clock(),
    syncState,
  });
}

const CALLS = {
  put: (db) => db.put(one("2")),
  get: (db) => db.get("1"),
  delete: (db) => db.delete("1", at(9, "a")),
  query: (db) => db.query({}),
  batch: (db) => db.batch([{ type: "put", record: one("2") }]),
  transaction: (db) => db.transaction((inner) => inner.put(one("2"))),
  putMetadata: (db) => db.putMetadata("t", { recordId: "1" }),
  getMetadata: (db) => db.getMetadata("t", "1"),
  getMetadataByIds: (db) => db.getMetadataByIds("t", ["1"]),
  deleteMetadata: (db) => db.deleteMetadata("t", "1"),
  getNodeWatermarks: (db) => db.getNodeWatermarks(),
  init: (db) => db.init(),
  healthCheck: (db) => db.healthCheck(),
  close: (db) => db.close(),
};

for (const path of [undefined, ":memory:"]) {
  const where = path ?? "on a file";
  test(`inside its own callback an adapter ${where} refuses every call at once`, async (t) => {
    const db = adapterFor(t, { path, transactionTimeoutMs: null });
    assert.deepEqual(Object.keys(CALLS).sort(), Object.keys(db).sort());
    const codes = await db.transaction(async (inner) => {
      await inner.put(one("1"));
      const found = [];
      for (const call of Object.values(CALLS)) found.push(await codeOf(() => call(db)));
      return found;
    });
    assert.deepEqual(
      codes,
      Object.keys(CALLS).map(() => "IN_TRANSACTION"),
    );
    assert.deepEqual(
      (await db.query({})).records.map(({ id }) => id),
      ["1"],
    );
  });
}

test("the refusal names the call and what to use instead", async (t) => {
  const db = adapterFor(t);
  const error = await db.transaction(() => db.put(one("1"))).catch((thrown) => thrown);
  assert.equal(error.code, "IN_TRANSACTION");
  assert.match(error.message, /^put: .*use the transaction that was handed to the callback/);
  await db.put(one("1"));
  assert.equal((await db.get("1")).id, "1");
});

test("a call from elsewhere waits for the transaction, and one after it works", async (t) => {
  const db = adapterFor(t);
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  const transaction = db.transaction(async (inner) => {
    await gate;
    await inner.put(one("1", 1));
  });
  const elsewhere = db.put(one("1", 2));
  const second = db.transaction((inner) => inner.put(one("2")));
  go();
  await Promise.all([transaction, elsewhere, second]);
  assert.deepEqual((await db.get("1")).updatedAt, at(2, "a"));
  assert.equal((await db.get("2")).id, "2");
});

test("what a callback leaves running is free to call once the transaction has ended", async (t) => {
  const db = adapterFor(t);
  let ended;
  const after = new Promise((resolve) => (ended = resolve));
  let left;
  await db.transaction(async (inner) => {
    await inner.put(one("1"));
    left = after.then(() => db.put(one("2")));
  });
  ended();
  await left;
  assert.equal((await db.get("2")).id, "2");
});

test("through the transaction of another file an adapter still knows its own", async (t) => {
  const [outer, inner] = [adapterFor(t), adapterFor(t)];
  const codes = await outer.transaction(async () => {
    const elsewhere = await codeOf(() => inner.put(one("1")));
    const nested = await inner.transaction(() => codeOf(() => outer.put(one("1"))));
    return [elsewhere, nested];
  });
  assert.deepEqual(codes, ["nothing was wrong", "IN_TRANSACTION"]);
  assert.equal((await inner.get("1")).id, "1");
});

test("inside a callback the other stores of the file refuse to write, and read", async (t) => {
  const path = join(folderFor(t), "app.db");
  const db = adapterFor(t, { path });
  const rows = sync.createSqliteAppRows({ path });
  const state = sync.createSqliteSyncStateStore({ path });
  t.after(() => Promise.all([rows.close(), state.close()]));
  const tables = [{ name: "notes", pkColumns: ["id"] }];
  await rows.register("app", { tables });
  const row = { id: "1", updated_at: sync.serializeHLC(at(1, "a")) };
  const entry = { timestamp: at(1, "a"), appId: "app", table: "notes", op: "insert", row };
  const codes = await db.transaction(async () => {
    assert.deepEqual(rows.namespaces.get("app").tableNames, ["notes"]);
    assert.deepEqual(await state.getWatermarks(), {});
    return [
      await codeOf(() => rows.register("other", { tables })),
      await codeOf(() => rows.applier.apply(entry)),
      await codeOf(() => state.setWatermarks({})),
    ];
  });
  assert.deepEqual(codes, ["IN_TRANSACTION", "IN_TRANSACTION", "IN_TRANSACTION"]);
  await rows.applier.apply(entry);
  assert.equal((await rows.applier.scanSince("app", "notes", "")).rows.length, 1);
});

test("inside a callback no round begins that would wait for it, from either side", async (t) => {
  const path = join(folderFor(t), "app.db");
  const db = adapterFor(t, { path });
  const state = sync.createSqliteSyncStateStore({ path });
  t.after(() => state.close());
  const other = () => adapterFor(t);
  const asking = engineOver(t, db);
  const answering = engineOver(t, other(), undefined, db);
  const remembering = engineOver(t, other(), state);
  const apart = engineOver(t, other());
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: db,
    clock: sync.createHLCClock({ nodeId: "b" }),
  });
  const codes = await db.transaction(async () => [
    await codeOf(() => asking.exchange()),
    await codeOf(() => answering.exchange()),
    await codeOf(() => remembering.exchange()),
    await codeOf(() => transport.exchange({ watermarks: {}, items: [] })),
    await codeOf(() => apart.exchange()),
  ]);
  const refused = "IN_TRANSACTION";
  assert.deepEqual(codes, [refused, refused, refused, refused, "nothing was wrong"]);
  await db.put(one("1"));
  assert.equal((await asking.exchange()).shipped, 1);
});

test("a callback that takes too long is undone, and its transaction is dead", async (t) => {
  // The transaction after it has to end within it, also on a busy machine.
  const db = adapterFor(t, { transactionTimeoutMs: 1000 });
  let held;
  const late = db.transaction(async (inner) => {
    held = inner;
    await inner.put(one("1"));
    await never;
  });
  await assert.rejects(late, { code: "TRANSACTION_TIMEOUT" });
  assert.equal(await codeOf(() => held.put(one("1"))), "TRANSACTION_TIMEOUT");
  assert.equal(await codeOf(() => held.get("1")), "TRANSACTION_TIMEOUT");
  assert.equal(await db.get("1"), null);
  await db.transaction((inner) => inner.put(one("2")));
  assert.equal((await db.get("2")).id, "2");
});

test("a callback that waits for what nobody holds is undone all the same", async (t) => {
  const db = adapterFor(t, { transactionTimeoutMs: 1500 });
  const other = adapterFor(t, { path: ":memory:" });
  const late = codeOf(() => db.transaction(() => new Promise(() => {})));
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(Array.from({ length: 1100 }, () => other.get("1")));
    gc();
  }
  assert.equal(await late, "TRANSACTION_TIMEOUT");
});

test("a worker that ends in a callback gives the turn away", async (t) => {
  const path = join(folderFor(t), "app.db");
  const state = sync.createSqliteSyncStateStore({ path });
  t.after(() => state.close());
  const code = `
    const { createSqliteDatabaseAdapter } = require("@starkeep/sync-engine");
    const { parentPort, workerData: path } = require("node:worker_threads");
    const db = createSqliteDatabaseAdapter({ path, transactionTimeoutMs: null });
    db.transaction(() => {
      parentPort.postMessage("inside");
      return new Promise(() => setInterval(() => {}, 1000));
    });`;
  const worker = new Worker(code, { eval: true, workerData: path });
  await once(worker, "message");
  const waiting = state.setWatermarks({ a: at(1, "a") });
  await worker.terminate();
  await waiting;
  assert.deepEqual(await state.getWatermarks(), { a: at(1, "a") });
});

test("what stood in line behind a callback that took too long is done", async (t) => {
  const db = adapterFor(t, { transactionTimeoutMs: 50 });
  const late = codeOf(() => db.transaction(() => never));
  await db.put(one("1"));
  assert.equal(await late, "TRANSACTION_TIMEOUT");
  assert.equal((await db.get("1")).id, "1");
});

test("a limit is a positive number of milliseconds, or none", async (t) => {
  for (const transactionTimeoutMs of [0, -1, Number.NaN, "1", {}]) {
    assert.throws(() => adapterFor(t, { transactionTimeoutMs }), { code: "INVALID_ARGUMENT" });
  }
  for (const transactionTimeoutMs of [null, Infinity, undefined, 0.5 + 1e9, Number.MAX_VALUE]) {
    const db = adapterFor(t, { transactionTimeoutMs });
    await db.transaction((inner) => inner.put(one("1")));
    assert.equal((await db.get("1")).id, "1");
  }
});

test("closing ends a transaction whose callback never does, and what waits behind it", async (t) => {
  const path = join(folderFor(t), "app.db");
  const db = adapterFor(t, { path, transactionTimeoutMs: null });
  let held;
  const hung = codeOf(() =>
    db.transaction(async (inner) => {
      held = inner;
      await inner.put(one("1"));
      await never;
    }),
  );
  const behind = codeOf(() => db.transaction((inner) => inner.put(one("2"))));
  await db.close();
  assert.deepEqual(await Promise.all([hung, behind]), ["STORE_CLOSED", "STORE_CLOSED"]);
  assert.equal(await codeOf(() => held.put(one("1"))), "STORE_CLOSED");
  const again = adapterFor(t, { path });
  assert.deepEqual((await again.query({})).records, []);
  await again.put(one("3"));
});

test("another store of the file closes although a callback never ends", async (t) => {
  const path = join(folderFor(t), "app.db");
  const db = adapterFor(t, { path, transactionTimeoutMs: null });
  const state = sync.createSqliteSyncStateStore({ path });
  const hung = codeOf(() => db.transaction(() => never));
  const waiting = codeOf(() => state.setWatermarks({ a: at(1, "a") }));
  await state.close();
  assert.equal(await waiting, "STORE_CLOSED");
  await db.close();
  assert.equal(await hung, "STORE_CLOSED");
});

test("closing waits for a transaction that is about to end", async (t) => {
  const path = join(folderFor(t), "app.db");
  const db = adapterFor(t, { path });
  const transaction = db.transaction(async (inner) => {
    await inner.put(one("1"));
    await inner.put(one("2"));
  });
  await db.close();
  await transaction;
  assert.equal((await adapterFor(t, { path }).query({})).records.length, 2);
});
