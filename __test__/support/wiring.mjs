// Options with which engines and answering sides can be made, and what is said of those with which they cannot.
import { clockFor, memoryDatabase, memoryObjects, memoryState } from "./memory.mjs";
import { DatabaseSync, needsSqlite, warningsOf } from "./native.mjs";

/** What the package says while `work` runs. */
export const saidIn = async (t, work) =>
  (await warningsOf(t, work)).filter((words) => words.startsWith("[starkeep sync]"));

export const refusal = (words) => ({ code: "INVALID_ARGUMENT", message: words });

/** Options with which an engine can be made. */
export const engineOptions = (changes = {}) => ({
  localDatabaseAdapter: memoryDatabase(),
  localObjectStorage: memoryObjects(),
  remoteObjectStorage: memoryObjects(),
  transport: { exchange: async () => ({ records: [], appSyncableRows: [], hasMore: false }) },
  clock: clockFor("a"),
  syncState: memoryState(),
  ...changes,
});

export const channelOptions = (changes = {}) => ({
  databaseAdapter: memoryDatabase(),
  objectStorageAdapter: memoryObjects(),
  clock: clockFor("cloud"),
  ...changes,
});

/** A database of the app's, where this Node.js has them. */
export const database =
  needsSqlite.skip === false ? () => new DatabaseSync(":memory:") : () => ({});
