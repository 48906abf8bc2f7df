// The rows of apps over the app's own `DatabaseSync`.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor, compare, text, watermarksOf } from "./support/hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState } from "./support/memory.mjs";
import { DatabaseSync, needsSqlite } from "./support/native.mjs";

const APP = "My-App";
const HOSTILE = 'o"; DROP TABLE x; -- 🪐';

function open({ nodeId = true, pk = ["id"] } = {}) {
  const db = new DatabaseSync(":memory:");
  const bookkeeping = `updated_at TEXT NOT NULL, deleted_at TEXT${nodeId ? ", node_id TEXT NOT NULL" : ""}`;
  db.exec(`CREATE TABLE app_syncable_namespaces (app_id TEXT PRIMARY KEY, tables_json TEXT NOT NULL,
    files_enabled INTEGER NOT NULL DEFAULT 0, created_at TEXT)`);
  const tables = ["notes", HOSTILE, "gone"].map((name) => ({ name, pkColumns: pk }));
  db.prepare("INSERT INTO app_syncable_namespaces (app_id, tables_json) VALUES (?, ?)").run(
    APP,
    JSON.stringify(tables),
  );
  for (const name of ["notes", HOSTILE]) {
    const quoted = `"my_app_syncable_${name.replaceAll('"', '""')}"`;
    db.exec(`CREATE TABLE ${quoted} (id TEXT PRIMARY KEY, body, "odd""name" TEXT, ${bookkeeping})`);
  }
  const source = sync.withSqliteAppRows({ db });
  const rows = () => db.prepare('SELECT * FROM "my_app_syncable_notes" ORDER BY id').all();
  return { db, ...source, rows };
}

const insert = (id, stamp, columns = {}, table = "notes") => ({
  timestamp: stamp,
  appId: APP,
  table,
  op: "insert",
  row: { id, updated_at: text(stamp), deleted_at: null, ...columns },
});

test("the namespaces are those of the table", needsSqlite, () => {
  const { namespaces } = open();
  const [app] = namespaces.list();
  assert.deepEqual([app.appId, app.filesEnabled], [APP, false]);
  assert.deepEqual(app.tableNames, ["notes", HOSTILE, "gone"]);
  assert.deepEqual(namespaces.get(APP), app);
  assert.equal(namespaces.get("other"), null);
  const empty = sync.withSqliteAppRows({ db: new DatabaseSync(":memory:") });
  assert.deepEqual(empty.namespaces.list(), []);
});

for (const nodeId of [true, false]) {
  const of = nodeId ? "with node_id" : "without node_id";

  test(`a table ${of}: the later version wins, whichever way it comes`, needsSqlite, async () => {
    const stamp = fc
      .tuple(
        fc.nat(4),
        fc.constantFrom("a", "b:c", "🪐", "\uff5e"),
        fc.constantFrom(0, 0xffff, 0x10000),
      )
      .map(([offset, node, counter]) => at(offset, node, counter));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ id: fc.constantFrom("1", "2", "3"), stamp }), { maxLength: 20 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 4 }),
        async (writes, together, limit) => {
          const { applier } = open({ nodeId });
          const model = new Map();
          for (const one of writes) {
            const stands = model.get(one.id);
            if (!stands || compare(one.stamp, stands) > 0) model.set(one.id, one.stamp);
          }
          const entries = writes.map((one) => insert(one.id, one.stamp));
          if (together) await applier.applyRows(entries);
          else for (const entry of entries) await applier.apply(entry);
          const stamps = [...model.values()].sort(compare);
          assert.deepEqual(await applier.getNodeWatermarks(APP, "notes"), watermarksOf(stamps));
          const found = [];
          let cursor;
          for (;;) {
            const page = await applier.scanSince(APP, "notes", text(at(-1, "")), { limit, cursor });
            found.push(...page.rows.map((row) => row.timestamp));
            if (!page.hasMore) break;
            cursor = page.nextCursor;
          }
          assert.deepEqual(found, stamps);
          const floor = stamps[0];
          if (floor) {
            const { rows } = await applier.scanSince(APP, "notes", text(floor));
            assert.deepEqual(
              rows.map((row) => row.timestamp),
              stamps.filter((one) => compare(one, floor) > 0),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });
}

test("updates and deletes change what is older, and leave what is not", needsSqlite, async () => {
  const { applier, rows } = open();
  await applier.apply(insert("1", at(1, "a"), { body: "old" }));
  const change = { appId: APP, table: "notes", where: { id: "1" } };
  await applier.apply({ ...change, timestamp: at(2, "b"), op: "update", row: { body: "new" } });
  await applier.apply({ ...change, timestamp: at(1, "c"), op: "update", row: { body: "late" } });
  assert.deepEqual(
    rows().map((row) => [row.body, row.updated_at, row.node_id]),
    [["new", text(at(2, "b")), "b"]],
  );
  await applier.apply({ ...change, timestamp: at(2, "a"), op: "delete" });
  assert.equal(rows()[0].deleted_at, null);
  await applier.apply({ ...change, timestamp: at(3, "a"), op: "delete" });
  assert.deepEqual([rows()[0].deleted_at, rows()[0].node_id], [text(at(3, "a")), "a"]);
  await applier.apply(insert("1", at(2, "z")));
  assert.equal(rows()[0].deleted_at, text(at(3, "a")));
  const { rows: scanned } = await applier.scanSince(APP, "notes", text(at(0, "")));
  assert.deepEqual([scanned[0].op, scanned[0].row.body], ["delete", "new"]);
});

test("a tombstone that comes first keeps an older row from coming back", needsSqlite, async () => {
  const { applier, rows } = open();
  await applier.apply({
    ...insert("1", at(5, "a"), { deleted_at: text(at(5, "a")) }),
    op: "delete",
  });
  await applier.apply(insert("1", at(1, "a")));
  assert.deepEqual(
    rows().map((row) => row.deleted_at),
    [text(at(5, "a"))],
  );
});

test("hostile names are names, and a missing table has no rows", needsSqlite, async () => {
  const { applier, rows } = open();
  await applier.apply(insert("1", at(1, "a"), { 'odd"name': "x" }, HOSTILE));
  const { rows: found } = await applier.scanSince(APP, HOSTILE, text(at(0, "")));
  assert.equal(found[0].row['odd"name'], "x");
  assert.equal(rows().length, 0);
  assert.deepEqual(await applier.scanSince(APP, "gone", text(at(0, ""))), {
    rows: [],
    nextCursor: null,
    hasMore: false,
  });
  assert.deepEqual(await applier.getNodeWatermarks(APP, "gone"), {});
});

test("bytes and large integers survive the way over JSON", needsSqlite, async () => {
  const from = open();
  const values = [new Uint8Array([0, 255, 7]), 9_007_199_254_740_993n, 5, 1.5, "t", null];
  for (const [i, body] of values.entries()) {
    from.db
      .prepare(
        "INSERT INTO my_app_syncable_notes (id, body, updated_at, node_id) VALUES (?, ?, ?, 'a')",
      )
      .run(`${i}`, body, text(at(i, "a")));
  }
  const { rows } = await from.applier.scanSince(APP, "notes", text(at(-1, "")));
  const to = open();
  await to.applier.applyRows(JSON.parse(JSON.stringify(rows)));
  const read = to.db.prepare(
    "SELECT body, typeof(body) AS type FROM my_app_syncable_notes ORDER BY id",
  );
  read.setReadBigInts(true);
  assert.deepEqual(
    read.all().map((row) => [row.body, row.type]),
    [
      [values[0], "blob"],
      [values[1], "integer"],
      [5n, "integer"],
      [1.5, "real"],
      ["t", "text"],
      [null, "null"],
    ],
  );
});

test("what cannot be applied fails alone, with a code", needsSqlite, async () => {
  const { applier, rows, db } = open();
  const stray = { ...insert("2", at(2, "b")), appId: "stranger" };
  db.exec("BEGIN");
  const results = await applier.applyRows(
    [
      insert("1", at(1, "a")),
      stray,
      insert("3", at(3, "b")),
      { ...insert("4", at(4, "c")), row: { id: "4", updated_at: text(at(9, "c")) } },
      insert("5", at(5, "d"), { colour: "red" }),
      { timestamp: at(6, "e"), appId: APP, table: "notes", op: "delete", where: {} },
    ],
    { strictOrder: true },
  );
  assert.deepEqual(
    results.map(({ status, error }) => error?.code ?? status),
    ["applied", "UNKNOWN_APP", "behind", "INVALID_ARGUMENT", "DATABASE_ERROR", "INVALID_ARGUMENT"],
  );
  assert.equal(rows().length, 1);
  db.exec("ROLLBACK");
  assert.equal(rows().length, 0);
  await assert.rejects(applier.scanSince("stranger", "t", ""), { code: "UNKNOWN_APP" });
  await assert.rejects(applier.apply({ ...stray, appId: APP, table: "none" }), {
    code: "UNKNOWN_APP",
  });
  db.close();
  await assert.rejects(applier.scanSince(APP, "notes", text(at(0, ""))), { code: "STORE_CLOSED" });
});

test("two sides exchange their rows in rounds", needsSqlite, async () => {
  const sides = ["l", "r"].map((name) => ({ name, ...open(), clock: clockFor(name) }));
  const [left, right] = sides;
  for (const { name, applier } of sides) {
    for (let i = 0; i < 7; i += 1) await applier.apply(insert(`${name}${i}`, at(i, name)));
    await applier.apply(insert("both", at(9, name), { body: name }));
  }
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: memoryDatabase(),
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    syncSharedRecords: false,
    appSyncableSource: { namespaces: left.namespaces, applier: left.applier },
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: memoryDatabase(),
      objectStorage: memoryObjects(),
      syncSharedRecords: false,
      appSyncableSource: { namespaces: right.namespaces, applier: right.applier },
      clock: right.clock,
    }),
    clock: left.clock,
    syncState: memoryState(),
    pageLimit: 3,
    scanPageSize: 2,
  });
  for (let round = 0; ; round += 1) {
    assert.ok(round < 40, "the rounds end");
    if (!(await engine.exchange()).hasMore) break;
  }
  assert.equal(left.rows().length, 15);
  assert.deepEqual(left.rows(), right.rows());
  assert.equal(left.rows().find((row) => row.id === "both").body, "r");
});
