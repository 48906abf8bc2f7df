/**
 * The plain JavaScript adapters that every engine is measured with.
 */
export { createMemoryAppRows } from "./app-rows.mjs";
export { createHlcClock } from "./clock.mjs";
export {
  assertSame,
  fingerprintOf,
  fingerprintOfAdapter,
  fingerprintOfBlobs,
  fingerprintOfStorage,
} from "./fingerprint.mjs";
export { createMemoryDatabaseAdapter } from "./memory-database.mjs";
export { blobFor, createRandom, generateRecords, raise, watermarksOf } from "./records.mjs";
export { createSqliteDatabaseAdapter, openDatabase, sqliteMissing } from "./sqlite.mjs";
export { createFsObjectStorage, createMemoryObjectStorage, withDelay } from "./storage.mjs";
export { createMemorySyncState } from "./sync-state.mjs";
