// What is new since 0.1.0, as an app with the peer packages uses it.
import {
  type AppSyncableRowEntry,
  type ApplyResult,
  type DeltaCapableDatabaseAdapter,
  type ErrorCode,
  type ErrorReport,
  type DrainResult,
  type ExchangeProgress,
  type ExchangeResult,
  type FailureReason,
  type FoundTombstone,
  type HeldItem,
  type ObjectToUpload,
  type PresignCapability,
  type PresignedUrl,
  type PurgedTombstones,
  type ReconcileProgress,
  type ReconcileResult,
  type ReconcileSignal,
  type PostgresAppRows,
  type PostgresDatabaseAdapterOptions,
  type PostgresOptions,
  type PostgresSyncStateStoreOptions,
  type S3Credentials,
  type S3ObjectStorage,
  type S3ObjectStorageOptions,
  type SeenObjects,
  type SyncEngine,
  type SyncEngineOptions,
  type SyncExchangeResponse,
  type SyncStatus,
  type SyncLoop,
  type SyncLoopEvent,
  type SyncLoopStatus,
  type SqliteAppRows,
  type StorePermissions,
  type TombstonePeer,
  type TracedRound,
  type TracedTransfer,
  type UnreferencedObject,
  type UnreferencedObjects,
  type Watermarks,
  ZERO_HLC,
  compareHLC,
  computeAppSyncableWatermarks,
  computeRecordWatermarks,
  createFsObjectStorage,
  createHLCClock,
  createHttpObjectStorage,
  createHttpSyncServer,
  createHttpSyncTransport,
  createId,
  createInProcessSyncTransport,
  createPostgresAppRows,
  createPostgresDatabaseAdapter,
  createPostgresSyncStateStore,
  createS3ObjectStorage,
  createSqliteAppRows,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
  createSyncLoop,
  deserializeHLC,
  findUnreferencedObjects,
  isStarkeepError,
  purgeTombstones,
  serializeHLC,
  toId,
} from "@starkeep/sync-engine";
import type { AnyRecord, HLCTimestamp, StarkeepError } from "@starkeep/protocol-primitives";

const clock = createHLCClock({
  nodeId: "laptop",
  wallClockFunction: () => 1,
  initialState: null,
  state: null,
  onTick: ({ wallTime, counter }) => void (wallTime + counter),
});
const database = createSqliteDatabaseAdapter({ path: "records.db", transactionTimeoutMs: null });
const permissions: StorePermissions = "umask";
const objects = createFsObjectStorage({ root: "objects", permissions });
const state = createSqliteSyncStateStore({ path: "state.db", permissions });
const dated = createFsObjectStorage({ root: "objects", stat: true });
void Promise.resolve(dated.stat("key")).then((found) => [
  found?.size,
  found?.contentHash,
  found?.modifiedMs,
]);
// @ts-expect-error: it is asked for
void objects.stat("key");
// @ts-expect-error: true or false
createFsObjectStorage({ root: "objects", stat: 1 });
// @ts-expect-error: "private" or "umask", no mode in numbers
createFsObjectStorage({ root: "objects", permissions: 0o600 });
const rows: SqliteAppRows = createSqliteAppRows({
  path: "records.db",
  busyTimeoutMs: 100,
  permissions: "private",
});

const peer = { baseUrl: "https://cloud.example", timeoutMs: 1000, retries: 3 };
const transports = [
  createHttpSyncTransport(peer),
  createHttpSyncTransport({
    ...peer,
    maxAnswerBytes: Infinity,
    getAuthHeader: () => Promise.resolve(null),
    signRequest: async (method, path, body) => ({
      "x-signature": `${method} ${path} ${body.length}`,
      "x-nothing": undefined,
    }),
  }),
  createHttpSyncTransport({ ...peer, signRequest: () => new Map([["x-signature", "s"]]) }),
];
const files = createHttpObjectStorage({
  ...peer,
  getAuthHeader: async () => "Bearer token",
  signRequest: (method, path, body) => ({ "x-signature": `${method} ${path} ${body?.length}` }),
});

const urls: PresignCapability = {
  presign(key, method, about) {
    const put: ObjectToUpload = about;
    const url: PresignedUrl = { url: `https://b/${key}`, headers: { "x-size": `${put.size}` } };
    return method === "GET" ? url.url : Promise.resolve(put.contentHash ? url : null);
  },
};
const byUrls = createHttpSyncServer({
  databaseAdapter: database,
  clock,
  objectStorageAdapter: { ...objects, ...urls },
});
const bucketOptions: S3ObjectStorageOptions = {
  bucket: "photos",
  endpoint: "https://s3.example",
  region: "eu-central-1",
  keyPrefix: "apps/photos/",
  credentials: {
    accessKeyId: "a",
    secretAccessKey: "s",
    sessionToken: "t",
    expiration: new Date(),
  },
  forcePathStyle: true,
  partSize: 16 * 2 ** 20,
  timeoutMs: null,
};
const bucket: S3ObjectStorage = createS3ObjectStorage(bucketOptions);
const session = async (): Promise<S3Credentials> => ({ accessKeyId: "a", secretAccessKey: "s" });
const overBucket = createHttpSyncServer({
  databaseAdapter: database,
  clock,
  objectStorageAdapter: createS3ObjectStorage({ ...bucketOptions, credentials: session }),
});
void bucket.stat("key").then((found) => found?.contentHash);
void bucket.presign("key", "PUT", { size: 5 }).then((put) => [put?.url, put?.headers["x"]]);
// @ts-expect-error: "GET" or "PUT"
void bucket.presign("key", "DELETE");
// @ts-expect-error: a region is needed
createS3ObjectStorage({ bucket: "photos", credentials: session });
// @ts-expect-error: a secret is needed
createS3ObjectStorage({ ...bucketOptions, credentials: { accessKeyId: "a" } });
const postgresOptions: PostgresDatabaseAdapterOptions = {
  connectionString: "postgres://cloud@db.example/starkeep",
  host: "db.example",
  port: 5432,
  user: "cloud",
  database: "starkeep",
  password: async () => "secret",
  tls: true,
  schema: "shared",
  max: 4,
  maxLifetimeMs: 60_000,
  connectTimeoutMs: 5_000,
  statementTimeoutMs: null,
  prepare: false,
  dialect: "dsql",
  transactionTimeoutMs: null,
};
createPostgresDatabaseAdapter(postgresOptions);
// @ts-expect-error: no such dialect
createPostgresDatabaseAdapter({ ...postgresOptions, dialect: "mysql" });
const anyPostgres: PostgresOptions = { connectionString: "postgres://a@b/c", password: "p" };
void createPostgresDatabaseAdapter(anyPostgres).getNodeWatermarks();
const postgresRows: PostgresAppRows = createPostgresAppRows(anyPostgres);
void postgresRows.register("notes", { tables: [{ name: "pages", pkColumns: ["id"] }] });
const scoped: PostgresSyncStateStoreOptions = { ...anyPostgres, scope: "me" };
void createPostgresSyncStateStore(scoped).close();
// @ts-expect-error: a scope is needed
createPostgresSyncStateStore(anyPostgres);
// @ts-expect-error: a port is a number
createPostgresDatabaseAdapter({ host: "a", port: "5432" });
const pastPeer = createHttpObjectStorage({ ...peer, presign: true });

const options: SyncEngineOptions = {
  localDatabaseAdapter: database,
  localObjectStorage: objects,
  remoteObjectStorage: objects,
  transport: createInProcessSyncTransport({
    databaseAdapter: database,
    clock,
    objectStorage: objects,
    appSyncableSource: rows,
    maxClockSkewMs: null,
  }),
  clock,
  syncState: state,
  appSyncableSource: rows,
  maxClockSkewMs: 60_000,
  blobConcurrency: 2,
  verifyContentHash: true,
  strictOrder: true,
};
const engine = createSyncEngine({
  ...options,
  onConflict: (local, incoming) => ({ ...local, mimeType: incoming.mimeType }),
  onDuplicate: (local, incoming) => local.sizeBytes === incoming.sizeBytes,
});
engine.conflictNotifier.subscribe((event) => {
  if (event.kind === "record") void event.local.id;
  else void event.incoming.appId;
});
declare const called: ReconcileSignal;
const reconciled: Promise<ReconcileResult> = engine.reconcile({
  objects: true,
  signal: called,
  onProgress: ({ phase, done, of }: ReconcileProgress) => void [phase, done, of ?? 0],
});
const proved: Promise<boolean | undefined> = engine.exchange().then(({ inSync }) => inSync);
void reconciled.then(({ conflicts }) => conflicts.toFixed());
// @ts-expect-error: no such option
void engine.reconcile({ signals: 1 });
const moved: Promise<number> = engine
  .exchange({
    signal: called,
    onProgress: ({ phase, done, of, bytes, bytesOf }: ExchangeProgress) =>
      void [phase, done, of ?? 0, bytes, bytesOf ?? 0],
  })
  .then(({ bytesSent, objectsSent, rowsApplied, held }) =>
    held.length > 0 ? 0 : bytesSent + objectsSent + rowsApplied,
  );
const drained: Promise<DrainResult> = engine.drain({ signal: called });
const standing: Promise<SyncStatus> = engine.status({ counts: true, backlog: true });
const lacking: Promise<number> = standing.then(({ backlog = 0 }) => backlog);
void standing.then(({ waiting: [first], counts }) => [first?.attempts, counts?.staged]);
void engine.close();
// @ts-expect-error: no such option
void engine.status({ count: true });
// @ts-expect-error: true or false
void engine.status({ backlog: 1 });
const tracedRound = ({ operation, engine: of, peer, result, error }: TracedRound) =>
  `${operation} ${of === engine} ${peer ?? ""} ${result?.held.length} ${String(error)}`;
const tracedTransfer = ({ key, direction, bytes = 0, durationMs = 0, parent }: TracedTransfer) =>
  `${key} ${direction} ${bytes / durationMs} ${tracedRound(parent)}`;

// Housekeeping
const seenBefore: SeenObjects | null = { version: 1, keys: [["photos/1.jpg", 1]] };
const unreferenced: Promise<UnreferencedObjects> = findUnreferencedObjects({
  storage: { ...objects, stat: async (key) => ({ size: key.length, modifiedMs: 1 }) },
  records: [database],
  appRows: rows,
  graceMs: 86_400_000,
  remove: true,
  prefix: "photos/",
  seen: seenBefore,
  maxKeys: 1000,
  signal: called,
  onFound: ({ key, sizeBytes = 0, modifiedMs = 0 }: UnreferencedObject) =>
    key.length + sizeBytes + modifiedMs > 0,
  now: () => 1,
});
void findUnreferencedObjects({ storage: objects, records: null, appRows: [rows] });
void unreferenced.then(({ failed, missing, seen }) => {
  void findUnreferencedObjects({ storage: objects, records: database, appRows: null, seen });
  return [...failed.map(({ key, code, reason }) => `${key} ${code} ${reason}`), ...missing];
});
// @ts-expect-error: the records are needed, or null
void findUnreferencedObjects({ storage: objects });
// @ts-expect-error: no such option
void findUnreferencedObjects({ storage: objects, records: database, dry: true });
// @ts-expect-error: a number
void findUnreferencedObjects({ storage: objects, records: database, graceMs: "7d" });

const purged: Promise<PurgedTombstones> = purgeTombstones({
  records: database,
  rows,
  before: new Date(2026, 0, 1),
  remove: true,
  forgetPeers: ["earlier"],
  forgetPeersUnseenForMs: 90 * 86_400_000,
  signal: called,
});
void purgeTombstones({ rows, before: Date.now() });
void purgeTombstones({ records: database, rows: null, before: clock.now() });
const heldBy = ({ store, id, kind, firstSeenMs, lastSeenMs, keeps, forgotten }: TombstonePeer) =>
  `${store} ${id} ${kind} ${lastSeenMs - firstSeenMs} ${keeps} ${forgotten}`;
const nameOf = (found: FoundTombstone) =>
  found.kind === "record" ? found.id : `${found.appId} ${found.table} ${found.key}`;
void purged.then(({ found, removed, tombstones, kept, peers }) => [
  found - removed + kept.young + kept.unseen + kept.waiting + kept.newest + kept.referenced,
  ...tombstones.map(nameOf),
  ...peers.map(heldBy),
]);
// @ts-expect-error: what is young is not known
void purgeTombstones({ records: database });
// @ts-expect-error: no such option
void purgeTombstones({ records: database, before: 0, dryRun: true });

const loop: SyncLoop = createSyncLoop(engine, {
  intervalMs: null,
  debounceMs: 0,
  backoff: { firstMs: 1, mostMs: 2, factor: 3, jitter: 1 },
  changes: [engine.changeNotifier],
  events: async function* (signal) {
    if (!signal.aborted) yield "change";
  },
  onError: async (error, { channel, attempt }) =>
    isStarkeepError(error) && channel !== null && attempt === 1 ? "retry" : undefined,
  onEvent: (event) => void heardOf(event),
  clock: { now: () => 1, setTimeout: () => 1, clearTimeout() {} },
  autoStart: false,
  unref: true,
});
function heardOf(event: SyncLoopEvent): string | number | null {
  switch (event.eventType) {
    case "round-began":
      return event.attempt;
    case "round-ended":
      return event.result.shipped;
    case "round-failed":
      return event.aborted ? event.channel : event.attempt;
    case "state-changed":
      // @ts-expect-error: of a round that has ended
      void event.result;
      return event.nextRoundMs ?? `${event.previous} ${event.state}`;
    case "news-began":
      return null;
    case "news-ended":
      return event.attempt;
  }
}
createSyncLoop({ drive: engine, photos: { exchange: () => engine.exchange() } });
createSyncLoop(new Map([["drive", engine]]));
createSyncLoop([engine]).add("more", engine);
const stands: SyncLoopStatus = loop.status();
const waits: string[] = Object.values(stands.channels).flatMap(
  ({ lastResult }) => lastResult?.held.map(({ reason }) => reason) ?? [],
);
const ended: Promise<void> = loop.remove("drive", { abort: true }).then(() => loop.stop());
// @ts-expect-error: no such option
createSyncLoop(engine, { interval: 5 });
// @ts-expect-error: no engine
createSyncLoop({ drive: { exchange: 5 } });
// @ts-expect-error: milliseconds
createSyncLoop(engine, { debounceMs: null });
// @ts-expect-error: a channel's name
loop.nudge(5);
// @ts-expect-error: not the app's to change
stands.state = "idle";
export { ended, waits };

function describe(held: HeldItem): string {
  const where = `${held.direction} ${held.nodeId} ${held.key ?? "no object"} ${held.code} ${held.reason}`;
  if (held.kind === "record") {
    const record: AnyRecord | null = held.item;
    return `${where} ${record?.id ?? held.id}`;
  }
  // @ts-expect-error: what only the peer has is not here
  void held.item.appId;
  return held.item === null ? where : `${where} ${held.item.appId}/${held.item.table}`;
}

function told(thrown: StarkeepError): string {
  const { code, operation = "", cause }: ErrorReport = thrown;
  return `${operation} ${code} ${String(cause)}`;
}

function later(thrown: unknown): string | undefined {
  if (!isStarkeepError(thrown)) throw thrown;
  const known: StarkeepError = thrown;
  const reason: FailureReason = thrown.reason ?? known.code;
  const { status = 0, peerCode = "", url = "" } = thrown;
  return thrown.retryable === true ? `${reason} ${status + 1} ${peerCode} ${url}` : undefined;
}
void later;

async function round(): Promise<string[]> {
  const result = await engine.exchange();
  const codes: ErrorCode[] = result.held.map((held) => held.code);
  const optional: ExchangeResult = result;
  const wider: SyncEngine = engine;
  const maybe: readonly HeldItem[] | undefined = (await wider.exchange()).held;
  // @ts-expect-error: an engine of the app's need not answer it
  void (await wider.exchange()).held.length;
  // @ts-expect-error: the list is not the app's to change
  result.held.push(...(optional.held ?? []));
  await rows.register("notes", { tables: [{ name: "pages", pkColumns: ["id"] }] });
  const page = await rows.applier.scanSince("notes", "pages", text, { limit: 1 });
  for (const row of page.rows) await rows.applier.apply(row);
  const held = await rows.applier.getNodeWatermarks("notes", "pages");
  const newest: HLCTimestamp[] = Object.values(held);
  const names = rows.namespaces.list().flatMap((namespace) => namespace.tableNames);
  await rows.close();
  await state.close();
  await database.getNodeWatermarks();
  return [
    ...codes,
    ...names,
    ...newest.map(serializeHLC),
    ...result.held.map(describe),
    ...(maybe ?? []).map(describe),
  ];
}

const text: string = serializeHLC(ZERO_HLC);
const hlc: HLCTimestamp = deserializeHLC(text);
const order: number = compareHLC(hlc, clock.now());
const response: SyncExchangeResponse = {
  records: [],
  appSyncableRows: [],
  hasMore: false,
  responderWatermarks: { laptop: hlc },
};

// An app's own adapter that finds its delta itself
const capable: DeltaCapableDatabaseAdapter = {
  async queryUnseen(watermarks, { limit }) {
    void [watermarks["laptop"]?.wallTime, limit];
    return { records: [], hasMore: false };
  },
  applyRecords(records, how) {
    const error = new Error(String(how?.strictOrder));
    return records.map((): ApplyResult => ({ status: "failed", error }));
  },
};
createSyncEngine({ ...options, localDatabaseAdapter: { ...database, ...capable } });
// @ts-expect-error: no such status
const wrong: ApplyResult = { status: "done" };

// What does not fit

// @ts-expect-error: the options are needed
createSyncEngine();
// @ts-expect-error: so are most of them
createSyncEngine({ clock });
// @ts-expect-error: no such option
createSyncEngine({ ...options, pageSize: 5 });
// @ts-expect-error: a number
createSyncEngine({ ...options, pageLimit: "5" });
// @ts-expect-error: milliseconds
createSyncEngine({ ...options, maxClockSkewMs: "1h" });
// @ts-expect-error: a boolean
createSyncEngine({ ...options, strictOrder: 1 });
// @ts-expect-error: a boolean
createSyncEngine({ ...options, verifyContentHash: "sha256" });
// @ts-expect-error: only maxClockSkewMs may be null
createSyncEngine({ ...options, blobConcurrency: null });
// @ts-expect-error: the applier of an engine has to scan
createSyncEngine({ ...options, appSyncableSource: { namespaces, applier: { apply() {} } } });
// @ts-expect-error: options cannot be changed
options.pageLimit = 5;
// @ts-expect-error: a clock has a nodeId
createHLCClock({});
// @ts-expect-error: the clock's state is two numbers
createHLCClock({ nodeId: "a", initialState: { wallTime: 1 } });
// @ts-expect-error: a path is a string
createSqliteDatabaseAdapter({ path: 5 });
// @ts-expect-error: this one has no `db`
createSqliteDatabaseAdapter({ db: 5 });
// @ts-expect-error: a path is needed
createSqliteAppRows({});
// @ts-expect-error: a table has a name
void rows.register("notes", { tables: [{ pkColumns: ["id"] }] });
// @ts-expect-error: a URL is needed
createHttpSyncTransport({});
// @ts-expect-error: milliseconds
createHttpSyncTransport({ ...peer, timeoutMs: "1s" });
// @ts-expect-error: no such option
createHttpSyncTransport({ ...peer, headers: {} });
// @ts-expect-error: a header is a string
createHttpSyncTransport({ ...peer, getAuthHeader: () => 5 });
// @ts-expect-error: bytes
createHttpObjectStorage({ ...peer, maxAnswerBytes: "5" });
// @ts-expect-error: true or false
createHttpObjectStorage({ ...peer, presign: "yes" });
// @ts-expect-error: the bytes of an object are not at hand
createHttpObjectStorage({ ...peer, signRequest: (_m: string, _p: string, _b: string) => ({}) });
// @ts-expect-error: a folder is needed
createFsObjectStorage({});
// @ts-expect-error: one of `db` and `path`
createSqliteSyncStateStore({});
// @ts-expect-error: a timestamp, not its text
compareHLC(text, text);
// @ts-expect-error: frozen
ZERO_HLC.wallTime = 5;

declare const namespaces: NonNullable<SyncEngineOptions["appSyncableSource"]>["namespaces"];

export {
  drained,
  files,
  lacking,
  moved,
  order,
  proved,
  reconciled,
  response,
  round,
  told,
  tracedTransfer,
  transports,
  wrong,
};

declare const someRecords: Set<AnyRecord>;
const [someRecord] = someRecords;
if (someRecord) void database.put({ ...someRecord, id: createId(), parentId: toId("album-1") });
// @ts-expect-error: it takes no options
createId({ prefix: "note" });
declare const someRows: readonly AppSyncableRowEntry[];
const computed: Watermarks[] = [
  computeRecordWatermarks(someRecords),
  computeRecordWatermarks(new Map([["1", { updatedAt: ZERO_HLC }]]).values()),
  computeAppSyncableWatermarks(someRows),
];
// @ts-expect-error rows have a `timestamp`, not an `updatedAt`
computeRecordWatermarks(someRows);

export { byUrls, computed, overBucket, pastPeer };
