// Two laptops and a cloud: live, offline for a while, a conflict, a large file called off and gone on with, a new token.
// `node examples/notes/notes.mjs`; in an app the three are three machines.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as sync from "@starkeep/sync-engine";

const folder = mkdtempSync(join(tmpdir(), "notes-"));
let token = "first"; // what the cloud takes now

function open(nodeId) {
  const path = join(folder, `${nodeId}.db`);
  const state = sync.createSqliteSyncStateStore({ path });
  return {
    state,
    databaseAdapter: sync.createSqliteDatabaseAdapter({ path }),
    objectStorage: sync.createFsObjectStorage({ root: join(folder, nodeId) }),
    clock: sync.createHLCClock({ nodeId, state }),
  };
}

const cloud = open("cloud");
const server = sync.createHttpSyncServer({
  databaseAdapter: cloud.databaseAdapter,
  objectStorageAdapter: cloud.objectStorage,
  clock: cloud.clock,
  authorize: ({ headers }) => headers.authorization === `Bearer ${token}`,
});
const { port } = await server.listen();

const merged = (...titles) => titles.sort().join(" and ");

function laptop(nodeId) {
  const stores = open(nodeId);
  const mine = { token };
  const peer = {
    baseUrl: `http://127.0.0.1:${port}`,
    getAuthHeader: () => `Bearer ${mine.token}`,
  };
  const changes = sync.createChangeNotifier();
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: stores.databaseAdapter,
    localObjectStorage: stores.objectStorage,
    remoteObjectStorage: sync.createHttpObjectStorage(peer),
    transport: sync.createHttpSyncTransport(peer),
    clock: stores.clock,
    syncState: stores.state,
    onConflict: (a, b) => ({
      ...a,
      originalFilename: merged(a.originalFilename, b.originalFilename),
    }),
  });
  const loop = sync.createSyncLoop(engine, { changes, intervalMs: 200, onError: renewed });
  function renewed(error) {
    if (error.status !== 401) return console.warn(error);
    mine.token = token; // an app asks its user, or who gives out tokens
    return "retry";
  }
  async function write(id, title, data) {
    const now = stores.clock.now();
    if (data) await stores.objectStorage.put(id, data);
    await stores.databaseAdapter.put({
      ...{ id, kind: "data", type: "note", version: 1, createdAt: now, updatedAt: now },
      ...{ deletedAt: null, objectStorageKey: data ? id : "", sizeBytes: data?.byteLength ?? 0 },
      ...{
        mimeType: "text/plain",
        contentHash: "",
        ownerId: "ada",
        originAppId: "notes",
        parentId: null,
      },
      originalFilename: title,
    });
    changes.emit({ eventType: "local-change-recorded", recordIds: [id], timestamp: now });
  }
  const title = async (id) => (await stores.databaseAdapter.get(id))?.originalFilename;
  return { ...stores, engine, loop, write, title };
}

async function until(what, holds) {
  while (!(await holds())) await setTimeout(20);
  console.log(`✓ ${what}`);
}

const [a, b] = [laptop("a"), laptop("b")];
const both = async (id, title) => (await a.title(id)) === title && (await b.title(id)) === title;

await a.write("list", "Milk");
await until("a note of one laptop is at the other", () => both("list", "Milk"));

b.loop.pause();
await b.write("list", "Bread");
await a.write("list", "Eggs");
await until("the cloud has what one wrote", () => a.engine.status().then(({ inSync }) => inSync));
b.loop.resume();
await until("both titles stand, merged", () => both("list", "Bread and Eggs"));

a.loop.pause();
await a.write("film", "Film", new Uint8Array(48 * 1024 * 1024));
const controller = new AbortController();
const onProgress = ({ phase, bytes }) => phase === "upload" && controller.abort(bytes);
const bytes = await a.engine.exchange({ signal: controller.signal, onProgress }).catch((n) => n);
console.log(
  `✓ a large file was called off after ${bytes} bytes, and nothing of it is half-written`,
);
a.loop.resume();
await until("it is at the other laptop", () => b.objectStorage.has("film"));

token = "second";
await b.write("later", "With a new token");
await until("the token was renewed, and rounds go on", () => both("later", "With a new token"));

for (const { loop, engine } of [a, b]) await loop.stop().then(() => engine.close());
await server.close();
for (const side of [a, b, cloud])
  for (const store of [side.databaseAdapter, side.state, side.objectStorage]) await store.close();
rmSync(folder, { recursive: true });
