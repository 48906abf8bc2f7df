/**
 * Runs one workload on every engine, in turn and interleaved: what slows the machine for a while
 * falls on all of them.
 *
 * @typedef {import("./engines.mjs").Engine} Engine
 * @typedef {import("../workloads/index.mjs").Workload} Workload
 * @typedef {{ label: string, role: Engine["role"], runs?: number[], unavailable?: string, failed?: string }} Outcome
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { sqliteMissing } from "../adapters/index.mjs";
import { rotated } from "./stats.mjs";
import { inTemporaryFolder } from "./temporary.mjs";

const CHILD = fileURLToPath(new URL("./child.mjs", import.meta.url));

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

/**
 * @param {Workload} workload
 * @param {Engine[]} engines
 * @param {{ runs: number, quick: boolean, progress: (text: string) => void }} options
 * @returns {Promise<Outcome[]>}
 */
export async function measureWorkload(workload, engines, { runs, quick, progress }) {
  const size = quick ? workload.sizes.quick : workload.sizes.full;
  const warmUp = workload.warmsUpWhole ? size : workload.sizes.quick;
  const outcomes = engines.map((engine) => ({
    engine,
    label: engine.label,
    role: engine.role,
    ...startOf(workload, engine),
  }));
  for (let run = workload.isolated ? 1 : 0; run <= runs; run++) {
    for (const outcome of rotated(outcomes, run)) {
      if (!outcome.runs) continue;
      try {
        const value = await measureOnce(workload, outcome.engine, run === 0 ? warmUp : size);
        progress(`${workload.name}  ${run === 0 ? "warm-up" : `run ${run} of ${runs}`}  ${outcome.label}`);
        if (run > 0) outcome.runs.push(value);
      } catch (error) {
        outcome.failed = String(/** @type {any} */ (error)?.stack ?? error);
        outcome.runs = undefined;
      }
    }
  }
  return outcomes.map(({ engine, ...outcome }) => outcome);
}

/**
 * @param {Workload} workload
 * @param {Engine} engine
 * @returns {{ runs?: number[], unavailable?: string, failed?: string }}
 */
function startOf(workload, engine) {
  const asked = [...workload.exports, ...(engine.role === "ours" ? (workload.requires ?? []) : [])];
  const lacking = asked.filter((name) => typeof engine.module[name] !== "function");
  if (lacking.length > 0) return { unavailable: `the engine does not export ${lacking.join(", ")}` };
  if (workload.unavailable) return { unavailable: workload.unavailable };
  if (workload.needsSqlite && sqliteMissing) return { unavailable: sqliteMissing };
  return { runs: [] };
}

/**
 * Fresh data, the timed part, and the proof that the outcome is right.
 *
 * @param {Workload} workload
 * @param {Engine} engine
 * @param {any} size
 */
function measureOnce(workload, engine, size) {
  return inTemporaryFolder(async (dir) => {
    const state = await workload.setup(engine, size, dir);
    try {
      collectGarbage();
      const value = workload.isolated
        ? await measureInChild(workload, engine, state)
        : await workload.measure(state, engine);
      if (!(value > 0 && Number.isFinite(value))) throw new Error(`${workload.name}: measured ${value}`);
      await workload.check(state, engine);
      return value;
    } finally {
      await workload.close?.(state);
    }
  });
}

/**
 * @param {Workload} workload
 * @param {Engine} engine
 * @param {any} state
 * @returns {Promise<number>}
 */
function measureInChild(workload, engine, state) {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, { execArgv: [] });
    /** @type {any} */
    let answer = null;
    child.on("error", reject);
    child.on("message", (message) => void (answer = message));
    child.on("exit", (code, signal) => {
      if (answer && "value" in answer) resolve(answer.value);
      else reject(new Error(answer?.error ?? `the measuring process ended early (${signal ?? code})`));
    });
    child.send({ workload: workload.name, specifier: engine.specifier, state });
  });
}
