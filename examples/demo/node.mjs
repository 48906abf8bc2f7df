// The nodes of the demo, each with native stores in a folder of its own. The cloud is a server; a laptop
// knows nothing of it but its URL.
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { extname, join } from "node:path";
import {
  createFsObjectStorage,
  createHLCClock,
  createHttpObjectStorage,
  createHttpSyncServer,
  createHttpSyncTransport,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
} from "@starkeep/sync-engine";
import { DemoError, quoted } from "./errors.mjs";
import { readAndHash } from "./folder.mjs";
import { forEachFile } from "./pool.mjs";
import { ulid } from "./ulid.mjs";

/**
 * @typedef {object} Inventory
 * @property {number} records
 * @property {number} objects so many different ones; files with the same content share one
 * @property {number} bytes the sum of the objects' sizes
 */

const BATCH = 200;
const QUERY_LIMIT = 500;
const HASHED_AT_ONCE = 1 << 28;

const MIME_TYPES = {
  ".css": "text/css",
  ".gif": "image/gif",
  ".html": "text/html",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript",
  ".json": "application/json",
  ".md": "text/markdown",
  ".mjs": "text/javascript",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain",
};

/** A cloud, which only answers. It listens on a free port, for this machine alone. */
export async function openCloud(folder) {
  const stores = await openStores(folder, "cloud");
  const { databaseAdapter, objectStorage, clock } = stores;
  const server = createHttpSyncServer({
    databaseAdapter,
    objectStorageAdapter: objectStorage,
    clock,
  });
  const { address, port } = await server.listen(0);
  return {
    baseUrl: `http://${address}:${port}`,
    inventory: () => inventoryOf(stores),
    async close() {
      await server.close();
      await closeStores(stores);
    },
  };
}

/**
 * A laptop, which exchanges with the cloud at `baseUrl`.
 *
 * @param {string} folder
 * @param {string} nodeId
 * @param {string} baseUrl
 * @param {{ pageLimit?: number }} [pace]
 */
export async function openLaptop(folder, nodeId, baseUrl, pace) {
  const stores = await openStores(folder, nodeId);
  const engine = createSyncEngine({
    localDatabaseAdapter: stores.databaseAdapter,
    localObjectStorage: stores.objectStorage,
    remoteObjectStorage: createHttpObjectStorage({ baseUrl }),
    transport: createHttpSyncTransport({ baseUrl }),
    clock: stores.clock,
    syncState: stores.syncState,
    ...pace,
  });
  return {
    takeIn: (files, options) => takeIn(stores, files, options),
    settle: (options) => settle(engine, options),
    examine: (id) => examine(stores, id),
    inventory: () => inventoryOf(stores),
    close: () => closeStores(stores),
  };
}

async function openStores(folder, nodeId) {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "node.db");
  const databaseAdapter = createSqliteDatabaseAdapter({ path });
  const syncState = createSqliteSyncStateStore({ path });
  const objectStorage = createFsObjectStorage({ root: join(folder, "objects") });
  await databaseAdapter.init();
  await objectStorage.init();
  return { databaseAdapter, syncState, objectStorage, clock: createHLCClock({ nodeId }) };
}

async function closeStores({ databaseAdapter, syncState, objectStorage }) {
  await syncState.close();
  await databaseAdapter.close();
  await objectStorage.close();
}

/**
 * Makes a shared record of every file, and an object of every content. First the object, then the
 * record: a record whose object is missing would hold back everything after it.
 *
 * @returns {Promise<string[]>} the ids of the records, in the order of the files
 */
async function takeIn({ databaseAdapter, objectStorage, clock }, files, { signal, onProgress }) {
  const ids = new Map();
  const stored = new Map();
  let ready = [];
  const write = async () => {
    const records = ready;
    ready = [];
    await databaseAdapter.batch(records.map((record) => ({ type: "put", record })));
  };
  await forEachFile(files, signal, async (file) => {
    const { data, hash } = await readAndHash(file);
    const key = `files/${hash}`;
    const mimeType = MIME_TYPES[extname(file.name).toLowerCase()] ?? "application/octet-stream";
    if (!stored.has(key)) stored.set(key, objectStorage.put(key, data, { contentType: mimeType }));
    await stored.get(key);
    const record = recordOf(file, { now: clock.now(), hash, key, mimeType, size: data.length });
    ids.set(file, record.id);
    ready.push(record);
    if (ready.length >= BATCH) await write();
    onProgress(1);
  });
  await write();
  return files.map((file) => ids.get(file));
}

function recordOf({ name }, { now, hash, key, mimeType, size }) {
  return {
    id: ulid(),
    kind: "data",
    type: "file",
    createdAt: now,
    updatedAt: now,
    ownerId: "demo",
    deletedAt: null,
    version: 1,
    contentHash: hash,
    objectStorageKey: key,
    mimeType,
    sizeBytes: size,
    originalFilename: name,
    originAppId: "demo",
    parentId: null,
  };
}

/**
 * Exchanges until neither side has more for the other.
 *
 * @returns {Promise<{ rounds: number, shipped: number, applied: number }>}
 */
async function settle(engine, { signal, onProgress }) {
  const sum = { rounds: 0, shipped: 0, applied: 0 };
  for (let hasMore = true; hasMore;) {
    signal.throwIfAborted();
    const result = await engine.exchange();
    sum.rounds += 1;
    sum.shipped += result.shipped;
    sum.applied += result.applied;
    if (result.held.length > 0) throw new DemoError(heldText(result.held[0]));
    hasMore = result.hasMore;
    if (hasMore && result.shipped + result.applied === 0)
      throw new DemoError("A round moved nothing, though it says that there is more.");
    onProgress(result.shipped + result.applied);
  }
  return sum;
}

function heldText({ direction, item, reason }) {
  const way = direction === "outbound" ? "up to" : "down from";
  return `${quoted(item.originalFilename ?? item.id)} did not get ${way} the cloud: ${reason}`;
}

/** What this laptop has of a file: its name, and the size and the hash of the bytes it really holds. */
async function examine({ databaseAdapter, objectStorage }, id) {
  const record = await databaseAdapter.get(id);
  const object = record && (await objectStorage.get(record.objectStorageKey));
  if (!object) return null;
  return {
    name: record.originalFilename,
    size: object.data.length,
    hash: hashOfBytes(object.data),
  };
}

/** In slices, for one `update` takes no more than 2 GiB. */
function hashOfBytes(data) {
  const hash = createHash("sha256");
  for (let start = 0; start < data.length; start += HASHED_AT_ONCE)
    hash.update(data.subarray(start, start + HASHED_AT_ONCE));
  return hash.digest("hex");
}

/** @returns {Promise<Inventory>} */
async function inventoryOf({ databaseAdapter, objectStorage }) {
  const seen = new Set();
  const inventory = { records: 0, objects: 0, bytes: 0 };
  for await (const { objectStorageKey: key, sizeBytes } of recordsOf(databaseAdapter)) {
    inventory.records += 1;
    if (seen.has(key) || !(await objectStorage.has(key))) continue;
    seen.add(key);
    inventory.objects += 1;
    inventory.bytes += sizeBytes;
  }
  return inventory;
}

async function* recordsOf(databaseAdapter) {
  for (let cursor; cursor !== null;) {
    const page = await databaseAdapter.query({ limit: QUERY_LIMIT, cursor });
    yield* page.records;
    cursor = page.hasMore ? page.nextCursor : null;
  }
}
