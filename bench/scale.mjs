/**
 * Servers over PostgreSQL on this machine, beside the way in which Starkeep's cloud works, in one run.
 *
 *   npm run bench -- --scale [--records N] [--nodes N] [--seconds N] [--pages N] [--runs N] [--prices FILE]
 *     [--json FILE] [--markdown FILE] [--quick]
 *
 * Ends with 1 where something that is to be reached was missed, and with 2 where it cannot run. PostgreSQL runs without
 * syncing to the disk, which spares most what commits most. Absolute figures belong to the machine and the moment.
 */
import "./lib/quiet.mjs";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../scripts/local-servers.mjs";
import { needsPostgres } from "../scripts/test-servers.mjs";
import { installIn } from "./lib/install.mjs";
import { writeBetween } from "./lib/page.mjs";
import { describeMachine } from "./lib/results.mjs";
import { median } from "./lib/stats.mjs";
import { figure } from "./lib/table.mjs";
import { inTemporaryFolder } from "./lib/temporary.mjs";
import { firstProcess } from "./scale/counters.mjs";
import { fill } from "./scale/fill.mjs";
import { pages, processes, quietOurs, quietServer, quietTheirs } from "./scale/passes.mjs";
import { canPin } from "./scale/processes.mjs";
import { renderBars, renderCosts } from "./scale/report.mjs";

const USAGE = `usage: npm run bench -- --scale [options]
  --records N      records in the database, 100000 by default
  --nodes N        laptops that they are of, 50 by default
  --seconds N      how long each pass takes, 5 by default
  --pages N        pages of 500 records that are taken in, 20 by default
  --runs N         runs of each pass, 3 by default
  --prices FILE    prices in the form of bench/scale/prices.json
  --json FILE      write all figures
  --markdown FILE  write the tables: between the lines <!-- scale --> and <!-- /scale -->, if the file has them
  --quick          little of all: shows that everything works, its figures are no evidence`;

const SCALE = fileURLToPath(new URL("./scale/", import.meta.url));
const PAGE = 500;
const COUNTING = ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.max=1000"];
const BARS = { quiet: 1000, page: 5, processes: 1.6 };
/** The statements that one look at the database may take, which serves all that ask within a second. */
const LOOK = 10;
const QUICK = { records: 2000, nodes: 5, seconds: 1, pages: 2, runs: 1 };
const FULL = { records: 100_000, nodes: 50, seconds: 5, pages: 20, runs: 3 };

function readOptions() {
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(Object.keys(FULL).map((name) => [name, { type: /** @type {const} */ ("string") }])),
      scale: { type: "boolean" },
      prices: { type: "string", default: `${SCALE}prices.json` },
      json: { type: "string" },
      markdown: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  const sizes = Object.entries(values.quick ? QUICK : FULL).map(([name, initial]) => {
    const value = Number(/** @type {any} */ (values)[name] ?? initial);
    if (!Number.isInteger(value) || value < 1 || value > 10_000_000)
      throw new Error(`--${name} takes a whole number from 1, got ${/** @type {any} */ (values)[name]}`);
    return [name, value];
  });
  return { ...values, .../** @type {typeof FULL} */ (Object.fromEntries(sizes)) };
}

/** With a count of all statements where this PostgreSQL has what counts them. */
const startCounting = () => startPostgres(COUNTING).catch(() => startPostgres());

/**
 * Two equal databases, for each side one.
 *
 * @param {string} url
 * @param {{ records: number, nodes: number }} size
 */
async function makeDatabases(url, size) {
  const { Client } = createRequire(`${SCALE}package.json`)("pg");
  const open = async (/** @type {string} */ name) => {
    const connectionString = url.replace(/postgres$/, name);
    const client = new Client({ connectionString });
    // PostgreSQL may be ended before it.
    client.on("error", () => {});
    await client.connect();
    return { client, connectionString };
  };
  const { client: admin } = await open("postgres");
  await admin.query("CREATE DATABASE theirs");
  const theirs = await open("theirs");
  await theirs.client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").catch(() => {});
  await fill(theirs.client, size);
  await theirs.client.end();
  await admin.query("CREATE DATABASE ours TEMPLATE theirs");
  await admin.end();
  const ours = await open("ours");
  return { ours: ours.connectionString, theirs: theirs.connectionString, client: ours.client };
}

/**
 * All passes, in turns.
 *
 * @param {ReturnType<typeof readOptions>} options
 * @param {import("./scale/passes.mjs").Place} place
 */
async function measure(options, place) {
  const tell = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);
  tell(`a laptop takes in ${options.records} records`);
  const { server, request, records } = await quietServer(place);
  if (records !== options.records) throw new Error(`the laptop took in ${records} records`);
  /** @type {{ ours: any[], theirs: any[], one: any[], two: any[] }} */
  const runs = { ours: [], theirs: [], one: [], two: [] };
  try {
    for (let turn = 1; turn <= options.runs; turn += 1) {
      tell(`quiet exchanges, ${turn} of ${options.runs}`);
      runs.ours.push(await quietOurs(place, server, request));
      runs.theirs.push(await quietTheirs(place));
    }
  } finally {
    await server.end();
  }
  for (let turn = 1; canPin && turn <= options.runs; turn += 1) {
    tell(`one process and two, ${turn} of ${options.runs}`);
    runs.one.push(await processes(place, request, 1));
    runs.two.push(await processes(place, request, 2));
  }
  tell("pages");
  // Last: what it takes in is new to the laptop.
  return { ...runs, pages: await pages(place, { pages: options.pages, size: PAGE }) };
}

/** Of several runs the one in the middle, by what it did in a second. @param {any[]} runs */
function middle(runs) {
  const sorted = [...runs].sort((a, b) => a.perSecond - b.perSecond);
  return sorted[sorted.length >> 1];
}

const rate = (/** @type {number} */ value) => `${figure(value)}/s`;
const times = (/** @type {number} */ value) => `${figure(value)}×`;

/**
 * @param {Awaited<ReturnType<typeof measure>>} found
 * @param {{ records: number, nodes: number }} size
 */
function barsOf(found, { records, nodes }) {
  const [ours, theirs, one, two] = [found.ours, found.theirs, found.one, found.two].map(middle);
  const quiet = ours.perSecond / theirs.perSecond;
  const queries = Math.max(...found.ours.map((run) => run.queries / run.exchanges));
  const [page, single] = [median(found.pages.ours), median(found.pages.theirs)];
  const asked = found.pages.queries ?? { ours: NaN, theirs: NaN };
  const bars = [
    {
      name: `Quiet exchanges, ${records.toLocaleString("en")} records of ${nodes} nodes`,
      ours: rate(ours.perSecond),
      theirs: `Starkeep's way ${rate(theirs.perSecond)}`,
      found: times(quiet),
      bar: `≥ ${BARS.quiet.toLocaleString("en")}×`,
      met: quiet >= BARS.quiet,
    },
    {
      name: `Queries each (${ours.counted})`,
      ours: figure(queries),
      theirs: `Starkeep's way ${figure(theirs.queries / theirs.exchanges)}, ${figure(theirs.rows)} rows`,
      found: `${figure(queries)}; ${rate((ours.queries / ours.exchanges) * ours.perSecond)}`,
      bar: "0, but for a look each second",
      met: found.ours.every((run) => run.queries <= LOOK * (run.exchanges / run.perSecond + 1)),
    },
    {
      name: `A page of ${PAGE} records taken in`,
      ours: `${figure(page)} ms, ${figure(asked.ours)} statements`,
      theirs: `get, put and commit each ${figure(single)} ms, ${figure(asked.theirs)} statements`,
      found: times(single / page),
      bar: `≥ ${BARS.page}×`,
      met: single / page >= BARS.page,
    },
  ];
  if (one === undefined) return bars;
  const shown = (/** @type {any} */ { perSecond, cpuSeconds, database }) =>
    `${rate(perSecond)}, ${figure(cpuSeconds * 1e6)} µs each, the database ${Math.round(database * 100)} %`;
  bars.push({
    name: "Two processes with a processor each",
    ours: shown(two),
    theirs: `one process ${shown(one)}`,
    found: times(two.perSecond / one.perSecond),
    bar: `≥ ${BARS.processes}×`,
    met: two.perSecond / one.perSecond >= BARS.processes,
  });
  return bars;
}

/** @param {ReturnType<typeof readOptions>} options */
async function main(options) {
  const missing = needsPostgres.skip || (await installIn(SCALE));
  if (missing) throw new Error(`it cannot run: ${missing}`);
  const prices = JSON.parse(await readFile(options.prices, "utf8"));
  const machine = describeMachine();
  const heading = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.loadBefore.join(" ")}`;
  console.log(`${heading}; medians of ${options.runs}${options.quick ? "; small data, no evidence" : ""}`);
  if (!canPin) console.log("! a process cannot be kept to one processor here: two processes are left out");
  const found = await inTemporaryFolder(async (folder) => {
    const postgres = await startCounting();
    try {
      const databases = await makeDatabases(postgres.url, options);
      const place = { ...databases, folder, seconds: options.seconds, postgres: await firstProcess(databases.client) };
      return await measure(options, place).finally(() => databases.client.end());
    } finally {
      await postgres.end();
    }
  });
  const bars = barsOf(found, options);
  const tables = [
    renderBars(bars),
    renderCosts({ ours: middle(found.ours), theirs: middle(found.theirs) }, prices),
  ].join("\n\n");
  console.log(`\n${tables}`);
  const { json, markdown } = options;
  const report = { date: new Date().toISOString(), machine, options, bars, found };
  if (json) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
  if (markdown) await writeBetween(markdown, "scale", `${heading}; medians of ${options.runs}.\n\n${tables}\n`);
  if (bars.some(({ met }) => !met)) process.exitCode = 1;
}

try {
  if (process.argv.includes("--help")) console.log(USAGE);
  else await main(readOptions());
} catch (error) {
  console.error(/** @type {any} */ (error)?.message ?? error);
  process.exitCode = 2;
}
