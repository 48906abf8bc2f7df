/**
 * Starkeep's cloud as it works on each exchange, its statements and its connections, without TLS, IAM and the parsing of
 * timestamps: what it takes here is less than there.
 *
 * `starkeep.mjs <url> <seconds>` does one quiet exchange after the other, and says how many it did and what it read.
 */
import { createRequire } from "node:module";

const { Client } = createRequire(import.meta.url)("pg");
/** A row more than a page has says whether there is another. */
const PAGE = 501;
const GRANTS = "SELECT app_id, category FROM shared.access_grants WHERE app_id = $1";
const CLOCK =
  "SELECT updated_at FROM shared.records WHERE updated_at LIKE '%:cloud-%' ORDER BY updated_at DESC LIMIT 1";
const FIRST = `SELECT * FROM shared.records ORDER BY id LIMIT ${PAGE}`;
const NEXT = `SELECT * FROM shared.records WHERE id > $1 ORDER BY id LIMIT ${PAGE}`;
const COVERAGE = "SELECT node_id, MAX(updated_at) AS updated_at FROM shared.records GROUP BY node_id";

/**
 * One exchange that finds nothing new: two connections of its own, all pages, and what each node has.
 *
 * @param {string} connectionString
 * @param {Map<string, string>} seen
 * @param {{ exchanges: number, queries: number, rows: number }} did
 */
async function exchange(connectionString, seen, did) {
  const [grants, records] = [0, 1].map(() => new Client({ connectionString }));
  const ask = async (/** @type {any} */ client, /** @type {string} */ text, /** @type {unknown[]=} */ values) => {
    const { rows } = await client.query(text, values);
    did.queries += 1;
    did.rows += rows.length;
    return rows;
  };
  await Promise.all([grants.connect(), records.connect()]);
  await ask(grants, GRANTS, ["drive"]);
  await ask(records, CLOCK);
  let unseen = 0;
  let page = await ask(records, FIRST);
  for (;;) {
    for (const row of page) if (!(row.updated_at <= (seen.get(row.node_id) ?? ""))) unseen += 1;
    if (page.length < PAGE) break;
    page = await ask(records, NEXT, [page[PAGE - 2].id]);
  }
  for (const { node_id: node, updated_at: upto } of await ask(records, COVERAGE)) seen.set(node, upto);
  await Promise.all([grants.end(), records.end()]);
  did.exchanges += 1;
  return unseen;
}

const [url, seconds] = process.argv.slice(2);
const seen = new Map();
const none = { exchanges: 0, queries: 0, rows: 0 };
await exchange(url, seen, { ...none });
const did = { ...none };
const [began, cpu] = [performance.now(), process.cpuUsage()];
while (performance.now() - began < Number(seconds) * 1000)
  if ((await exchange(url, seen, did)) !== 0) throw new Error("a quiet exchange found something");
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ ...did, seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 }));
