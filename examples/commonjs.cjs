"use strict";

const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const sync = require("@starkeep/sync-engine");

// Two devices and a cloud, each with a database and a folder of objects.
const folder = mkdtempSync(join(tmpdir(), "starkeep-"));
const open = (nodeId) => ({
  databaseAdapter: sync.createSqliteDatabaseAdapter({ path: join(folder, `${nodeId}.db`) }),
  syncState: sync.createSqliteSyncStateStore({ path: join(folder, `${nodeId}.db`) }),
  objectStorage: sync.createFsObjectStorage({ root: join(folder, nodeId) }),
  clock: sync.createHLCClock({ nodeId }),
});
const [laptop, phone, cloud] = ["laptop", "phone", "cloud"].map(open);
const transport = sync.createInProcessSyncTransport({
  databaseAdapter: cloud.databaseAdapter,
  objectStorage: cloud.objectStorage,
  clock: cloud.clock,
});
const engineOf = ({ databaseAdapter, syncState, objectStorage, clock }) =>
  sync.createSyncEngine({
    localDatabaseAdapter: databaseAdapter,
    localObjectStorage: objectStorage,
    remoteObjectStorage: cloud.objectStorage,
    transport,
    clock,
    syncState,
  });

async function main() {
  // A note on the laptop: a record without a file.
  const now = laptop.clock.now();
  const times = { createdAt: now, updatedAt: now, deletedAt: null, version: 1 };
  const noFile = { objectStorageKey: "", contentHash: "", mimeType: "", sizeBytes: 0 };
  const origin = { ownerId: "ada", originAppId: "notes", originalFilename: null, parentId: null };
  const note = { id: "01JDEXAMPLE000000000000001", kind: "data", type: "note", label: "Buy milk" };
  await laptop.databaseAdapter.put({ ...note, ...times, ...noFile, ...origin });

  // One round takes it up to the cloud, another one down to the phone.
  console.log("laptop:", await engineOf(laptop).exchange());
  console.log("phone:", await engineOf(phone).exchange());
  console.log("on the phone:", (await phone.databaseAdapter.get(note.id)).label);

  for (const { databaseAdapter, syncState } of [laptop, phone, cloud])
    await Promise.all([databaseAdapter.close(), syncState.close()]);
  rmSync(folder, { recursive: true });
}

main();
