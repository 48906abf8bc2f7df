/**
 * A quiet round of two native sides over HTTP, as what they hold grows: records, node ids, tables of apps. None of them
 * should be seen in it.
 *
 *   node bench/quiet-round.mjs [--json FILE] [--quick]
 *
 * The sizes of one kind take turns; what counts is the largest size's time divided by the smallest's. A proxy between
 * the sides counts the bytes of one more round: request and answer, headers included.
 */
import "./lib/quiet.mjs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadEngine, OURS } from "./lib/engines.mjs";
import { recordOf } from "./lib/records.mjs";
import { median } from "./lib/stats.mjs";
import { figure } from "./lib/table.mjs";

const RUNS = 15;
const ROUNDS = 30;
const BATCH = 1000;

const { values: options } = parseArgs({ options: { json: { type: "string" }, quick: { type: "boolean" } } });
const { module: starkeep } = await loadEngine(OURS);

const held = { records: 1000, nodeIds: 1, tables: 1 };
const largest = options.quick
  ? { records: 10_000, nodeIds: 1000, tables: 50 }
  : { records: 1_000_000, nodeIds: 10_000, tables: 500 };
const kinds = {
  records: [{ records: 100 }, { records: largest.records }],
  "node ids": [
    { records: 2 * largest.nodeIds, nodeIds: 1 },
    { records: 2 * largest.nodeIds, nodeIds: largest.nodeIds },
  ],
  "app tables": [{ tables: 1 }, { tables: largest.tables }],
};

/** @param {string} dir @param {string} name */
async function openSide(dir, name) {
  const at = (/** @type {string} */ file) => join(dir, `${name}-${file}`);
  const rows = starkeep.createSqliteAppRows({ path: at("rows.db") });
  return {
    records: starkeep.createSqliteDatabaseAdapter({ path: at("records.db") }),
    rows,
    files: starkeep.createFsObjectStorage({ root: at("files") }),
    state: starkeep.createSqliteSyncStateStore({ path: at("state.db") }),
    clock: starkeep.createHLCClock({ nodeId: name }),
  };
}

/** @param {Awaited<ReturnType<typeof openSide>>} side @param {typeof held} size */
async function fill({ records, rows }, { records: count, nodeIds, tables }) {
  let wallTime = Date.now() - count;
  for (let from = 0; from < count; from += BATCH) {
    const indexes = Array.from({ length: Math.min(BATCH, count - from) }, (_, at) => from + at);
    await records.batch(
      indexes.map((at) => {
        const updatedAt = { wallTime: wallTime++, counter: 0, nodeId: `node-${at % nodeIds}` };
        return { type: "put", record: recordOf(`record-${at}`, updatedAt) };
      }),
    );
  }
  for (let at = 0; at < tables; at++) {
    const timestamp = { wallTime: wallTime++, counter: 0, nodeId: "node-0" };
    const entry = { timestamp, appId: "app", table: `t${at}`, where: { id: "one" } };
    await rows.applier.apply({ ...entry, op: "insert", row: { id: "one", text: "a row" } });
  }
}

/** A proxy that counts what passes through it. @param {number} port */
async function countingProxy(port) {
  const passed = { up: 0, down: 0 };
  const server = createServer((socket) => {
    const beyond = connect(port, "127.0.0.1");
    socket.on("data", (bytes) => (passed.up += bytes.length)).pipe(beyond);
    beyond.on("data", (bytes) => (passed.down += bytes.length)).pipe(socket);
    for (const one of [socket, beyond]) one.on("error", () => (socket.destroy(), beyond.destroy()));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port: own } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { passed, port: own, close: () => server.close() };
}

/** @param {string} dir @param {Partial<typeof held>} size */
async function pairOf(dir, size) {
  const whole = { ...held, ...size };
  const [laptop, cloud] = [await openSide(dir, "laptop"), await openSide(dir, "cloud")];
  const tables = Array.from({ length: whole.tables }, (_, at) => ({ name: `t${at}`, pkColumns: ["id"] }));
  for (const { rows } of [laptop, cloud]) await rows.register("app", { tables });
  await fill(laptop, whole);
  const server = starkeep.createHttpSyncServer({
    databaseAdapter: cloud.records,
    appSyncableSource: cloud.rows,
    objectStorageAdapter: cloud.files,
    clock: cloud.clock,
  });
  const { port } = await server.listen(0);
  const proxy = await countingProxy(port);
  const engineAt = (/** @type {number} */ at) => {
    const way = { baseUrl: `http://127.0.0.1:${at}` };
    return starkeep.createSyncEngine({
      localDatabaseAdapter: laptop.records,
      appSyncableSource: laptop.rows,
      localObjectStorage: laptop.files,
      remoteObjectStorage: starkeep.createHttpObjectStorage(way),
      transport: starkeep.createHttpSyncTransport(way),
      clock: laptop.clock,
      syncState: laptop.state,
    });
  };
  const [engine, counted] = [engineAt(port), engineAt(proxy.port)];
  for (let hasMore = true; hasMore;) ({ hasMore } = await engine.exchange());
  await counted.exchange();
  return { size: whole, engine, counted, proxy, server, runs: /** @type {number[]} */ ([]) };
}

/** @param {{ exchange: () => Promise<any> }} engine */
async function quietRound(engine) {
  const { applied, shipped, inSync } = await engine.exchange();
  if (applied + shipped > 0 || inSync !== true) throw new Error("the round was not quiet");
}

const results = [];
for (const [kind, sizes] of Object.entries(kinds)) {
  const dir = await mkdtemp(join(tmpdir(), "sync-engine-quiet-"));
  const pairs = [];
  try {
    for (const [at, size] of sizes.entries()) {
      const own = join(dir, String(at));
      await mkdir(own);
      pairs.push(await pairOf(own, size));
    }
    for (let run = 0; run <= RUNS; run++) {
      for (const { engine, runs } of pairs) {
        const start = performance.now();
        for (let round = 0; round < ROUNDS; round++) await quietRound(engine);
        if (run > 0) runs.push((performance.now() - start) / ROUNDS);
      }
    }
    const measured = [];
    for (const { size, counted, proxy, runs } of pairs) {
      const { up, down } = proxy.passed;
      await quietRound(counted);
      measured.push({
        size,
        median: median(runs),
        runs,
        request: proxy.passed.up - up,
        answer: proxy.passed.down - down,
      });
    }
    const growth = measured[measured.length - 1].median / measured[0].median;
    results.push({ kind, unit: "ms", sizes: measured, growth });
    console.log(`${kind}: the largest by the smallest ${growth.toFixed(2)}`);
    for (const { size, median: ms, request, answer } of measured)
      console.log(`  ${JSON.stringify(size)}: ${figure(ms)} ms, request ${request} bytes, answer ${answer} bytes`);
  } finally {
    for (const { server, proxy } of pairs) {
      await server.close();
      proxy.close();
    }
    await rm(dir, { recursive: true, force: true });
  }
}
if (options.json) await writeFile(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
