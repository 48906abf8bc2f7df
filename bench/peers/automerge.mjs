/**
 * Automerge-repo over its WebSocket, with its files on both sides. A record is one value of one document. There is no
 * round: changes go out by themselves, so `change` keeps them for `up`, in whose time making them falls.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { fingerprintOf } from "../adapters/index.mjs";
import { senderRecords } from "../workloads/sides.mjs";

const PAGE = 1000;

/**
 * @param {{ dir: string }} options
 * @returns {Promise<import("./index.mjs").Side>}
 */
export async function openSide({ dir }) {
  const { ImmutableString, Repo } = await import("@automerge/automerge-repo");
  const { NodeFSStorageAdapter } = await import("@automerge/automerge-repo-storage-nodefs");
  const network = await import("@automerge/automerge-repo-network-websocket");
  const storage = new NodeFSStorageAdapter(join(dir, "documents"));
  /** @type {any} */
  let repo = new Repo({ storage });
  /** @type {any} */
  let handle;
  /** @type {any[]} */
  let changed = [];
  let connected = false;
  /** @type {import("node:http").Server | undefined} */
  let server;

  /** @param {any[]} records */
  function write(records) {
    for (let at = 0; at < records.length; at += PAGE) {
      handle.change((/** @type {any} */ document) => {
        // A plain string would be a text that is merged letter by letter.
        for (const record of records.slice(at, at + PAGE))
          document.records[record.id] = new ImmutableString(JSON.stringify(record));
      });
    }
  }

  /** Once this side has all of these heads, and they are in its files. @param {string} heads */
  async function wait(heads) {
    const reached = () => handle.heads().join() === heads;
    while (!reached()) await once(handle, "heads-changed");
    await repo.flush();
  }

  /** @param {string} url */
  function connect(url) {
    if (connected) return;
    connected = true;
    const { host } = new URL(url);
    repo.networkSubsystem.addNetworkAdapter(new network.WebSocketClientAdapter(`ws://${host}`));
  }

  /** @param {string} url @param {string} path */
  async function ask(url, path) {
    const answer = await fetch(new URL(path, url));
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
    return text;
  }

  /** Says when the document is stored here, which the peer's protocol does not. @param {URL} url */
  async function answer({ pathname, searchParams }) {
    if (pathname === "/document") return `${handle.url} ${handle.heads().join()}`;
    handle ??= await repo.find(searchParams.get("document"));
    await wait(String(searchParams.get("heads")));
    return "";
  }

  return {
    async prepare({ records = 0 }) {
      handle = repo.create({ records: {} });
      write([...senderRecords(records)]);
      await repo.flush();
    },
    async serve() {
      const { WebSocketServer } = await import("ws");
      server = createServer(async (req, res) => {
        try {
          res.end(await answer(new URL(String(req.url), "http://127.0.0.1")));
        } catch (error) {
          res.writeHead(500).end(String(error));
        }
      });
      const sockets = new WebSocketServer({ server });
      repo.networkSubsystem.addNetworkAdapter(new network.WebSocketServerAdapter(/** @type {any} */ (sockets)));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      return `http://127.0.0.1:${port}`;
    },
    async up(url) {
      write(changed);
      changed = [];
      connect(url);
      await repo.networkSubsystem.whenReady();
      await ask(url, `/stored?document=${handle.url}&heads=${handle.heads().join()}`);
    },
    async down(url) {
      const [document, heads] = (await ask(url, "/document")).split(" ");
      connect(url);
      await repo.networkSubsystem.whenReady();
      handle = await repo.find(document);
      await wait(heads);
    },
    change: async (records) => void (changed = records),
    async held() {
      const values = Object.values(handle.doc().records);
      return fingerprintOf(values.map((value) => JSON.parse(String(value))));
    },
    async close() {
      await repo.shutdown();
      server?.closeAllConnections();
      server?.close();
    },
  };
}
