/**
 * How many exchanges a second one server answers, and what of a processor each takes there: quiet ones, and those of a
 * channel of which one record changes again and again, which all callers get and one of them brings.
 *
 *   node bench/exchanges.mjs [--engine PATH]… [--clients 200] [--seconds 3] [--turns 5] [--json FILE]
 *
 * `--engine` adds another build of this package. All take turns; what counts are the medians. Callers keep change logs
 * and write the bytes of their requests to a socket themselves, so that they take little of the machine.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadEngine, OURS } from "./lib/engines.mjs";
import { recordOf } from "./lib/records.mjs";
import { median } from "./lib/stats.mjs";

const PATH = "/sync/exchange";

/** @param {number} wallTime */
const stampOf = (wallTime) => ({ wallTime, counter: 0, nodeId: "caller-0" });

/** A caller with a log of its own, which has taken in what it was sent. */
class Caller {
  own = 1;
  have = 0;
  /** @type {string | undefined} */
  cursor;
  streams = 0;
  rest = "";
  answered = 0;
  received = 0;

  /** @param {number} number @param {number} port */
  constructor(number, port) {
    this.number = number;
    this.generation = `caller${number}`;
    this.socket = connect(port, "127.0.0.1").setNoDelay(true);
    /** @type {(answer: any) => void} */
    this.heard = () => {};
    this.socket.setEncoding("utf8").on("data", (text) => this.hear(String(text)));
  }

  /** @param {string} text */
  hear(text) {
    this.rest += text;
    const head = this.rest.indexOf("\r\n\r\n");
    const length = /content-length: (\d+)/i.exec(this.rest);
    if (head < 0 || length === null || this.rest.length < head + 4 + Number(length[1])) return;
    const body = this.rest.slice(head + 4);
    const status = this.rest.slice(9, 12);
    this.rest = "";
    if (status !== "200") throw new Error(`${status} ${body}`);
    this.heard(JSON.parse(body));
  }

  /** One exchange. @param {any[]} records */
  async exchange(records) {
    const position = `${this.generation}.${(this.own += records.length)}`;
    const since = this.cursor === undefined ? {} : { presumes: this.cursor, since: [this.cursor] };
    const records_ = { id: this.generation, history: [position], follows: this.have, upto: position, ...since };
    const log = { ...(this.cursor ? {} : { hello: true }), records: records_, streams: this.streams };
    const body = JSON.stringify({ watermarks: {}, records, limit: 100, maxAnswerBytes: 1 << 26, log });
    const head = `POST ${PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`;
    const answered = new Promise((resolve) => (this.heard = resolve));
    this.socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const answer = /** @type {any} */ (await answered);
    const plane = answer.log.records;
    this.have = plane.have;
    this.cursor = plane.cursor ?? this.cursor;
    this.streams = answer.log.streams;
    this.own += answer.records.length;
    this.received += answer.records.length;
    this.answered += 1;
  }
}

/** @param {string} specifier @param {string} folder */
async function serve(specifier, folder) {
  const { module: sync } = await loadEngine(specifier);
  const records = sync.createSqliteDatabaseAdapter({ path: join(folder, "records.db") });
  const server = sync.createHttpSyncServer({
    databaseAdapter: records,
    objectStorageAdapter: sync.createFsObjectStorage({ root: join(folder, "files") }),
    clock: sync.createHLCClock({ nodeId: "cloud" }),
    maxRequests: 1024,
    maxRequestsPerAddress: 1024,
  });
  const { port } = await server.listen();
  process.on("message", () => process.send?.(process.cpuUsage()));
  process.send?.({ port });
}

/**
 * @param {string} specifier
 * @param {{ clients: number, seconds: number, changes: boolean }} asked
 */
async function turn(specifier, { clients, seconds, changes }) {
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-exchanges-"));
  const server = fork(fileURLToPath(import.meta.url), ["serve", specifier, folder]);
  try {
    const [{ port }] = await once(server, "message");
    const callers = Array.from({ length: clients }, (_, number) => new Caller(number, port));
    const cpu = async () => {
      server.send("cpu");
      const [{ user, system }] = await once(server, "message");
      return user + system;
    };
    for (let round = 0; round < 3; round += 1) await Promise.all(callers.map((caller) => caller.exchange([])));
    const total = (/** @type {"answered" | "received"} */ name) => callers.reduce((sum, one) => sum + one[name], 0);
    const before = { cpu: await cpu(), answered: total("answered") };
    const began = performance.now();
    const until = began + seconds * 1000;
    let changed = 0;
    await Promise.all(
      callers.map(async (caller) => {
        while (performance.now() < until) {
          const brings = changes && caller.number === 0;
          await caller.exchange(brings ? [recordOf("one", stampOf(Date.now() - 60_000 + changed++))] : []);
        }
      }),
    );
    const answered = total("answered") - before.answered;
    const took = (performance.now() - began) / 1000;
    const spent = (await cpu()) - before.cpu;
    for (const { socket } of callers) socket.destroy();
    return { perSecond: answered / took, cpuMicroseconds: spent / answered, changed, received: total("received") };
  } finally {
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      engine: { type: "string", multiple: true, default: [] },
      clients: { type: "string", default: "200" },
      seconds: { type: "string", default: "3" },
      turns: { type: "string", default: "5" },
      json: { type: "string" },
    },
  });
  const [clients, seconds, turns] = [values.clients, values.seconds, values.turns].map(Number);
  const engines = [OURS, ...values.engine];
  const results = [];
  for (const changes of [false, true]) {
    const runs = engines.map(() => /** @type {Awaited<ReturnType<typeof turn>>[]} */ ([]));
    for (let at = 0; at < turns; at += 1)
      for (const [which, engine] of engines.entries())
        runs[which].push(await turn(engine, { clients, seconds, changes }));
    for (const [which, engine] of engines.entries()) {
      const of = (/** @type {"perSecond" | "cpuMicroseconds" | "changed" | "received"} */ name) =>
        median(runs[which].map((run) => run[name]));
      const figures = {
        exchangesPerSecond: Math.round(of("perSecond")),
        cpuMicroseconds: Math.round(of("cpuMicroseconds")),
        recordsBrought: of("changed"),
        recordsSent: of("received"),
      };
      const all = runs[which].map((run) => `${Math.round(run.perSecond)}/s ${Math.round(run.cpuMicroseconds)} µs`);
      results.push({ engine, changes, ...figures });
      console.log(`${changes ? "one record changes" : "quiet"}, ${engine}:`, figures, all.join(", "));
    }
  }
  if (values.json) writeFileSync(values.json, JSON.stringify(results, null, 2));
}

const [role, ...args] = process.argv.slice(2);
if (role === "serve") await serve(args[0], args[1]);
else await main();
