/**
 * The process in which an isolated workload is measured: it does one thing, answers, and ends.
 */
import "./quiet.mjs";
import { workloads } from "../workloads/index.mjs";
import { loadEngine } from "./engines.mjs";

process.once("message", async (/** @type {any} */ { workload: name, specifier, state }) => {
  let answer;
  try {
    const workload = workloads.find((one) => one.name === name);
    if (!workload) throw new Error(`no workload is called ${name}`);
    answer = { value: await workload.measure(state, await loadEngine(specifier)) };
  } catch (error) {
    answer = { error: String(/** @type {any} */ (error)?.stack ?? error) };
  }
  process.send?.(answer, () => process.disconnect());
});
