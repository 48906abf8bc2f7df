/**
 * The wire: one exchange route and the file routes, over `fetch` and `node:http`.
 */
import { SyncError } from "./errors.mjs";
import { createInProcessSyncTransport } from "./responder.mjs";

const EXCHANGE_PATH = "/sync/exchange";
const FILES_PREFIX = "/files/";

/** @param {{ baseUrl: string, fetch?: typeof globalThis.fetch, getAuthHeader?: () => string | undefined }} options */
export function createHttpSyncTransport({ baseUrl, fetch = globalThis.fetch, getAuthHeader }) {
  const url = baseUrl.replace(/\/+$/, "") + EXCHANGE_PATH;

  /** @param {object} request */
  async function exchange(request) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    const authorization = getAuthHeader?.();
    if (authorization) headers.Authorization = authorization;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
    if (!response.ok) {
      const body = await response.text().catch(() => "");
      throw new SyncError(`${EXCHANGE_PATH} failed: ${response.status} ${response.statusText} ${body}`);
    }
    return response.json();
  }

  return { exchange };
}

/** @param {any} options */
export function createHttpSyncHandler(options) {
  const storage = options.objectStorageAdapter;
  const transport =
    options.transport ??
    createInProcessSyncTransport({
      databaseAdapter: options.databaseAdapter,
      objectStorage: storage,
      clock: options.clock,
    });

  /**
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:http").ServerResponse} res
   * @returns {Promise<boolean>} whether it was one of these routes
   */
  return async function handle(req, res) {
    const path = (req.url ?? "").split("?", 1)[0];
    const answer = routeFor(req.method, path, transport, storage);
    if (!answer) return false;
    try {
      await answer(req, res);
    } catch (error) {
      if (!res.headersSent) sendJson(res, 500, { error: String(error) });
    }
    return true;
  };
}

/**
 * @param {string | undefined} method
 * @param {string} path
 * @param {any} transport
 * @param {any} storage
 */
function routeFor(method, path, transport, storage) {
  if (path === EXCHANGE_PATH) {
    if (method !== "POST") return null;
    return async (/** @type {any} */ req, /** @type {any} */ res) =>
      sendJson(res, 200, await transport.exchange(JSON.parse((await readBody(req)).toString("utf8"))));
  }
  const route = path.startsWith(FILES_PREFIX) && FILE_ROUTES[method ?? ""];
  if (!route) return null;
  return (/** @type {any} */ req, /** @type {any} */ res) =>
    route(storage, decodeURIComponent(path.slice(FILES_PREFIX.length)), req, res);
}

/** @type {Record<string, (storage: any, key: string, req: any, res: any) => Promise<void>>} */
const FILE_ROUTES = {
  HEAD: async (storage, key, _req, res) => {
    res.writeHead((await storage.has(key)) ? 200 : 404).end();
  },
  GET: async (storage, key, _req, res) => {
    const file = await storage.get(key);
    if (!file) return void res.writeHead(404).end();
    const type = file.contentType ?? "application/octet-stream";
    res.writeHead(200, { "Content-Type": type, "Content-Length": file.data.byteLength }).end(file.data);
  },
  PUT: async (storage, key, req, res) => {
    await storage.put(key, await readBody(req), { contentType: req.headers["content-type"] });
    res.writeHead(200).end();
  },
  DELETE: async (storage, key, _req, res) => {
    await storage.delete(key);
    res.writeHead(204).end();
  },
};

/**
 * @param {any} res
 * @param {number} status
 * @param {unknown} value
 */
function sendJson(res, status, value) {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

/** @param {AsyncIterable<Uint8Array>} req */
async function readBody(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks);
}
