/**
 * PouchDB over LevelDB, replicated over HTTP to express-pouchdb.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { fingerprintOf } from "../adapters/index.mjs";
import { senderRecords } from "../workloads/sides.mjs";

const PAGE = 1000;
const DATABASE = "records";
/** Ten times its own default, so that a page is as large as this package's. */
const BATCHES = { batch_size: PAGE };

/** @param {any} record */
const documentOf = ({ id, ...fields }) => ({ _id: id, ...fields });

/**
 * @param {{ dir: string }} options
 * @returns {Promise<import("./index.mjs").Side>}
 */
export async function openSide({ dir }) {
  const { default: PouchDB } = await import("pouchdb");
  const Here = PouchDB.defaults({ prefix: join(dir, "/") });
  const database = new Here(DATABASE);
  /** @type {import("node:http").Server | undefined} */
  let server;

  /** @param {any[]} documents */
  async function write(documents) {
    for (let at = 0; at < documents.length; at += PAGE) {
      const answers = await database.bulkDocs(documents.slice(at, at + PAGE));
      const failed = answers.find((/** @type {any} */ answer) => answer.error);
      if (failed) throw new Error(`${failed.id}: ${failed.message}`);
    }
  }

  /** @param {Promise<any>} replication */
  async function whole(replication) {
    const { ok, errors } = await replication;
    if (!ok || errors.length > 0) throw new Error(`the replication failed: ${errors[0] ?? ""}`);
  }

  return {
    prepare: ({ records = 0 }) => write(Array.from(senderRecords(records), documentOf)),
    async serve() {
      const { default: express } = await import("express-pouchdb");
      server = createServer(express(Here, { mode: "minimumForPouchDB" })).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      return `http://127.0.0.1:${port}/${DATABASE}`;
    },
    up: (url) => whole(database.replicate.to(url, BATCHES)),
    down: (url) => whole(database.replicate.from(url, BATCHES)),
    async idle(url) {
      const { push, pull } = await database.sync(url, BATCHES);
      if (push.docs_written !== 0 || pull.docs_written !== 0) throw new Error("the replication was not idle");
    },
    async change(records) {
      const { rows } = await database.allDocs({ keys: records.map(({ id }) => id) });
      await write(records.map((record, at) => ({ ...documentOf(record), _rev: rows[at].value.rev })));
    },
    async held() {
      const { rows } = await database.allDocs({ include_docs: true });
      return fingerprintOf(rows.map((/** @type {any} */ { id, doc }) => ({ id, updatedAt: doc.updatedAt })));
    },
    async close() {
      server?.closeAllConnections();
      server?.close();
      await database.close();
    },
  };
}
