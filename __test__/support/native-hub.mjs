// A process that serves the native stores in a folder, `native-hub.mjs <folder>`, until its input ends.
import { once } from "node:events";
import * as sync from "@starkeep/sync-engine";
import { openNode } from "./native-node.mjs";

const hub = openNode(process.argv[2], "hub");
const server = sync.createHttpSyncServer({
  databaseAdapter: hub.db,
  objectStorageAdapter: hub.objects,
  clock: hub.clock,
});
const { port } = await server.listen(0);
console.log(port);
await once(process.stdin.resume(), "end");
await server.close();
await hub.close();
