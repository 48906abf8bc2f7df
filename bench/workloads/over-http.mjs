/**
 * Two processes with a socket between them: the answering side is a child of its own, started and ended
 * by the workload.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 * @typedef {import("../lib/engines.mjs").Engine} Engine
 */
import { createHash, randomFillSync } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  assertSame,
  createHlcClock,
  createMemoryObjectStorage,
  createMemorySyncState,
  fingerprintOf,
  fingerprintOfAdapter,
  raise,
  watermarksOf,
} from "../adapters/index.mjs";
import { startPeer } from "../lib/peer.mjs";
import { readPeak, restartPeak } from "../lib/resident.mjs";
import { buildSides, fill, NATIVE_EXPORTS, openDatabase, senderRecords, syncUntilQuiet } from "./sides.mjs";

const MIB = 2 ** 20;
const count = (/** @type {number} */ number) => number.toLocaleString("en");
const pathsOf = (/** @type {string} */ dir) => ({ database: join(dir, "remote.db"), blobs: join(dir, "remote-blobs") });

/**
 * The calling side: of ours over the named stores, of every other engine over the plain adapters and its
 * own client. No record has a file, so that a storage of the peer's is there for ours alone.
 *
 * @param {Engine} engine
 * @param {{ dir: string, baseUrl: string, stores: "native" | "delta" }} options
 */
export async function openCaller(engine, { dir, baseUrl, stores }) {
  const { module, role } = engine;
  const ours = role === "ours";
  const native = ours && stores === "native";
  const database = openDatabase(engine, join(dir, "local.db"), { native });
  const delta = ours && stores === "delta";
  const syncState = native
    ? module.createSqliteSyncStateStore({ path: join(dir, "state.db") })
    : createMemorySyncState();
  const files = native ? module.createFsObjectStorage({ root: join(dir, "local-blobs") }) : createMemoryObjectStorage();
  await database.init();
  await files.init();
  const sync = module.createSyncEngine({
    localDatabaseAdapter: delta ? module.withSqliteDelta(database, { db: database.db }) : database,
    localObjectStorage: files,
    remoteObjectStorage: native ? module.createHttpObjectStorage({ baseUrl }) : createMemoryObjectStorage(),
    transport: module.createHttpSyncTransport({ baseUrl }),
    clock: native ? module.createHLCClock({ nodeId: "laptop" }) : createHlcClock({ nodeId: "laptop" }),
    syncState,
  });
  const close = async () => {
    await database.close();
    await syncState.close?.();
  };
  return { sync, database, files, close };
}

/**
 * @param {{ name: string, what: string, stores: "native" | "delta", ratio: number, requires: string[] }} options
 * @returns {Workload}
 */
function firstSync({ name, what, stores, ratio, requires }) {
  return {
    name,
    title: (size) => `first sync of ${count(size.records)} records over HTTP between two processes, ${what}`,
    unit: "ms",
    bar: { ratio },
    needsSqlite: true,
    exports: ["createSyncEngine", "createHttpSyncTransport", "createHttpSyncHandler"],
    requires,
    sizes: { full: { records: 50_000 }, quick: { records: 3_000 } },

    async setup(engine, size, dir) {
      await buildSides(engine, dir, { ...size, filled: "remote", native: stores === "native" });
      const peer = await startPeer(engine, { stores, paths: pathsOf(dir) });
      return { ...(await openCaller(engine, { dir, baseUrl: peer.baseUrl, stores })), peer, size };
    },

    async measure({ sync, size }) {
      const start = performance.now();
      await syncUntilQuiet(sync, size.records);
      return performance.now() - start;
    },

    async check({ database, size }) {
      const expected = fingerprintOf(senderRecords(size.records));
      assertSame("records that came over HTTP", await fingerprintOfAdapter(database), expected);
    },

    async close({ peer, close }) {
      await close();
      await peer.close();
    },
  };
}

/**
 * One client for all servers, over one connection: what differs is the server.
 *
 * @type {Workload}
 */
const serverRequests = {
  name: "http-server-requests",
  title: (size) =>
    `one exchange request, server over ${count(size.records)} records, one changed since, native server beside the handler over a plain adapter`,
  unit: "ms",
  bar: { ratio: 100 },
  needsSqlite: true,
  exports: ["createHttpSyncHandler"],
  requires: ["createHttpSyncServer", ...NATIVE_EXPORTS],
  sizes: { full: { records: 50_000, requests: 10 }, quick: { records: 3_000, requests: 10 } },

  async setup(engine, size, dir) {
    await buildSides(engine, dir, { ...size, filled: "remote", native: true });
    const peer = await startPeer(engine, { stores: "native", paths: pathsOf(dir) });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const records = [...senderRecords(size.records)];
    const watermarks = watermarksOf(records);
    await postExchange(agent, peer.baseUrl, { watermarks, limit: 1000 });
    return { peer, agent, records, watermarks, changed: [], answered: [], size };
  },

  async measure({ peer, agent, records, watermarks, changed, answered, size }) {
    const newest = records[records.length - 1].updatedAt.wallTime;
    let milliseconds = 0;
    for (let request = 1; request <= size.requests; request++) {
      const old = records[request * Math.floor(size.records / (size.requests + 1))];
      const updatedAt = { ...old.updatedAt, wallTime: newest + request };
      const record = { ...old, updatedAt, version: old.version + 1 };
      await peer.tell("put", record);
      changed.push(record);
      const start = performance.now();
      const answer = await postExchange(agent, peer.baseUrl, { watermarks, limit: 1000 });
      milliseconds += performance.now() - start;
      for (const one of answer.records) raise(watermarks, one.updatedAt);
      answered.push(...answer.records);
    }
    return milliseconds / size.requests;
  },

  async check({ changed, answered }) {
    assertSame("answered records", fingerprintOf(answered), fingerprintOf(changed));
  },

  async close({ peer, agent }) {
    agent.destroy();
    await peer.close();
  },
};

/**
 * @param {Agent} agent
 * @param {string} baseUrl
 * @param {object} message
 * @returns {Promise<any>}
 */
function postExchange(agent, baseUrl, message) {
  return new Promise((resolve, reject) => {
    const body = Buffer.from(JSON.stringify(message));
    const headers = { "Content-Type": "application/json", "Content-Length": body.byteLength };
    const sent = httpRequest(`${baseUrl}/sync/exchange`, { agent, method: "POST", headers }, async (res) => {
      try {
        const chunks = [];
        for await (const chunk of res) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString("utf8");
        if (res.statusCode !== 200) throw new Error(`${res.statusCode}: ${text}`);
        resolve(JSON.parse(text));
      } catch (error) {
        reject(error);
      }
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const KEY = "blobs/large";

/**
 * One large file from folder to folder through two processes, each over the native storage.
 *
 * @param {{ name: string, what: string, unit: string, bar: import("./index.mjs").Bar,
 *   of: (moved: { milliseconds: number, grownMiB: number }) => number }} options
 * @returns {Workload}
 */
function largeBlob({ name, what, unit, bar, of }) {
  return {
    name,
    title: (size) => `${what}, one file of ${count(size.mebibytes)} MiB up over HTTP, folder to folder`,
    unit,
    bar,
    isolated: true,
    // The old engine has no storage over HTTP: there is nothing to put beside this one.
    exports: ["createSyncEngine", "createHttpSyncTransport", "createHttpObjectStorage"],
    requires: ["createHttpSyncServer", ...NATIVE_EXPORTS],
    sizes: { full: { mebibytes: 1024 }, quick: { mebibytes: 256 } },

    setup: async ({ module }, size, dir) => ({
      dir,
      size,
      contentHash: await fillLargeBlob(module, dir, size.mebibytes),
    }),

    async measure({ dir }, engine) {
      return of(await moveLargeBlob(engine, dir));
    },

    async check({ dir, size, contentHash }) {
      const hash = await hashOfFile(join(dir, "remote-blobs"), size.mebibytes * MIB);
      if (hash !== contentHash) throw new Error("the file that arrived has other bytes");
    },
  };
}

/**
 * A record and its file on the calling side.
 *
 * @param {any} module
 * @param {string} dir
 * @param {number} mebibytes
 */
export async function fillLargeBlob(module, dir, mebibytes) {
  const bytes = new Uint8Array(mebibytes * MIB);
  for (let at = 0; at < bytes.length; at += MIB) randomFillSync(bytes, at, MIB);
  const contentHash = createHash("sha256").update(bytes).digest("hex");
  const [plain] = senderRecords(1);
  const record = { ...plain, objectStorageKey: KEY, contentHash, sizeBytes: bytes.byteLength };
  const database = module.createSqliteDatabaseAdapter({ path: join(dir, "local.db") });
  const files = module.createFsObjectStorage({ root: join(dir, "local-blobs") });
  await database.init();
  await files.init();
  await fill(database, [record]);
  await files.put(KEY, bytes, { contentType: record.mimeType });
  await database.close();
  return contentHash;
}

/**
 * @param {Engine} engine
 * @param {string} dir
 */
export async function moveLargeBlob(engine, dir) {
  const peer = await startPeer(engine, { stores: "native", paths: pathsOf(dir) });
  try {
    const caller = await openCaller(engine, { dir, baseUrl: peer.baseUrl, stores: "native" });
    const before = { here: restartPeak(), there: await peer.tell("restartPeak") };
    const start = performance.now();
    await syncUntilQuiet(caller.sync, 1);
    const milliseconds = performance.now() - start;
    const grownMiB = Math.max(readPeak() - before.here, (await peer.tell("readPeak")) - before.there);
    await caller.close();
    return { milliseconds, grownMiB };
  } finally {
    await peer.close();
  }
}

/**
 * The hash of the one file of that size below a folder, read piece by piece.
 *
 * @param {string} root
 * @param {number} size
 */
async function hashOfFile(root, size) {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || (await stat(path)).size !== size) continue;
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    return hash.digest("hex");
  }
  throw new Error(`no file of ${size} bytes arrived`);
}

/** @type {Workload[]} */
export const httpWorkloads = [
  firstSync({
    name: "http-first-sync-native",
    what: "native stores beside plain adapters",
    stores: "native",
    ratio: 10,
    requires: ["createHttpSyncServer", "createHttpObjectStorage", ...NATIVE_EXPORTS],
  }),
  firstSync({
    name: "http-first-sync-delta",
    what: "withSqliteDelta beside plain adapters",
    stores: "delta",
    ratio: 3,
    requires: ["withSqliteDelta"],
  }),
  serverRequests,
  largeBlob({
    name: "http-blob-memory",
    what: "growth of resident memory, the greater of both processes",
    unit: "MiB",
    bar: { below: 64 },
    of: ({ grownMiB }) => Math.max(grownMiB, 0.01),
  }),
  largeBlob({ name: "http-blob-time", what: "time", unit: "ms", bar: {}, of: ({ milliseconds }) => milliseconds }),
];
