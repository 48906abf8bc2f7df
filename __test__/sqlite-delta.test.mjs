// The delta over an app's own adapter and its own `DatabaseSync`.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { anyStamp, drainUnseen, unseenOf } from "./support/delta.mjs";
import { at, compare, watermarksOf } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";
import { assertReadsIndexesOnly, openApp, openDelta, statementsOf } from "./support/sqlite-app.mjs";

const stamp = anyStamp([0, 1, 0xffff, 0x10000, 0x12345]);
const write = fc.record({ id: fc.constantFrom(..."0123456789"), stamp });

for (const shape of ["0.1", "0.2"]) {
  test(
    `whatever is written to a table of ${shape}, its delta is that of the model`,
    needsSqlite,
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(write, { maxLength: 30 }),
          fc.array(stamp, { maxLength: 4 }),
          fc.integer({ min: 1, max: 6 }),
          async (writes, seenStamps, limit) => {
            const { adapter } = openDelta({ shape });
            const model = new Map();
            const statuses = writes.map(({ id, stamp: written }) => {
              const stands = model.get(id);
              const wins = stands === undefined || compare(written, stands) > 0;
              if (wins) model.set(id, written);
              return wins ? "applied" : "stale";
            });
            const results = await adapter.applyRecords(
              writes.map(({ id, stamp: written }) => record(id, written)),
            );
            assert.deepEqual(
              results.map(({ status }) => status),
              statuses,
            );
            const stamps = [...model.values()];
            assert.deepEqual(await adapter.getNodeWatermarks(), watermarksOf(stamps));
            const seen = watermarksOf(seenStamps);
            const expected = unseenOf(stamps, seen);
            const { records, hasMore } = await adapter.queryUnseen(seen, { limit });
            const found = records.map((one) => one.updatedAt);
            assert.deepEqual(found, expected.slice(0, found.length));
            assert.equal(hasMore, found.length < expected.length);
            if (hasMore) assert.ok(compare(found.at(-1), expected[found.length]) < 0);
            const ids = (await drainUnseen(adapter, limit)).map(({ id }) => id);
            assert.deepEqual(ids.sort(), [...model.keys()].sort());
          },
        ),
        { numRuns: 60 },
      );
    },
  );
}

test("the exchange reads indexes only", needsSqlite, async () => {
  for (const shape of ["0.1", "0.2"]) {
    const { db, adapter } = openDelta({ shape });
    const asked = statementsOf(db, "shared_records");
    await adapter.getNodeWatermarks();
    await adapter.applyRecords(Array.from({ length: 300 }, (_, i) => record(`${i}`, at(i, "a"))));
    await adapter.queryUnseen({}, { limit: 250 });
    assert.ok(asked.size >= 6, "all of them were seen");
    assertReadsIndexesOnly(db, asked);
  }
});

test("the app's adapter is there as it was, with its own this", needsSqlite, async () => {
  const { app, adapter, db } = openDelta();
  assert.ok(adapter instanceof app.constructor);
  assert.equal(adapter.constructor, app.constructor);
  assert.equal(adapter.puts, 0);
  const { put } = adapter;
  await put(record("1", at(1, "a")));
  assert.equal(app.puts, 1);
  assert.deepEqual(adapter.columns, app.columns);
  assert.equal(adapter.put, adapter.put);
  const plain = Object.freeze({ get: async () => "mine", kind: "frozen" });
  const spread = { ...sync.withSqliteDelta(plain, { db }) };
  assert.deepEqual(Object.keys(spread).sort(), [
    "applyRecords",
    "get",
    "getNodeWatermarks",
    "kind",
    "queryMalformed",
    "queryUnseen",
  ]);
  assert.equal(await spread.get(), "mine");
  assert.deepEqual(await spread.getNodeWatermarks(), { a: at(1, "a") });
  adapter.later = 5;
  assert.equal(app.later, 5);
  adapter.queryUnseen = null;
  assert.equal(app.queryUnseen, undefined);
  assert.equal(adapter.queryUnseen, null);
});

test("columns that only this app has go along", needsSqlite, async () => {
  const more = [
    ["is_favourite", "INTEGER", "isFavourite"],
    ["star_count", "INTEGER DEFAULT 7", "starCount"],
  ];
  const { adapter } = openDelta({ more });
  await adapter.applyRecords([
    record("1", at(1, "a"), { isFavourite: true, starCount: 3 }),
    record("2", at(2, "a")),
  ]);
  await adapter.applyRecords([record("1", at(3, "a"))]);
  const { records } = await adapter.queryUnseen({}, { limit: 5 });
  assert.deepEqual(
    records.map((one) => [one.id, one.isFavourite, one.starCount]),
    [
      ["2", null, 7],
      ["1", 1, 3],
    ],
  );
});

test("a record of the other release fits either table", needsSqlite, async () => {
  const { ownerId: _gone, ...later } = record("1", at(1, "a"), { label: "l", mimeType: null });
  const old = openDelta({ shape: "0.1" });
  assert.equal((await old.adapter.applyRecords([later]))[0].status, "applied");
  assert.equal((await old.adapter.get("1")).ownerId, "");
  const fresh = openDelta({ shape: "0.2" });
  await fresh.adapter.applyRecords([record("2", at(2, "a"))]);
  assert.equal(fresh.db.prepare("SELECT node_id FROM shared_records").get().node_id, "a");
  assert.equal((await fresh.adapter.get("2")).label, null);
});

test(
  "a transaction of the app's stays open, and takes along what was applied in it",
  needsSqlite,
  async () => {
    for (const apply of ["sql", "put"]) {
      const { db, adapter } = openDelta({}, { apply });
      await adapter.getNodeWatermarks();
      db.exec("BEGIN");
      db.exec("CREATE TABLE mine (x)");
      const clash = { originalFilename: "f", contentHash: "h" };
      const results = await adapter.applyRecords([
        record("1", at(1, "a"), clash),
        record("2", at(2, "a"), clash),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["applied", "failed"],
      );
      assert.equal((await adapter.queryUnseen({}, { limit: 5 })).records.length, 1);
      db.exec("ROLLBACK");
      assert.deepEqual(await adapter.getNodeWatermarks(), {});
      assert.throws(() => db.exec("SELECT * FROM mine"));
    }
  },
);

test("a constraint refuses one record, with its code", needsSqlite, async () => {
  const { adapter } = openDelta();
  const clash = { originalFilename: "f", contentHash: "h" };
  const results = await adapter.applyRecords([
    record("1", at(1, "a"), clash),
    record("2", at(2, "a"), clash),
    record("3", at(3, "a")),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["applied", "failed", "applied"],
  );
  assert.equal(results[1].error.code, "CONSTRAINT_VIOLATION");
  assert.equal(results[1].error.cause.code, "ERR_SQLITE_ERROR");
});

test(
  "a duplicate that a unique index refuses is held by its id, and fails no round",
  needsSqlite,
  async () => {
    const { db, adapter } = openDelta({});
    db.exec(
      "CREATE UNIQUE INDEX one_of_a_kind ON shared_records (original_filename, content_hash)",
    );
    const same = { originalFilename: "a.jpg", contentHash: "h" };
    await adapter.applyRecords([record("mine", at(1, "laptop"), same)]);
    const cloud = memoryDatabase({ nodeWatermarks: true });
    await cloud.put(record("theirs", at(2, "cloud"), same));
    const engine = sync.createSyncEngine({
      localDatabaseAdapter: adapter,
      localObjectStorage: memoryObjects(),
      remoteObjectStorage: memoryObjects(),
      transport: sync.createInProcessSyncTransport({
        databaseAdapter: cloud,
        objectStorage: memoryObjects(),
        clock: clockFor("cloud"),
      }),
      clock: clockFor("laptop"),
      syncState: memoryState(),
    });
    const { shipped, held } = await engine.exchange();
    assert.equal(shipped, 1);
    assert.deepEqual(
      held.map(({ id, code }) => [id, code]),
      [["theirs", "CONSTRAINT_VIOLATION"]],
    );
    assert.match(held[0].reason, /"theirs".*original_filename/);
  },
);

test("a full disk undoes the whole page", needsSqlite, async () => {
  const { db, adapter } = openDelta();
  await adapter.getNodeWatermarks();
  const pages = db.prepare("PRAGMA page_count").get().page_count;
  db.exec(`PRAGMA max_page_count = ${pages + 4}`);
  const big = record("2", at(2, "a"), { originalFilename: "x".repeat(200_000) });
  await assert.rejects(adapter.applyRecords([record("1", at(1, "a")), big]), {
    code: "STORAGE_FULL",
  });
  assert.equal(await adapter.get("1"), null);
  db.exec("PRAGMA max_page_count = 100000");
  assert.equal((await adapter.applyRecords([record("1", at(1, "a")), big])).length, 2);
});

test("a put with side effects is called where the app asks for it", needsSqlite, async () => {
  const bySql = openDelta();
  await bySql.adapter.applyRecords([record("1", at(1, "a"))]);
  assert.equal(bySql.app.puts, 0);
  const byPut = openDelta({}, { apply: "put" });
  await byPut.adapter.applyRecords([record("1", at(1, "a")), record("1", at(0, "a"))]);
  assert.equal(byPut.app.puts, 1);
});

test("a put with a transaction of its own works as well", needsSqlite, async () => {
  const { db, app } = openApp();
  const put = app.put.bind(app);
  app.put = async (one) => {
    db.exec("BEGIN");
    await put(one);
    db.exec("COMMIT");
  };
  const adapter = sync.withSqliteDelta(app, { db, apply: "put" });
  const results = await adapter.applyRecords([record("1", at(1, "a")), record("2", at(2, "a"))]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["applied", "applied"],
  );
  assert.deepEqual(await adapter.getNodeWatermarks(), { a: at(2, "a") });
});

test("a table that is made later, or grows a column, is looked at again", needsSqlite, async () => {
  const { db, app, adapter } = openDelta({ late: true });
  await assert.rejects(adapter.getNodeWatermarks(), {
    code: "DATABASE_ERROR",
    message: /init\(\)/,
  });
  await app.init();
  assert.deepEqual(await adapter.getNodeWatermarks(), {});
  db.exec("ALTER TABLE shared_records ADD COLUMN colour TEXT");
  await adapter.applyRecords([record("1", at(1, "a"), { colour: "red" })]);
  assert.equal(db.prepare("SELECT colour FROM shared_records").get().colour, "red");
});

test("what cannot work says so with a code", needsSqlite, async (t) => {
  assert.throws(() => sync.withSqliteDelta(null, {}), { code: "INVALID_ARGUMENT" });
  assert.throws(() => sync.withSqliteDelta({}, { db: {} }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => openDelta({}, { apply: "later" }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => openDelta({}, { table: 5 }), { code: "INVALID_ARGUMENT" });

  const closed = openDelta();
  closed.db.close();
  await assert.rejects(closed.adapter.getNodeWatermarks(), { code: "STORE_CLOSED" });
  await assert.rejects(closed.adapter.applyRecords([record("1", at(1, "a"))]), {
    code: "STORE_CLOSED",
  });

  const other = openDelta({}, { table: "others" });
  other.db.exec("CREATE TABLE others (id TEXT PRIMARY KEY, name TEXT)");
  await assert.rejects(other.adapter.queryUnseen({}, { limit: 1 }), { code: "DATABASE_ERROR" });

  const path = join(folderFor(t), "app.db");
  openApp({}, path).db.close();
  const readOnly = new DatabaseSync(path, { readOnly: true });
  const reading = sync.withSqliteDelta({ get: async () => null }, { db: readOnly });
  await assert.rejects(reading.applyRecords([record("1", at(1, "a"))]), { code: "READ_ONLY" });
  readOnly.close();
});

test(
  "a database that another connection keeps locked is busy, and nothing is half-written",
  needsSqlite,
  async (t) => {
    const path = join(folderFor(t), "app.db");
    const { db, app } = openApp({}, path);
    const adapter = sync.withSqliteDelta(app, { db });
    await adapter.getNodeWatermarks();
    const holder = new DatabaseSync(path);
    holder.exec("BEGIN IMMEDIATE");
    await assert.rejects(adapter.applyRecords([record("1", at(1, "a"))]), { code: "STORE_BUSY" });
    holder.exec("ROLLBACK");
    holder.close();
    assert.equal(await adapter.get("1"), null);
    assert.equal((await adapter.applyRecords([record("1", at(1, "a"))]))[0].status, "applied");
    db.close();
  },
);

test(
  "a database that does not hold what the adapter answers is found out",
  needsSqlite,
  async () => {
    const { db } = openDelta();
    const adapter = sync.withSqliteDelta(openApp().app, { db });
    await adapter.applyRecords([record("1", at(1, "a"))]);
    await assert.rejects(adapter.queryUnseen({}, { limit: 1 }), { message: /`db`/ });
  },
);
