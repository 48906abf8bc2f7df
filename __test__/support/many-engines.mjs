// A worker with many engines, which it holds until it is ended.
import { parentPort, workerData } from "node:worker_threads";
import * as sync from "@starkeep/sync-engine";
import { clockFor, memoryDatabase, memoryObjects, memoryState } from "./memory.mjs";

const adapters = {
  localDatabaseAdapter: memoryDatabase(),
  localObjectStorage: memoryObjects(),
  remoteObjectStorage: memoryObjects(),
  transport: { exchange: async () => ({ records: [], hasMore: false }) },
  clock: clockFor("a"),
  syncState: memoryState(),
};
const engines = Array.from({ length: workerData.engines }, () => sync.createSyncEngine(adapters));
parentPort.on("message", () => engines.length);
parentPort.postMessage("made");
