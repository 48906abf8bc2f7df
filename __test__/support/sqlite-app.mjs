// An app's own adapter over its own `DatabaseSync`, written as a class with private fields, and the tables
// of either age.
import assert from "node:assert/strict";
import { withSqliteDelta } from "@starkeep/sync-engine";
import { parse, text } from "./hlc.mjs";
import { DatabaseSync } from "./native.mjs";

const COLUMNS = [
  ["id", "TEXT PRIMARY KEY", "id"],
  ["type", "TEXT NOT NULL", "type"],
  ["created_at", "TEXT NOT NULL", "createdAt"],
  ["updated_at", "TEXT NOT NULL", "updatedAt"],
  ["owner_id", "TEXT NOT NULL", "ownerId", "0.1"],
  ["deleted_at", "TEXT", "deletedAt"],
  ["version", "INTEGER NOT NULL DEFAULT 1", "version"],
  ["content_hash", "TEXT NOT NULL", "contentHash"],
  ["object_storage_key", "TEXT NOT NULL", "objectStorageKey"],
  ["mime_type", "TEXT", "mimeType"],
  ["size_bytes", "INTEGER NOT NULL", "sizeBytes"],
  ["original_filename", "TEXT", "originalFilename"],
  ["origin_app_id", "TEXT NOT NULL", "originAppId"],
  ["parent_id", "TEXT", "parentId"],
  ["label", "TEXT", "label", "0.2"],
];
const TIMES = ["createdAt", "updatedAt", "deletedAt"];

export class SqliteApp {
  #db;
  #columns;
  #shape;
  puts = 0;

  constructor(db, { shape = "0.2", more = [], late = false } = {}) {
    this.#db = db;
    this.#shape = shape;
    this.#columns = [...COLUMNS, ...more].filter(([, , , only]) => (only ?? shape) === shape);
    if (!late) this.create();
  }

  get columns() {
    return this.#columns.map(([name]) => name);
  }

  create() {
    const columns = this.#columns.map(([name, type]) => `"${name}" ${type}`);
    if (this.#shape === "0.2") columns.push("node_id TEXT NOT NULL");
    const unique = this.#shape === "0.1" ? "owner_id, original_filename" : "original_filename";
    this.#db.exec(`CREATE TABLE IF NOT EXISTS shared_records (${columns.join(", ")});
      CREATE UNIQUE INDEX IF NOT EXISTS once ON shared_records (${unique}, content_hash)
        WHERE deleted_at IS NULL AND original_filename IS NOT NULL`);
  }

  async init() {
    this.create();
  }
  async close() {
    this.#db.close();
  }
  async healthCheck() {
    return true;
  }

  async put(record) {
    this.puts += 1;
    const names = this.columns;
    const values = this.#columns.map(([, , field]) => {
      const value = record[field] ?? null;
      if (TIMES.includes(field)) return value && text(value);
      return typeof value === "boolean" ? Number(value) : value;
    });
    if (this.#shape === "0.2") {
      names.push("node_id");
      values.push(record.updatedAt.nodeId);
    }
    const sets = names.slice(1).map((name) => `"${name}" = excluded."${name}"`);
    this.#db
      .prepare(
        `INSERT INTO shared_records (${names.map((name) => `"${name}"`).join(", ")})
         VALUES (${names.map(() => "?").join(", ")}) ON CONFLICT (id) DO UPDATE SET ${sets.join(", ")}`,
      )
      .run(...values);
  }

  #recordOf(row) {
    const record = { kind: "data" };
    for (const [name, , field] of this.#columns) {
      record[field] = TIMES.includes(field) ? row[name] && parse(row[name]) : row[name];
    }
    return record;
  }

  async get(id) {
    const row = this.#db.prepare("SELECT * FROM shared_records WHERE id = ?").get(id);
    return row ? this.#recordOf(row) : null;
  }

  async delete(id, hlc) {
    const record = await this.get(id);
    if (record) await this.put({ ...record, deletedAt: hlc, updatedAt: hlc });
  }

  async query({ type, sort = [], limit = 100, cursor = "" } = {}) {
    const columns = sort.map(({ field, direction }) => {
      const [name] = this.#columns.find(([, , known]) => known === field);
      return `"${name}" ${direction === "desc" ? "DESC" : "ASC"}, `;
    });
    const rows = this.#db
      .prepare(
        `SELECT * FROM shared_records WHERE id > ?1 AND (?2 IS NULL OR type = ?2)
         ORDER BY ${columns.join("")} id LIMIT ?3`,
      )
      .all(cursor, type ?? null, limit + 1);
    const hasMore = rows.length > limit;
    const records = rows.slice(0, limit).map((row) => this.#recordOf(row));
    return { records, hasMore, nextCursor: hasMore ? records.at(-1).id : null };
  }

  async batch(operations) {
    await this.transaction(async (inner) => {
      for (const step of operations) {
        if (step.type === "put") await inner.put(step.record);
        else await inner.delete(step.id, step.hlc);
      }
    });
  }

  async transaction(callback) {
    this.#db.exec("BEGIN");
    try {
      const answer = await callback(this);
      this.#db.exec("COMMIT");
      return answer;
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }
}

/** A database in memory and an app's adapter over it. */
export function openApp(options, path = ":memory:") {
  const db = new DatabaseSync(path);
  return { db, app: new SqliteApp(db, options) };
}

/** An app in memory, and its adapter with the delta. */
export function openDelta(options, delta = {}) {
  const { db, app } = openApp(options);
  return { db, app, adapter: withSqliteDelta(app, { db, ...delta }) };
}

/** The statements that are prepared from now on to read `table`. */
export function statementsOf(db, table) {
  const statements = new Set();
  const prepare = db.prepare.bind(db);
  db.prepare = (sql) => {
    if (sql.includes(table) && !/^\s*(INSERT|UPDATE|EXPLAIN)/.test(sql)) statements.add(sql);
    return prepare(sql);
  };
  return statements;
}

/** No table is read from end to end, but for the few rows that have an index of their own; none is sorted. */
export function assertReadsIndexesOnly(db, statements) {
  for (const sql of statements) {
    const parameters = new Set(sql.match(/\?\d?/g)).size;
    const plan = db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...Array(parameters).fill("x"))
      .map(({ detail }) => detail)
      .filter(
        (detail) => !/USING (COVERING )?INDEX \w+_(off_their_node|at_odd_times)\b/.test(detail),
      );
    for (const step of plan)
      assert.doesNotMatch(step, /SCAN \S+ USING|SCAN (shared|my)|B-TREE/, sql);
  }
}
