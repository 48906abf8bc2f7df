// Machines without fault whose clocks, node ids or files break what watermarks assume: nothing is lost.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import sync from "../index.js";
import { record } from "./support/index.mjs";
import { folderFor as folder } from "./support/native.mjs";

const SETTINGS_BACK_MS = 300_000;

/** A place with native stores; state is in a file of its own. */
function place(nodeId, dir, options = {}) {
  const databaseAdapter = sync.createSqliteDatabaseAdapter({ path: join(dir, "records.db") });
  const syncState = sync.createSqliteSyncStateStore({ path: join(dir, "state.db") });
  const rows = sync.createSqliteAppRows({ path: join(dir, "rows.db") });
  const objectStorage = sync.createFsObjectStorage({ root: join(dir, "files") });
  const clock =
    options.clock?.({ databaseAdapter, syncState, rows }) ?? sync.createHLCClock({ nodeId });
  const close = async () => {
    for (const store of [databaseAdapter, syncState, rows, objectStorage]) await store.close();
  };
  return { nodeId, dir, databaseAdapter, syncState, rows, objectStorage, clock, close };
}

const put = (at, id, stamp = at.clock.now()) => at.databaseAdapter.put(record(id, stamp));

const itself = (db) => db;
const plain = ({ put, get, delete: remove, query }) => ({ put, get, delete: remove, query });
const withCoverage = (db) => ({ ...plain(db), getNodeWatermarks: db.getNodeWatermarks });

/** How an engine sees the stores of both sides: two native ones exchange by their logs, all others by watermarks. */
const WAYS = {
  "native stores": [itself, itself],
  "native stores with a plain peer": [itself, withCoverage],
  "plain adapters with coverage": [withCoverage, withCoverage],
  "plain adapters": [plain, plain],
};
const [LOGS, WATERMARKS] = Object.keys(WAYS);

function engineOf(here, there, { way = LOGS, ...options } = {}) {
  const [asHere, asThere] = WAYS[way];
  const hasRows = asHere === itself;
  return sync.createSyncEngine({
    localDatabaseAdapter: asHere(here.databaseAdapter),
    localObjectStorage: here.objectStorage,
    remoteObjectStorage: there.objectStorage,
    appSyncableSource: hasRows ? here.rows : undefined,
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: asThere(there.databaseAdapter),
      objectStorage: there.objectStorage,
      clock: there.clock,
      appSyncableSource: hasRows ? there.rows : undefined,
    }),
    clock: here.clock,
    syncState: here.syncState,
    ...options,
  });
}

async function drain(engine) {
  for (let rounds = 1; rounds <= 20; rounds += 1) {
    const result = await engine.exchange();
    assert.deepEqual(result.held, []);
    if (!result.hasMore) return result;
  }
  return assert.fail("there is always more");
}

async function assertQuiet(engine) {
  const { applied, shipped, hasMore } = await engine.exchange();
  assert.deepEqual([applied, shipped, hasMore], [0, 0, false]);
}

async function idsOf(at) {
  const { records } = await at.databaseAdapter.query({ limit: 1000 });
  return records.map(({ id }) => id).sort();
}

for (const way of Object.keys(WAYS)) {
  test(`what is stamped after the clock was set back across a restart reaches the peer, ${way}`, async (t) => {
    let wall = Date.now() + SETTINGS_BACK_MS;
    const clock = () => sync.createHLCClock({ nodeId: "laptop", wallClockFunction: () => wall });
    const cloud = place("cloud", folder(t));
    const before = place("laptop", folder(t), { clock });
    await put(before, "A");
    await drain(engineOf(before, cloud, { way }));
    await before.close();
    wall -= SETTINGS_BACK_MS;
    const laptop = place("laptop", before.dir, { clock });
    await put(laptop, "B");
    const engine = engineOf(laptop, cloud, { way });
    await drain(engine);
    await put(laptop, "C");
    await drain(engine);
    assert.deepEqual(await idsOf(cloud), ["A", "B", "C"]);
    await assertQuiet(engine);
    await laptop.close();
    await cloud.close();
  });

  test(`two machines with one node id bring all that they have to the peer, ${way}`, async (t) => {
    const [a, b, cloud] = ["laptop", "laptop", "cloud"].map((id) => place(id, folder(t)));
    const all = [];
    for (let i = 0; i < 35; i += 1) {
      all.push(`a${String(i).padStart(2, "0")}`);
      await put(a, all.at(-1));
    }
    await put(b, "b");
    await drain(engineOf(b, cloud, { way, pageLimit: 10 }));
    const engine = engineOf(a, cloud, { way, pageLimit: 10 });
    await drain(engine);
    assert.deepEqual(await idsOf(cloud), [...all, "b"]);
    assert.deepEqual(await idsOf(a), [...all, "b"]);
    await drain(engine);
    await assertQuiet(engine);
    for (const one of [a, b, cloud]) await one.close();
  });
}

for (const way of [LOGS, WATERMARKS, "plain adapters with coverage"]) {
  test(`records that were lost while the state was kept come again, ${way}`, async (t) => {
    const cloud = place("cloud", folder(t));
    const before = place("laptop", folder(t));
    await put(cloud, "A");
    await drain(engineOf(before, cloud, { way }));
    await before.close();
    for (const end of ["", "-wal", "-shm"]) {
      rmSync(join(before.dir, `records.db${end}`), { force: true });
    }
    const laptop = place("laptop", before.dir);
    await put(cloud, "B");
    const engine = engineOf(laptop, cloud, { way });
    await drain(engine);
    assert.deepEqual(await idsOf(laptop), ["A", "B"]);
    await assertQuiet(engine);
    await laptop.close();
    await cloud.close();
  });
}

for (const way of [LOGS, WATERMARKS]) {
  test(`own records that were lost come again, though something was written since, ${way}`, async (t) => {
    const cloud = place("cloud", folder(t));
    const before = place("laptop", folder(t));
    await put(before, "A");
    const engine = engineOf(before, cloud, { way });
    await drain(engine);
    await before.syncState.setWatermarks(await before.databaseAdapter.getNodeWatermarks());
    await before.close();
    for (const end of ["", "-wal", "-shm"])
      rmSync(join(before.dir, `records.db${end}`), { force: true });
    const laptop = place("laptop", before.dir);
    await put(laptop, "new");
    await drain(engineOf(laptop, cloud, { way }));
    assert.deepEqual(await idsOf(laptop), ["A", "new"]);
    assert.deepEqual(await idsOf(cloud), ["A", "new"]);
    await laptop.close();
    await cloud.close();
  });
}

for (const [how, write] of Object.entries({
  "a put": (db, late) => db.put(late),
  "a batch": (db, late) => db.batch([{ type: "put", record: late }]),
  "a transaction": (db, late) => db.transaction((within) => within.put(late)),
})) {
  for (const [way, warnings] of [
    [LOGS, []],
    [WATERMARKS, ["STALE_TIMESTAMP"]],
  ])
    test(`a version that is stamped first and stored last, by ${how}, reaches the peer, ${way}`, async (t) => {
      const warn = t.mock.method(console, "warn", () => {});
      const [laptop, cloud] = ["laptop", "cloud"].map((id) => place(id, folder(t)));
      const engine = engineOf(laptop, cloud, { way });
      const early = [laptop.clock.now(), laptop.clock.now()];
      await put(laptop, "B");
      await drain(engine);
      await write(laptop.databaseAdapter, record("A", early[1]));
      await write(laptop.databaseAdapter, record("A0", early[0]));
      await drain(engine);
      assert.deepEqual(await idsOf(cloud), ["A", "A0", "B"]);
      await assertQuiet(engine);
      const codes = warn.mock.calls.map(({ arguments: [, error] }) => error?.code);
      assert.deepEqual(
        codes.filter((code) => code === "STALE_TIMESTAMP"),
        warnings,
      );
      await laptop.close();
      await cloud.close();
    });
}

for (const way of [LOGS, WATERMARKS])
  test(`a row of an app that is stamped first and stored last reaches the peer, ${way}`, async (t) => {
    t.mock.method(console, "warn", () => {});
    const [laptop, cloud] = ["laptop", "cloud"].map((id) => place(id, folder(t)));
    const tables = { tables: [{ name: "notes", pkColumns: ["id"], columns: ["id"] }] };
    for (const at of [laptop, cloud]) await at.rows.register("app", tables);
    const entry = (id, timestamp) => ({
      timestamp,
      appId: "app",
      table: "notes",
      op: "insert",
      row: { id },
    });
    const early = laptop.clock.now();
    await laptop.rows.applier.apply(entry("b", laptop.clock.now()));
    const engine = engineOf(laptop, cloud, { way });
    await drain(engine);
    await laptop.rows.applier.apply(entry("a", early));
    await drain(engine);
    const { rows } = await cloud.rows.applier.scanSince("app", "notes");
    assert.deepEqual(rows.map(({ row }) => row.id).sort(), ["a", "b"]);
    await assertQuiet(engine);
    await laptop.close();
    await cloud.close();
  });

test("a clock begins behind all that its stores hold, and is kept in their state", async (t) => {
  const ahead = Date.now() + 3_600_000;
  const stamp = { wallTime: ahead, counter: 3, nodeId: "other" };
  const one = place("n", folder(t));
  const later = (state) =>
    sync.compareHLC(sync.createHLCClock({ nodeId: "n", state }).now(), stamp) > 0;
  assert.ok(!later(one.databaseAdapter) && !later(one.syncState) && !later(one.rows));
  await one.databaseAdapter.put(record("1", stamp));
  assert.ok(later(one.databaseAdapter) && later([one.syncState, one.databaseAdapter]));
  const tables = { tables: [{ name: "notes", pkColumns: ["id"], columns: ["id"] }] };
  await one.rows.register("app", tables);
  const row = { timestamp: stamp, appId: "app", table: "notes", op: "insert", row: { id: "1" } };
  await one.rows.applier.apply(row);
  assert.ok(later(one.rows) && later(one.rows.applier));
  await one.close();

  const fresh = place("n", folder(t));
  const wallClockFunction = () => ahead;
  const kept = sync
    .createHLCClock({ nodeId: "n", state: fresh.syncState, wallClockFunction })
    .now();
  await fresh.close();
  const again = place("n", fresh.dir);
  const clock = sync.createHLCClock({ nodeId: "n", state: again.syncState });
  assert.ok(sync.compareHLC(clock.now(), kept) > 0);
  await again.syncState.setPeerWatermarks({ n: { ...stamp, wallTime: ahead * 2 } });
  assert.ok(
    sync.createHLCClock({ nodeId: "n", state: again.syncState }).now().wallTime >= ahead * 2,
  );
  await again.close();
});

test("a clock that is asked for within a transaction of the file that keeps it does not wait for it", async (t) => {
  const path = join(folder(t), "one.db");
  const db = sync.createSqliteDatabaseAdapter({ path });
  const state = sync.createSqliteSyncStateStore({ path });
  const clock = sync.createHLCClock({ nodeId: "n", state: [db, state] });
  await db.transaction(async (within) => within.put(record("1", clock.now())));
  await state.close();
  await db.close();
});

test("an app's own state is read if it answers at once, and refused if it does not", () => {
  const mark = { wallTime: 9e14, counter: 0, nodeId: "n" };
  const own = {
    getHlcClockState: () => null,
    getWatermarks: () => ({ n: mark }),
    getPeerWatermarks: () => ({}),
  };
  assert.equal(sync.createHLCClock({ nodeId: "n", state: own }).now().wallTime, 9e14);
  const slow = { ...own, getHlcClockState: async () => null };
  for (const state of [slow, 1, {}, [null]]) {
    assert.throws(() => sync.createHLCClock({ nodeId: "n", state }), { code: "INVALID_ARGUMENT" });
  }
});

test("the answering side stamps later than all that it holds, from its first answer on", async (t) => {
  const stamp = { wallTime: Date.now() + 3_600_000, counter: 0, nodeId: "cloud" };
  const cloud = place("cloud", folder(t));
  await cloud.databaseAdapter.put(record("1", stamp));
  const transport = sync.createInProcessSyncTransport(cloud);
  await transport.exchange({ watermarks: { cloud: stamp } });
  assert.ok(sync.compareHLC(cloud.clock.now(), stamp) > 0);
  await cloud.close();
});

test("before the first round by logs both clocks hear of what their stores hold", async (t) => {
  const [laptop, cloud] = ["laptop", "cloud"].map((id) => place(id, folder(t)));
  const stamp = { wallTime: Date.now() + 3_600_000, counter: 0, nodeId: "laptop" };
  const later = { ...stamp, wallTime: stamp.wallTime + 1000, nodeId: "cloud" };
  await put(laptop, "own", stamp);
  await put(cloud, "theirs", later);
  await put(cloud, "newest", { ...later, wallTime: later.wallTime + 1000 });
  const { inSync } = await engineOf(laptop, cloud, { pageLimit: 1 }).exchange();
  assert.notEqual(inSync, undefined);
  assert.ok(sync.compareHLC(laptop.clock.now(), stamp) > 0);
  assert.ok(cloud.clock.now().wallTime >= later.wallTime + 1000);
  await laptop.close();
  await cloud.close();
});
