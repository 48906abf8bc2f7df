// The rows of apps over the app's own `DatabaseSync`.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, text } from "./support/hlc.mjs";
import { DatabaseSync, needsSqlite } from "./support/native.mjs";
import { assertReadsIndexesOnly, statementsOf } from "./support/sqlite-app.mjs";

const APP = "My-App";
const HOSTILE = 'o"; DROP TABLE x; -- 🪐';

function open() {
  const db = new DatabaseSync(":memory:");
  db.exec(`CREATE TABLE app_syncable_namespaces (app_id TEXT PRIMARY KEY, tables_json TEXT NOT NULL,
    files_enabled INTEGER NOT NULL DEFAULT 0, created_at TEXT)`);
  const tables = ["notes", HOSTILE, "gone"].map((name) => ({ name, pkColumns: ["id"] }));
  db.prepare("INSERT INTO app_syncable_namespaces (app_id, tables_json) VALUES (?, ?)").run(
    APP,
    JSON.stringify(tables),
  );
  for (const name of ["notes", HOSTILE]) {
    const quoted = `"my_app_syncable_${name.replaceAll('"', '""')}"`;
    db.exec(`CREATE TABLE ${quoted} (id TEXT PRIMARY KEY, body, "odd""name" TEXT, 
      updated_at TEXT NOT NULL, deleted_at TEXT, node_id TEXT NOT NULL)`);
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

test("the node of a row follows its time, whatever changes it", needsSqlite, async () => {
  const { applier, rows } = open();
  const told = () => rows().map((row) => [row.body, row.updated_at, row.node_id, row.deleted_at]);
  await applier.apply(insert("1", at(1, "a"), { body: "old" }));
  const change = { appId: APP, table: "notes", where: { id: "1" } };
  await applier.apply({ ...change, timestamp: at(2, "b"), op: "update", row: { body: "new" } });
  assert.deepEqual(told(), [["new", text(at(2, "b")), "b", null]]);
  await applier.apply({ ...change, timestamp: at(3, "c"), op: "delete" });
  assert.deepEqual(told(), [["new", text(at(3, "c")), "c", text(at(3, "c"))]]);
});

test("the exchange of rows reads indexes only", needsSqlite, async () => {
  const { db, applier } = open();
  const asked = statementsOf(db, "my_app_syncable_notes");
  for (let i = 0; i < 30; i += 1) await applier.apply(insert(`${i}`, at(i, "a"), { body: "b" }));
  await applier.getNodeWatermarks(APP, "notes");
  const place = [APP, "notes", text(at(3, "a"))];
  const { nextCursor: cursor } = await applier.scanSince(...place, { limit: 10 });
  await applier.scanSince(...place, { limit: 10, cursor });
  assert.ok(asked.size >= 4, "all of them were seen");
  assertReadsIndexesOnly(db, asked);
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

test("a page after the time of a row has as many rows as any other", needsSqlite, async () => {
  const { applier } = open();
  const stamps = [at(1, "a"), at(2, "a"), at(2, "b"), at(2, "c"), at(3, "a"), at(4, "a")];
  for (const [id, stamp] of stamps.entries()) await applier.apply(insert(`${id}`, stamp));
  const page = async (since, limit) => {
    const { rows, hasMore, nextCursor } = await applier.scanSince(APP, "notes", since, { limit });
    return [rows.map(({ row }) => row.id).join(""), hasMore, nextCursor];
  };
  assert.deepEqual(await page(text(at(1, "a")), 1), ["123", true, text(at(2, "c"))]);
  assert.deepEqual(await page(text(at(2, "a")), 1), ["23", true, text(at(2, "c"))]);
  assert.deepEqual(await page(text(at(2, "c")), 1), ["4", true, text(at(3, "a"))]);
  assert.deepEqual(await page(text(at(3, "a")), 1), ["5", false, null]);
  assert.deepEqual(await page(undefined, undefined), ["012345", false, null]);
});

test(
  "a page that its last moment makes longer says exactly whether there is more",
  needsSqlite,
  async () => {
    const { applier } = open();
    for (const node of ["a", "b", "c"]) await applier.apply(insert(node, at(1, node)));
    const page = await applier.scanSince(APP, "notes", "", { limit: 2 });
    assert.deepEqual([page.rows.length, page.hasMore, page.nextCursor], [3, false, null]);
  },
);

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
  for (const limit of [0, -1, 1.5, Infinity, "2"]) {
    await assert.rejects(applier.scanSince(APP, "notes", "", { limit }), {
      code: "INVALID_ARGUMENT",
    });
  }
  await assert.rejects(applier.apply({ ...stray, appId: APP, table: "none" }), {
    code: "UNKNOWN_APP",
  });
  db.close();
  await assert.rejects(applier.scanSince(APP, "notes", text(at(0, ""))), { code: "STORE_CLOSED" });
});

const LOOSE = {
  "with a node": "(id TEXT PRIMARY KEY, title, updated_at, deleted_at, node_id)",
  "without a node": "(id TEXT PRIMARY KEY, title, updated_at, deleted_at)",
  "without row ids":
    "(id TEXT, title TEXT DEFAULT '', updated_at, deleted_at, PRIMARY KEY (id, title)) WITHOUT ROWID",
};

/** A table that checks nothing, with a good row at each end and one between to be spoilt. */
function openLoose(columns, set) {
  const db = new DatabaseSync(":memory:");
  db.exec(`CREATE TABLE my_app_syncable_notes ${columns}`);
  const info = { appId: APP, tables: [{ name: "notes", pkColumns: ["id"] }], filesEnabled: false };
  const app = { ...info, tableNames: ["notes"] };
  const { applier } = sync.withSqliteAppRows({
    db,
    namespaces: { get: () => app, list: () => [app] },
  });
  for (const [id, offset] of [
    ["first", 1],
    ["odd", 5],
    ["last", 9],
  ]) {
    db.prepare("INSERT INTO my_app_syncable_notes (id, updated_at) VALUES (?, ?)").run(
      id,
      text(at(offset, "a")),
    );
  }
  db.exec(`UPDATE my_app_syncable_notes SET ${set} WHERE id = 'odd'`);
  return { db, applier };
}

for (const [what, columns] of Object.entries(LOOSE)) {
  test(`a row that cannot be sent has its place and says why: ${what}`, needsSqlite, async () => {
    const { applier } = openLoose(columns, "title = CAST(x'61ff' AS TEXT)");
    const { rows } = await applier.scanSince(APP, "notes", "");
    assert.deepEqual(
      rows.map(({ row }) => row.id),
      ["first", "odd", "last"],
    );
    assert.throws(() => rows[1].row.title, {
      code: "MALFORMED_ITEM",
      message:
        /the column title of the row of My-App\/notes with id = "odd" must be a text in UTF-8/,
    });
    assert.throws(() => JSON.stringify(rows[1]), { code: "MALFORMED_ITEM" });
    assert.doesNotThrow(() => JSON.stringify([rows[0], rows[2]]));
    if (what === "without row ids") return;
    const { applier: keyless } = openLoose(columns, "id = NULL");
    const [, odd] = (await keyless.scanSince(APP, "notes", "")).rows;
    assert.throws(() => odd.row.id, { code: "MALFORMED_ITEM", message: /the column id of/ });
  });

  test(`a row without a time is on no page, and is named: ${what}`, needsSqlite, async () => {
    const usual = Buffer.from(text(at(5, ""))).toString("hex");
    for (const time of ["NULL", "'yesterday'", `x'${usual}61'`, `CAST(x'${usual}ff' AS TEXT)`]) {
      const { applier, db } = openLoose(columns, `updated_at = ${time}`);
      const { rows } = await applier.scanSince(APP, "notes", "");
      assert.deepEqual(
        rows.map(({ row }) => row.id),
        ["first", "last"],
      );
      const paged = [];
      for (let cursor = ""; cursor !== null;) {
        const page = await applier.scanSince(APP, "notes", "", { limit: 1, cursor });
        paged.push(...page.rows.map(({ row }) => row.id));
        cursor = page.nextCursor;
      }
      assert.deepEqual(paged, ["first", "last"]);
      const [{ reason }, ...more] = await applier.queryMalformed(APP, "notes");
      assert.deepEqual(more, []);
      assert.match(
        reason,
        /the column updated_at of the row of My-App\/notes with id = "odd" must be .*, got /,
      );
      assert.deepEqual(await applier.getNodeWatermarks(APP, "notes"), { a: at(9, "a") });
      const change = { appId: APP, table: "notes", timestamp: at(7, "b"), op: "update" };
      await applier.apply({ ...change, row: {}, where: { id: "odd" } });
      assert.deepEqual(await applier.queryMalformed(APP, "notes"), [], "it has a time now");
      const after = db.prepare("SELECT updated_at FROM my_app_syncable_notes WHERE id = 'odd'");
      assert.equal(after.get().updated_at, text(at(7, "b")));
    }
  });
}
