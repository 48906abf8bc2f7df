/**
 * This package: native stores on both sides, its client and its server.
 *
 * @typedef {import("./index.mjs").Side} Side
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fingerprintOfAdapter, fingerprintOfStorage } from "../adapters/index.mjs";
import { loadEngine } from "../lib/engines.mjs";
import { madeFiles } from "../lib/made-data.mjs";
import { fill, senderRecords } from "../workloads/sides.mjs";

const MOST_ROUNDS = 1000;
const AT_ONCE = 16;

/** @param {any} storage @param {NonNullable<import("./index.mjs").Work["files"]>} files */
async function putFiles(storage, files) {
  const plain = senderRecords(files.count);
  const records = [];
  /** @type {Promise<void>[]} */
  let puts = [];
  for (const [key, bytes] of madeFiles(files)) {
    const contentHash = createHash("sha256").update(bytes).digest("hex");
    records.push({ ...plain.next().value, objectStorageKey: key, contentHash, sizeBytes: bytes.byteLength });
    puts.push(storage.put(key, bytes, { contentType: "image/jpeg" }));
    if (puts.length < AT_ONCE) continue;
    await Promise.all(puts);
    puts = [];
  }
  await Promise.all(puts);
  return records;
}

/**
 * @param {{ dir: string, engine: string }} options
 * @returns {Promise<Side>}
 */
export async function openSide({ dir, engine }) {
  const { module } = await loadEngine(engine);
  const database = module.createSqliteDatabaseAdapter({ path: join(dir, "records.db") });
  const storage = module.createFsObjectStorage({ root: join(dir, "files") });
  const state = module.createSqliteSyncStateStore({ path: join(dir, "state.db") });
  await database.init();
  await storage.init();
  let withFiles = false;
  /** @type {any} */
  let server;
  /** @type {any} */
  let sync;

  /** @param {string} baseUrl */
  const callerTo = (baseUrl) =>
    (sync ??= module.createSyncEngine({
      localDatabaseAdapter: database,
      localObjectStorage: storage,
      remoteObjectStorage: module.createHttpObjectStorage({ baseUrl }),
      transport: module.createHttpSyncTransport({ baseUrl }),
      clock: module.createHLCClock({ nodeId: "laptop" }),
      syncState: state,
    }));

  /** Rounds go both ways, whichever side has the news. @param {string} url */
  async function drain(url) {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (!(await callerTo(url).exchange()).hasMore) return;
    }
    throw new Error(`not done after ${MOST_ROUNDS} rounds`);
  }

  return {
    async prepare({ records = 0, files }) {
      withFiles = files !== undefined;
      await fill(database, files ? await putFiles(storage, files) : senderRecords(records));
    },
    async serve() {
      server = module.createHttpSyncServer({
        databaseAdapter: database,
        objectStorageAdapter: storage,
        clock: module.createHLCClock({ nodeId: "hub" }),
      });
      return `http://127.0.0.1:${(await server.listen(0)).port}`;
    },
    up: drain,
    down: drain,
    async idle(url) {
      const { applied, shipped, hasMore } = await callerTo(url).exchange();
      if (applied !== 0 || shipped !== 0 || hasMore) throw new Error("the round was not idle");
    },
    change: (records) => fill(database, records),
    async held() {
      const stored = await storage.list("", { limit: 1 });
      withFiles ||= stored.keys.length > 0;
      return withFiles ? fingerprintOfStorage(storage) : fingerprintOfAdapter(database);
    },
    async close() {
      await server?.close();
      await state.close?.();
      await database.close();
      await storage.close();
    },
  };
}
