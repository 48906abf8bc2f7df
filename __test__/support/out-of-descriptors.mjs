// Opens files until there are no descriptors left, asks stores for their first work, and asks again when
// there are some.
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { at } from "./hlc.mjs";
import { bytes, memoryState, record } from "./memory.mjs";

const [folder] = process.argv.slice(2);
const codeOf = (work) =>
  work().then(
    () => "nothing was wrong",
    (error) => `${error.operation} ${error.code}`,
  );

const adapter = sync.createSqliteDatabaseAdapter({ path: join(folder, "app.db") });
const peer = sync.createSqliteDatabaseAdapter({ path: ":memory:" });
const storage = sync.createFsObjectStorage({ root: join(folder, "objects") });
const clock = () => sync.createHLCClock({ nodeId: "a" });
const engine = sync.createSyncEngine({
  localDatabaseAdapter: adapter,
  localObjectStorage: storage,
  remoteObjectStorage: sync.createFsObjectStorage({ root: join(folder, "theirs") }),
  transport: sync.createInProcessSyncTransport({ databaseAdapter: peer, clock: clock() }),
  clock: clock(),
  syncState: memoryState(),
});

const taken = [];
try {
  for (;;) taken.push(openSync("/dev/null", "r"));
} catch (error) {
  if (error.code !== "EMFILE") throw error;
}
const during = {
  put: await codeOf(() => adapter.put(record("1", at(1, "a")))),
  object: await codeOf(() => storage.put("key", bytes("x"))),
  round: await codeOf(() => engine.exchange()),
};
taken.forEach(closeSync);

await adapter.put(record("1", at(1, "a")));
await storage.put("key", bytes("x"));
await peer.put(record("2", at(2, "b")));
const { applied } = await engine.exchange();
const after = {
  id: (await adapter.get("1")).id,
  object: await storage.has("key"),
  applied,
  healthy: [await adapter.healthCheck(), await storage.healthCheck()],
};
await Promise.all([adapter.close(), peer.close(), storage.close()]);
console.log(JSON.stringify({ during, after }));
