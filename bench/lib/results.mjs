/**
 * From raw runs to what is shown: summaries, ratios to the reference, and whether the bar is met.
 *
 * @typedef {import("../workloads/index.mjs").Workload} Workload
 * @typedef {import("./measure.mjs").Outcome} Outcome
 * @typedef {import("./stats.mjs").Summary} Summary
 *
 * @typedef {object} EngineResult
 * @property {string} label
 * @property {Summary} [summary]
 * @property {{ ratio: number, least: number, most: number }} [toReference]
 * @property {boolean} [met] whether this package meets its bar, where there is one
 * @property {string} [unavailable]
 * @property {string} [failed]
 *
 * @typedef {object} WorkloadResult
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {import("../workloads/index.mjs").Bar} bar
 * @property {any} size
 * @property {EngineResult[]} engines
 */
import { cpus, loadavg, release, totalmem } from "node:os";
import { ratioTo, summarise } from "./stats.mjs";

/**
 * @param {Workload} workload
 * @param {any} size
 * @param {Outcome[]} outcomes
 * @returns {WorkloadResult}
 */
export function resultOf({ name, title, unit, bar }, size, outcomes) {
  const baseline = outcomes.find(({ role }) => role === "reference")?.runs;
  const engines = outcomes.map(({ label, role, runs, unavailable, failed }) => {
    if (!runs) return { label, unavailable, failed };
    const summary = summarise(runs);
    const toReference = baseline && ratioTo(summarise(baseline), summary);
    return { label, summary, toReference, met: role === "ours" ? meets(bar, summary, toReference) : undefined };
  });
  return { name, title: title(size), unit, bar, size, engines };
}

/**
 * @param {import("../workloads/index.mjs").Bar} bar
 * @param {Summary} summary
 * @param {{ ratio: number } | undefined} toReference
 * @returns {boolean | undefined}
 */
function meets({ ratio, below }, summary, toReference) {
  if (ratio === undefined && below === undefined) return undefined;
  if (ratio !== undefined && !toReference) return undefined;
  const fast = ratio === undefined || (toReference?.ratio ?? 0) >= ratio;
  return fast && (below === undefined || summary.median <= below);
}

/** Where the figures come from; without it they mean nothing. */
export function describeMachine() {
  const all = cpus();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    os: release(),
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadBefore: loadavg().map((load) => Number(load.toFixed(2))),
  };
}
