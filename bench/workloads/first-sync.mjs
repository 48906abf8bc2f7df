/**
 * A device meets a full peer, or a full device an empty peer: records only, both sides in one process.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 */
import { setImmediate } from "node:timers/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { assertSame, fingerprintOf, fingerprintOfAdapter } from "../adapters/index.mjs";
import { readPeak } from "../lib/resident.mjs";
import { buildSides, connectSides, NATIVE_EXPORTS, openDatabase, senderRecords, syncUntilQuiet } from "./sides.mjs";

const count = (/** @type {{ records: number }} */ size) => size.records.toLocaleString("en");
const EXPORTS = ["createSyncEngine", "createInProcessSyncTransport"];
const plainOnly = { needsSqlite: true, exports: EXPORTS };

/**
 * @param {"local" | "remote"} filled
 * @returns {Workload}
 */
function firstSync(filled) {
  const direction = filled === "local" ? "up" : "down";
  return {
    ...plainOnly,
    name: `first-sync-${direction}`,
    title: (size) => `first sync of ${count(size)} records, ${direction}, plain adapters, in process`,
    unit: "ms",
    bar: { ratio: 1 },
    sizes: { full: { records: 20_000 }, quick: { records: 3_000 } },

    async setup(engine, size, dir) {
      const sides = await connectSides(engine, await buildSides(engine, dir, { ...size, filled }));
      return { ...sides, size };
    },

    async measure({ sync, size }) {
      const start = performance.now();
      await syncUntilQuiet(sync, size.records);
      return performance.now() - start;
    },

    check: checkBothSides,
    close: (state) => state.close(),
  };
}

/**
 * The same with the delta on both sides of ours, beside the plain adapters of the others.
 *
 * @param {"local" | "remote"} filled
 * @returns {Workload}
 */
function firstSyncWithDelta(filled) {
  const plain = firstSync(filled);
  const direction = filled === "local" ? "up" : "down";
  return {
    ...plain,
    name: `first-sync-${direction}-delta`,
    title: (size) => `first sync of ${count(size)} records, ${direction}, withSqliteDelta beside plain adapters`,
    requires: ["withSqliteDelta"],
    bar: { ratio: 3 },
    sizes: { full: { records: 50_000 }, quick: { records: 5_000 } },

    async setup(engine, size, dir) {
      const built = await buildSides(engine, dir, { ...size, filled });
      return { ...(await connectSides(engine, built, { delta: true })), size };
    },
  };
}

/** @param {any} state */
async function checkBothSides({ local, remote, size }) {
  const expected = fingerprintOf(senderRecords(size.records));
  assertSame("local records", await fingerprintOfAdapter(local), expected);
  assertSame("remote records", await fingerprintOfAdapter(remote), expected);
}

/**
 * The longest time that the JavaScript thread serves nobody else. The driver goes back to the event
 * loop after each round, as an app's timer does.
 *
 * @param {{ name: string, native: boolean, bar: import("./index.mjs").Bar }} options
 * @returns {Workload}
 */
function longestHold({ name, native, bar }) {
  return {
    ...plainOnly,
    name,
    title: (size) => `longest hold of the JS thread, ${count(size)} records come in, ${storesOf(native)}`,
    unit: "ms",
    bar,
    requires: native ? NATIVE_EXPORTS : undefined,
    sizes: { full: { records: 50_000 }, quick: { records: 3_000 } },

    async setup(engine, size, dir) {
      const built = await buildSides(engine, dir, { ...size, filled: "remote", native });
      return { ...(await connectSides(engine, built)), size };
    },

    async measure({ sync, size }) {
      const delays = monitorEventLoopDelay({ resolution: 1 });
      delays.enable();
      await ticks(5);
      delays.reset();
      await syncUntilQuiet(sync, size.records, setImmediate);
      await ticks(5);
      delays.disable();
      return delays.max / 1e6;
    },

    check: checkBothSides,
    close: (state) => state.close(),
  };
}

/** Lets the monitor's timer fire, so that it has seen both ends. */
async function ticks(/** @type {number} */ count) {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 2));
}

/**
 * The greatest resident memory of a process that does nothing but the sync: both its sides are there.
 *
 * @param {{ name: string, native: boolean, bar: import("./index.mjs").Bar }} options
 * @returns {Workload}
 */
function residentMemory({ name, native, bar }) {
  return {
    ...plainOnly,
    name,
    title: (size) => `resident memory, first sync of ${count(size)} records, ${storesOf(native)}`,
    unit: "MiB",
    bar,
    requires: native ? NATIVE_EXPORTS : undefined,
    isolated: true,
    sizes: { full: { records: 100_000 }, quick: { records: 5_000 } },

    async setup(engine, size, dir) {
      return { ...(await buildSides(engine, dir, { ...size, filled: "remote", native })), size };
    },

    async measure(built, engine) {
      const sides = await connectSides(engine, built);
      await syncUntilQuiet(sides.sync, built.size.records);
      await sides.close();
      return readPeak();
    },

    async check(built, engine) {
      const local = openDatabase(engine, built.paths.local, built);
      await local.init();
      assertSame("local records", await fingerprintOfAdapter(local), fingerprintOf(senderRecords(built.size.records)));
      await local.close();
    },
  };
}

const storesOf = (/** @type {boolean} */ native) => (native ? "native stores beside plain adapters" : "plain adapters");

/** @type {Workload[]} */
export const firstSyncWorkloads = [
  firstSync("local"),
  firstSync("remote"),
  firstSyncWithDelta("local"),
  firstSyncWithDelta("remote"),
  longestHold({ name: "hold-plain", native: false, bar: {} }),
  longestHold({ name: "hold-native", native: true, bar: { ratio: 20 } }),
  residentMemory({ name: "memory-plain", native: false, bar: {} }),
  residentMemory({ name: "memory-native", native: true, bar: { ratio: 2 } }),
];
