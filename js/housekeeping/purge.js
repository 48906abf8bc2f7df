"use strict";

/** `purgeTombstones()`: removes for good what every known peer has seen to be deleted. */

/** How many tombstones are looked at in one transaction. */
const BATCH = 500;
/** The most tombstones that the answer lists. */
const MOST_FOUND = 10_000;

const PLANES = ["records", "rows"];

/** One run over what `purge` does with one batch of a store. */
async function purgeStore(store, purge, options, report) {
  const { before, remove = false, forgetPeers = [], forgetPeersUnseenForMs, signal } = options;
  const asked = { before, isDry: !remove, forget: forgetPeers, limit: BATCH };
  asked.forgetUnseenForMs = forgetPeersUnseenForMs ?? null;
  const peers = new Map();
  for (let after = 0; after !== null;) {
    if (signal?.aborted === true) throw signal.reason;
    const batch = await purge({ ...asked, after });
    report.found += batch.tombstones.length;
    if (remove) report.removed += batch.tombstones.length;
    const room = MOST_FOUND - report.tombstones.length;
    report.tombstones.push(...batch.tombstones.slice(0, room));
    for (const [reason, count] of Object.entries(batch.kept)) report.kept[reason] += count;
    for (const peer of batch.peers) {
      const name = `${peer.kind} ${peer.id} ${peer.firstSeenMs}`;
      const known = peers.get(name);
      if (known === undefined) peers.set(name, { store, ...peer });
      else known.keeps += peer.keeps;
    }
    after = batch.next;
  }
  report.peers.push(...peers.values());
}

/** The function, given options that were read. */
exports.createPurging = (purgerOf) => async (options) => {
  const report = { found: 0, removed: 0, tombstones: [], peers: [] };
  report.kept = { young: 0, unseen: 0, waiting: 0, newest: 0, referenced: 0 };
  for (const store of PLANES) {
    const given = options[store];
    if (given) await purgeStore(store, purgerOf(given), options, report);
  }
  return report;
};

const isObject = (value) => typeof value === "object" && value !== null;
const isNullish = (value) => value === undefined || value === null;

const WHY =
  "only a store of this package knows which of its peers have seen a tombstone; in a database that the app opened, " +
  "and in adapters of its own, tombstones have to stay";

/** What its options must be. `optional` and the others are kinds of `js/options/kinds.js`. */
exports.purging = function purging({ optional, flag, texts, signal }) {
  const store = (what, part) => (must, option, value) => {
    if (isNullish(value)) return undefined;
    must(isObject(value), option, what, value, true);
    const adapter = part === undefined ? value : value[part];
    if (must.purgerOf(adapter) === undefined)
      throw must.invalid(`purgeTombstones(${option})`, `must be ${what}: ${WHY}`);
    return adapter;
  };
  const rows = store("what createSqliteAppRows or createPostgresAppRows made", "applier");
  return {
    records: store("what createSqliteDatabaseAdapter or createPostgresDatabaseAdapter made"),
    rows(must, option, value, { records }) {
      if (isNullish(value) && isNullish(records))
        throw must.invalid(
          "purgeTombstones",
          "must be called with `records`, with `rows`, or both",
        );
      return rows(must, option, value);
    },
    before(must, option, value) {
      const what = "a Date, milliseconds since the Unix epoch, or a timestamp of an HLC clock";
      if (isObject(value) && !(value instanceof Date)) {
        const { wallTime, counter, nodeId } = value;
        const fits = [wallTime, counter].every((part) => Number.isSafeInteger(part) && part >= 0);
        must(fits && typeof nodeId === "string", option, what, value);
        return { wallTime, counter, nodeId };
      }
      const ms = value instanceof Date ? value.getTime() : value;
      must(typeof ms === "number" && ms >= 0 && Number.isFinite(ms), option, what, value);
      return {
        wallTime: Math.min(Math.floor(ms), Number.MAX_SAFE_INTEGER),
        counter: 0,
        nodeId: "",
      };
    },
    remove: flag,
    forgetPeers: texts,
    forgetPeersUnseenForMs: optional("a number of milliseconds from 0", (value) =>
      Number.isSafeInteger(value) ? value >= 0 : false,
    ),
    signal,
  };
};
