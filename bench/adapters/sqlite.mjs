/**
 * A `DatabaseAdapter` over `node:sqlite` as apps have it today: each call prepares its statement and
 * runs it, each `put` commits by itself, pages come in the order of ids.
 */
import { deserializeHlc } from "../reference/hlc.mjs";
import { fingerprintOf } from "./fingerprint.mjs";
import { columnsOf, createTableSql, recordOf, upsertSql, valuesOf } from "./sqlite-rows.mjs";

/** @typedef {import("./sqlite-rows.mjs").Shape} Shape */

const sqlite = await import("node:sqlite").catch(() => null);

/** Why there is no SQLite here, or null. */
export const sqliteMissing = sqlite ? null : `node:sqlite needs Node 22.5 or later, this is ${process.versions.node}`;

/**
 * @param {string} path
 * @returns {import("node:sqlite").DatabaseSync}
 */
export function openDatabase(path) {
  if (!sqlite) throw new Error(String(sqliteMissing));
  const db = new sqlite.DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000");
  return db;
}

/** @typedef {"grouped" | "looked up"} NodeWatermarks */

/**
 * @param {{ path: string, shape?: Shape, nodeWatermarks?: NodeWatermarks }} options `shape` is the age
 *   of the table; `nodeWatermarks` gives the adapter that optional method, which needs the 0.2 table,
 *   in one of its two ways
 */
export function createSqliteDatabaseAdapter({ path, shape = "0.1", nodeWatermarks }) {
  const db = openDatabase(path);
  const columns = columnsOf(shape);
  const upsert = upsertSql(shape);
  db.exec(createTableSql(shape));

  /** @param {any} record */
  const write = (record, statement = db.prepare(upsert)) => void statement.run(...valuesOf(columns, shape, record));
  /** @param {string} id */
  const read = (id) => {
    const row = db.prepare("SELECT * FROM shared_records WHERE id = ?").get(id);
    return row ? recordOf(columns, row) : null;
  };
  /**
   * @param {string} id
   * @param {any} hlc
   */
  const remove = (id, hlc) => {
    const record = read(id);
    if (record) write({ ...record, deletedAt: hlc, updatedAt: hlc });
  };
  /** @param {any} operation */
  const run = (operation) => (operation.type === "put" ? write(operation.record) : remove(operation.id, operation.hlc));
  const reads = {
    get: async (/** @type {string} */ id) => read(id),
    query: async (/** @type {any} */ query) => readPage(db, columns, query),
  };
  const writes = {
    put: async (/** @type {any} */ record) => write(record),
    delete: async (/** @type {string} */ id, /** @type {any} */ hlc) => remove(id, hlc),
  };

  return {
    ...lifecycle(db),
    ...reads,
    ...writes,
    /** @param {any[]} operations */
    batch: async (operations) => inTransaction(db, async () => operations.forEach((operation) => run(operation))),
    /** @param {(transaction: any) => Promise<any>} callback */
    transaction: (callback) => inTransaction(db, () => callback({ ...reads, ...writes })),
    ...metadataUnsupported(),
    ...(nodeWatermarks ? { getNodeWatermarks: async () => readNodeWatermarks(db, nodeWatermarks) } : {}),
    ...forTheBench(db, (records) => {
      const statement = db.prepare(upsert);
      for (const record of records) write(record, statement);
    }),
  };
}

/**
 * @param {import("node:sqlite").DatabaseSync} db
 * @param {ReturnType<typeof columnsOf>} columns
 * @param {{ type?: string, filters?: unknown[], sort?: unknown[], limit?: number, cursor?: string }} query
 */
function readPage(db, columns, { type, filters, sort, limit = 100, cursor }) {
  if (filters?.length || sort?.length) throw new Error("the bench's adapter knows neither filters nor sort");
  const conditions = ["id > ?", ...(type === undefined ? [] : ["type = ?"])];
  const values = [cursor ?? "", ...(type === undefined ? [] : [type])];
  const rows = db
    .prepare(`SELECT * FROM shared_records WHERE ${conditions.join(" AND ")} ORDER BY id LIMIT ?`)
    .all(...values, limit + 1);
  const hasMore = rows.length > limit;
  const records = rows.slice(0, limit).map((row) => recordOf(columns, row));
  return { records, nextCursor: hasMore ? records[records.length - 1].id : null, hasMore };
}

/**
 * The largest `updated_at` of each node. SQLite answers the obvious query by reading the whole index;
 * looked up node by node it reads a few pages of it.
 *
 * @type {Record<NodeWatermarks, string>}
 */
const NODE_WATERMARKS_SQL = {
  grouped: "SELECT node_id, MAX(updated_at) AS updated_at FROM shared_records GROUP BY node_id",
  "looked up": `
    WITH RECURSIVE nodes (node_id) AS (
      SELECT MIN(node_id) FROM shared_records
      UNION ALL
      SELECT (SELECT MIN(node_id) FROM shared_records AS r WHERE r.node_id > nodes.node_id)
      FROM nodes WHERE nodes.node_id IS NOT NULL
    )
    SELECT node_id, (SELECT MAX(updated_at) FROM shared_records AS r WHERE r.node_id = nodes.node_id) AS updated_at
    FROM nodes WHERE node_id IS NOT NULL`,
};

/**
 * @param {import("node:sqlite").DatabaseSync} db
 * @param {NodeWatermarks} way
 */
function readNodeWatermarks(db, way) {
  const rows = db.prepare(NODE_WATERMARKS_SQL[way]).all();
  return Object.fromEntries(rows.map((row) => [row.node_id, deserializeHlc(String(row.updated_at))]));
}

/** @param {import("node:sqlite").DatabaseSync} db */
function lifecycle(db) {
  return {
    init: async () => {},
    close: async () => db.close(),
    healthCheck: async () => db.prepare("SELECT 1 AS one").get()?.one === 1,
  };
}

/**
 * @param {import("node:sqlite").DatabaseSync} db
 * @param {() => Promise<any>} work
 */
async function inTransaction(db, work) {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = await work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/** No round touches metadata; an engine that does is told. */
function metadataUnsupported() {
  const refuse = async () => {
    throw new Error("the bench's adapter keeps no metadata");
  };
  return { putMetadata: refuse, getMetadata: refuse, getMetadataByIds: refuse, deleteMetadata: refuse };
}

/**
 * What workloads set up and check with; no engine knows of it.
 *
 * @param {import("node:sqlite").DatabaseSync} db
 * @param {(records: Iterable<any>) => void} writeAll
 */
function forTheBench(db, writeAll) {
  return {
    /** The app's own handle, for what an app would do with it. */
    db,
    /** @param {Iterable<any>} records written in one transaction, outside the timed part */
    fill(records) {
      db.exec("BEGIN");
      writeAll(records);
      db.exec("COMMIT");
    },
    fingerprint() {
      const rows = db.prepare("SELECT id, updated_at FROM shared_records").all();
      return fingerprintOf(rows.map((row) => ({ id: String(row.id), updatedAt: String(row.updated_at) })));
    },
  };
}
