/**
 * Yjs with y-leveldb on both sides. A round is the exchange of y-websocket in two requests at most: the state vectors
 * and what this side lacks, then what the other one lacks. A record is one value of one map.
 */
import { once } from "node:events";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { fingerprintOf } from "../adapters/index.mjs";
import { senderRecords } from "../workloads/sides.mjs";

const PAGE = 1000;
const DOCUMENT = "records";

/** @param {AsyncIterable<Uint8Array>} stream */
async function bytesOf(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/**
 * @param {string} url
 * @param {Uint8Array} body
 * @returns {Promise<Buffer>}
 */
async function post(url, body) {
  const sent = request(url, { method: "POST" });
  sent.end(body);
  const [answer] = await once(sent, "response");
  const bytes = await bytesOf(answer);
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${bytes}`);
  return bytes;
}

/**
 * @param {{ dir: string }} options
 * @returns {Promise<import("./index.mjs").Side>}
 */
export async function openSide({ dir }) {
  const Y = await import("yjs");
  const { LeveldbPersistence } = await import("y-leveldb");
  const stored = new LeveldbPersistence(join(dir, "leveldb"));
  const document = new Y.Doc();
  const map = document.getMap("records");
  /** @type {Promise<unknown>} */
  let written = Promise.resolve();
  document.on("update", (update) => void (written = stored.storeUpdate(DOCUMENT, update)));
  /** @type {import("node:http").Server | undefined} */
  let server;

  /** @param {any[]} records */
  async function write(records) {
    for (let at = 0; at < records.length; at += PAGE) {
      document.transact(() => {
        for (const record of records.slice(at, at + PAGE)) map.set(record.id, record);
      });
    }
    await written;
  }

  /** @param {Uint8Array} update */
  async function take(update) {
    Y.applyUpdate(document, update);
    await written;
  }

  /** @type {Record<string, (body: Uint8Array) => Promise<Uint8Array>>} */
  const routes = {
    "/vector": async (vector) => {
      const own = Y.encodeStateVector(document);
      const same = Buffer.compare(own, vector) === 0;
      const length = Buffer.alloc(4);
      length.writeUInt32LE(own.length);
      return Buffer.concat([length, own, ...(same ? [] : [Y.encodeStateAsUpdate(document, vector)])]);
    },
    "/update": async (update) => {
      await take(update);
      return Buffer.alloc(0);
    },
  };

  /** @param {string} url @returns {Promise<boolean>} whether there was something to do */
  async function round(url) {
    const vector = Y.encodeStateVector(document);
    const answer = await post(`${url}/vector`, vector);
    const end = 4 + answer.readUInt32LE();
    const theirs = answer.subarray(4, end);
    if (Buffer.compare(theirs, vector) === 0) return false;
    const update = Y.encodeStateAsUpdate(document, theirs);
    // An update that carries neither structs nor deletions is two zeros.
    if (answer.length > end + 2) await take(answer.subarray(end));
    if (update.length > 2) await post(`${url}/update`, update);
    return true;
  }

  return {
    prepare: ({ records = 0 }) => write([...senderRecords(records)]),
    async serve() {
      server = createServer(async (req, res) => {
        try {
          res.end(await routes[String(req.url)](await bytesOf(req)));
        } catch (error) {
          res.writeHead(500).end(String(error));
        }
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      return `http://127.0.0.1:${port}`;
    },
    up: async (url) => void (await round(url)),
    down: async (url) => void (await round(url)),
    async idle(url) {
      if (await round(url)) throw new Error("the round was not idle");
    },
    change: write,
    held: async () => fingerprintOf(/** @type {any} */ ([...map.values()])),
    async close() {
      server?.closeAllConnections();
      server?.close();
      await written;
      await stored.destroy();
    },
  };
}
