/**
 * One of the servers: `server.mjs <url> <nodeId> <folder>` says its port, and answers until its standard input ends.
 */
import "../lib/quiet.mjs";
import * as sync from "../../node.mjs";

const [connectionString, nodeId, root] = process.argv.slice(2);
const database = sync.createPostgresDatabaseAdapter({ connectionString });
const objects = sync.createFsObjectStorage({ root });
await database.init();
const server = sync.createHttpSyncServer({
  databaseAdapter: database,
  objectStorageAdapter: objects,
  clock: sync.createHLCClock({ nodeId, state: database }),
});
const { port } = await server.listen();
console.log(JSON.stringify({ port }));
process.stdin.resume().on("end", () => process.exit());
