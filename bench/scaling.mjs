/**
 * What a quiet round takes as the number of records grows: over an index it should not depend on it.
 *
 *   node bench/scaling.mjs [--json FILE] [--quick]
 *
 * The sizes take turns within a run; what counts is the largest size's time divided by the smallest's.
 */
import "./lib/quiet.mjs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadEngine, OURS } from "./lib/engines.mjs";
import { median } from "./lib/stats.mjs";
import { figure } from "./lib/table.mjs";
import { chooseWorkloads } from "./workloads/index.mjs";

const RUNS = 7;

const { values: options } = parseArgs({ options: { json: { type: "string" }, quick: { type: "boolean" } } });
const sizes = options.quick ? [100, 10_000] : [100, 10_000, 1_000_000];
const engine = await loadEngine(OURS);

/** @param {import("./workloads/index.mjs").Workload} workload */
async function measureSizes(workload) {
  const sides = [];
  const dir = await mkdtemp(join(tmpdir(), "sync-engine-scaling-"));
  try {
    for (const records of sizes) {
      const folder = await mkdtemp(join(dir, "side-"));
      const state = await workload.setup(engine, { records, rounds: 1 }, folder);
      sides.push({ records, state, runs: /** @type {number[]} */ ([]) });
    }
    for (let run = 0; run <= RUNS; run++) {
      for (const { state, runs } of sides) {
        const milliseconds = await workload.measure(state, engine);
        if (run > 0) runs.push(milliseconds);
      }
    }
    for (const { state } of sides) await workload.check(state, engine);
    return sides.map(({ records, runs }) => ({ records, median: median(runs), runs }));
  } finally {
    for (const { state } of sides) await workload.close?.(state);
    await rm(dir, { recursive: true, force: true });
  }
}

const results = [];
for (const workload of chooseWorkloads(["idle-100k-delta", "idle-100k-native"])) {
  const name = workload.name.replace("100k-", "");
  const medians = await measureSizes(workload);
  const growth = medians[medians.length - 1].median / medians[0].median;
  results.push({ name, unit: "ms", sizes: medians, growth });
  const each = medians.map((one) => `${one.records.toLocaleString("en")} records ${figure(one.median)} ms`);
  console.log(`${name}: ${each.join(", ")}; the largest by the smallest: ${growth.toFixed(2)}`);
}
if (options.json) await writeFile(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
