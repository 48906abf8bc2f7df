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
  createInProcessSyncTransport,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
  deserializeHLC,
  mergeWatermarks,
  residencyOf,
  selectUnseen,
  serializeHLC,
  watermarkFor,
} = native.face(errors);
