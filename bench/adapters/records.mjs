/**
 * Data that is the same in every run: records and blob bytes from a seed.
 *
 * @typedef {import("../reference/hlc.mjs").HLC} HLC
 * @typedef {ReturnType<typeof makeRecord>} BenchRecord
 */
import { createHash } from "node:crypto";
import { compareHlc } from "../reference/hlc.mjs";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const FIRST_WALL_TIME = Date.UTC(2025, 0, 1);

/**
 * A small generator of 32-bit numbers (mulberry32): enough for test data, and stable everywhere.
 *
 * @param {number} seed
 * @returns {() => number} an unsigned 32-bit integer
 */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/**
 * Ten letters of time and sixteen of chance.
 *
 * @param {number} time
 * @param {() => number} random
 */
function ulid(time, random) {
  let text = "";
  for (let rest = time, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) text = CROCKFORD[rest % 32] + text;
  for (let i = 0; i < 16; i++) text += CROCKFORD[random() % 32];
  return text;
}

/** @param {() => number} random */
function hash64(random) {
  let text = "";
  for (let i = 0; i < 8; i++) text += random().toString(16).padStart(8, "0");
  return text;
}

/**
 * Records whose ids and timestamps rise together, the nodes taking turns. A 0.1 engine loses rows
 * where the two orders differ, and nothing can be compared where one engine does not finish.
 *
 * @param {{ count: number, seed?: number, nodeIds?: string[], shape?: "0.1" | "0.2", blobBytes?: number }} options
 *   `shape` is the age of the adapter they are for; `blobBytes` above 0 gives every record a blob
 * @returns {Generator<BenchRecord>}
 */
export function* generateRecords({ count, seed = 1, nodeIds = ["laptop"], shape = "0.1", blobBytes = 0 }) {
  const random = createRandom(seed);
  for (let index = 0; index < count; index++) {
    const nodeId = nodeIds[index % nodeIds.length];
    const wallTime = FIRST_WALL_TIME + index * 7;
    const record = makeRecord(random, index, { wallTime, counter: random() % 4, nodeId }, shape);
    if (blobBytes > 0) Object.assign(record, blobFields(blobFor(record, blobBytes)));
    yield record;
  }
}

/**
 * @param {() => number} random
 * @param {number} index
 * @param {HLC} hlc
 * @param {"0.1" | "0.2"} shape
 */
function makeRecord(random, index, hlc, shape) {
  const number = String(index).padStart(6, "0");
  const ofItsAge = shape === "0.1" ? { ownerId: "owner-1" } : { label: null };
  return {
    id: ulid(hlc.wallTime, random),
    kind: "data",
    type: index % 4 === 0 ? "document" : "photo",
    createdAt: { ...hlc },
    updatedAt: { ...hlc },
    ...ofItsAge,
    deletedAt: null,
    version: 1,
    contentHash: hash64(random),
    objectStorageKey: "",
    mimeType: "image/jpeg",
    sizeBytes: random() % 5_000_000,
    originalFilename: `IMG_${number}.jpg`,
    originAppId: "photos",
    parentId: null,
  };
}

/**
 * The bytes of a record's blob, derived from its id so that nobody has to keep them.
 *
 * @param {{ id: string }} record
 * @param {number} size
 * @returns {Uint8Array}
 */
export function blobFor(record, size) {
  const seed = createHash("sha256").update(record.id).digest().readUInt32LE();
  const random = createRandom(seed);
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = random();
  return new Uint8Array(words.buffer, 0, size);
}

/** @param {Uint8Array} bytes */
function blobFields(bytes) {
  const contentHash = createHash("sha256").update(bytes).digest("hex");
  return { contentHash, objectStorageKey: `blobs/${contentHash}`, sizeBytes: bytes.byteLength };
}

/**
 * The watermarks of a side that holds all of `records`.
 *
 * @param {Iterable<{ updatedAt: HLC }>} records
 */
export function watermarksOf(records) {
  /** @type {Record<string, HLC>} */
  const watermarks = {};
  for (const { updatedAt } of records) raise(watermarks, updatedAt);
  return watermarks;
}

/**
 * @param {Record<string, HLC>} watermarks
 * @param {HLC} hlc
 */
export function raise(watermarks, hlc) {
  const current = watermarks[hlc.nodeId];
  if (!current || compareHlc(hlc, current) > 0) watermarks[hlc.nodeId] = hlc;
}
