/**
 * Runs workloads on several engines side by side and shows what each took.
 *
 *   npm run bench -- [--engine SPECIFIER]… [--only NAME]… [--json FILE] [--svg FILE] [--markdown FILE]
 *     [--runs N] [--quick]
 *   npm run bench -- --peers …: beside other packages and programs, see beside-peers.mjs
 *   npm run bench -- --scale …: servers over PostgreSQL beside Starkeep's way, see scale.mjs
 *
 * The reference engine and this package always take part; `--engine` adds any module with the exports
 * of version 0.1.0. Absolute times belong to the machine and the moment: what counts are the ratios
 * within one run. Ends with 1 where an engine's outcome was wrong.
 */
import "./lib/quiet.mjs";
import { writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { renderChart } from "./lib/chart.mjs";
import { loadEngines } from "./lib/engines.mjs";
import { measureWorkload } from "./lib/measure.mjs";
import { describeMachine, resultOf } from "./lib/results.mjs";
import { barText, renderMarkdown, renderTable } from "./lib/table.mjs";
import { chooseWorkloads, workloads } from "./workloads/index.mjs";

const USAGE = `usage: npm run bench -- [options]
  --engine SPECIFIER  compare with this module too: a package name or a path (repeatable)
  --only NAME         run this workload, or those whose names begin so (repeatable)
  --json FILE         write all figures
  --svg FILE          write a chart of the ratios
  --markdown FILE     write the table of this package beside the reference
  --runs N            runs per engine and workload, 5 by default
  --quick             small data: shows that everything works, its figures are no evidence
  --list              name the workloads and what they have to reach
  --peers             beside other packages and programs instead; --peers --help has its options
  --scale             servers over PostgreSQL instead; --scale --help has its options`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      engine: { type: "string", multiple: true, default: [] },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      svg: { type: "string" },
      markdown: { type: "string" },
      runs: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs takes a whole number from 1, not ${values.runs}`);
  return { ...values, runs };
}

/** @param {import("./workloads/index.mjs").Workload} workload */
function describe({ name, title, sizes, bar, unit }) {
  const wanted = barText(bar, unit);
  return `${name}\n  ${title(sizes.full)}${wanted && `: ${wanted}`}`;
}

/** One line that is written over on a terminal, and nothing elsewhere. */
function createProgress() {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show: (/** @type {string} */ text) => void stderr.write(`\r\x1b[K${text}`),
    clear: () => void stderr.write("\r\x1b[K"),
  };
}

/**
 * The files are written after each workload: a run of hours that ends early leaves what it measured.
 *
 * @param {ReturnType<typeof readOptions>} options
 */
async function run(options) {
  const chosen = chooseWorkloads(options.only);
  const machine = describeMachine();
  const { engines, missing } = await loadEngines(options.engine);
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.loadBefore.join(" ")}`);
  for (const { label, reason } of missing) console.log(`! ${label} cannot be loaded and is left out: ${reason}`);
  if (options.quick) console.log("! small data: these figures are no evidence");

  const progress = createProgress();
  const results = [];
  for (const workload of chosen) {
    const outcomes = await measureWorkload(workload, engines, { ...options, progress: progress.show });
    const size = options.quick ? workload.sizes.quick : workload.sizes.full;
    const result = resultOf(workload, size, outcomes);
    results.push(result);
    progress.clear();
    console.log(`\n${result.title}\n${renderTable([result])}`);
    await writeFiles(options, { machine: { ...machine, loadAfter: loadavg() }, missing, results });
  }
  console.log(`\nAll\n${renderTable(results)}`);
  return results;
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {{ machine: object & { cpu: string, cores: number, node: string }, missing: unknown[],
 *   results: import("./lib/results.mjs").WorkloadResult[] }} report
 */
async function writeFiles({ json, svg, markdown, runs, quick }, { machine, missing, results }) {
  const date = new Date().toISOString();
  if (json) await writeFile(json, `${JSON.stringify({ date, runs, quick, machine, missing, results }, null, 2)}\n`);
  if (markdown) await writeFile(markdown, renderMarkdown(results));
  if (!svg) return;
  const data = quick ? "small data, no evidence" : `median of ${runs} runs`;
  const subtitle = `${data}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${date.slice(0, 10)}`;
  await writeFile(svg, renderChart({ results, subtitle }));
}

/** @param {import("./lib/results.mjs").WorkloadResult[]} results */
function reportFailures(results) {
  const failures = results.flatMap(({ name, engines }) =>
    engines.flatMap(({ label, failed }) => (failed ? [`${name} on ${label}: ${failed}`] : [])),
  );
  for (const failure of failures) console.error(`\nFAILED ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

async function main() {
  if (process.argv.includes("--peers")) return import("./beside-peers.mjs");
  if (process.argv.includes("--scale")) return import("./scale.mjs");
  const options = readOptions();
  if (options.help) console.log(USAGE);
  else if (options.list) {
    for (const workload of workloads) console.log(describe(workload));
  } else {
    reportFailures(await run(options));
  }
}

try {
  await main();
} catch (error) {
  console.error(/** @type {any} */ (error)?.message ?? error);
  process.exitCode = 2;
}
