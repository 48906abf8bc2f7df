// A worker that begins a native round with whoever listens at `baseUrl`, and is ended in the middle of it.
import { workerData } from "node:worker_threads";
import * as sync from "@starkeep/sync-engine";
import { openNode } from "./native-node.mjs";

const { folder, baseUrl } = workerData;
const { db, objects, clock, state } = openNode(folder, "device");
await sync
  .createSyncEngine({
    localDatabaseAdapter: db,
    localObjectStorage: objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    clock,
    syncState: state,
  })
  .exchange();
