/**
 * Records whose blobs have to come along: slow storage far away, and many small files near by.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 */
import {
  assertSame,
  blobFor,
  createMemoryDatabaseAdapter,
  createMemoryObjectStorage,
  fingerprintOf,
  fingerprintOfAdapter,
  fingerprintOfBlobs,
  fingerprintOfStorage,
  withDelay,
} from "../adapters/index.mjs";
import { buildSides, connectSides, createSync, senderRecords, syncUntilQuiet } from "./sides.mjs";

const blobs = (/** @type {{ records: number, bytes: number }} */ { records, bytes }) =>
  `${records.toLocaleString("en")} blobs of ${bytes / 1024} KiB`;
const EXPORTS = ["createSyncEngine", "createInProcessSyncTransport"];

/**
 * The far storage alone is slow, the records are in memory: what is measured is the waiting.
 *
 * @param {"local" | "remote"} filled
 * @returns {Workload}
 */
function delayedBlobs(filled) {
  const direction = filled === "local" ? "up" : "down";
  return {
    name: `blobs-delayed-${direction}`,
    title: (size) => `${blobs(size)}, ${direction}, ${size.delay} ms per call of the remote storage`,
    unit: "ms",
    bar: { ratio: 6 },
    exports: EXPORTS,
    sizes: {
      full: { records: 500, bytes: 100 * 1024, delay: 20 },
      quick: { records: 60, bytes: 100 * 1024, delay: 5 },
    },

    async setup(engine, size) {
      const databases = { local: createMemoryDatabaseAdapter(), remote: createMemoryDatabaseAdapter() };
      const storages = { local: createMemoryObjectStorage(), remote: createMemoryObjectStorage() };
      databases[filled].fill(senderRecords(size.records, size.bytes));
      await fillBlobs(storages[filled], size);
      const far = withDelay(storages.remote, size.delay);
      const sync = createSync(engine, { ...databases, storages: { local: storages.local, remote: far } });
      return { ...databases, storages, sync, size };
    },

    measure,
    check,
  };
}

/** @type {Workload} */
const smallFiles = {
  name: "blobs-small-files",
  title: (size) => `${blobs(size)}, up, file system both sides, plain adapters`,
  unit: "ms",
  bar: { ratio: 1.2 },
  needsSqlite: true,
  exports: EXPORTS,
  sizes: { full: { records: 5_000, bytes: 4096 }, quick: { records: 500, bytes: 4096 } },

  async setup(engine, size, dir) {
    const built = await buildSides(engine, dir, { records: size.records, filled: "local", blobBytes: size.bytes });
    const sides = await connectSides(engine, built, { blobs: "fs" });
    await fillBlobs(sides.storages.local, size);
    return { ...sides, size };
  },

  measure,
  check,
  close: (state) => state.close(),
};

/**
 * @param {any} storage
 * @param {any} size
 */
async function fillBlobs(storage, { records, bytes }) {
  for (const record of senderRecords(records, bytes)) {
    await storage.put(record.objectStorageKey, blobFor(record, bytes), { contentType: record.mimeType });
  }
}

/** @param {any} state */
async function measure({ sync, size }) {
  const start = performance.now();
  await syncUntilQuiet(sync, size.records);
  return performance.now() - start;
}

/** @param {any} state */
async function check({ local, remote, storages, size }) {
  const records = [...senderRecords(size.records, size.bytes)];
  const bytes = records.map((record) => bytesOf(record, size.bytes));
  const expected = { records: fingerprintOf(records), blobs: fingerprintOfBlobs(bytes) };
  assertSame("local records", await fingerprintOfAdapter(local), expected.records);
  assertSame("remote records", await fingerprintOfAdapter(remote), expected.records);
  assertSame("local blobs", await fingerprintOfStorage(storages.local), expected.blobs);
  assertSame("remote blobs", await fingerprintOfStorage(storages.remote), expected.blobs);
}

/**
 * @param {any} record
 * @param {number} size
 * @returns {[string, Uint8Array]}
 */
const bytesOf = (record, size) => [record.objectStorageKey, blobFor(record, size)];

/** @type {Workload[]} */
export const blobWorkloads = [delayedBlobs("local"), delayedBlobs("remote"), smallFiles];
