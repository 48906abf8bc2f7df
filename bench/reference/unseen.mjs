/**
 * What one side holds and the other has not seen. Records come in the order of their ids, and the
 * search stops at the limit, so that a page is not always the oldest that is unseen.
 *
 * @typedef {import("./watermarks.mjs").Watermarks} Watermarks
 * @typedef {{ records: any[], rows: any[], truncated: boolean }} Unseen
 */
import { serializeHlc, ZERO_HLC } from "./hlc.mjs";
import { isUnseen } from "./watermarks.mjs";

const SINCE_ALWAYS = serializeHlc(ZERO_HLC);

/**
 * @param {{ database: any | null, source?: any, watermarks: Watermarks, limit: number, pageSize: number }} options
 * @returns {Promise<Unseen>}
 */
export async function gatherUnseen({ database, source, watermarks, limit, pageSize }) {
  /** @type {Unseen} */
  const found = { records: [], rows: [], truncated: false };
  if (database) await gatherRecords(found, database, watermarks, limit, pageSize);
  if (typeof source?.applier.scanSince !== "function") return found;
  for (const namespace of source.namespaces.list()) {
    for (const { name } of namespace.tables) {
      if (found.truncated) return found;
      try {
        await gatherRows(found, source.applier, namespace.appId, name, watermarks, limit, pageSize);
      } catch (error) {
        console.warn(`[sync] scan of ${namespace.appId}/${name} failed, left out of this round`, error);
      }
    }
  }
  return found;
}

/**
 * @param {Unseen} found
 * @param {any} database
 * @param {Watermarks} watermarks
 * @param {number} limit
 * @param {number} pageSize
 */
async function gatherRecords(found, database, watermarks, limit, pageSize) {
  /** @type {string | undefined} */
  let cursor;
  for (;;) {
    const page = await database.query({ limit: pageSize, cursor });
    for (const record of page.records) {
      if (!isUnseen(record.updatedAt, watermarks)) continue;
      if (isFull(found, limit)) return;
      found.records.push(record);
    }
    if (!page.hasMore || page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
}

/**
 * @param {Unseen} found
 * @param {any} applier
 * @param {string} appId
 * @param {string} table
 * @param {Watermarks} watermarks
 * @param {number} limit
 * @param {number} pageSize
 */
async function gatherRows(found, applier, appId, table, watermarks, limit, pageSize) {
  /** @type {string | undefined} */
  let cursor;
  for (;;) {
    const page = await applier.scanSince(appId, table, SINCE_ALWAYS, { limit: pageSize, cursor });
    for (const entry of page.rows) {
      if (!isUnseen(entry.timestamp, watermarks)) continue;
      if (isFull(found, limit)) return;
      found.rows.push(entry);
    }
    if (!page.hasMore || page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
}

/**
 * @param {Unseen} found
 * @param {number} limit
 */
function isFull(found, limit) {
  if (found.records.length + found.rows.length < limit) return false;
  found.truncated = true;
  return true;
}
