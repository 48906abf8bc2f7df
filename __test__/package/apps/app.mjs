// An app of ES modules on the package's own stores.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";

const folder = mkdtempSync(join(tmpdir(), "sync-engine-app-"));
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

const bytes = new TextEncoder().encode("a photo");
await laptop.objectStorage.put("photos/1", bytes, { contentType: "image/png" });
const now = laptop.clock.now();
await laptop.databaseAdapter.put({
  id: "01JDEXAMPLE000000000000001",
  kind: "data",
  type: "photo",
  createdAt: now,
  updatedAt: now,
  ownerId: "ada",
  deletedAt: null,
  version: 1,
  contentHash: "",
  objectStorageKey: "photos/1",
  mimeType: "image/png",
  sizeBytes: bytes.length,
  originalFilename: null,
  originAppId: "photos",
  parentId: null,
});

const { shipped } = await engineOf(laptop).exchange();
const { applied, hasMore } = await engineOf(phone).exchange();
const { data } = await phone.objectStorage.get("photos/1");
for (const { databaseAdapter, syncState } of [laptop, phone, cloud])
  await Promise.all([databaseAdapter.close(), syncState.close()]);
rmSync(folder, { recursive: true });
console.log(JSON.stringify({ shipped, applied, hasMore, photo: new TextDecoder().decode(data) }));
