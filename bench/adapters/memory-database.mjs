/**
 * A `DatabaseAdapter` in memory: a map of records, and their ids in order. It keeps the objects that
 * it is given and hands out the same ones.
 */
import { fingerprintOf } from "./fingerprint.mjs";
import { watermarksOf } from "./records.mjs";

/** @param {{ nodeWatermarks?: boolean }} [options] whether to have that optional method */
export function createMemoryDatabaseAdapter({ nodeWatermarks = false } = {}) {
  /** @type {Map<string, any>} */
  const records = new Map();
  /** @type {string[]} */
  const ids = [];

  /** @param {any} record */
  const write = (record) => {
    if (!records.has(record.id)) {
      // New ids are mostly the greatest, so that this is an append.
      if (ids.length === 0 || ids[ids.length - 1] < record.id) ids.push(record.id);
      else ids.splice(firstAbove(ids, record.id), 0, record.id);
    }
    records.set(record.id, record);
  };
  /**
   * @param {string} id
   * @param {any} hlc
   */
  const remove = (id, hlc) => {
    const record = records.get(id);
    if (record) write({ ...record, deletedAt: hlc, updatedAt: hlc });
  };
  const operations = {
    put: async (/** @type {any} */ record) => write(record),
    get: async (/** @type {string} */ id) => records.get(id) ?? null,
    delete: async (/** @type {string} */ id, /** @type {any} */ hlc) => remove(id, hlc),
    query: async (/** @type {any} */ query) => readPage(records, ids, query),
  };
  const refuse = async () => {
    throw new Error("the bench's adapter keeps no metadata");
  };

  return {
    init: async () => {},
    close: async () => {},
    healthCheck: async () => true,
    ...operations,
    /** @param {any[]} batch */
    batch: async (batch) => {
      for (const one of batch) one.type === "put" ? write(one.record) : remove(one.id, one.hlc);
    },
    /** @param {(transaction: any) => Promise<any>} callback without a way back: a throw undoes nothing */
    transaction: (callback) => callback(operations),
    putMetadata: refuse,
    getMetadata: refuse,
    getMetadataByIds: refuse,
    deleteMetadata: refuse,
    ...(nodeWatermarks ? { getNodeWatermarks: async () => watermarksOf(records.values()) } : {}),
    /** @param {Iterable<any>} many */
    fill(many) {
      for (const record of many) write(record);
    },
    fingerprint: () => fingerprintOf(records.values()),
  };
}

/**
 * @param {Map<string, any>} records
 * @param {string[]} ids
 * @param {{ type?: string, filters?: unknown[], sort?: unknown[], limit?: number, cursor?: string }} query
 */
function readPage(records, ids, { type, filters, sort, limit = 100, cursor }) {
  if (filters?.length || sort?.length) throw new Error("the bench's adapter knows neither filters nor sort");
  const page = [];
  let index = cursor === undefined ? 0 : firstAbove(ids, cursor);
  for (; index < ids.length && page.length < limit; index++) {
    const record = records.get(ids[index]);
    if (type === undefined || record.type === type) page.push(record);
  }
  const hasMore = index < ids.length;
  return { records: page, nextCursor: hasMore ? page[page.length - 1].id : null, hasMore };
}

/**
 * @param {string[]} sorted
 * @param {string} id
 * @returns {number} the index of the first element greater than `id`
 */
export function firstAbove(sorted, id) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] > id) high = middle;
    else low = middle + 1;
  }
  return low;
}
