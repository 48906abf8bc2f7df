/**
 * Shared records and app rows as one kind of thing: a timestamp, perhaps a blob, and what to send.
 *
 * @typedef {import("./hlc.mjs").HLC} HLC
 * @typedef {import("./files.mjs").Manifest} Manifest
 * @typedef {{ hlc: HLC, record?: any, entry?: any, blob: Manifest | null }} Item
 */
import { compareHlc } from "./hlc.mjs";

export const FILE_RECORDS_TABLE = "_starkeep_sync_records";

/**
 * @param {any} record
 * @returns {Item}
 */
export function recordItem(record) {
  return { hlc: record.updatedAt, record, blob: recordBlob(record) };
}

/**
 * @param {any} entry
 * @returns {Item}
 */
export function rowItem(entry) {
  return { hlc: entry.timestamp, entry, blob: rowBlob(entry) };
}

/** @param {any} record */
function recordBlob(record) {
  const key = record.objectStorageKey;
  if (!key || record.deletedAt) return null;
  return {
    fileHash: record.contentHash || key,
    objectStorageKey: key,
    sizeBytes: record.sizeBytes,
    mimeType: record.mimeType,
  };
}

/** @param {any} entry */
function rowBlob(entry) {
  if (entry.table !== FILE_RECORDS_TABLE || entry.op === "delete" || !entry.row) return null;
  const { object_storage_key: key, content_hash: hash, size_bytes: size, mime_type: mimeType } = entry.row;
  if (typeof key !== "string" || key === "") return null;
  return {
    fileHash: typeof hash === "string" && hash !== "" ? hash : key,
    objectStorageKey: key,
    sizeBytes: Number(size),
    mimeType: typeof mimeType === "string" ? mimeType : undefined,
  };
}

/**
 * One line per nodeId, each in HLC order, records and rows together.
 *
 * @param {any[]} records
 * @param {any[]} rows
 * @returns {Item[][]}
 */
export function linesByNode(records, rows) {
  /** @type {Map<string, Item[]>} */
  const lines = new Map();
  for (const item of [...records.map(recordItem), ...rows.map(rowItem)]) {
    const line = lines.get(item.hlc.nodeId);
    if (line) line.push(item);
    else lines.set(item.hlc.nodeId, [item]);
  }
  return [...lines.values()].map((line) => line.sort((a, b) => compareHlc(a.hlc, b.hlc)));
}
