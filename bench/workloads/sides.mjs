/**
 * What several workloads stand on: the two sides of a sync in a temporary folder, and the driver that
 * runs rounds until nothing moves.
 *
 * @typedef {import("../lib/engines.mjs").Engine} Engine
 */
import { join } from "node:path";
import {
  createFsObjectStorage,
  createHlcClock,
  createMemoryObjectStorage,
  createMemorySyncState,
  createSqliteDatabaseAdapter,
  generateRecords,
} from "../adapters/index.mjs";

const BATCH = 1000;

/** The exports of this package that a workload over its native stores asks for. */
export const NATIVE_EXPORTS = [
  "createSqliteDatabaseAdapter",
  "createSqliteSyncStateStore",
  "createFsObjectStorage",
  "createHLCClock",
];

/**
 * A side's records: our own native store where the workload is about it and the engine is ours, the
 * plain adapter everywhere else.
 *
 * @param {Engine} engine
 * @param {string} path
 * @param {{ native?: boolean }} options
 */
export function openDatabase(engine, path, { native = false }) {
  if (native && engine.role === "ours") return engine.module.createSqliteDatabaseAdapter({ path });
  return createSqliteDatabaseAdapter({ path });
}

/**
 * Fills one side before the clock starts, in batches, so that it works with any adapter.
 *
 * @param {any} adapter
 * @param {Iterable<any>} records
 */
export async function fill(adapter, records) {
  if (adapter.fill) return adapter.fill(records);
  let operations = [];
  for (const record of records) {
    operations.push({ type: "put", record });
    if (operations.length === BATCH) {
      await adapter.batch(operations);
      operations = [];
    }
  }
  await adapter.batch(operations);
}

/**
 * The files of the two sides, one of them filled.
 *
 * @param {Engine} engine
 * @param {string} dir
 * @param {{ records: number, filled: "local" | "remote", native?: boolean, blobBytes?: number }} options
 */
export async function buildSides(engine, dir, { records, filled, native = false, blobBytes = 0 }) {
  const paths = { local: join(dir, "local.db"), remote: join(dir, "remote.db") };
  for (const side of /** @type {const} */ (["local", "remote"])) {
    const adapter = openDatabase(engine, paths[side], { native });
    await adapter.init();
    if (side === filled) await fill(adapter, senderRecords(records, blobBytes));
    await adapter.close();
  }
  return { paths, dir, native };
}

/**
 * What the filled side holds: records of three devices.
 *
 * @param {number} count
 * @param {number} [blobBytes]
 */
export function senderRecords(count, blobBytes = 0) {
  return generateRecords({ count, seed: 42, nodeIds: ["phone", "tablet", "desktop"], blobBytes });
}

/**
 * An engine and its answering side over what `buildSides` left, in one process.
 *
 * @param {Engine} engine
 * @param {Awaited<ReturnType<typeof buildSides>>} built
 * @param {{ blobs?: "memory" | "fs", delta?: boolean }} [options] `delta`: ours has `withSqliteDelta` over
 *   both plain adapters
 */
export async function connectSides(engine, { paths, dir, native }, { blobs = "memory", delta = false } = {}) {
  const allNative = native && engine.role === "ours" ? engine.module : null;
  const storageOf = (/** @type {string} */ name) => {
    const root = join(dir, `${name}-blobs`);
    if (allNative) return allNative.createFsObjectStorage({ root });
    return blobs === "fs" ? createFsObjectStorage({ root }) : createMemoryObjectStorage();
  };
  const storages = { local: storageOf("local"), remote: storageOf("remote") };
  const syncState = allNative?.createSqliteSyncStateStore({ path: join(dir, "state.db") });
  const local = openDatabase(engine, paths.local, { native });
  const remote = openDatabase(engine, paths.remote, { native });
  for (const adapter of [storages.local, storages.remote, local, remote]) await adapter.init();
  const within = (/** @type {any} */ adapter) =>
    delta && engine.role === "ours" ? engine.module.withSqliteDelta(adapter, { db: adapter.db }) : adapter;
  return {
    local,
    remote,
    storages,
    sync: createSync(engine, {
      local: within(local),
      remote: within(remote),
      storages,
      syncState,
      createClock: allNative?.createHLCClock,
    }),
    close: async () => {
      await local.close();
      await remote.close();
      await syncState?.close?.();
    },
  };
}

/**
 * @param {Engine} engine
 * @param {{ local: any, remote: any, storages: { local: any, remote: any }, syncState?: any,
 *   createClock?: (options: { nodeId: string }) => any }} sides
 */
export function createSync({ module }, sides) {
  const { local, remote, storages, syncState = createMemorySyncState(), createClock = createHlcClock } = sides;
  return module.createSyncEngine({
    localDatabaseAdapter: local,
    localObjectStorage: storages.local,
    remoteObjectStorage: storages.remote,
    clock: createClock({ nodeId: "laptop" }),
    syncState,
    transport: module.createInProcessSyncTransport({
      databaseAdapter: remote,
      objectStorage: storages.remote,
      clock: createClock({ nodeId: "hub" }),
    }),
  });
}

/**
 * Rounds until one moves nothing, as a supervisor of an app does.
 *
 * @param {{ exchange: () => Promise<{ applied: number, shipped: number, hasMore: boolean }> }} sync
 * @param {number} items that have to move; bounds the rounds
 * @param {() => Promise<unknown>} [betweenRounds]
 */
export async function syncUntilQuiet(sync, items, betweenRounds) {
  const most = 20 + Math.ceil(items / 100);
  for (let round = 1; round <= most; round++) {
    const { applied, shipped, hasMore } = await sync.exchange();
    if (applied === 0 && shipped === 0 && !hasMore) return round;
    await betweenRounds?.();
  }
  throw new Error(`not quiet after ${most} rounds`);
}
