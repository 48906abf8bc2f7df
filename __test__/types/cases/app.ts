// An app as it was written for 0.1.0: it goes on compiling without a change.
import { DatabaseSync } from "node:sqlite";
import {
  type AppSyncableApplier,
  type AppSyncableNamespaceStore,
  type AppSyncableRowEntry,
  type ChangeEvent,
  type ExchangeResult,
  type FileRecordRow,
  type ScanCapableApplier,
  type ScanSinceOptions,
  type ScanSincePage,
  type SyncEngine,
  type SyncEngineOptions,
  SyncError,
  type SyncExchangeRequest,
  type SyncExchangeResponse,
  type SyncStateStore,
  type SyncTransport,
  type Watermarks,
  advanceWatermark,
  createChangeNotifier,
  createFileSyncEngine,
  createInProcessSyncTransport,
  createSqliteSyncStateStore,
  createSyncEngine,
  mergeWatermarks,
  residencyOf,
  selectUnseen,
  watermarkFor,
} from "@starkeep/sync-engine";
import {
  type AnyRecord,
  type HLCClock,
  type HLCTimestamp,
  StarkeepError,
  type StarkeepId,
} from "@starkeep/protocol-primitives";
import type { DatabaseAdapter, ObjectStorageAdapter } from "@starkeep/storage-adapter";

declare const database: DatabaseAdapter;
declare const objects: ObjectStorageAdapter;
declare const clock: HLCClock;
declare const record: AnyRecord;

class Applier implements ScanCapableApplier {
  readonly applied: AppSyncableRowEntry[] = [];
  apply(entry: AppSyncableRowEntry): void {
    this.applied.push(entry);
  }
  async scanSince(
    appId: string,
    table: string,
    since: string,
    options?: ScanSinceOptions,
  ): Promise<ScanSincePage> {
    const rows = this.applied.filter((row) => row.appId === appId && row.table === table);
    const page = rows.slice(0, options?.limit);
    return { rows: page, nextCursor: page.length < rows.length ? since : null, hasMore: false };
  }
}

const asyncApplier: AppSyncableApplier = { apply: async () => {} };

const namespaces: AppSyncableNamespaceStore = {
  get: (appId) => namespaces.list().find((namespace) => namespace.appId === appId) ?? null,
  list: () => [
    {
      appId: "photos",
      tables: [{ name: "albums", pkColumns: ["id"] }],
      filesEnabled: true,
      tableNames: ["albums"],
    },
  ],
};

class MemoryState implements SyncStateStore {
  #own: Watermarks = {};
  #peer: Watermarks = {};
  #clock: { wallTime: number; counter: number } | null = null;
  async getWatermarks() {
    return this.#own;
  }
  async setWatermarks(watermarks: Watermarks) {
    this.#own = watermarks;
  }
  async getPeerWatermarks() {
    return this.#peer;
  }
  async setPeerWatermarks(watermarks: Watermarks) {
    this.#peer = watermarks;
  }
  async getHlcClockState() {
    return this.#clock;
  }
  async setHlcClockState(state: { wallTime: number; counter: number }) {
    this.#clock = state;
  }
}

const transport = createInProcessSyncTransport({
  databaseAdapter: database,
  clock,
  objectStorage: objects,
  appSyncableSource: { namespaces, applier: asyncApplier },
  syncSharedRecords: true,
});

const mine: SyncTransport = {
  ...transport,
  async exchange(request: SyncExchangeRequest): Promise<SyncExchangeResponse> {
    const { records, appSyncableRows, hasMore } = await transport.exchange(request);
    return { records, appSyncableRows, hasMore };
  },
};

const db = new DatabaseSync(":memory:");
const options: SyncEngineOptions = {
  localDatabaseAdapter: database,
  localObjectStorage: objects,
  remoteObjectStorage: objects,
  transport: mine,
  clock,
  syncState: createSqliteSyncStateStore({ db }),
  appSyncableSource: { namespaces, applier: new Applier() },
  syncSharedRecords: false,
  pageLimit: 5,
  scanPageSize: 2,
};
const engine: SyncEngine = createSyncEngine(options);
const inMemory: SyncEngine = createSyncEngine({ ...options, syncState: new MemoryState() });

const { exchange, changeNotifier } = engine;
const unsubscribe: () => void = changeNotifier.subscribe((event: ChangeEvent) => {
  const ids: StarkeepId[] = event.recordIds;
  const at: HLCTimestamp = event.timestamp;
  void [ids, at, event.originAppId?.length];
});

async function drain(): Promise<number> {
  let total = 0;
  let result: ExchangeResult;
  do {
    result = await exchange();
    total += result.applied + result.shipped;
  } while (result.hasMore);
  unsubscribe();
  return total;
}

// Doubles with the three fields of old
const result: ExchangeResult = { applied: 0, shipped: 0, hasMore: false };
const double: SyncEngine = {
  exchange: async () => ({ applied: 1, shipped: 2, hasMore: false }),
  changeNotifier: createChangeNotifier(),
};
const engines: Map<string, ReturnType<typeof createSyncEngine>> = new Map([
  ["photos", double],
  ["notes", engine],
]);
let factory = (given: SyncEngineOptions): SyncEngine => createSyncEngine(given);
factory = createSyncEngine;
factory = () => double;

const watermarks: Watermarks = { a: record.updatedAt };
const nothing: void = advanceWatermark(watermarks, record.updatedAt);
const merged: Watermarks = mergeWatermarks(watermarks, {});
const mark: HLCTimestamp = watermarkFor(merged, "a");
const unseen: AnyRecord[] = selectUnseen([record], watermarks);
const narrow: { updatedAt: HLCTimestamp; extra: 1 }[] = selectUnseen(
  [{ updatedAt: mark, extra: 1 }],
  {},
);

declare const row: FileRecordRow | null;
async function files(): Promise<string> {
  const engine = createFileSyncEngine();
  const [manifest] = await engine.getFilesToPush(objects, objects, [{ key: "a" }]);
  if (manifest && !engine.isTransferInFlight(manifest.objectStorageKey)) {
    const moved: boolean = await engine.transferFile(manifest, objects, objects);
    void moved;
  }
  const residency: "absent" | "staged" | "resident" | "tombstoned" = await residencyOf(
    row,
    objects,
  );
  return residency;
}

function explain(error: unknown): string {
  if (error instanceof SyncError) return `${error.code} ${error.message} ${String(error.cause)}`;
  return error instanceof StarkeepError ? error.code : "unknown";
}
class AppError extends SyncError {
  readonly retry = true;
}
const thrown: StarkeepError = new AppError("lost", new Error("why"));

export {
  drain,
  engines,
  explain,
  factory,
  files,
  inMemory,
  narrow,
  nothing,
  result,
  thrown,
  unseen,
};
