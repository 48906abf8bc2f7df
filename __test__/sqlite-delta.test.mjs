// The delta over an app's own adapter and its own `DatabaseSync`.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { drainUnseen, unseenOf } from "./support/delta.mjs";
import { at, compare, parse, text, watermarksOf } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";
import { assertReadsIndexesOnly, openApp, statementsOf } from "./support/sqlite-app.mjs";

/** An app and its adapter with the delta. */
function open(options, delta = {}) {
  const { db, app } = openApp(options);
  return { db, app, adapter: sync.withSqliteDelta(app, { db, ...delta }) };
}

const node = fc.constantFrom("a", "b:c", "🪐", "\uff5e", "__proto__", "");
const counter = fc.constantFrom(0, 1, 0xffff, 0x10000, 0x12345);
const stamp = fc
  .tuple(fc.nat(6), node, counter)
  .map(([offset, nodeId, count]) => at(offset, nodeId, count));
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
            const { adapter } = open({ shape });
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
    const { db, adapter } = open({ shape });
    const asked = statementsOf(db, "shared_records");
    await adapter.getNodeWatermarks();
    await adapter.applyRecords(Array.from({ length: 300 }, (_, i) => record(`${i}`, at(i, "a"))));
    await adapter.queryUnseen({}, { limit: 250 });
    assert.ok(asked.size >= 6, "all of them were seen");
    assertReadsIndexesOnly(db, asked);
  }
});

test("the app's adapter is there as it was, with its own this", needsSqlite, async () => {
  const { app, adapter, db } = open();
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
  const { adapter } = open({ more });
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
  const old = open({ shape: "0.1" });
  assert.equal((await old.adapter.applyRecords([later]))[0].status, "applied");
  assert.equal((await old.adapter.get("1")).ownerId, "");
  const fresh = open({ shape: "0.2" });
  await fresh.adapter.applyRecords([record("2", at(2, "a"))]);
  assert.equal(fresh.db.prepare("SELECT node_id FROM shared_records").get().node_id, "a");
  assert.equal((await fresh.adapter.get("2")).label, null);
});

test(
  "a transaction of the app's stays open, and takes along what was applied in it",
  needsSqlite,
  async () => {
    for (const apply of ["sql", "put"]) {
      const { db, adapter } = open({}, { apply });
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
  const { adapter } = open();
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
    const { db, adapter } = open({});
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
  const { db, adapter } = open();
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
  const bySql = open();
  await bySql.adapter.applyRecords([record("1", at(1, "a"))]);
  assert.equal(bySql.app.puts, 0);
  const byPut = open({}, { apply: "put" });
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
  const { db, app, adapter } = open({ late: true });
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
  assert.throws(() => open({}, { apply: "later" }), { code: "INVALID_ARGUMENT" });
  assert.throws(() => open({}, { table: 5 }), { code: "INVALID_ARGUMENT" });

  const closed = open();
  closed.db.close();
  await assert.rejects(closed.adapter.getNodeWatermarks(), { code: "STORE_CLOSED" });
  await assert.rejects(closed.adapter.applyRecords([record("1", at(1, "a"))]), {
    code: "STORE_CLOSED",
  });

  const other = open({}, { table: "others" });
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
    const { db } = open();
    const adapter = sync.withSqliteDelta(openApp().app, { db });
    await adapter.applyRecords([record("1", at(1, "a"))]);
    await assert.rejects(adapter.queryUnseen({}, { limit: 1 }), { message: /`db`/ });
  },
);

/** A table that checks nothing, with a good record at each end and one between to be spoilt. */
function openLoose(schema, set) {
  const db = new DatabaseSync(":memory:");
  db.exec(schema);
  const app = {
    get(id) {
      const row = db.prepare("SELECT * FROM shared_records WHERE id = ?").get(id);
      if (row === undefined) return null;
      const time = (column) => row[column] && parse(row[column]);
      return {
        id: row.id,
        kind: "data",
        type: row.type,
        createdAt: time("created_at"),
        updatedAt: time("updated_at"),
        deletedAt: time("deleted_at"),
        objectStorageKey: row.object_storage_key,
        note: row.note,
      };
    },
  };
  const node = schema.includes("node_id") ? ", node_id" : "";
  for (const [id, offset] of [
    ["first", 1],
    ["odd", 5],
    ["last", 9],
  ]) {
    db.prepare(
      `INSERT INTO shared_records (id, type, created_at, updated_at, object_storage_key${node})
         VALUES (?, 't', ?, ?, ''${node && ", 'a'"})`,
    ).run(id, text(at(0, "a")), text(at(offset, "a")));
  }
  db.exec(`UPDATE shared_records SET ${set} WHERE id = 'odd'`);
  return { db, adapter: sync.withSqliteDelta(app, { db }) };
}
const COLUMNS = "type, created_at, updated_at, deleted_at, object_storage_key, note";
const LOOSE = {
  "without a node": `CREATE TABLE shared_records (id TEXT PRIMARY KEY, ${COLUMNS})`,
  "with a node": `CREATE TABLE shared_records (id TEXT PRIMARY KEY, node_id, ${COLUMNS})`,
  "without row ids": `CREATE TABLE shared_records (id TEXT PRIMARY KEY, ${COLUMNS}) WITHOUT ROWID`,
};

for (const [what, schema] of Object.entries(LOOSE)) {
  test(`a row that is no record has its place, as it stands: ${what}`, needsSqlite, async () => {
    for (const [set, field, value] of [
      ["created_at = 'rubbish'", "createdAt", "rubbish"],
      ["created_at = NULL", "createdAt", null],
      ["deleted_at = 'rubbish'", "deletedAt", "rubbish"],
      ["type = NULL", "type", null],
      ["id = x'00'", "id", [0]],
      ["id = CAST(x'6fff' AS TEXT)", "id", [0x6f, 0xff]],
      ...(what === "without row ids" ? [] : [["id = NULL", "id", null]]),
    ]) {
      const { adapter } = openLoose(schema, set);
      const page = await adapter.queryUnseen({}, { limit: 10 });
      const isLost = what === "without row ids" && set.includes("CAST");
      assert.deepEqual(
        page.records.map(({ updatedAt }) => updatedAt),
        [at(1, "a"), ...(isLost ? [] : [at(5, "a")]), at(9, "a")],
        set,
      );
      if (isLost) continue;
      const found = page.records[1][field];
      assert.deepEqual(ArrayBuffer.isView(found) ? [...found] : found, value);
      assert.deepEqual(await adapter.queryMalformed(), []);
    }
  });

  test(`a text that is no UTF-8 is not sent as another: ${what}`, needsSqlite, async () => {
    const { adapter } = openLoose(schema, "note = CAST(x'61ff' AS TEXT)");
    const { records } = await adapter.queryUnseen({}, { limit: 10 });
    assert.deepEqual(
      records.map(({ id }) => id),
      ["first", "odd", "last"],
    );
    assert.throws(() => records[1].note, {
      code: "MALFORMED_ITEM",
      message: /the column note of the record "odd" must be a text in UTF-8, got the bytes 61 ff/,
    });
    assert.throws(() => JSON.stringify(records[1]), { code: "MALFORMED_ITEM" });
    const { adapter: good } = openLoose(schema, "note = 'a\uFFFD'");
    const [, sent] = (await good.queryUnseen({}, { limit: 10 })).records;
    assert.equal(sent.note, "a\uFFFD");
  });

  test(`a row without a time is on no page, and is named: ${what}`, needsSqlite, async () => {
    const usual = Buffer.from(text(at(5, ""))).toString("hex");
    for (const time of [
      "NULL",
      "''",
      "'yesterday'",
      "7",
      `x'${usual}61'`,
      `CAST(x'${usual}ff' AS TEXT)`,
    ]) {
      for (const node of ["node_id", "NULL", "CAST(x'ff' AS TEXT)", "x'61'"]) {
        const setNode = what === "with a node" ? `, node_id = ${node}` : "";
        const { adapter, db } = openLoose(schema, `updated_at = ${time}${setNode}`);
        const { records, hasMore } = await adapter.queryUnseen({}, { limit: 10 });
        assert.deepEqual([records.map(({ id }) => id), hasMore], [["first", "last"], false]);
        const named = await adapter.queryMalformed();
        assert.deepEqual(
          named.map(({ id }) => id),
          ["odd"],
          `${time} ${node}`,
        );
        assert.match(named[0].reason, /the column updated_at of the record "odd" must be .*, got /);
        assert.deepEqual(await adapter.getNodeWatermarks(), { a: at(9, "a") });
        const [{ status }] = await adapter.applyRecords([record("odd", at(3, "a"))]);
        assert.equal(status, "applied", "any version is newer than none");
        assert.deepEqual(await adapter.queryMalformed(), []);
        db.close();
      }
    }
  });
}

test("finding what has no place reads indexes only", needsSqlite, async () => {
  for (const shape of ["0.1", "0.2"]) {
    const { db, adapter } = open({ shape });
    await adapter.applyRecords(Array.from({ length: 30 }, (_, i) => record(`${i}`, at(i, "a"))));
    const asked = statementsOf(db, "shared_records");
    assert.deepEqual(await adapter.queryMalformed(), []);
    assert.ok(asked.size >= 2);
    assertReadsIndexesOnly(db, asked);
  }
});

const spoilt = fc.constantFrom(
  "NULL",
  "''",
  "7",
  "'rubbish'",
  "x'00'",
  "CAST(x'ff' AS TEXT)",
  "'000000000001:0000:\uFFFD'",
  "CAST(x'3030303030303030303030313a303030303aff' AS TEXT)",
);

test("whatever stands in a table, every row is on a page or named, once", needsSqlite, async () => {
  const columns = ["created_at", "updated_at", "deleted_at", "node_id", "type", "note"];
  const spoil = fc.dictionary(fc.constantFrom(...columns), spoilt, { maxKeys: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(stamp, spoil), { maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      async (rows, limit) => {
        const { db, adapter } = openLoose(LOOSE["with a node"], "note = NULL");
        for (const [i, [written, values]] of rows.entries()) {
          const given = { type: "'t'", created_at: "'000000000001:0000:a'", ...values };
          const more = Object.entries(given).filter(([name]) => name !== "updated_at");
          db.prepare(
            `INSERT INTO shared_records (id, updated_at, ${more.map(([name]) => name).join(", ")})
               VALUES (?, ${values.updated_at ?? "?"}, ${more.map(([, value]) => value).join(", ")})`,
          ).run(...[`${i}`, ...(values.updated_at === undefined ? [text(written)] : [])]);
        }
        const [shown, seen] = [[], new Map()];
        for (let hasMore = true; hasMore;) {
          const page = await adapter.queryUnseen(Object.fromEntries(seen), { limit });
          for (const { id, updatedAt } of page.records) {
            shown.push(id);
            seen.set(updatedAt.nodeId, updatedAt);
          }
          hasMore = page.hasMore;
        }
        const named = (await adapter.queryMalformed()).map(({ id }) => id);
        const all = ["first", "last", "odd", ...rows.keys()].map(String);
        assert.deepEqual([...shown, ...named].sort(), all.sort());
        db.close();
      },
    ),
    { numRuns: 100 },
  );
});
