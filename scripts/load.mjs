// One native server under many clients: `npm run load -- [--seconds 60] [--clients 200] [--channels 20]
// [--processes 2] [--calm]`. Every answer is checked against what the clients pushed. Beside them are hostile callers, of
// `load-hostile.mjs`, unless it is to be calm. Prints the times of requests and what memory the server took, which is
// bounded. It talks to the loopback network only.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as sync from "@starkeep/sync-engine";
import { recordOf } from "../__test__/support/answering.mjs";
import { at, compare } from "../__test__/support/hlc.mjs";
import { HOSTILE_PREFIX, harass } from "./load-hostile.mjs";

const PAGE = 50;
/** One of so many requests pushes a record; one of so many pushed records has an object. */
const PUSHES = 5;
const OBJECTS = 4;
/** How many megabytes more the server may take, once all clients have been served for a while. */
const SERVER_GROWS = 64;
/** The same beside hostile callers: what all requests may take together, and what of it the allocator keeps. */
const HARASSED_SERVER_GROWS = 512;

const prefixOf = (channel) => `/channels/${channel}`;
const nodeOf = (client) => `client-${client}`;

/** The object of a record follows from its id, so that whoever gets it knows what it must be. */
function objectOf(id) {
  const digest = createHash("sha256").update(id).digest();
  return Buffer.alloc(1000 + digest.readUInt16BE(0), digest);
}

/** The `sequence`th record of a client, the same to everybody. */
function recordFor(client, sequence) {
  const id = `${nodeOf(client)}-${sequence}`;
  const about = { type: "load", label: createHash("sha256").update(`label of ${id}`).digest("hex") };
  if (sequence % OBJECTS === 0) {
    const data = objectOf(id);
    about.objectStorageKey = `blobs/${id}`;
    about.contentHash = createHash("sha256").update(data).digest("hex");
    about.sizeBytes = data.length;
  }
  return recordOf(id, at(sequence, nodeOf(client)), about);
}

/** A client: what it pushed, how far it has seen each of the others, and how long its requests took. */
class Client {
  pushed = 0;
  watermarks = {};
  received = 0;
  objects = 0;

  constructor(number, baseUrl, peers, times) {
    Object.assign(this, { number, peers, times });
    this.transport = sync.createHttpSyncTransport({ baseUrl, retries: 5 });
    this.files = sync.createHttpObjectStorage({ baseUrl, retries: 5 });
  }

  async timed(kind, work) {
    const began = performance.now();
    const answer = await work();
    this.times[kind].push(performance.now() - began);
    return answer;
  }

  /** One request, with a record or without. Answers whether there is more. */
  async exchange(push) {
    const records = [];
    if (push) {
      const next = recordFor(this.number, this.pushed + 1);
      const key = next.objectStorageKey;
      if (key) await this.timed("put", () => this.files.put(key, objectOf(next.id), { contentType: "text/plain" }));
      records.push(next);
      this.pushed += 1;
      this.watermarks[nodeOf(this.number)] = next.updatedAt;
    }
    const request = { watermarks: this.watermarks, records, limit: PAGE };
    const answer = await this.timed("exchange", () => this.transport.exchange(request));
    await this.check(answer, records);
    return answer.hasMore;
  }

  /** Each record is the very next one of its writer, whole, in the order of timestamps, and never its own. */
  async check({ records, responderWatermarks, hasMore }, sent) {
    assert.ok(records.length <= PAGE && (!hasMore || records.length === PAGE), "pages are full");
    for (const one of sent)
      assert.ok(compare(responderWatermarks[one.updatedAt.nodeId], one.updatedAt) >= 0, "it was taken in");
    let before = null;
    for (const found of records) {
      if (before !== null) assert.ok(compare(before, found.updatedAt) < 0, "in order");
      before = found.updatedAt;
      const { nodeId } = found.updatedAt;
      const writer = Number(nodeId.slice(nodeId.indexOf("-") + 1));
      assert.ok(this.peers.includes(writer) && writer !== this.number, `${nodeId} belongs here`);
      const seen = this.watermarks[nodeId];
      const sequence = seen === undefined ? 1 : seen.wallTime - at(0, "").wallTime + 1;
      assert.deepEqual({ ...found }, recordFor(writer, sequence));
      this.watermarks[nodeId] = found.updatedAt;
      this.received += 1;
      if (found.objectStorageKey && Math.random() < 0.5) await this.fetch(found);
    }
  }

  async fetch({ id, objectStorageKey }) {
    const object = await this.timed("get", () => this.files.get(objectStorageKey));
    assert.ok(object !== null && objectOf(id).equals(object.data), `the object of ${id}`);
    this.objects += 1;
  }

  async run(until) {
    for (let turn = this.number; performance.now() < until; turn += 1) await this.exchange(turn % PUSHES === 0);
  }

  /** Everything that anybody pushed has come to this client in the end. */
  async end(pushed) {
    while (await this.exchange(false));
    for (const peer of this.peers) {
      const seen = this.watermarks[nodeOf(peer)];
      assert.equal(seen === undefined ? 0 : seen.wallTime - at(0, "").wallTime, pushed[peer], nodeOf(peer));
    }
  }
}

const hear = async () => (await once(process, "message"))[0];

async function serve(folder, channels) {
  const of = (channel) => ({
    databaseAdapter: sync.createSqliteDatabaseAdapter({ path: join(folder, `${channel}.db`) }),
    objectStorageAdapter: sync.createFsObjectStorage({ root: join(folder, `files-${channel}`) }),
    clock: sync.createHLCClock({ nodeId: "cloud" }),
  });
  const all = Array.from({ length: Number(channels) }, (_, channel) => [prefixOf(channel), of(channel)]);
  all.push([HOSTILE_PREFIX, of("hostile")]);
  const server = sync.createHttpSyncServer({ channels: Object.fromEntries(all) });
  const { port } = await server.listen();
  process.on("message", () => process.send({ rss: process.memoryUsage.rss() }));
  process.send({ port });
}

async function clients(port, first, step, count, channels, seconds) {
  // It stays until it is ended: the end of a process may be heard before its last message.
  process.on("disconnect", () => process.exit());
  const times = { exchange: [], put: [], get: [] };
  const peersOf = (number) =>
    Array.from({ length: count }, (_, one) => one).filter((one) => one % channels === number % channels);
  const all = [];
  for (let number = first; number < count; number += step) {
    const baseUrl = `http://127.0.0.1:${port}${prefixOf(number % channels)}`;
    all.push(new Client(number, baseUrl, peersOf(number), times));
  }
  const until = performance.now() + seconds * 1000;
  await Promise.all(all.map((client) => client.run(until)));
  process.send({ pushed: Object.fromEntries(all.map(({ number, pushed }) => [number, pushed])) });
  const { pushed } = await hear();
  // Those who end at the same time are as many as those who ran.
  await Promise.all(all.map((client) => client.end(pushed)));
  const sum = (name) => all.reduce((total, client) => total + client[name], 0);
  process.send({ times, received: sum("received"), objects: sum("objects") });
}

async function hostile(port, seconds) {
  process.on("disconnect", () => process.exit());
  process.send({ done: await harass(port, seconds) });
}

const SELF = fileURLToPath(import.meta.url);

function start(...args) {
  const child = fork(SELF, args.map(String));
  const failed = once(child, "exit").then(([code, signal]) => {
    throw new Error(`a process ended: ${code ?? signal}`);
  });
  failed.catch(() => {});
  const message = async () => (await Promise.race([once(child, "message"), failed]))[0];
  return { child, message };
}

/** The shortest time that `share` of them did not exceed, in milliseconds. */
function atMost(sorted, share) {
  return Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1));
}

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      clients: { type: "string", default: "200" },
      channels: { type: "string", default: "20" },
      processes: { type: "string", default: "2" },
      calm: { type: "boolean", default: false },
    },
  });
  const [seconds, count, channels, processes] = ["seconds", "clients", "channels", "processes"].map((name) =>
    Number(values[name]),
  );
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-load-"));
  const server = start("serve", folder, channels);
  const running = [server];
  try {
    const { port } = await server.message();
    const rss = async () => {
      server.child.send("rss");
      return Math.round((await server.message()).rss / 1e5) / 10;
    };
    const memory = [await rss()];
    for (let first = 0; first < processes; first += 1)
      running.push(start("clients", port, first, processes, count, channels, seconds));
    const groups = running.slice(1);
    const foe = values.calm ? undefined : start("hostile", port, seconds);
    if (foe) running.push(foe);
    const harm = foe?.message();
    const reports = Promise.all(groups.map((group) => group.message()));
    for (let third = 1; third <= 3; third += 1) {
      await Promise.race([reports, new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / 3))]);
      memory.push(await rss());
      console.log(`after ${Math.round((seconds * third) / 3)} s the server has ${memory.at(-1)} MB`);
    }
    const pushed = Object.assign({}, ...(await reports).map((report) => report.pushed));
    const ends = Promise.all(groups.map((group) => group.message()));
    for (const { child } of groups) child.send({ pushed });
    const found = await ends;
    memory.push(await rss());
    const sum = (name) => found.reduce((total, one) => total + one[name], 0);
    const timesOf = (kind) => {
      const sorted = found.flatMap(({ times }) => times[kind]).sort((a, b) => a - b);
      return { requests: sorted.length, p50: atMost(sorted, 0.5), p99: atMost(sorted, 0.99), most: atMost(sorted, 1) };
    };
    const figures = {
      hostile: (await harm)?.done,
      clients: count,
      channels,
      seconds,
      pushed: Object.values(pushed).reduce((total, one) => total + one, 0),
      received: sum("received"),
      objectsCompared: sum("objects"),
      milliseconds: { exchange: timesOf("exchange"), put: timesOf("put"), get: timesOf("get") },
      serverMegabytes: { before: memory[0], thirds: memory.slice(1, 4), after: memory[4] },
    };
    console.log(JSON.stringify(figures, null, 2));
    const grown = memory[4] - memory[1];
    assert.ok(
      grown < (values.calm ? SERVER_GROWS : HARASSED_SERVER_GROWS),
      `the server grew by ${grown.toFixed(1)} MB after the first third`,
    );
    console.log("every answer was right, and everything pushed came to everybody");
  } finally {
    for (const { child } of running) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

const [role, ...args] = process.argv.slice(2);
if (role === "serve") await serve(...args);
else if (role === "hostile") await hostile(...args.map(Number));
else if (role === "clients") await clients(...args.map(Number));
else await main();
