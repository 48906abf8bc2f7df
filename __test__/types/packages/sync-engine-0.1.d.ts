// The public surface of @starkeep/sync-engine 0.1.0, restated: every name with its shape.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { DatabaseSync } from "node:sqlite";
import type { AnyRecord, HLCClock, HLCTimestamp, StarkeepId } from "@starkeep/protocol-primitives";
import { StarkeepError } from "@starkeep/protocol-primitives";
import type { DatabaseAdapter, ObjectStorageAdapter } from "@starkeep/storage-adapter";

// App rows

export interface AppSyncableTableInfo {
  readonly name: string;
  readonly pkColumns: string[];
}

export interface AppSyncableNamespace {
  readonly appId: string;
  readonly tables: AppSyncableTableInfo[];
  readonly filesEnabled: boolean;
  readonly tableNames: string[];
}

export interface AppSyncableNamespaceStore {
  get(appId: string): AppSyncableNamespace | null;
  list(): AppSyncableNamespace[];
}

export interface AppSyncableRowEntry {
  readonly timestamp: HLCTimestamp;
  readonly appId: string;
  readonly table: string;
  readonly op: "insert" | "update" | "delete";
  readonly row?: Record<string, unknown>;
  readonly where?: Record<string, unknown>;
}

export interface AppSyncableApplier {
  apply(entry: AppSyncableRowEntry): Promise<void> | void;
}

export interface ScanSinceOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

export interface ScanSincePage {
  readonly rows: AppSyncableRowEntry[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

export interface ScanCapableApplier extends AppSyncableApplier {
  scanSince(
    appId: string,
    table: string,
    sinceHlcStr: string,
    options?: ScanSinceOptions,
  ): Promise<ScanSincePage>;
}

// Files

export interface FileRecordRow {
  readonly id: string;
  readonly object_storage_key: string;
  readonly content_hash: string;
  readonly mime_type: string;
  readonly size_bytes: number;
  readonly original_filename: string | null;
  readonly origin_app_id: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly deleted_at: string | null;
}

export type RecordResidency = "absent" | "staged" | "resident" | "tombstoned";

export interface FileSyncManifest {
  readonly fileHash: string;
  readonly objectStorageKey: string;
  readonly sizeBytes: number;
  readonly mimeType?: string;
}

export interface FileEntry {
  readonly key: string;
  readonly mimeType?: string;
}

export interface FileSyncEngine {
  isTransferInFlight(key: string): boolean;
  getFilesToPush(
    localStorage: ObjectStorageAdapter,
    remoteStorage: ObjectStorageAdapter,
    entries: FileEntry[],
  ): Promise<FileSyncManifest[]>;
  getFilesToPull(
    localStorage: ObjectStorageAdapter,
    remoteStorage: ObjectStorageAdapter,
    entries: FileEntry[],
  ): Promise<FileSyncManifest[]>;
  transferFile(
    manifest: FileSyncManifest,
    source: ObjectStorageAdapter,
    destination: ObjectStorageAdapter,
  ): Promise<boolean>;
}

export function createFileSyncEngine(): FileSyncEngine;

export function residencyOf(
  recordRow: FileRecordRow | null,
  localStorage: ObjectStorageAdapter,
): Promise<RecordResidency>;

// Changes

export type ChangeEventType =
  "remote-update-available" | "local-data-synced" | "local-change-recorded";

export interface ChangeEvent {
  readonly eventType: ChangeEventType;
  readonly recordIds: StarkeepId[];
  readonly timestamp: HLCTimestamp;
  readonly originAppId?: string;
}

export type ChangeListener = (event: ChangeEvent) => void;

export interface ChangeNotifier {
  subscribe(listener: ChangeListener): () => void;
  emit(event: ChangeEvent): void;
}

export function createChangeNotifier(): ChangeNotifier;

// Watermarks

export type Watermarks = Record<string, HLCTimestamp>;

export function advanceWatermark(watermarks: Watermarks, hlc: HLCTimestamp): void;

export function mergeWatermarks(into: Watermarks, incoming: Watermarks): Watermarks;

export function watermarkFor(watermarks: Watermarks, nodeId: string): HLCTimestamp;

export function selectUnseen<
  T extends {
    updatedAt: HLCTimestamp;
  },
>(records: T[], peerWatermarks: Watermarks): T[];

// Exchanges

export interface SyncExchangeRequest {
  readonly watermarks: Watermarks;
  readonly records?: AnyRecord[];
  readonly appSyncableRows?: AppSyncableRowEntry[];
  readonly limit?: number;
}

export interface SyncExchangeResponse {
  readonly records: AnyRecord[];
  readonly appSyncableRows: AppSyncableRowEntry[];
  readonly hasMore: boolean;
}

export interface SyncTransport {
  exchange(request: SyncExchangeRequest): Promise<SyncExchangeResponse>;
}

interface InProcessTransportOptions {
  readonly databaseAdapter: DatabaseAdapter;
  readonly clock: HLCClock;
  readonly appSyncableSource?: {
    readonly namespaces: AppSyncableNamespaceStore;
    readonly applier: AppSyncableApplier;
  };
  readonly objectStorage: ObjectStorageAdapter;
  readonly syncSharedRecords?: boolean;
}

export function createInProcessSyncTransport(options: InProcessTransportOptions): SyncTransport;

export interface HttpSyncTransportOptions {
  readonly baseUrl: string;
  readonly fetch?: typeof globalThis.fetch;
  readonly getAuthHeader?: () => string | undefined;
}

export function createHttpSyncTransport(options: HttpSyncTransportOptions): SyncTransport;

export interface HttpSyncServerOptions {
  readonly databaseAdapter: DatabaseAdapter;
  readonly objectStorageAdapter: ObjectStorageAdapter;
  readonly clock: HLCClock;
  readonly transport?: SyncTransport;
}

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<boolean>;

export function createHttpSyncHandler(options: HttpSyncServerOptions): Handler;

// Engines

export interface SyncStateStore {
  getWatermarks(): Promise<Watermarks>;
  setWatermarks(watermarks: Watermarks): Promise<void>;
  getPeerWatermarks(): Promise<Watermarks>;
  setPeerWatermarks(watermarks: Watermarks): Promise<void>;
  getHlcClockState(): Promise<{
    wallTime: number;
    counter: number;
  } | null>;
  setHlcClockState(state: { wallTime: number; counter: number }): Promise<void>;
}

interface SqliteSyncStateStoreOptions {
  readonly db: DatabaseSync;
}

export function createSqliteSyncStateStore(options: SqliteSyncStateStoreOptions): SyncStateStore;

export interface ExchangeResult {
  readonly applied: number;
  readonly shipped: number;
  readonly hasMore: boolean;
}

export interface SyncEngine {
  exchange(): Promise<ExchangeResult>;
  readonly changeNotifier: ChangeNotifier;
}

export interface SyncEngineOptions {
  readonly localDatabaseAdapter: DatabaseAdapter;
  readonly localObjectStorage: ObjectStorageAdapter;
  readonly remoteObjectStorage: ObjectStorageAdapter;
  readonly transport: SyncTransport;
  readonly clock: HLCClock;
  readonly syncState?: SyncStateStore;
  readonly appSyncableSource?: {
    readonly namespaces: AppSyncableNamespaceStore;
    readonly applier: AppSyncableApplier & ScanCapableApplier;
  };
  readonly syncSharedRecords?: boolean;
  readonly pageLimit?: number;
  readonly scanPageSize?: number;
}

export function createSyncEngine(options: SyncEngineOptions): SyncEngine;

// Errors

export class SyncError extends StarkeepError {
  constructor(message: string, cause?: unknown);
}

export {};
