/**
 * The small exported functions, called as an app calls them. Their work is a comparison or two, so
 * that for a native engine this is the price of its border.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 */
import { compareHlc } from "../reference/hlc.mjs";
import { generateRecords, watermarksOf } from "../adapters/index.mjs";

const count = (/** @type {number} */ number) => number.toLocaleString("en");
const NODE_IDS = ["phone", "tablet", "desktop"];

/** @type {Workload} */
const select = {
  name: "select-unseen",
  title: ({ records }) => `selectUnseen over ${count(records)} records, per record`,
  unit: "µs",
  bar: { below: 0.3 },
  exports: ["selectUnseen"],
  warmsUpWhole: true,
  sizes: { full: { records: 100_000, calls: 10 }, quick: { records: 100_000, calls: 2 } },

  async setup(engine, size) {
    const records = [...generateRecords({ count: size.records, seed: 3, nodeIds: NODE_IDS })];
    const seen = watermarksOf(records.slice(0, size.records / 2));
    return { selectUnseen: engine.module.selectUnseen, records, seen, unseen: /** @type {any[]} */ ([]), size };
  },

  async measure(state) {
    const { selectUnseen, records, seen, size } = state;
    const start = performance.now();
    for (let call = 0; call < size.calls; call++) state.unseen = selectUnseen(records, seen);
    return ((performance.now() - start) * 1000) / (size.calls * records.length);
  },

  async check({ records, unseen }) {
    const expected = records.slice(records.length / 2);
    const same =
      unseen.length === expected.length &&
      unseen.every((/** @type {any} */ one, /** @type {number} */ i) => one === expected[i]);
    if (!same) throw new Error(`selectUnseen: ${unseen.length} of ${expected.length}, or not the same objects`);
  },
};

/**
 * Timestamps of three nodes, every second of which is older than its node's watermark.
 *
 * @param {number} count
 */
function timestamps(count) {
  return Array.from(generateRecords({ count, seed: 4, nodeIds: NODE_IDS }), ({ updatedAt }, index) =>
    index % 2 === 0 ? updatedAt : { ...updatedAt, wallTime: updatedAt.wallTime - 1_000_000 },
  );
}

/** @type {Workload} */
const advance = {
  name: "advance-watermark",
  title: () => "advanceWatermark, per call",
  unit: "µs",
  bar: { below: 0.7 },
  exports: ["advanceWatermark"],
  warmsUpWhole: true,
  sizes: { full: { calls: 100_000, passes: 10 }, quick: { calls: 50_000, passes: 1 } },

  async setup(engine, size) {
    const hlcs = timestamps(size.calls);
    return { advanceWatermark: engine.module.advanceWatermark, hlcs, watermarks: /** @type {any} */ ({}), size };
  },

  async measure(state) {
    const { advanceWatermark, hlcs, size } = state;
    const start = performance.now();
    for (let pass = 0; pass < size.passes; pass++) {
      // Each pass from nothing, so that every second call raises a watermark.
      state.watermarks = {};
      for (const hlc of hlcs) advanceWatermark(state.watermarks, hlc);
    }
    return ((performance.now() - start) * 1000) / (size.passes * hlcs.length);
  },

  async check({ hlcs, watermarks }) {
    for (const nodeId of NODE_IDS) {
      const ofNode = hlcs.filter((/** @type {any} */ hlc) => hlc.nodeId === nodeId);
      const greatest = ofNode.reduce((/** @type {any} */ a, /** @type {any} */ b) => (compareHlc(a, b) < 0 ? b : a));
      if (watermarks[nodeId] !== greatest) throw new Error(`advanceWatermark: ${nodeId} does not hold the greatest`);
    }
  },
};

/** @type {Workload} */
const lookUp = {
  name: "watermark-for",
  title: () => "watermarkFor, per call",
  unit: "µs",
  bar: { below: 0.7 },
  exports: ["watermarkFor"],
  warmsUpWhole: true,
  sizes: { full: { calls: 1_000_000 }, quick: { calls: 50_000 } },

  async setup(engine, size) {
    const watermarks = watermarksOf(timestamps(30).map((updatedAt) => ({ updatedAt })));
    const asked = [...NODE_IDS, "nobody"];
    return { watermarkFor: engine.module.watermarkFor, watermarks, asked, found: 0, size };
  },

  async measure(state) {
    const { watermarkFor, watermarks, asked, size } = state;
    const start = performance.now();
    for (let call = 0; call < size.calls; call++) {
      if (watermarkFor(watermarks, asked[call % asked.length]).wallTime > 0) state.found += 1;
    }
    return ((performance.now() - start) * 1000) / size.calls;
  },

  async check({ watermarkFor, watermarks, asked, found, size }) {
    const wrong = NODE_IDS.some((nodeId) => compareHlc(watermarkFor(watermarks, nodeId), watermarks[nodeId]) !== 0);
    const expected = size.calls - Math.floor(size.calls / asked.length);
    if (wrong || found !== expected) throw new Error(`watermarkFor: ${found} of ${expected} found, or not the entry`);
  },
};

/** @type {Workload[]} */
export const helperWorkloads = [select, advance, lookUp];
