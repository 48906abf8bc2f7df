/**
 * `ObjectStorageAdapter`s: in memory, over a folder of whole files, and one that is far away.
 */
import { access, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { firstAbove } from "./memory-database.mjs";

export function createMemoryObjectStorage() {
  /** @type {Map<string, { data: Uint8Array, contentType?: string, metadata?: Record<string, string> }>} */
  const objects = new Map();
  return {
    ...alwaysOpen,
    /**
     * @param {string} key
     * @param {Uint8Array} data
     * @param {{ contentType?: string, metadata?: Record<string, string> }} [options]
     */
    put: async (key, data, options) => void objects.set(key, { ...options, data }),
    /** @param {string} key */
    get: async (key) => {
      const object = objects.get(key);
      return object ? { ...object, size: object.data.byteLength } : null;
    },
    /** @param {string} key */
    has: async (key) => objects.has(key),
    /** @param {string} key */
    delete: async (key) => void objects.delete(key),
    /**
     * @param {string} prefix
     * @param {{ limit?: number, cursor?: string }} [options]
     */
    list: async (prefix, options) => pageOfKeys([...objects.keys()], prefix, options),
  };
}

/**
 * One file per key, read and written whole. Content types are not kept: no workload asks for them.
 *
 * @param {{ root: string }} options
 */
export function createFsObjectStorage({ root }) {
  const pathOf = (/** @type {string} */ key) => join(root, encodeURIComponent(key));
  return {
    ...alwaysOpen,
    init: async () => void (await mkdir(root, { recursive: true })),
    /**
     * @param {string} key
     * @param {Uint8Array} data
     */
    put: (key, data) => writeFile(pathOf(key), data),
    /** @param {string} key */
    get: async (key) => {
      const data = await readFile(pathOf(key)).catch(nullIfMissing);
      return data ? { data, size: data.byteLength } : null;
    },
    /** @param {string} key */
    has: async (key) => (await access(pathOf(key)).catch(nullIfMissing)) !== null,
    /** @param {string} key */
    delete: (key) => rm(pathOf(key), { force: true }),
    /**
     * @param {string} prefix
     * @param {{ limit?: number, cursor?: string }} [options]
     */
    list: async (prefix, options) => pageOfKeys((await readdir(root)).map(decodeURIComponent), prefix, options),
  };
}

/**
 * The same adapter, each of its calls that many milliseconds later.
 *
 * @template {Record<string, any>} T
 * @param {T} adapter
 * @param {number} milliseconds
 * @returns {T}
 */
export function withDelay(adapter, milliseconds) {
  const late = Object.entries(adapter).map(([name, method]) => [
    name,
    async (/** @type {any[]} */ ...args) => {
      await delay(milliseconds);
      return method(...args);
    },
  ]);
  return Object.fromEntries(late);
}

const alwaysOpen = {
  init: async () => {},
  close: async () => {},
  healthCheck: async () => true,
};

/** @param {any} error */
function nullIfMissing(error) {
  if (error.code === "ENOENT") return null;
  throw error;
}

/**
 * @param {string[]} keys
 * @param {string} prefix
 * @param {{ limit?: number, cursor?: string }} [options]
 */
function pageOfKeys(keys, prefix, { limit = 1000, cursor } = {}) {
  const all = keys.filter((key) => key.startsWith(prefix)).sort();
  const first = cursor === undefined ? 0 : firstAbove(all, cursor);
  const page = all.slice(first, first + limit);
  const hasMore = first + limit < all.length;
  return { keys: page, nextCursor: hasMore ? page[page.length - 1] : null, hasMore };
}
