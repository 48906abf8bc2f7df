/**
 * A first sync of two native sides over HTTP, each in a process of its own, beside SQLite alone, which writes the same
 * rows in as many commits. What is above 1 is what a sync costs over the disk. The ratios are those to SQLite that syncs
 * no commit to the disk (`synchronous=NORMAL`); it stands beside itself with one sync a commit, as this package has them.
 *
 *   node bench/beside-sqlite.mjs [--engine PATH]… [--runs N] [--quick]
 *
 * `--engine` adds another build of this package. All take turns; what counts are the medians of one run.
 */
import "./lib/quiet.mjs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { assertSame, createSqliteDatabaseAdapter, fingerprintOf, fingerprintOfAdapter } from "./adapters/index.mjs";
import { loadEngine, OURS } from "./lib/engines.mjs";
import { startPeer } from "./lib/peer.mjs";
import { summarise } from "./lib/stats.mjs";
import { figure } from "./lib/table.mjs";
import { openCaller } from "./workloads/over-http.mjs";
import { buildSides, openDatabase, senderRecords, syncUntilQuiet } from "./workloads/sides.mjs";

/** As many records as a request carries at most. */
const PAGE = 1000;

const { values: options } = parseArgs({
  options: {
    engine: { type: "string", multiple: true, default: [] },
    runs: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
  },
});
const count = options.quick ? 5_000 : 50_000;
const records = [...senderRecords(count)];
const expected = fingerprintOf(records);
const loaded = await Promise.all([OURS, ...options.engine].map((specifier) => loadEngine(specifier)));
const engines = loaded.map((engine) => ({ ...engine, role: /** @type {const} */ ("ours") }));

/** @param {string} dir @param {"NORMAL" | "FULL"} synchronous */
async function sqliteAlone(dir, synchronous) {
  const adapter = createSqliteDatabaseAdapter({ path: join(dir, "alone.db") });
  adapter.db.exec(`PRAGMA synchronous = ${synchronous}`);
  const start = performance.now();
  for (let at = 0; at < count; at += PAGE) adapter.fill(records.slice(at, at + PAGE));
  const milliseconds = performance.now() - start;
  await adapter.close();
  return milliseconds;
}

/**
 * @param {import("./lib/engines.mjs").Engine} engine
 * @param {"up" | "down"} direction
 * @param {string} dir
 */
async function firstSync(engine, direction, dir) {
  const { paths } = await buildSides(engine, dir, {
    records: count,
    filled: direction === "up" ? "local" : "remote",
    native: true,
  });
  const blobs = join(dir, "remote-blobs");
  const peer = await startPeer(engine, { stores: "native", paths: { database: paths.remote, blobs } });
  const caller = await openCaller(engine, { dir, baseUrl: peer.baseUrl, stores: "native" });
  const start = performance.now();
  await syncUntilQuiet(caller.sync, count);
  const milliseconds = performance.now() - start;
  await caller.close();
  await peer.close();
  const taken = openDatabase(engine, direction === "up" ? paths.remote : paths.local, { native: true });
  await taken.init();
  assertSame(`records that went ${direction}`, await fingerprintOfAdapter(taken), expected);
  await taken.close();
  return milliseconds;
}

const directions = /** @type {const} */ (["up", "down"]);
const kinds = [
  { name: "SQLite alone", run: (/** @type {string} */ dir) => sqliteAlone(dir, "NORMAL") },
  { name: "SQLite alone, a sync for each commit", run: (/** @type {string} */ dir) => sqliteAlone(dir, "FULL") },
  ...engines.flatMap((engine) =>
    directions.map((direction) => ({
      name: `${direction}, ${engine.label}`,
      run: (/** @type {string} */ dir) => firstSync(engine, direction, dir),
    })),
  ),
];
/** @type {Map<string, number[]>} */
const taken = new Map(kinds.map(({ name }) => [name, []]));
for (let run = 0; run < Number(options.runs); run++) {
  for (const { name, run: measure } of kinds) {
    const dir = await mkdtemp(join(tmpdir(), "sync-engine-beside-"));
    taken.get(name)?.push(await measure(dir));
    await rm(dir, { recursive: true, force: true });
  }
}
const alone = summarise(taken.get("SQLite alone") ?? []).median;
console.log(`${count} records, Node ${process.version}, medians of ${options.runs}`);
for (const [name, runs] of taken) {
  const { median, min, max } = summarise(runs);
  console.log(`${name}: ${figure(median)} ms (${figure(min)} – ${figure(max)}), ${(median / alone).toFixed(2)}×`);
}
