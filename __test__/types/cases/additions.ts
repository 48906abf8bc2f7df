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
  type HeldItem,
  type ReconcileProgress,
  type ReconcileResult,
  type ReconcileSignal,
  type SyncEngine,
  type SyncEngineOptions,
  type SyncExchangeResponse,
  type SyncStatus,
  type TracedRound,
  type TracedTransfer,
  type Watermarks,
  ZERO_HLC,
  compareHLC,
  computeAppSyncableWatermarks,
  computeRecordWatermarks,
  createFsObjectStorage,
  createHLCClock,
  createId,
  createInProcessSyncTransport,
  createSqliteAppRows,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
  deserializeHLC,
  isStarkeepError,
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
const database = createSqliteDatabaseAdapter({ path: "records.db" });
const objects = createFsObjectStorage({ root: "objects" });
const state = createSqliteSyncStateStore({ path: "state.db" });
const rows = createSqliteAppRows({ path: "records.db" });

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
// @ts-expect-error: a timestamp, not its text
compareHLC(text, text);
// @ts-expect-error: frozen
ZERO_HLC.wallTime = 5;

declare const namespaces: NonNullable<SyncEngineOptions["appSyncableSource"]>["namespaces"];

export {
  drained,
  lacking,
  moved,
  order,
  proved,
  reconciled,
  response,
  round,
  told,
  tracedTransfer,
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

export { computed };
