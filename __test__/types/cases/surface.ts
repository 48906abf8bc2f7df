// Every name of 0.1.0 is here, with the shape that it had: identical, or assignable both ways where
// something optional was added.
import * as sync from "@starkeep/sync-engine";
import * as old from "sync-engine-0.1";

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Interchangeable<Old, New> = [Old] extends [New]
  ? [New] extends [Old]
    ? true
    : "the new type does not fit where the old one is expected"
  : "the old type does not fit where the new one is expected";

declare function check<_Passes extends true>(): void;

// Types that are as they were

check<Identical<old.AppSyncableNamespace, sync.AppSyncableNamespace>>();
check<Identical<old.AppSyncableNamespaceStore, sync.AppSyncableNamespaceStore>>();
check<Identical<old.AppSyncableRowEntry, sync.AppSyncableRowEntry>>();
check<Identical<old.AppSyncableTableInfo, sync.AppSyncableTableInfo>>();
check<Identical<old.ChangeEvent, sync.ChangeEvent>>();
check<Identical<old.ChangeEventType, sync.ChangeEventType>>();
check<Identical<old.ChangeListener, sync.ChangeListener>>();
check<Identical<old.ChangeNotifier, sync.ChangeNotifier>>();
check<Identical<old.FileEntry, sync.FileEntry>>();
check<Identical<old.FileRecordRow, sync.FileRecordRow>>();
check<Identical<old.FileSyncEngine, sync.FileSyncEngine>>();
check<Identical<old.FileSyncManifest, sync.FileSyncManifest>>();
check<Identical<old.RecordResidency, sync.RecordResidency>>();
check<Identical<old.ScanSinceOptions, sync.ScanSinceOptions>>();
check<Identical<old.ScanSincePage, sync.ScanSincePage>>();
check<Identical<old.SyncError, sync.SyncError>>();
check<Identical<old.SyncStateStore, sync.SyncStateStore>>();
check<Identical<old.Watermarks, sync.Watermarks>>();

// Types with optional additions

check<Interchangeable<old.AppSyncableApplier, sync.AppSyncableApplier>>();
check<Interchangeable<old.ExchangeResult, sync.ExchangeResult>>();
check<Interchangeable<old.ScanCapableApplier, sync.ScanCapableApplier>>();
check<Interchangeable<old.SyncEngine, sync.SyncEngine>>();
check<Interchangeable<old.SyncEngineOptions, sync.SyncEngineOptions>>();
check<Interchangeable<old.SyncExchangeRequest, sync.SyncExchangeRequest>>();
check<Interchangeable<old.SyncExchangeResponse, sync.SyncExchangeResponse>>();
check<Interchangeable<old.SyncTransport, sync.SyncTransport>>();
type OldInProcess = Parameters<typeof old.createInProcessSyncTransport>[0];
check<Interchangeable<OldInProcess, sync.InProcessTransportOptions>>();
type OldHttp = Parameters<typeof old.createHttpSyncTransport>[0];
check<Interchangeable<OldHttp, sync.HttpSyncTransportOptions>>();
check<
  Interchangeable<
    Parameters<typeof old.createHttpSyncTransport>,
    Parameters<typeof sync.createHttpSyncTransport>
  >
>();
check<Interchangeable<old.HttpSyncServerOptions, sync.HttpSyncServerOptions>>();
type OldHandler = ReturnType<typeof old.createHttpSyncHandler>;
check<Identical<OldHandler, sync.HttpSyncHandler>>();
type OldStateStore = Parameters<typeof old.createSqliteSyncStateStore>[0];
check<Identical<OldStateStore, sync.SqliteSyncStateStoreOptions>>();

// Values. Each `Unfit…` names the exports that do not fit.

type Later = never;
// Where ES modules import CommonJS, the whole of it is there once more as `default`.
type OldValues = Omit<typeof old, Later | "default">;
type NewValues = typeof sync;

type Missing = Exclude<keyof OldValues, keyof NewValues>;
check<Identical<Missing, never>>();

type Shared = Extract<keyof OldValues, keyof NewValues>;
type UnfitForOldCode = {
  [K in Shared]: NewValues[K] extends OldValues[K] ? never : K;
}[Shared];
check<Identical<UnfitForOldCode, never>>();

type UnfitForNewCode = {
  [K in Shared]: OldValues[K] extends NewValues[K] ? never : K;
}[Shared];
// The new engine always answers `held`, a state store may be made of a path, and an authorization may
// come later: the old ones cannot.
check<
  Identical<
    UnfitForNewCode,
    "createHttpSyncTransport" | "createSyncEngine" | "createSqliteSyncStateStore"
  >
>();

// What mocks and wrappers of the two are built from has not changed.
check<
  Interchangeable<ReturnType<typeof old.createSyncEngine>, ReturnType<typeof sync.createSyncEngine>>
>();
check<
  Interchangeable<Parameters<typeof old.createSyncEngine>, Parameters<typeof sync.createSyncEngine>>
>();
check<
  Identical<
    ReturnType<typeof old.createSqliteSyncStateStore>,
    ReturnType<typeof sync.createSqliteSyncStateStore>
  >
>();
check<
  Identical<
    Parameters<typeof old.createSqliteSyncStateStore>,
    Parameters<typeof sync.createSqliteSyncStateStore>
  >
>();
