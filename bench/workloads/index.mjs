/**
 * All workloads, in the order in which they run.
 *
 * A measurement is always "less is better", in the workload's unit; a ratio is the reference's figure
 * divided by the engine's, so that 2 means twice as fast, or half the memory.
 *
 * @typedef {import("../lib/engines.mjs").Engine} Engine
 *
 * @typedef {object} Bar
 * @property {number} [ratio] the least ratio to the reference
 * @property {number} [below] the figure itself stays under this, in the workload's unit
 *
 * @typedef {object} Workload
 * @property {string} name for `--only`
 * @property {(size: any) => string} title
 * @property {string} unit
 * @property {Bar} bar empty where the figure is only for information
 * @property {string[]} exports what it asks of every engine
 * @property {string[]} [requires] what it asks of this package besides
 * @property {boolean} [needsSqlite] whether it needs `node:sqlite`
 * @property {string} [unavailable] why it cannot run at all
 * @property {boolean} [isolated] whether `measure` runs in a process of its own; what `setup` answers
 *   then has to survive JSON
 * @property {boolean} [warmsUpWhole] whether the warm-up takes the whole size: for what is so short
 *   that the compiler would still be at work in the first run; else it takes the quick one
 * @property {{ full: any, quick: any }} sizes
 * @property {(engine: Engine, size: any, dir: string) => Promise<any>} setup not timed; `dir` is
 *   empty, and removed afterwards
 * @property {(state: any, engine: Engine) => Promise<number>} measure
 * @property {(state: any, engine: Engine) => Promise<void>} check throws where the outcome is wrong
 * @property {(state: any) => unknown} [close]
 */
import { blobWorkloads } from "./blobs.mjs";
import { firstSyncWorkloads } from "./first-sync.mjs";
import { helperWorkloads } from "./helpers.mjs";
import { idleWorkloads } from "./idle.mjs";
import { httpWorkloads } from "./over-http.mjs";
import { smallRoundWorkloads } from "./small-round.mjs";

/** @type {Workload[]} */
export const workloads = [
  ...helperWorkloads,
  ...smallRoundWorkloads,
  ...idleWorkloads,
  ...blobWorkloads,
  ...firstSyncWorkloads,
  ...httpWorkloads,
];

/** @param {string[]} only names, or else beginnings of names; none means all */
export function chooseWorkloads(only) {
  if (only.length === 0) return workloads;
  const chosen = only.flatMap((wanted) => {
    const exact = workloads.filter(({ name }) => name === wanted);
    const found = exact.length > 0 ? exact : workloads.filter(({ name }) => name.startsWith(wanted));
    if (found.length > 0) return found;
    throw new Error(`no workload is called ${wanted}; there are: ${workloads.map(({ name }) => name).join(", ")}`);
  });
  return workloads.filter((workload) => chosen.includes(workload));
}
