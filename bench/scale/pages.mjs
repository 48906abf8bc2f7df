/**
 * Takes in pages of new records, in turns: this package's answering side, and Starkeep's way, which gets and puts each
 * record by itself with a commit.
 *
 * `pages.mjs <ours> <theirs> <pages> <size>` says how many milliseconds each page took, and how many statements.
 */
import "../lib/quiet.mjs";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as sync from "../../node.mjs";
import { statements } from "./counters.mjs";

const { Client } = createRequire(import.meta.url)("pg");
const [oursUrl, theirsUrl, pages, size] = process.argv.slice(2);
const FIELDS = `id, type, created_at, updated_at, node_id, deleted_at, version, content_hash, object_storage_key, mime_type,
  size_bytes, original_filename, origin_app_id, parent_id, label`;
const COLUMNS = FIELDS.split(/,\s+/);
const GET = "SELECT * FROM shared.records WHERE id = $1";
const PUT = `INSERT INTO shared.records (${FIELDS}) VALUES (${COLUMNS.map((_, at) => `$${at + 1}`).join()})
  ON CONFLICT (id) DO UPDATE SET ${COLUMNS.slice(1)
    .map((name) => `${name} = excluded.${name}`)
    .join()}`;

/** @param {number} page */
function recordsOf(page) {
  return Array.from({ length: Number(size) }, (_, at) => {
    const stamp = { wallTime: 1_750_000_000_000 + page, counter: at, nodeId: "laptop-new" };
    return {
      id: `new-${page}-${at}`,
      kind: "data",
      type: "image/jpeg",
      createdAt: stamp,
      updatedAt: stamp,
      deletedAt: null,
      version: 1,
      contentHash: "",
      objectStorageKey: "",
      mimeType: "image/jpeg",
      sizeBytes: 100_000,
      originalFilename: `photo ${at}.jpg`,
      originAppId: "drive",
      parentId: null,
    };
  });
}

/** @param {any} client @param {any[]} records */
async function oneByOne(client, records) {
  for (const record of records) {
    const { rows } = await client.query(GET, [record.id]);
    const stamp = sync.serializeHLC(record.updatedAt);
    if (rows.length > 0 && rows[0].updated_at >= stamp) continue;
    const { id, type, version, mimeType, sizeBytes, originalFilename, originAppId } = record;
    const about = [null, version, "", "", mimeType, sizeBytes, originalFilename, originAppId, null, null];
    await client.query(PUT, [id, type, stamp, stamp, record.updatedAt.nodeId, ...about]);
  }
}

const client = new Client({ connectionString: theirsUrl });
const counting = new Client({ connectionString: oursUrl });
await client.connect();
await counting.connect();
const root = mkdtempSync(join(tmpdir(), "sync-engine-pages-"));
const database = sync.createPostgresDatabaseAdapter({ connectionString: oursUrl });
await database.init();
const clock = sync.createHLCClock({ nodeId: "cloud", state: database });
const objectStorage = sync.createFsObjectStorage({ root });
const transport = sync.createInProcessSyncTransport({ databaseAdapter: database, objectStorage, clock });

// The laptop that sends has all that is there.
const { rows: nodes } = await counting.query(
  "SELECT node_id, max(updated_at) AS upto FROM shared.records GROUP BY node_id",
);
/** @type {Record<string, any>} */
const watermarks = Object.fromEntries(nodes.map((row) => [row.node_id, sync.deserializeHLC(row.upto)]));

/** @type {{ ours: number[], theirs: number[], queries: { ours: number, theirs: number } | null }} */
const took = { ours: [], theirs: [], queries: null };
const [[oursBefore], [theirsBefore]] = [await statements(counting), await statements(client)];
for (let page = 0; page < Number(pages); page += 1) {
  const records = recordsOf(page);
  const turns = {
    ours: async () => {
      watermarks["laptop-new"] = records[records.length - 1].updatedAt;
      const answer = await transport.exchange({ watermarks, records, limit: Number(size) });
      if (answer.records.length > 0) throw new Error("a laptop that has everything got something");
      if (answer.refused?.length) throw new Error(`refused: ${JSON.stringify(answer.refused[0])}`);
    },
    theirs: () => oneByOne(client, records),
  };
  const order = /** @type {const} */ (page % 2 === 0 ? ["ours", "theirs"] : ["theirs", "ours"]);
  for (const side of order) {
    const began = performance.now();
    await turns[side]();
    took[side].push(performance.now() - began);
  }
}
const [[oursAfter], [theirsAfter]] = [await statements(counting), await statements(client)];
const each = (/** @type {number} */ after, /** @type {number} */ before) => (after - before) / Number(pages);
if (oursAfter !== null) took.queries = { ours: each(oursAfter, oursBefore), theirs: each(theirsAfter, theirsBefore) };
for (const one of [client, counting]) {
  const { rows } = await one.query("SELECT count(*)::int AS many FROM shared.records WHERE node_id = 'laptop-new'");
  if (rows[0].many !== Number(pages) * Number(size)) throw new Error(`${rows[0].many} records were taken in`);
}
console.log(JSON.stringify(took));
await Promise.all([client.end(), counting.end(), database.close()]);
rmSync(root, { recursive: true, force: true });
