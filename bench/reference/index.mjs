/**
 * A sync engine in plain JavaScript, with the exports and the manners of version 0.1.0: id-ordered
 * pages, blobs one after another, peer watermarks that trust what was shipped. It is the baseline
 * that the bench compares with, and the old kind of peer in tests of interoperability. It is kept
 * small and is neither tuned nor slowed down; where 0.1.0 is wrong, it is wrong in the same way.
 */
export { createSyncEngine } from "./engine.mjs";
export { SyncError } from "./errors.mjs";
export { createFileSyncEngine, residencyOf } from "./files.mjs";
export { createHttpSyncHandler, createHttpSyncTransport } from "./http.mjs";
export { createChangeNotifier } from "./notifier.mjs";
export { createInProcessSyncTransport } from "./responder.mjs";
export { createSqliteSyncStateStore } from "./state.mjs";
export { advanceWatermark, mergeWatermarks, selectUnseen, watermarkFor } from "./watermarks.mjs";
