// Housekeeping over stores, as an app with the peer packages calls it.
import {
  type FoundTombstone,
  type PurgedTombstones,
  type ReconcileSignal,
  type SeenObjects,
  type TombstonePeer,
  type UnreferencedObject,
  type UnreferencedObjects,
  createFsObjectStorage,
  createHLCClock,
  createSqliteAppRows,
  createSqliteDatabaseAdapter,
  findUnreferencedObjects,
  purgeTombstones,
} from "@starkeep/sync-engine";

const clock = createHLCClock({ nodeId: "laptop" });
const database = createSqliteDatabaseAdapter({ path: "records.db" });
const objects = createFsObjectStorage({ root: "objects" });
const rows = createSqliteAppRows({ path: "records.db" });
declare const called: ReconcileSignal;

const seenBefore: SeenObjects | null = { version: 1, keys: [["photos/1.jpg", 1]] };
const unreferenced: Promise<UnreferencedObjects> = findUnreferencedObjects({
  storage: { ...objects, stat: async (key) => ({ size: key.length, modifiedMs: 1 }) },
  records: [database],
  appRows: rows,
  graceMs: 86_400_000,
  remove: true,
  prefix: "photos/",
  seen: seenBefore,
  maxKeys: 1000,
  signal: called,
  onFound: ({ key, sizeBytes = 0, modifiedMs = 0 }: UnreferencedObject) =>
    key.length + sizeBytes + modifiedMs > 0,
  now: () => 1,
});
void findUnreferencedObjects({ storage: objects, records: null, appRows: [rows] });
void unreferenced.then(({ failed, missing, seen }) => {
  void findUnreferencedObjects({ storage: objects, records: database, appRows: null, seen });
  return [...failed.map(({ key, code, reason }) => `${key} ${code} ${reason}`), ...missing];
});
// @ts-expect-error: the records are needed, or null
void findUnreferencedObjects({ storage: objects });
// @ts-expect-error: no such option
void findUnreferencedObjects({ storage: objects, records: database, dry: true });
// @ts-expect-error: a number
void findUnreferencedObjects({ storage: objects, records: database, graceMs: "7d" });

const purged: Promise<PurgedTombstones> = purgeTombstones({
  records: database,
  rows,
  before: new Date(2026, 0, 1),
  remove: true,
  forgetPeers: ["earlier"],
  forgetPeersUnseenForMs: 90 * 86_400_000,
  signal: called,
});
void purgeTombstones({ rows, before: Date.now() });
void purgeTombstones({ records: database, rows: null, before: clock.now() });
const heldBy = ({ store, id, kind, firstSeenMs, lastSeenMs, keeps, forgotten }: TombstonePeer) =>
  `${store} ${id} ${kind} ${lastSeenMs - firstSeenMs} ${keeps} ${forgotten}`;
const nameOf = (found: FoundTombstone) =>
  found.kind === "record" ? found.id : `${found.appId} ${found.table} ${found.key}`;
void purged.then(({ found, removed, tombstones, kept, peers }) => [
  found - removed + kept.young + kept.unseen + kept.waiting + kept.newest + kept.referenced,
  ...tombstones.map(nameOf),
  ...peers.map(heldBy),
]);
// @ts-expect-error: what is young is not known
void purgeTombstones({ records: database });
// @ts-expect-error: no such option
void purgeTombstones({ records: database, before: 0, dryRun: true });
