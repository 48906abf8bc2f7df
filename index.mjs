import native from "./native.js";
import { errors } from "./peer.mjs";

export const {
  SyncError,
  ZERO_HLC,
  advanceWatermark,
  compareHLC,
  createChangeNotifier,
  createFileSyncEngine,
  createFsObjectStorage,
  createHLCClock,
  createHttpObjectStorage,
  createHttpSyncTransport,
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
} = native.face(errors);
