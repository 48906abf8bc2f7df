/**
 * What the parts under the engine take by themselves for the same work: SQLite, JSON, a socket of this
 * machine, the file system, curl. An engine can do without none of them, and beside these figures the
 * bench's say how much of the time is the engine's.
 *
 *   node bench/limits.mjs [--json FILE] [--quick]
 */
import "./lib/quiet.mjs";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { createSqliteDatabaseAdapter } from "./adapters/index.mjs";
import { loadEngine, OURS } from "./lib/engines.mjs";
import { startPeer } from "./lib/peer.mjs";
import { median } from "./lib/stats.mjs";
import { figure } from "./lib/table.mjs";
import { fillLargeBlob, moveLargeBlob } from "./workloads/over-http.mjs";
import { senderRecords } from "./workloads/sides.mjs";

const RUNS = 3;
const PAGE = 1000;
const SCAN_PAGE = 500;
const MIB = 2 ** 20;
const SMALL = 4096;

const { values: options } = parseArgs({ options: { json: { type: "string" }, quick: { type: "boolean" } } });
const count = options.quick ? 5_000 : 50_000;
const mebibytes = options.quick ? 64 : 1024;
const smallFiles = options.quick ? 500 : 5_000;
const records = [...senderRecords(count)];
const pages = Array.from({ length: count / PAGE }, (_, page) => records.slice(page * PAGE, (page + 1) * PAGE));
const dir = await mkdtemp(join(tmpdir(), "sync-engine-limits-"));
const fresh = (() => {
  let number = 0;
  return (/** @type {string} */ kind) => join(dir, `${kind}-${(number += 1)}`);
})();

/** @param {() => unknown} work */
async function timeOf(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The plain table, one prepared statement, a transaction per page. */
async function writeRows() {
  const adapter = createSqliteDatabaseAdapter({ path: fresh("rows") });
  const milliseconds = await timeOf(() => pages.forEach((page) => adapter.fill(page)));
  await adapter.close();
  return milliseconds;
}

async function readRows() {
  const adapter = createSqliteDatabaseAdapter({ path: fresh("rows") });
  adapter.fill(records);
  const milliseconds = await timeOf(() => adapter.db.prepare("SELECT * FROM shared_records ORDER BY id").all());
  await adapter.close();
  return milliseconds;
}

/** What a full pass asks of the plain adapter, after a first one. */
async function readPages() {
  const adapter = createSqliteDatabaseAdapter({ path: fresh("pages") });
  adapter.fill(records);
  const pass = async () => {
    let cursor;
    do cursor = (await adapter.query({ limit: SCAN_PAGE, cursor })).nextCursor ?? undefined;
    while (cursor !== undefined);
  };
  await pass();
  const milliseconds = await timeOf(pass);
  await adapter.close();
  return milliseconds;
}

/** What taking in asks of the plain adapter: a commit for each record. */
async function putRows() {
  const adapter = createSqliteDatabaseAdapter({ path: fresh("puts") });
  const milliseconds = await timeOf(async () => {
    for (const record of records) await adapter.put(record);
  });
  await adapter.close();
  return milliseconds;
}

const json = () =>
  timeOf(() => {
    for (const page of pages) JSON.parse(JSON.stringify({ records: page }));
  });

/** Every page once over a socket of this machine, as it would travel unpacked. */
async function loopback() {
  const bodies = pages.map((page) => JSON.stringify({ records: page }));
  const server = createServer((req, res) => void res.end(bodies[Number(req.url?.slice(1))]));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const milliseconds = await timeOf(async () => {
    for (let page = 0; page < bodies.length; page++) {
      const response = await fetch(`http://127.0.0.1:${port}/${page}`);
      await response.arrayBuffer();
    }
  });
  server.closeAllConnections();
  server.close();
  return milliseconds;
}

const large = join(dir, "large");

async function copy() {
  const to = fresh("copy");
  const milliseconds = await timeOf(async () => {
    await copyFile(large, to);
    await synced(to);
  });
  await rm(to);
  return milliseconds;
}

/** Small files one after the other, whole, as the plain storage reads and writes them. */
async function copySmall() {
  const [from, to] = [fresh("small"), fresh("small-copy")];
  for (const folder of [from, to]) await mkdir(folder);
  for (let file = 0; file < smallFiles; file++) await writeFile(join(from, `${file}`), Buffer.alloc(SMALL, file));
  const milliseconds = await timeOf(async () => {
    for (let file = 0; file < smallFiles; file++)
      await writeFile(join(to, `${file}`), await readFile(join(from, `${file}`)));
  });
  for (const folder of [from, to]) await rm(folder, { recursive: true });
  return milliseconds;
}

/** @param {string} path */
async function synced(path) {
  const file = await open(path, "r+");
  await file.sync();
  await file.close();
}

/** The same number of bytes by curl to a native server of its own. */
async function curl() {
  const blobs = fresh("blobs");
  const paths = { database: fresh("server"), blobs };
  const peer = await startPeer(await loadEngine(OURS), { stores: "native", paths });
  try {
    const to = `${peer.baseUrl}/files/large`;
    return await timeOf(() => promisify(execFile)("curl", ["-sS", "--fail", "-T", large, to]));
  } finally {
    await peer.close();
    await rm(blobs, { recursive: true, force: true });
  }
}

/** What stands beside curl: the same bytes by one round of the engine, from folder to folder. */
async function round() {
  const engine = await loadEngine(OURS);
  const folder = fresh("round");
  await mkdir(folder);
  try {
    await fillLargeBlob(engine.module, folder, mebibytes);
    return (await moveLargeBlob(engine, folder)).milliseconds;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const rows = `${count.toLocaleString("en")} records`;
const bytes = `${mebibytes.toLocaleString("en")} MiB`;
/** @type {[string, string, () => Promise<number>][]} */
const LIMITS = [
  ["sqlite-write", `SQLite writes ${rows}, one transaction per ${PAGE}`, writeRows],
  ["sqlite-read", `SQLite reads ${rows}`, readRows],
  ["adapter-pages", `The plain adapter answers ${rows} in pages of ${SCAN_PAGE}`, readPages],
  ["adapter-puts", `The plain adapter puts ${rows}, each with its commit`, putRows],
  ["json", `JSON.stringify and JSON.parse of ${rows}`, json],
  ["loopback", `node:http and fetch carry the JSON of ${rows}`, loopback],
  ["copy", `copyFile of ${bytes}, and fsync`, copy],
  [
    "small-files",
    `readFile and writeFile of ${smallFiles.toLocaleString("en")} files of ${SMALL / 1024} KiB`,
    copySmall,
  ],
  ["curl", `curl -T of ${bytes} to the native server`, curl],
  ["round", `one round with a file of ${bytes}, over HTTP between two processes`, round],
];

try {
  const piece = Buffer.alloc(MIB, 7);
  await writeFile(large, "");
  const file = await open(large, "a");
  for (let i = 0; i < mebibytes; i++) await file.write(piece);
  await file.close();
  const results = [];
  const measured = LIMITS.map(([name, title, measure]) => ({ name, title, measure, runs: [], failed: "" }));
  for (let run = 0; run < RUNS; run++) {
    for (const limit of measured) {
      try {
        if (!limit.failed) limit.runs.push(await limit.measure());
      } catch (error) {
        limit.failed = String(/** @type {any} */ (error).message);
      }
    }
  }
  for (const { name, title, runs, failed } of measured) {
    if (failed) {
      console.log(`${title}: not measured, ${failed}`);
      continue;
    }
    results.push({ name, title, unit: "ms", median: median(runs), runs });
    console.log(`${title}: ${figure(median(runs))} ms (${runs.map(figure).join(", ")})`);
  }
  if (options.json) await writeFile(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
} finally {
  await rm(dir, { recursive: true, force: true });
}
