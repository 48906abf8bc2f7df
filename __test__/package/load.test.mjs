// Where and how the published package loads, and how its processes end.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readElf } from "../../scripts/elf.mjs";
import { PLATFORMS } from "../../scripts/platforms.mjs";
import {
  NAME,
  binary,
  here,
  install,
  registryWithAll,
  runIn,
  temporaryFolder,
} from "./support.mjs";

const { PUBLISHED, libcOf } = createRequire(import.meta.url)("../../js/platform.js");
const DONE = { shipped: 1, applied: 1, hasMore: false, photo: "a photo" };
const onLinux = { skip: process.platform === "linux" ? false : "only Linux has ELF files" };

let registry;
let app;
before(async () => {
  registry = await registryWithAll();
  app = await install(registry, [NAME, "@starkeep/protocol-primitives"]);
});
after(() => registry?.close());

const run = (folder, ...args) => runIn(folder, process.execPath, args);

/** Runs a program in the app and answers what it printed; fails where it complained. */
async function printed(file, program, flags = []) {
  writeFileSync(join(app, file), program);
  const { stdout, stderr } = await run(app, ...flags, file);
  assert.equal(stderr, "");
  return stdout.trim();
}

/** A copy of the app to break. */
function copyOfApp() {
  const folder = temporaryFolder();
  cpSync(app, folder, { recursive: true });
  return { folder, scope: join(folder, "node_modules", "@starkeep") };
}

async function errorOf(folder, ...args) {
  const { stderr } = await run(folder, ...args).then(
    () => assert.fail("it loaded"),
    (error) => error,
  );
  assert.match(stderr, /code: 'BINARY_NOT_FOUND'/);
  assert.ok(stderr.includes(`${NAME} has no binary that loads on `), stderr);
  return stderr;
}

test("the platforms that the loader knows are those that are packed", () => {
  assert.deepEqual([...PUBLISHED].sort(), Object.keys(PLATFORMS).sort());
});

// Errors

test("a node_modules of another system is told by what is in it", async () => {
  const { folder, scope } = copyOfApp();
  rmSync(join(scope, `sync-engine-${here}`), { recursive: true });
  const other = PUBLISHED.find((name) => name !== here);
  mkdirSync(join(scope, `sync-engine-${other}`));
  writeFileSync(join(scope, `sync-engine-${other}`, "index.js"), "");
  const error = await errorOf(folder, "app.mjs");
  assert.ok(error.includes(`What is installed is ${NAME}-${other}: `), error);
  assert.ok(error.includes(`the package ${NAME}-${here}.`), error);
});

test("a binary that does not load is told with the system's reason", async () => {
  const { folder, scope } = copyOfApp();
  writeFileSync(join(scope, `sync-engine-${here}`, `sync-engine.${here}.node`), "no library");
  const error = await errorOf(folder, "app.mjs");
  assert.match(error, /is installed, but its binary does not load here/);
  assert.ok(error.includes(`sync-engine.${here}.node: `), error);
});

test("a platform that nothing is published for is told with those that are", async () => {
  const { folder } = copyOfApp();
  const preload = join(folder, "other.cjs");
  writeFileSync(preload, 'Object.defineProperty(process, "arch", { value: "riscv64" });\n');
  const error = await errorOf(folder, "-r", preload, "app.mjs");
  assert.match(error, /There is none for this platform, only for darwin-arm64, .*win32-x64-msvc/);
});

test("the C library is told by the loader that a program asks for", onLinux, () => {
  const folder = temporaryFolder();
  const node = readFileSync(process.execPath).subarray(0, 65_536);
  const own = /\/lib[\w./-]*\/ld-[\w.-]+/.exec(node.toString("latin1"));
  assert.ok(own !== null, "this Node.js asks for a loader");
  const asking = (path) => {
    const copy = Buffer.from(node);
    copy.fill(0, own.index, own.index + own[0].length);
    copy.write(path.slice(0, own[0].length), own.index, "latin1");
    const file = join(folder, "program");
    writeFileSync(file, copy);
    return libcOf(file);
  };
  assert.equal(asking("/lib/ld-musl-x86_64.so.1"), "musl");
  assert.equal(asking("/lib64/ld-linux-x86-64.so.2"), "gnu");
  const ofReport = libcOf(process.execPath);
  assert.equal(libcOf(join(folder, "missing")), ofReport, "else the report of the process tells");
  writeFileSync(join(folder, "short"), "#!/bin/sh\n");
  assert.equal(libcOf(join(folder, "short")), ofReport);
});

test("the report of the process, which can take long, is not asked for where the program tells", async () => {
  const preload = join(app, "report.cjs");
  writeFileSync(preload, 'process.report.getReport = () => console.log("asked");\n');
  const { stdout } = await run(app, "-r", preload, "app.mjs");
  assert.deepEqual(JSON.parse(stdout), DONE);
});

test(
  "where the report is asked for, it is without the network, and stays as the app set it",
  onLinux,
  async () => {
    const program = `
const { report } = process;
const { getReport } = report;
report.getReport = () => { console.log(report.excludeNetwork); return getReport.call(report); };
const { libcOf } = require("./node_modules/@starkeep/sync-engine/js/platform.js");
console.log(libcOf("missing"), report.excludeNetwork);
`;
    const quick = typeof process.report.excludeNetwork === "boolean";
    const own = libcOf(process.execPath);
    const expected = quick ? `true\n${own} false` : `${own} undefined`;
    assert.equal(await printed("report-network.cjs", program), expected);
  },
);

// Ways to load

for (const [what, flags] of Object.entries({
  "where code may not be made of strings": ["--disallow-code-generation-from-strings"],
  "where built-in objects are frozen": ["--frozen-intrinsics", "--no-warnings"],
  "where __proto__ is gone": ["--disable-proto=delete"],
  "in ES modules through preserved symlinks": ["--preserve-symlinks"],
})) {
  test(`it loads and syncs ${what}`, async () => {
    const { stdout, stderr } = await run(app, ...flags, "app.mjs");
    assert.deepEqual([JSON.parse(stdout), stderr], [DONE, ""]);
  });
}

test("it loads in several worker threads at once, and after they have ended", async () => {
  const program = `
import { once } from "node:events";
import { Worker } from "node:worker_threads";
const round = async () => {
  const workers = Array.from({ length: 4 }, () => new Worker("./app.mjs"));
  const codes = await Promise.all(workers.map((worker) => once(worker, "exit")));
  return codes.flat().join();
};
const codes = [await round(), await round()];
await import("./app.mjs");
console.log(codes.join());
`;
  const lines = (await printed("workers.mjs", program)).split("\n");
  assert.equal(lines.pop(), Array(8).fill(0).join());
  assert.deepEqual(lines.map(JSON.parse), Array(9).fill(DONE));
});

test("objects, promises and bytes of other vm contexts are taken as those of the app", async () => {
  const program = `
import vm from "node:vm";
vm.runInNewContext("1 + 1");
const sync = await import("@starkeep/sync-engine");
const context = vm.createContext({});
const side = () => vm.runInContext(\`(() => {
  const [records, objects] = [new Map(), new Map()];
  return {
    database: {
      put: async (record) => void records.set(record.id, record),
      get: async (id) => records.get(id) ?? null,
      query: async () => ({ records: [...records.values()], nextCursor: null, hasMore: false }),
    },
    storage: {
      put: async (key, data) => void objects.set(key, data),
      get: async (key) => objects.has(key) ? { data: objects.get(key), size: 3 } : null,
      has: async (key) => objects.has(key),
    },
    photo: (updatedAt) => ({ id: "1", updatedAt: { ...updatedAt }, deletedAt: null,
      contentHash: "", objectStorageKey: "p", mimeType: "", sizeBytes: 3 }),
    bytes: new Uint8Array([1, 2, 3]),
    state: {
      getWatermarks: async () => ({}), setWatermarks: async () => {},
      getPeerWatermarks: async () => ({}), setPeerWatermarks: async () => {},
    },
  };
})()\`, context);
const [laptop, cloud] = [side(), side()];
const clock = sync.createHLCClock({ nodeId: "laptop" });
await laptop.storage.put("p", laptop.bytes);
await laptop.database.put(laptop.photo(clock.now()));
const engine = sync.createSyncEngine({
  localDatabaseAdapter: laptop.database,
  localObjectStorage: laptop.storage,
  remoteObjectStorage: cloud.storage,
  transport: sync.createInProcessSyncTransport({
    databaseAdapter: cloud.database,
    objectStorage: cloud.storage,
    clock: sync.createHLCClock({ nodeId: "cloud" }),
  }),
  clock,
  syncState: laptop.state,
});
const { shipped } = await engine.exchange();
console.log(shipped, (await cloud.database.get("1")).id, [...(await cloud.storage.get("p")).data].join());
`;
  assert.equal(await printed("contexts.mjs", program), "1 1 1,2,3");
});

test("both entries, loaded by both kinds of module, are one package in one process", async () => {
  const program = `
import { createRequire } from "node:module";
import * as sync from "@starkeep/sync-engine";
const required = createRequire(import.meta.url)("@starkeep/sync-engine");
const again = await import("@starkeep/sync-engine");
const root = ${JSON.stringify(join(app, "objects"))};
const storage = required.createFsObjectStorage({ root });
await storage.put("key", new Uint8Array([7]));
const other = sync.createFsObjectStorage({ root: root + "-other" });
const moved = await sync.createFileSyncEngine()
  .transferFile({ fileHash: "key", objectStorageKey: "key", sizeBytes: 1 }, storage, other);
console.log(again.createSyncEngine === sync.createSyncEngine, moved, (await other.get("key")).data[0]);
`;
  assert.equal(await printed("both.mjs", program), "true true 7");
});

test("no buffer is made of memory outside of JavaScript's, which Electron forbids", onLinux, () => {
  // Electron itself is not there to be run: its rule is kept by never making such a buffer. A value that stands for
  // something of ours (napi_create_external) is none.
  const bytes = readFileSync(binary);
  const wanted = readElf(bytes).symbols.filter(({ isExported }) => !isExported);
  assert.ok(wanted.some(({ name }) => name === "napi_create_arraybuffer"));
  assert.deepEqual(
    wanted.filter(({ name }) => /^(node_api|napi)_create_external_/.test(name)),
    [],
  );
  assert.ok(!bytes.includes("napi_create_external_"), "nor is it looked up by name");
});

// How processes end

const STORES = `
import * as sync from "@starkeep/sync-engine";
const root = ${JSON.stringify("FOLDER")};
const open = (nodeId) => ({
  databaseAdapter: sync.createSqliteDatabaseAdapter({ path: root + "/" + nodeId + ".db" }),
  objectStorage: sync.createFsObjectStorage({ root: root + "/" + nodeId }),
  clock: sync.createHLCClock({ nodeId }),
});
const [laptop, cloud] = [open("laptop"), open("cloud")];
const engine = sync.createSyncEngine({
  localDatabaseAdapter: laptop.databaseAdapter,
  localObjectStorage: laptop.objectStorage,
  remoteObjectStorage: cloud.objectStorage,
  transport: sync.createInProcessSyncTransport(cloud),
  clock: laptop.clock,
  syncState: sync.createSqliteSyncStateStore({ path: root + "/laptop.db" }),
});
for (let i = 0; i < 50; i += 1) {
  await laptop.objectStorage.put("p/" + i, new Uint8Array(10_000));
  const now = laptop.clock.now();
  await laptop.databaseAdapter.put({ id: "id-" + i, kind: "data", type: "photo", createdAt: now,
    updatedAt: now, ownerId: "ada", deletedAt: null, version: 1, contentHash: "",
    objectStorageKey: "p/" + i, mimeType: "", sizeBytes: 10_000, originalFilename: null,
    originAppId: "photos", parentId: null });
}
`;
const withStores = () => STORES.replace("FOLDER", temporaryFolder().replaceAll("\\", "/"));

test("open stores and an idle engine keep no process alive", async () => {
  const program = `${withStores()}
await engine.exchange();
console.log("idle");
`;
  assert.equal(await printed("idle.mjs", program), "idle");
});

test("a round that nobody waits for is carried to its end before the process ends", async () => {
  const program = `${withStores()}
engine.exchange().then(({ shipped }) => console.log(shipped));
`;
  assert.equal(await printed("unawaited.mjs", program), "50");
});

test("process.exit() in the middle of a round ends the process at once and cleanly", async () => {
  const program = `${withStores()}
engine.exchange();
laptop.objectStorage.get("p/1");
setImmediate(() => { console.log("leaving"); process.exit(); });
`;
  assert.equal(await printed("exit.mjs", program), "leaving");
});

test("a worker that is terminated in the middle of a round leaves the process whole", async () => {
  const worker = `${withStores()}
import { parentPort } from "node:worker_threads";
const round = engine.exchange();
parentPort.postMessage("running");
await round;
`;
  writeFileSync(join(app, "terminated.mjs"), worker);
  const program = `
import { once } from "node:events";
import { Worker } from "node:worker_threads";
const worker = new Worker("./terminated.mjs");
await once(worker, "message");
await worker.terminate();
await import("./app.mjs");
`;
  assert.deepEqual(JSON.parse(await printed("terminate.mjs", program)), DONE);
});

test("it loads through a symlink, as package managers with a store of their own lay it out", async () => {
  const { folder, scope } = copyOfApp();
  const store = join(folder, "store", "node_modules", "@starkeep");
  mkdirSync(store, { recursive: true });
  for (const name of ["sync-engine", `sync-engine-${here}`]) {
    cpSync(join(scope, name), join(store, name), { recursive: true });
    rmSync(join(scope, name), { recursive: true });
  }
  symlinkSync(join(store, "sync-engine"), join(scope, "sync-engine"), "junction");
  const { stdout } = await run(folder, "app.mjs");
  assert.deepEqual(JSON.parse(stdout), DONE);
});
