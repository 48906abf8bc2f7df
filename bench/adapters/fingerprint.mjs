/**
 * Whether a side ended with the right data: a count, and a hash over what matters, in an order of its own.
 *
 * @typedef {{ count: number, hash: string }} Fingerprint
 */
import { createHash } from "node:crypto";
import { serializeHlc } from "../reference/hlc.mjs";

/**
 * Over ids and timestamps.
 *
 * @param {Iterable<{ id: string, updatedAt: string | import("../reference/hlc.mjs").HLC }>} rows in any order
 * @returns {Fingerprint}
 */
export function fingerprintOf(rows) {
  const lines = [];
  for (const { id, updatedAt } of rows) {
    lines.push(`${id} ${typeof updatedAt === "string" ? updatedAt : serializeHlc(updatedAt)}\n`);
  }
  return digest(lines);
}

/**
 * The same over all that an adapter answers to queries, whoever wrote it.
 *
 * @param {any} adapter
 * @returns {Promise<Fingerprint>}
 */
export async function fingerprintOfAdapter(adapter) {
  const rows = [];
  for (let cursor, page; !page || page.hasMore; cursor = page.nextCursor) {
    page = await adapter.query({ limit: 1000, cursor });
    rows.push(...page.records);
  }
  return fingerprintOf(rows);
}

/**
 * Over keys and bytes of all that a storage holds.
 *
 * @param {any} storage
 * @returns {Promise<Fingerprint>}
 */
export async function fingerprintOfStorage(storage) {
  const lines = [];
  for (let cursor, page; !page || page.hasMore; cursor = page.nextCursor) {
    page = await storage.list("", { limit: 1000, cursor });
    for (const key of page.keys) lines.push(blobLine(key, (await storage.get(key)).data));
  }
  return digest(lines);
}

/**
 * The same over what ought to be there.
 *
 * @param {Iterable<[string, Uint8Array]>} blobs in any order
 * @returns {Fingerprint}
 */
export function fingerprintOfBlobs(blobs) {
  return digest(Array.from(blobs, ([key, data]) => blobLine(key, data)));
}

/**
 * @param {string} key
 * @param {Uint8Array} data
 */
const blobLine = (key, data) => `${key} ${createHash("sha256").update(data).digest("hex")}\n`;

/** @param {string[]} lines */
function digest(lines) {
  const hash = createHash("sha256");
  for (const line of lines.sort()) hash.update(line);
  return { count: lines.length, hash: hash.digest("hex") };
}

/**
 * @param {string} what
 * @param {Fingerprint} actual
 * @param {Fingerprint} expected
 */
export function assertSame(what, actual, expected) {
  if (actual.count === expected.count && actual.hash === expected.hash) return;
  const counts = `${actual.count} of ${expected.count}`;
  throw new Error(
    `${what}: wrong outcome, ${counts} there${actual.count === expected.count ? ", but not the same" : ""}`,
  );
}
