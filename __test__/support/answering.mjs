// Answering sides behind real sockets: the handler and the server, over adapters in memory and over the
// native stores.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { clockFor, memoryDatabase, memoryObjects } from "./memory.mjs";
import { folderFor } from "./native.mjs";

/** Stores of a side: `adapters` in memory, or `native`. */
export function storesFor(t, kind) {
  if (kind === "adapters") {
    return {
      databaseAdapter: memoryDatabase({ nodeWatermarks: true }),
      objectStorageAdapter: memoryObjects(),
      clock: clockFor("cloud"),
    };
  }
  const folder = folderFor(t);
  const stores = {
    databaseAdapter: sync.createSqliteDatabaseAdapter({ path: join(folder, "records.db") }),
    objectStorageAdapter: sync.createFsObjectStorage({ root: join(folder, "files") }),
    clock: sync.createHLCClock({ nodeId: "cloud" }),
  };
  t.after(async () => {
    await stores.databaseAdapter.close();
    await stores.objectStorageAdapter.close();
  });
  return stores;
}

/** `node:http` in front of a handler; what is not the handler's is answered 418. */
export async function serveWith(t, listener) {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: server.address().port, url: `http://127.0.0.1:${server.address().port}` };
}

/** A side behind a socket: `front` is `handler` or `server`. */
export async function sideFor(t, { front, kind, options = {} }) {
  const stores = storesFor(t, kind);
  if (front === "handler") {
    const handler = sync.createHttpSyncHandler({ ...stores, ...options });
    const at = await serveWith(t, async (req, res) => {
      if (!(await handler(req, res))) res.writeHead(418).end("not the handler's");
    });
    return { ...stores, ...at, front };
  }
  const server = sync.createHttpSyncServer({ ...stores, ...options });
  const { port } = await server.listen();
  t.after(() => server.close());
  return { ...stores, server, port, url: `http://127.0.0.1:${port}`, front };
}

/** A side, and what an engine reaches it by: over HTTP, or with the `front` `in process`. */
export async function wayTo(t, { front, kind }) {
  if (front === "in process") {
    const cloud = storesFor(t, kind);
    const objectStorage = cloud.objectStorageAdapter;
    const transport = sync.createInProcessSyncTransport({ ...cloud, objectStorage });
    return { cloud, remoteObjectStorage: objectStorage, transport };
  }
  const cloud = await sideFor(t, { front, kind });
  const peer = { baseUrl: cloud.url };
  return {
    cloud,
    remoteObjectStorage: sync.createHttpObjectStorage(peer),
    transport: sync.createHttpSyncTransport(peer),
  };
}

export const FRONTS = ["handler", "server"];
export const STORES = ["adapters", "native"];

/** Every front over every kind of stores. */
export const SIDES = FRONTS.flatMap((front) =>
  STORES.map((kind) => ({ front, kind, title: `${front} over ${kind}` })),
);

/** A record as apps write it. */
export function recordOf(id, stamp, fields = {}) {
  return {
    id,
    kind: "data",
    type: "note",
    createdAt: stamp,
    updatedAt: stamp,
    ownerId: "me",
    deletedAt: null,
    version: 1,
    contentHash: "",
    objectStorageKey: "",
    mimeType: "text/plain",
    sizeBytes: 0,
    originalFilename: null,
    originAppId: "notes",
    parentId: null,
    ...fields,
  };
}

/** Posts an exchange; a string goes as it is. */
export async function exchange(side, request, { headers = {}, path = "/sync/exchange" } = {}) {
  const response = await fetch(side.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body:
      typeof request === "object" && !ArrayBuffer.isView(request)
        ? JSON.stringify(request)
        : request,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text && JSON.parse(text) };
}

/** The end of a socket or session. A reset is as good an end as any. */
export const closeOf = (connection) =>
  connection.destroyed
    ? Promise.resolve()
    : new Promise((resolve) => connection.once("close", resolve));

/** Writes to a socket, waits for the other end to close it, and answers what it said. */
export async function raw(port, ...pieces) {
  const socket = connect(port, "127.0.0.1");
  const said = [];
  socket.on("data", (piece) => said.push(piece));
  socket.on("error", () => {});
  await once(socket, "connect");
  for (const piece of pieces) {
    if (typeof piece === "function") await piece(socket);
    else socket.write(piece);
  }
  await closeOf(socket);
  return Buffer.concat(said).toString("latin1");
}
