// Neither the peer packages nor @types/node are installed: equal types of this package's own take over.
import * as sync from "@starkeep/sync-engine";

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

declare function check<_Passes extends true>(): void;

check<
  Identical<
    sync.HLCTimestamp,
    { readonly wallTime: number; readonly counter: number; readonly nodeId: string }
  >
>();
check<Identical<sync.StarkeepError["code"], string>>();
check<Identical<sync.AnyRecord["id"], sync.StarkeepId>>();
check<Identical<keyof sync.HLCClock, "now" | "send" | "receive">>();
check<Identical<Parameters<sync.DatabaseAdapter["put"]>, [record: sync.AnyRecord]>>();

const clock = sync.createHLCClock({ nodeId: "laptop" });
const now: sync.HLCTimestamp = clock.receive(clock.send());
const id = "01J00000000000000000000000" as sync.StarkeepId;

const record: sync.AnyRecord = {
  id,
  kind: "data",
  type: "photo",
  createdAt: now,
  updatedAt: now,
  ownerId: "me",
  deletedAt: null,
  version: 1,
  contentHash: "",
  objectStorageKey: "",
  mimeType: "image/jpeg",
  sizeBytes: 0,
  originalFilename: null,
  originAppId: "photos",
  parentId: null,
};

// A record takes fields of the app's own, and one that is read back may have any.
const note: sync.AnyRecord = { ...record, id: sync.createId(), label: "Buy milk", tags: ["home"] };
const label: unknown = note["label"];
// @ts-expect-error: what a field of the app's own is, the app has to look at
const certain: string = note["label"];
// @ts-expect-error: a known field stays what it is
const sized: sync.AnyRecord = { ...record, sizeBytes: "8" };
const named: sync.StarkeepId = sync.toId("note-1");
// @ts-expect-error: an id is made of text
sync.toId(5);

const memory = (records: Map<string, sync.AnyRecord>): sync.DatabaseAdapter => ({
  init: async () => {},
  close: async () => {},
  healthCheck: async () => true,
  put: async (record) => void records.set(record.id, record),
  get: async (id) => records.get(id) ?? null,
  delete: async (id, hlc) => {
    const record = records.get(id);
    if (record) records.set(id, { ...record, deletedAt: hlc, updatedAt: hlc });
  },
  query: async ({ limit }) => ({
    records: [...records.values()].slice(0, limit),
    nextCursor: null,
    hasMore: false,
  }),
  batch: async (operations) => {
    for (const step of operations)
      if (step.type === "put") records.set(step.record.id, step.record);
  },
  transaction: (callback) => callback(memory(records)),
  putMetadata: async () => {},
  getMetadata: async () => null,
  getMetadataByIds: async () => new Map(),
  deleteMetadata: async () => {},
  getNodeWatermarks: async () => ({ [now.nodeId]: now }),
});

const objects: sync.ObjectStorageAdapter = {
  init: async () => {},
  close: async () => {},
  healthCheck: async () => true,
  put: async (_key, data, options) => void [data.byteLength, options?.contentType],
  get: async () => ({ data: new Uint8Array(), size: 0 }),
  has: async () => false,
  delete: async () => {},
  list: async () => ({ keys: [], nextCursor: null, hasMore: false }),
};

const appDatabase = {
  exec(_sql: string) {},
  prepare: (_sql: string) => ({ get: (_key: string) => undefined, run: () => ({ changes: 1 }) }),
};

export const engine = sync.createSyncEngine({
  localDatabaseAdapter: memory(new Map([[id, record]])),
  localObjectStorage: objects,
  remoteObjectStorage: sync.createFsObjectStorage({ root: "objects" }),
  transport: sync.createInProcessSyncTransport({
    databaseAdapter: sync.createSqliteDatabaseAdapter({ path: "records.db" }),
    clock,
    objectStorage: objects,
  }),
  clock,
  syncState: sync.createSqliteSyncStateStore({ db: appDatabase }),
});

export const loop = sync.createSyncLoop(engine, {
  events: (signal) => (signal.aborted ? none() : none()),
});
async function* none() {}

// What an app that emits declarations exports has to have a name.
export const emitted = {
  clock,
  database: sync.createSqliteDatabaseAdapter({ path: "records.db" }),
  error: new sync.SyncError("lost", 5),
  files: sync.createHttpObjectStorage({ baseUrl: "https://cloud.example" }),
  now: clock.now(),
  objects: sync.createFsObjectStorage({ root: "objects" }),
  query: sync.createSqliteDatabaseAdapter({ path: "records.db" }).query({ limit: 1 }),
  round: () => engine.exchange(),
  rows: sync.createSqliteAppRows({ path: "records.db" }),
  state: sync.createSqliteSyncStateStore({ path: "state.db" }),
  transport: sync.createHttpSyncTransport({
    baseUrl: "https://cloud.example",
    fetch: async () => ({ ok: true, json: async () => ({ records: [] }) }),
  }),
  store: sync.createSqliteSyncStateStore,
};
export class AppError extends sync.SyncError {}

const error: Error & { code: string; cause?: unknown } = new sync.SyncError("lost");
// @ts-expect-error: not a number
const number: number = new sync.SyncError("lost").code;
// @ts-expect-error: a plain string is no id
const plain: sync.StarkeepId = "01J00000000000000000000000";
// @ts-expect-error: a timestamp has three fields
const partial: sync.HLCTimestamp = { wallTime: 1, counter: 0 };
// @ts-expect-error: no adapter
sync.residencyOf(null, {});
// @ts-expect-error: no database
sync.createSqliteSyncStateStore({ db: {} });
// @ts-expect-error: a type of this package, not a value
void sync.ProtocolPrimitives.StarkeepError;

export { certain, error, label, named, number, partial, plain, sized };
