import native from "./native.js";

// Not installed: the package has an equal error class of its own.
const peer = await import("@starkeep/protocol-primitives").catch(() => undefined);

export const {
  SyncError,
  ZERO_HLC,
  advanceWatermark,
  compareHLC,
  createChangeNotifier,
  createFileSyncEngine,
  createFsObjectStorage,
  createHLCClock,
  createHttpSyncHandler,
  createHttpSyncServer,
  createInProcessSyncTransport,
  createSqliteAppRows,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
  deserializeHLC,
  mergeWatermarks,
  residencyOf,
  selectUnseen,
  serializeHLC,
  watermarkFor,
  withSqliteAppRows,
  withSqliteDelta,
} = native.face(peer);
