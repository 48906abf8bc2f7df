// Tables of an app that have more to them than columns: what they compute, refuse or ignore.
import assert from "node:assert/strict";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor, text } from "../support/hlc.mjs";
import { memoryObjects, record } from "../support/memory.mjs";
import { APP } from "./row-stores.mjs";

const plain = (value) => JSON.parse(JSON.stringify(value));

/** What becomes of each record of a page: what is held is told by its error. */
async function takeIn(store, records) {
  if (store.applyRecords !== undefined) return store.applyRecords(records);
  const put = (one) =>
    store.put(one).then(
      () => ({ status: "applied" }),
      (error) => ({ status: "failed", error }),
    );
  const results = [];
  for (const one of records) results.push(await put(one));
  return results;
}

function assertRefused({ status, error }, ...parts) {
  assert.equal(status, "failed");
  assert.equal(error.code, "CONSTRAINT_VIOLATION");
  for (const part of parts) assert.ok(error.message.includes(part), error.message);
}

const IGNORES = (table) => `
  CREATE TRIGGER ignores_new BEFORE INSERT ON ${table} WHEN NEW.id = 'new'
    BEGIN SELECT RAISE(IGNORE); END;
  CREATE TRIGGER ignores_changes BEFORE UPDATE ON ${table} WHEN OLD.id = 'fixed'
    BEGIN SELECT RAISE(IGNORE); END`;

/** The table made anew with one more column, which may be one that no `ALTER TABLE` can add. */
function remake(db, table, column) {
  const { sql } = db.prepare("SELECT sql FROM sqlite_schema WHERE name = ?").get(table);
  db.exec(`DROP TABLE ${table}; ${sql.replace("(", `(${column}, `)}`);
}

/** @type {Record<string, (store: null, of: any, t: any) => Promise<void>>} */
export const RECORDS_OF_OWN_TABLES = {
  async "what a trigger ignores is refused by name, and the rest of its page is not"(_, of, t) {
    const store = await of.over(t, ({ db }) => db.exec(IGNORES("shared_records")));
    const [fixed, ignored, good] = await takeIn(store, [
      record("fixed", at(1, "a")),
      record("new", at(2, "b")),
      record("good", at(3, "c")),
    ]);
    assert.deepEqual([fixed.status, good.status], ["applied", "applied"]);
    assertRefused(ignored, `the record "new"`, "trigger");
    const [changed] = await takeIn(store, [record("fixed", at(4, "a"))]);
    assertRefused(changed, `the record "fixed"`, "trigger");
    assert.deepEqual((await store.get("fixed")).updatedAt, at(1, "a"));
  },

  async "a refusal names the record and the constraint"(_, of, t) {
    const store = await of.over(t, () => {});
    const twins = ["first", "second"].map((id, i) =>
      record(id, at(i, "a"), { originalFilename: "same", contentHash: "same" }),
    );
    const [stored, refused] = await takeIn(store, twins);
    assert.equal(stored.status, "applied");
    assertRefused(refused, `the record "second"`, "UNIQUE", "shared_records.original_filename");
  },

  async "what the table computes is neither sent nor written"(_, of, t) {
    for (const how of ["VIRTUAL", "STORED"]) {
      const store = await of.over(t, ({ db }) =>
        remake(db, "shared_records", `half AS (size_bytes / 2) ${how}`),
      );
      const [result] = await takeIn(store, [{ ...record("1", at(1, "a")), half: 77 }]);
      assert.equal(result.status, "applied", result.error?.message);
      const answer = await sync
        .createInProcessSyncTransport({
          databaseAdapter: store,
          objectStorage: memoryObjects(),
          clock: clockFor("there"),
        })
        .exchange({ watermarks: {}, limit: 10 });
      assert.deepEqual(
        answer.records.map((one) => [one.id, Object.hasOwn(one, "half")]),
        [["1", false]],
      );
    }
  },

  async "a column of the kind is written, also where it may not be null"(_, of, t) {
    // The app's own `put` knows its own columns.
    if (of.apply === "put") return;
    for (const type of ["TEXT", "TEXT NOT NULL"]) {
      const store = await of.over(t, ({ db }) => remake(db, "shared_records", `kind ${type}`));
      const { kind: _kind, ...without } = record("2", at(2, "a"));
      const results = await takeIn(store, [record("1", at(1, "a")), without]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["applied", "applied"],
      );
      assert.deepEqual((await store.get("1")).kind, "data");
      assert.deepEqual((await store.get("2")).kind, "data");
    }
  },
};

const TABLE = "notes_syncable_pages";
const entry = (op, stamp, row, where) => ({
  timestamp: stamp,
  appId: APP,
  table: "pages",
  op,
  row: row && { ...row, updated_at: text(stamp) },
  where,
});
const insert = (id, stamp, row = {}) => entry("insert", stamp, { id, deleted_at: null, ...row });

async function refusalOf(source, one) {
  const thrown = await source.applier.apply(one).then(
    () => null,
    (error) => error,
  );
  return thrown === null ? { status: "applied" } : { status: "failed", error: thrown };
}

async function rowsOf(source) {
  const { rows } = await source.applier.scanSince(APP, "pages", "");
  return plain(rows).map(({ row }) => row);
}

/** @type {Record<string, (store: null, of: any, t: any) => Promise<void>>} */
export const ROWS_OF_OWN_TABLES = {
  async "a row that a trigger ignores is refused by name, and one that is not there is not"(
    _,
    of,
    t,
  ) {
    const source = await of.over(t, (db) => db.exec(IGNORES(TABLE)));
    await source.applier.apply(insert("fixed", at(1, "a")));
    for (const one of [
      insert("new", at(2, "a")),
      insert("fixed", at(3, "a")),
      entry("update", at(3, "a"), { title: "t" }, { id: "fixed" }),
      entry("delete", at(3, "a"), undefined, { id: "fixed" }),
    ]) {
      assertRefused(await refusalOf(source, one), "the row of notes/pages with id = ", "trigger");
    }
    for (const one of [
      insert("fixed", at(1, "a")),
      entry("update", at(3, "a"), { title: "t" }, { id: "nowhere" }),
      entry("delete", at(3, "a"), undefined, { id: "nowhere" }),
    ]) {
      assert.deepEqual(await refusalOf(source, one), { status: "applied" });
    }
    assert.deepEqual(
      (await rowsOf(source)).map(({ id, title }) => [id, title ?? null]),
      [["fixed", null]],
    );
  },

  async "a refusal names the row and the constraint"(_, of, t) {
    const source = await of.over(t, (db) =>
      db.exec(`CREATE UNIQUE INDEX one_title ON ${TABLE} (title)`),
    );
    await source.applier.apply(insert("1", at(1, "a"), { title: "same" }));
    const refused = await refusalOf(source, insert("2", at(2, "a"), { title: "same" }));
    assertRefused(refused, `the row of notes/pages with id = "2"`, "UNIQUE", `${TABLE}.title`);
  },

  async "what the table computes is neither sent nor written, and may be compared"(_, of, t) {
    for (const how of ["VIRTUAL", "STORED"]) {
      const source = await of.over(t, (db) =>
        remake(db, TABLE, `twice AS (title || title) ${how}`),
      );
      await source.applier.apply(insert("1", at(1, "a"), { title: "a", twice: "rubbish" }));
      await source.applier.apply(entry("update", at(2, "a"), { title: "b" }, { twice: "aa" }));
      const [row] = await rowsOf(source);
      assert.deepEqual([row.title, Object.hasOwn(row, "twice")], ["b", false]);
    }
  },
};
