// A process with native stores of its own, made to be killed: `place.mjs <role> <folder> [...]`.
//
// - `serve <folder> <port>` answers over HTTP, and says its port.
// - `cloud <stores> <name> <port>` does so over PostgreSQL and a bucket, whose options are JSON.
// - `work <folder> <name> <urls>` writes and syncs until it is ended, and says every write that was done. Of several
//   servers, with "," between, the next one is asked where one failed.
// - `settle <folder> <name> <urls>` writes nothing, syncs until nothing is left to do, and says what it holds.
// - `show <folder>` and `show-cloud <stores>` say what is there, `check <file>` whether the database is whole.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { recordOf } from "./answering.mjs";
import { text } from "./hlc.mjs";
import { DatabaseSync } from "./native.mjs";

const TABLE = { name: "notes", pkColumns: ["id"], columns: ["body"] };
const SHARED = 6;

const say = (what, value) => process.stdout.write(`${what} ${JSON.stringify(value)}\n`);
const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function openStores(folder, nodeId) {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "store.db");
  const database = sync.createSqliteDatabaseAdapter({ path });
  const objects = sync.createFsObjectStorage({ root: join(folder, "files") });
  await database.init();
  await objects.init();
  const rows = sync.createSqliteAppRows({ path });
  await rows.register("app", { tables: [TABLE] });
  const state = sync.createSqliteSyncStateStore({ path });
  const clock = sync.createHLCClock({ nodeId, initialState: await state.getHlcClockState() });
  const close = async () => {
    for (const store of [state, rows, database, objects]) await store.close();
  };
  return { database, objects, rows, state, clock, close };
}

async function openCloud(stores, nodeId) {
  const { postgres, bucket } = JSON.parse(stores);
  const database = sync.createPostgresDatabaseAdapter(postgres);
  const objects = sync.createS3ObjectStorage(bucket);
  const rows = sync.createPostgresAppRows(postgres);
  await database.init();
  await rows.register("app", { tables: [TABLE] });
  const clock = sync.createHLCClock({ nodeId, state: database });
  const close = async () => {
    for (const store of [rows, database, objects]) await store.close();
  };
  return { database, objects, rows, clock, close };
}

async function serve({ database, objects, rows, clock }, port) {
  const server = sync.createHttpSyncServer({
    databaseAdapter: database,
    objectStorageAdapter: objects,
    appSyncableSource: rows,
    clock,
  });
  server.onExchange(({ records }) => say("exchange", records.length));
  say("port", (await server.listen(Number(port))).port);
}

async function openNode(folder, name, urls) {
  const stores = await openStores(folder, name);
  const engineFor = (baseUrl) =>
    sync.createSyncEngine({
      localDatabaseAdapter: stores.database,
      localObjectStorage: stores.objects,
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
      transport: sync.createHttpSyncTransport({ baseUrl }),
      appSyncableSource: stores.rows,
      syncState: stores.state,
      clock: stores.clock,
      pageLimit: 7,
    });
  return { ...stores, engines: urls.split(",").map(engineFor), name };
}

/** Objects from a few bytes to two megabytes, so that a kill meets them on their way. */
async function putRecord({ database, objects, clock }, id) {
  const data = randomBytes(randomInt(4) === 0 ? randomInt(2_000_000) : randomInt(5_000));
  const contentHash = hashOf(data);
  const key = `blobs/${contentHash}`;
  await objects.put(key, data, { contentType: "text/plain" });
  const stamp = clock.now();
  const found = { objectStorageKey: key, contentHash, sizeBytes: data.length };
  await database.put(recordOf(id, stamp, found));
  say("wrote", { id, stamp: text(stamp), hash: contentHash });
}

async function deleteRecord({ database, clock }, id) {
  const stamp = clock.now();
  await database.delete(id, stamp);
  say("wrote", { id, stamp: text(stamp), hash: null });
}

async function putRow({ rows, clock, name }) {
  const stamp = clock.now();
  const id = `${name}-${randomInt(40)}`;
  const body = randomBytes(12).toString("hex");
  const row = { id, body, updated_at: text(stamp), deleted_at: null };
  await rows.applier.apply({ timestamp: stamp, appId: "app", table: "notes", op: "insert", row });
  say("wrote", { id: `row ${id}`, stamp: text(stamp), hash: body });
}

/** What no other node writes may be written while a round runs. */
async function writeOwn(node, own) {
  const chance = randomInt(10);
  if (chance < 3) return putRow(node);
  if (chance === 3 && own.length > 0) return deleteRecord(node, own[randomInt(own.length)]);
  if (chance < 6 && own.length > 0) return putRecord(node, own[randomInt(own.length)]);
  const id = `${node.name}-${randomBytes(8).toString("hex")}`;
  await putRecord(node, id);
  own.push(id);
}

/** The first of the engines is the one that is asked. */
async function round({ engines }) {
  try {
    const result = await engines[0].exchange();
    for (const { code, reason } of result.held) say("fault", { code, reason, isItem: true });
    return result;
  } catch (error) {
    const { code, peerCode, retryable, message } = error;
    say("fault", { code, peerCode, retryable, reason: message });
    engines.push(engines.shift());
    return null;
  }
}

async function work(folder, name, baseUrl) {
  const node = await openNode(folder, name, baseUrl);
  const own = [];
  say("ready", name);
  for (;;) {
    const running = round(node);
    for (let left = randomInt(1, 4); left > 0; left -= 1) await writeOwn(node, own);
    const result = await running;
    if (result !== null) say("round", result.shipped + result.applied);
    await putRecord(node, `shared-${randomInt(SHARED)}`);
  }
}

async function settle(folder, name, baseUrl) {
  const node = await openNode(folder, name, baseUrl);
  let quiet = 0;
  let rounds = 0;
  while (quiet < 2) {
    const result = await round(node);
    const still = result !== null && result.applied + result.shipped + result.held.length === 0;
    quiet = still && !result.hasMore ? quiet + 1 : 0;
    rounds += 1;
    if (rounds > 2000) throw new Error("it does not come to an end");
  }
  await tell(node);
}

async function everyRecord(database) {
  const all = [];
  for (let cursor; ;) {
    const page = await database.query({ limit: 200, cursor });
    all.push(...page.records);
    if (!page.hasMore) return all;
    cursor = page.nextCursor;
  }
}

async function everyRow({ applier }) {
  const all = [];
  for (let cursor; ;) {
    const page = await applier.scanSince("app", "notes", "", { limit: 200, cursor });
    all.push(...page.rows);
    if (!page.hasMore) return all;
    cursor = page.nextCursor;
  }
}

/** Says everything that counts, the objects by what their bytes hash to, and closes. */
async function tell({ database, objects, rows, close }) {
  const records = await everyRecord(database);
  const stored = new Map();
  for (const key of (await objects.list("")).keys) {
    const { data, contentType: type } = await objects.get(key);
    stored.set(key, { hash: hashOf(data), type });
  }
  const files = {};
  for (const { objectStorageKey: key, deletedAt } of records)
    if (deletedAt === null) files[key] = stored.get(key) ?? null;
  const wrong = [...stored].filter(([key, { hash }]) => key !== `blobs/${hash}`);
  say("holds", { records, rows: await everyRow(rows), files, wrong });
  await close();
}

async function check(file) {
  if (DatabaseSync === null) {
    const database = sync.createSqliteDatabaseAdapter({ path: file });
    await database.init();
    say("whole", (await database.healthCheck()) ? "healthy" : "not healthy");
    return database.close();
  }
  const [found] = new DatabaseSync(file).prepare("PRAGMA integrity_check").all();
  return say("whole", found.integrity_check);
}

const roles = {
  serve: async (folder, port) => serve(await openStores(folder, "cloud"), port),
  cloud: async (stores, name, port) => serve(await openCloud(stores, name), port),
  show: async (folder) => tell(await openStores(folder, "cloud")),
  "show-cloud": async (stores) => tell(await openCloud(stores, "show")),
  work,
  settle,
  check,
};
const [role, ...args] = process.argv.slice(2);
await roles[role](...args);
