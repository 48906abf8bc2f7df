/**
 * The table `shared_records` as the two ages of apps have it, and its rows as records.
 */
import { deserializeHlc, serializeHlc } from "../reference/hlc.mjs";

/** @typedef {"0.1" | "0.2"} Shape */

const identity = (/** @type {any} */ value) => value;
const hlcOrNull = (/** @type {any} */ hlc) => (hlc ? serializeHlc(hlc) : null);
const parsedOrNull = (/** @type {any} */ text) => (text === null ? null : deserializeHlc(text));
const valueOrNull = (/** @type {any} */ value) => value ?? null;

/**
 * @typedef {{ name: string, type: string, field: string, write: (value: any) => any, read: (value: any) => any }} Column
 */

/**
 * @param {string} name
 * @param {string} type
 * @param {string} field
 * @param {(value: any) => any} [write]
 * @param {(value: any) => any} [read]
 * @returns {Column}
 */
const column = (name, type, field, write = identity, read = identity) => ({ name, type, field, write, read });

/**
 * The columns that carry a field of the record.
 *
 * @param {Shape} shape
 * @returns {Column[]}
 */
export function columnsOf(shape) {
  const old = shape === "0.1";
  return [
    column("id", "TEXT PRIMARY KEY", "id"),
    column("type", "TEXT NOT NULL", "type"),
    column("created_at", "TEXT NOT NULL", "createdAt", serializeHlc, deserializeHlc),
    column("updated_at", "TEXT NOT NULL", "updatedAt", serializeHlc, deserializeHlc),
    ...(old ? [column("owner_id", "TEXT NOT NULL", "ownerId")] : []),
    column("deleted_at", "TEXT", "deletedAt", hlcOrNull, parsedOrNull),
    column("version", "INTEGER NOT NULL DEFAULT 1", "version"),
    column("content_hash", "TEXT NOT NULL", "contentHash"),
    column("object_storage_key", "TEXT NOT NULL", "objectStorageKey"),
    column("mime_type", old ? "TEXT NOT NULL" : "TEXT", "mimeType", valueOrNull),
    column("size_bytes", "INTEGER NOT NULL", "sizeBytes"),
    column("original_filename", "TEXT", "originalFilename", valueOrNull),
    column("origin_app_id", "TEXT NOT NULL", "originAppId"),
    column("parent_id", "TEXT", "parentId", valueOrNull),
    ...(old ? [] : [column("label", "TEXT", "label", valueOrNull)]),
  ];
}

/** @param {Shape} shape */
export function createTableSql(shape) {
  const columns = columnsOf(shape).map(({ name, type }) => `${name} ${type}`);
  const unique = shape === "0.1" ? "owner_id, original_filename, content_hash" : "original_filename, content_hash";
  const statements = [
    `CREATE UNIQUE INDEX IF NOT EXISTS shared_records_file ON shared_records (${unique})
       WHERE deleted_at IS NULL AND original_filename IS NOT NULL`,
  ];
  if (shape === "0.2") {
    columns.push("node_id TEXT NOT NULL");
    statements.push("CREATE INDEX IF NOT EXISTS shared_records_node ON shared_records (node_id, updated_at)");
  }
  return [`CREATE TABLE IF NOT EXISTS shared_records (${columns.join(", ")})`, ...statements].join(";\n");
}

/** @param {Shape} shape */
export function upsertSql(shape) {
  const names = columnsOf(shape).map(({ name }) => name);
  if (shape === "0.2") names.push("node_id");
  const updates = names.slice(1).map((name) => `${name} = excluded.${name}`);
  return `INSERT INTO shared_records (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})
    ON CONFLICT (id) DO UPDATE SET ${updates.join(", ")}`;
}

/**
 * The values that `upsertSql` takes.
 *
 * @param {Column[]} columns
 * @param {Shape} shape
 * @param {any} record
 */
export function valuesOf(columns, shape, record) {
  const values = columns.map(({ field, write }) => write(record[field]));
  if (shape === "0.2") values.push(record.updatedAt.nodeId);
  return values;
}

/**
 * @param {Column[]} columns
 * @param {any} row
 */
export function recordOf(columns, row) {
  /** @type {any} */
  const record = { id: row.id, kind: "data" };
  for (const { name, field, read } of columns) record[field] = read(row[name]);
  return record;
}
