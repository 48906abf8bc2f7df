// Two sides over native stores, for reconciliations: their files can be written to by hand.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { bytes, record } from "./memory.mjs";
import { folderFor } from "./native.mjs";

const EPOCH = 1_700_000_000_000;

/** A program that runs SQL on a database: `node:sqlite` where there is one, else Python's. */
const PROGRAMS = [
  [
    process.execPath,
    [
      "-e",
      "const { DatabaseSync } = require('node:sqlite'); const [path, sql] = process.argv.slice(1); new DatabaseSync(path).exec(sql)",
    ],
  ],
  [
    "python3",
    [
      "-c",
      "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.executescript(sys.argv[2])\ndb.close()",
    ],
  ],
];
const program = PROGRAMS.find(
  ([command, args]) => spawnSync(command, [...args, ":memory:", "SELECT 1"]).status === 0,
);

/** For the options of a test that writes to a file by hand. */
export const needsHand = { skip: program ? false : "neither node:sqlite nor python3 is there" };

/** Runs SQL on the file of a side, in another process. */
export function byHand(side, sql) {
  const [command, args] = program;
  const done = spawnSync(command, [...args, side.path, sql], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
}

/** The native stores of a side. */
export async function sideOf(t, nodeId) {
  const folder = folderFor(t);
  const path = join(folder, "node.db");
  const side = {
    nodeId,
    path,
    db: sync.createSqliteDatabaseAdapter({ path }),
    state: sync.createSqliteSyncStateStore({ path }),
    objects: sync.createFsObjectStorage({ root: join(folder, "objects") }),
    clock: sync.createHLCClock({ nodeId }),
  };
  t.after(() => Promise.all([side.db, side.state, side.objects].map((store) => store.close())));
  await side.db.init();
  return side;
}

/** The answering side of `side` in this process. */
export const inProcess = (side) =>
  sync.createInProcessSyncTransport({
    databaseAdapter: side.db,
    objectStorage: side.objects,
    clock: side.clock,
  });

/** An engine of `side` against `peer`. */
export const engineOf = (side, peer, options = {}) =>
  sync.createSyncEngine({
    localDatabaseAdapter: side.db,
    localObjectStorage: side.objects,
    remoteObjectStorage: peer.objects,
    transport: inProcess(peer),
    clock: side.clock,
    syncState: side.state,
    ...options,
  });

/** Writes notes with these numbers to a side, in one transaction. */
export async function writeNotes(side, from, to) {
  await side.db.transaction(async (db) => {
    for (let n = from; n < to; n++) await db.put(note(n, side.nodeId));
  });
}

export const idOf = (n) => `note-${String(n).padStart(6, "0")}`;

const note = (n, nodeId, fields) =>
  record(idOf(n), { wallTime: EPOCH + n, counter: 0, nodeId }, fields);

/** Writes a note that has an object, and the object. */
export async function writeFile(side, n, words = `words of ${n}`) {
  const key = `files/${n}`;
  const fields = { objectStorageKey: key, sizeBytes: bytes(words).byteLength, contentHash: "" };
  await side.objects.put(key, bytes(words), { contentType: "text/plain" });
  await side.db.put(note(n, side.nodeId, fields));
  return key;
}

/** How many records a side holds. */
export async function countOf(side) {
  let count = 0;
  let cursor;
  do {
    const page = await side.db.query({ limit: 1000, cursor });
    count += page.records.length;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return count;
}
