/**
 * A guard against regressions: a few quick workloads whose ratios to the reference, within one run, must
 * not fall below a margin that is far under what they have. A machine that was busy for a moment gets
 * another try; absolute times never count.
 *
 *   node bench/guard.mjs
 */
import "./lib/quiet.mjs";
import { sqliteMissing } from "./adapters/index.mjs";
import { loadEngine, OURS, REFERENCE } from "./lib/engines.mjs";
import { measureWorkload } from "./lib/measure.mjs";
import { resultOf } from "./lib/results.mjs";
import { ratioText } from "./lib/table.mjs";
import { chooseWorkloads } from "./workloads/index.mjs";

const TRIES = 3;
/** @type {Record<string, number>} the least ratio at the quick size */
const MARGINS = {
  "small-round": 0.05,
  "idle-100k-delta": 50,
  "first-sync-up": 0.5,
  "first-sync-down": 0.5,
  "blobs-delayed-up": 3,
};

if (sqliteMissing) {
  console.error(sqliteMissing);
  process.exit(2);
}
const engines = [await loadEngine(REFERENCE, "reference"), await loadEngine(OURS)];
const options = { runs: 3, quick: true, progress: () => {} };

/** @param {string} name */
async function ratioOf(name) {
  const workload = chooseWorkloads([name])[0];
  const outcomes = await measureWorkload(workload, engines, options);
  for (const { label, failed, unavailable } of outcomes) {
    if (failed || unavailable) throw new Error(`${name} on ${label}: ${failed ?? unavailable}`);
  }
  const { engines: measured } = resultOf(workload, workload.sizes.quick, outcomes);
  return measured.find(({ label }) => label === OURS)?.toReference?.ratio ?? 0;
}

for (const [name, least] of Object.entries(MARGINS)) {
  const seen = [];
  do seen.push(await ratioOf(name));
  while (seen[seen.length - 1] < least && seen.length < TRIES);
  const held = seen[seen.length - 1] >= least;
  console.log(`${held ? "holds" : "FAILED"}  ${name}: ${seen.map(ratioText).join(", ")}, at least ${ratioText(least)}`);
  if (!held) process.exitCode = 1;
}
