// An app of CommonJS with adapters of its own and the peer packages.
const { StarkeepError } = require("@starkeep/protocol-primitives");
const sync = require("@starkeep/sync-engine");

function memory() {
  const records = new Map();
  const objects = new Map();
  let [own, peers] = [{}, {}];
  return {
    state: {
      getWatermarks: async () => own,
      setWatermarks: async (watermarks) => void (own = watermarks),
      getPeerWatermarks: async () => peers,
      setPeerWatermarks: async (watermarks) => void (peers = watermarks),
    },
    database: {
      put: async (record) => void records.set(record.id, record),
      get: async (id) => records.get(id) ?? null,
      query: async () => ({ records: [...records.values()], nextCursor: null, hasMore: false }),
    },
    storage: {
      put: async (key, data) => void objects.set(key, data),
      get: async (key) => {
        const data = objects.get(key);
        return data === undefined ? null : { data, size: data.length };
      },
      has: async (key) => objects.has(key),
    },
  };
}

function engineOf(side, nodeId, cloud, transport) {
  return sync.createSyncEngine({
    localDatabaseAdapter: side.database,
    localObjectStorage: side.storage,
    remoteObjectStorage: cloud.storage,
    transport,
    clock: sync.createHLCClock({ nodeId }),
    syncState: side.state,
  });
}

async function main() {
  const [laptop, phone, cloud] = [memory(), memory(), memory()];
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.database,
    objectStorage: cloud.storage,
    clock: sync.createHLCClock({ nodeId: "cloud" }),
  });
  const now = { wallTime: Date.now(), counter: 0, nodeId: "laptop" };
  await laptop.storage.put("photos/1", new TextEncoder().encode("a photo"));
  await laptop.database.put({
    id: "01JDEXAMPLE000000000000001",
    updatedAt: now,
    deletedAt: null,
    contentHash: "",
    objectStorageKey: "photos/1",
    mimeType: "image/png",
    sizeBytes: 7,
  });
  const { shipped } = await engineOf(laptop, "laptop", cloud, transport).exchange();
  const { applied, hasMore } = await engineOf(phone, "phone", cloud, transport).exchange();
  const { data } = await phone.storage.get("photos/1");
  const silent = { exchange: async () => "no answer" };
  const error = await engineOf(phone, "phone", cloud, silent)
    .exchange()
    .catch((thrown) => thrown);
  if (!(error instanceof StarkeepError)) throw error;
  const photo = new TextDecoder().decode(data);
  console.log(JSON.stringify({ shipped, applied, hasMore, photo }));
}

main();
