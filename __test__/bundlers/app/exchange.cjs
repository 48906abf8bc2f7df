// A laptop brings a record and its object to a phone over a cloud, on the package's own stores in a folder.
module.exports = async function exchange(sync, folder, StarkeepError = sync.StarkeepError) {
  const open = (nodeId) => ({
    databaseAdapter: sync.createSqliteDatabaseAdapter({ path: `${folder}/${nodeId}.db` }),
    syncState: sync.createSqliteSyncStateStore({ path: `${folder}/${nodeId}.db` }),
    objectStorage: sync.createFsObjectStorage({ root: `${folder}/${nodeId}` }),
    clock: sync.createHLCClock({ nodeId }),
  });
  const [laptop, phone, cloud] = ["laptop", "phone", "cloud"].map(open);
  const { databaseAdapter, objectStorage, clock } = cloud;
  const transport = sync.createInProcessSyncTransport({ databaseAdapter, objectStorage, clock });
  const engineOf = (side) =>
    sync.createSyncEngine({
      localDatabaseAdapter: side.databaseAdapter,
      localObjectStorage: side.objectStorage,
      remoteObjectStorage: objectStorage,
      transport,
      clock: side.clock,
      syncState: side.syncState,
    });

  await laptop.objectStorage.put("photos/1", new TextEncoder().encode("a photo"));
  const now = laptop.clock.now();
  const file = { objectStorageKey: "photos/1", contentHash: "", mimeType: "", sizeBytes: 7 };
  const origin = { ownerId: "ada", originAppId: "photos", originalFilename: null, parentId: null };
  await laptop.databaseAdapter.put({
    id: "01JDEXAMPLE000000000000001",
    kind: "data",
    type: "photo",
    createdAt: now,
    updatedAt: now,
    deletedAt: null,
    version: 1,
    ...file,
    ...origin,
  });

  const { shipped } = await engineOf(laptop).exchange();
  const { applied, hasMore } = await engineOf(phone).exchange();
  const { data } = await phone.objectStorage.get("photos/1");
  let isKnown = false;
  try {
    sync.createSqliteDatabaseAdapter({ path: 7 });
  } catch (error) {
    isKnown = error instanceof StarkeepError && sync.isStarkeepError(error);
  }
  for (const side of [laptop, phone, cloud])
    await Promise.all([side.databaseAdapter.close(), side.syncState.close()]);
  return { shipped, applied, hasMore, photo: new TextDecoder().decode(data), isKnown };
};
