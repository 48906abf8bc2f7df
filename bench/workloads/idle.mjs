/**
 * A round that finds nothing to do: what every app pays at every tick. Only the calling side is
 * measured; its peer answers at once that it has nothing.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 */
import { join } from "node:path";
import {
  assertSame,
  createHlcClock,
  createMemoryObjectStorage,
  createMemorySyncState,
  createSqliteDatabaseAdapter,
  fingerprintOf,
  fingerprintOfAdapter,
  generateRecords,
  watermarksOf,
} from "../adapters/index.mjs";
import { fill } from "./sides.mjs";

const NODE_IDS = ["phone", "tablet", "desktop"];

/** @typedef {(engine: import("../lib/engines.mjs").Engine, path: string) => any} OpenAdapter */

/**
 * @param {{ name: string, adapter: string, records: number, rounds: number, shape?: "0.1" | "0.2",
 *   requires?: string[], bar?: import("./index.mjs").Bar, open: OpenAdapter }} options
 * @returns {Workload}
 */
function idle({ name, adapter: kind, records, rounds, shape = "0.1", requires, bar = {}, open }) {
  const held = (/** @type {number} */ count) => generateRecords({ count, seed: 7, nodeIds: NODE_IDS, shape });
  return {
    name,
    title: (size) => `nothing to send, ${size.records.toLocaleString("en")} records, ${kind}`,
    unit: "ms",
    bar,
    needsSqlite: true,
    exports: ["createSyncEngine"],
    requires,
    warmsUpWhole: records <= 10_000,
    sizes: { full: { records, rounds }, quick: { records: Math.ceil(records / 10), rounds } },

    async setup(engine, size, dir) {
      const adapter = open(engine, join(dir, "local.db"));
      await adapter.init();
      await fill(adapter, held(size.records));
      const known = watermarksOf(held(size.records));
      const peer = silentPeer();
      const sync = engine.module.createSyncEngine({
        localDatabaseAdapter: adapter,
        localObjectStorage: createMemoryObjectStorage(),
        remoteObjectStorage: createMemoryObjectStorage(),
        transport: peer,
        clock: createHlcClock({ nodeId: "laptop" }),
        syncState: createMemorySyncState({ watermarks: known, peerWatermarks: known }),
      });
      const moved = { applied: 0, shipped: 0, rounds: 0 };
      await sync.exchange();
      return { adapter, peer, sync, moved, size };
    },

    async measure({ sync, moved, size }) {
      const start = performance.now();
      let rounds = 0;
      for (; rounds < size.rounds || performance.now() - start < LEAST_MS; rounds++) {
        const { applied, shipped } = await sync.exchange();
        moved.applied += applied;
        moved.shipped += shipped;
      }
      const took = performance.now() - start;
      moved.rounds += rounds;
      return took / rounds;
    },

    async check({ adapter, peer, moved, size }) {
      const { requests, items } = peer.seen;
      if (requests !== moved.rounds + 1) throw new Error(`${requests} requests for ${moved.rounds + 1} rounds`);
      if (items + moved.applied + moved.shipped > 0) throw new Error("something moved where nothing was to do");
      assertSame("records", await fingerprintOfAdapter(adapter), fingerprintOf(held(size.records)));
    },

    close: ({ adapter }) => adapter.close(),
  };
}

/** A transport that never has anything, and counts what it is asked. */
function silentPeer() {
  const seen = { requests: 0, items: 0 };
  return {
    seen,
    /** @param {{ records?: unknown[], appSyncableRows?: unknown[] }} request */
    exchange: async (request) => {
      seen.requests += 1;
      seen.items += (request.records?.length ?? 0) + (request.appSyncableRows?.length ?? 0);
      return { records: [], appSyncableRows: [], hasMore: false };
    },
  };
}

/** @type {OpenAdapter} */
const plain = (_engine, path) => createSqliteDatabaseAdapter({ path });
/** @type {(way: import("../adapters/sqlite.mjs").NodeWatermarks) => OpenAdapter} */
const withNodeWatermarks = (nodeWatermarks) => (_engine, path) =>
  createSqliteDatabaseAdapter({ path, shape: "0.2", nodeWatermarks });
/** @type {OpenAdapter} */
const withDelta = (engine, path) => {
  const adapter = createSqliteDatabaseAdapter({ path });
  if (engine.role !== "ours") return adapter;
  return { ...engine.module.withSqliteDelta(adapter, { db: adapter.db }), fill: adapter.fill };
};
/** @type {OpenAdapter} */
const native = (engine, path) =>
  engine.role === "ours" ? engine.module.createSqliteDatabaseAdapter({ path }) : plain(engine, path);

/** A run has as many rounds as fit into this time, or those of its size if they take longer. */
const LEAST_MS = 100;

const MOST = { records: 100_000, rounds: 3 };
const SIZES = [
  { label: "1k", records: 1_000, rounds: 50 },
  { label: "10k", records: 10_000, rounds: 8 },
  { label: "100k", ...MOST },
];

/** @type {Workload[]} */
export const idleWorkloads = [
  ...SIZES.map(({ label, ...size }) =>
    idle({ name: `idle-${label}`, adapter: "plain adapter", ...size, bar: { ratio: 1 }, open: plain }),
  ),
  ...SIZES.map(({ label, ...size }) =>
    idle({
      name: `idle-${label}-node-watermarks`,
      adapter: "getNodeWatermarks by index look-ups",
      ...size,
      shape: "0.2",
      bar: label === "100k" ? { ratio: 100 } : {},
      open: withNodeWatermarks("looked up"),
    }),
  ),
  // No bar: the query itself reads the whole index, and that is all that is left to wait for.
  idle({
    name: "idle-100k-node-watermarks-grouped",
    adapter: "getNodeWatermarks by GROUP BY",
    ...MOST,
    shape: "0.2",
    open: withNodeWatermarks("grouped"),
  }),
  idle({
    name: "idle-100k-delta",
    adapter: "withSqliteDelta beside the plain adapter",
    ...MOST,
    requires: ["withSqliteDelta"],
    bar: { ratio: 1000 },
    open: withDelta,
  }),
  idle({
    name: "idle-100k-native",
    adapter: "native store beside the plain adapter",
    ...MOST,
    requires: ["createSqliteDatabaseAdapter"],
    bar: { ratio: 1000 },
    open: native,
  }),
];
