/**
 * The process of an answering side: opens its stores, listens on a free port, and does what it is told.
 * It ends when its parent tells it to, or goes away.
 */
import "./quiet.mjs";
import { createServer } from "node:http";
import { createHlcClock, createMemoryObjectStorage, createSqliteDatabaseAdapter } from "../adapters/index.mjs";
import { loadEngine } from "./engines.mjs";
import { readPeak, restartPeak } from "./resident.mjs";

/**
 * @param {any} module
 * @param {{ database: string, blobs: string }} paths
 */
async function listenNative(module, { database, blobs }) {
  const databaseAdapter = module.createSqliteDatabaseAdapter({ path: database });
  const objectStorageAdapter = module.createFsObjectStorage({ root: blobs });
  await databaseAdapter.init();
  await objectStorageAdapter.init();
  const clock = module.createHLCClock({ nodeId: "hub" });
  const server = module.createHttpSyncServer({ databaseAdapter, objectStorageAdapter, clock });
  return { databaseAdapter, port: (await server.listen()).port };
}

/**
 * @param {any} module
 * @param {{ database: string }} paths
 * @param {boolean} delta
 */
async function listenPlain(module, { database }, delta) {
  const databaseAdapter = createSqliteDatabaseAdapter({ path: database });
  const handle = module.createHttpSyncHandler({
    databaseAdapter: delta ? module.withSqliteDelta(databaseAdapter, { db: databaseAdapter.db }) : databaseAdapter,
    objectStorageAdapter: createMemoryObjectStorage(),
    clock: createHlcClock({ nodeId: "hub" }),
  });
  const server = createServer(async (req, res) => {
    if (!(await handle(req, res))) res.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return { databaseAdapter, port: /** @type {import("node:net").AddressInfo} */ (server.address()).port };
}

/** @type {Record<string, (argument: any) => Promise<any>>} */
const ORDERS = {
  listen: async ({ specifier, role, stores, paths }) => {
    const { module } = await loadEngine(specifier);
    const ours = role === "ours";
    const native = ours && stores === "native";
    const side = native
      ? await listenNative(module, paths)
      : await listenPlain(module, paths, ours && stores === "delta");
    adapter = side.databaseAdapter;
    return side.port;
  },
  put: (record) => adapter.put(record),
  restartPeak: async () => restartPeak(),
  readPeak: async () => readPeak(),
};

/** @type {any} */
let adapter = null;

process.on("message", async (/** @type {any} */ { order, argument }) => {
  try {
    process.send?.({ value: await ORDERS[order](argument) });
  } catch (error) {
    process.send?.({ error: String(/** @type {any} */ (error)?.stack ?? error) });
  }
});
// What was written is committed; nothing is left to wait for.
process.on("disconnect", () => process.exit());
