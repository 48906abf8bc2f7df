// A process of its own, as Node.js reads NODE_EXTRA_CA_CERTS when it begins: `tls-device.mjs <folder> <baseUrl> <how>`.
// It writes a record with an object, exchanges until nothing is left, and says what it then holds, or the error. With
// `how` "fetch" the `fetch` of Node.js makes the requests, else the native client.
import { createHash } from "node:crypto";
import * as sync from "@starkeep/sync-engine";
import { recordOf } from "./answering.mjs";
import { openNode } from "./native-node.mjs";

const [folder, baseUrl, how] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value));
const { db, objects, clock, state } = openNode(folder, how);
await db.init();
await objects.init();

const peer = how === "fetch" ? { baseUrl, fetch } : { baseUrl };
const engine = sync.createSyncEngine({
  localDatabaseAdapter: db,
  localObjectStorage: objects,
  remoteObjectStorage: sync.createHttpObjectStorage(peer),
  transport: sync.createHttpSyncTransport(peer),
  clock,
  syncState: state,
});

const data = Buffer.alloc(300_000, how);
const contentHash = createHash("sha256").update(data).digest("hex");
const found = { contentHash, objectStorageKey: `from-${how}`, sizeBytes: data.length };
await objects.put(found.objectStorageKey, data, { contentType: "text/plain" });
await db.put(recordOf(how, clock.now(), found));
try {
  while ((await engine.exchange()).hasMore);
  const { records } = await db.query({});
  const held = {};
  for (const { id, objectStorageKey } of records)
    held[id] = Buffer.from((await objects.get(objectStorageKey)).data).toString("latin1", 0, 10);
  say({ held });
} catch ({ code, reason, message }) {
  say({ code, reason, message });
}
