// Sides whose stores keep change logs: an app's own database behind the wrappers, and this package's own stores.
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { text } from "./hlc.mjs";
import { memoryObjects, memoryState } from "./memory.mjs";
import { DatabaseSync } from "./native.mjs";
import { SqliteApp } from "./sqlite-app.mjs";

export const APP = "notes";
export const TABLE = "notes_syncable_lines";

/** The table of an app of its own, as one that was there before this package was. */
export function createRows(db) {
  db.exec(`CREATE TABLE IF NOT EXISTS app_syncable_namespaces (app_id TEXT PRIMARY KEY,
      tables_json TEXT NOT NULL, files_enabled INTEGER NOT NULL DEFAULT 0, created_at TEXT);
    CREATE TABLE IF NOT EXISTS ${TABLE} (page TEXT NOT NULL, line INTEGER NOT NULL, words TEXT,
      updated_at TEXT NOT NULL, deleted_at TEXT, node_id TEXT NOT NULL, PRIMARY KEY (page, line))`);
  const tables = JSON.stringify([{ name: "lines", pkColumns: ["page", "line"] }]);
  db.prepare(
    "INSERT OR IGNORE INTO app_syncable_namespaces (app_id, tables_json) VALUES (?, ?)",
  ).run(APP, tables);
}

/** What an app writes to its tables without this package. */
export function writing(db) {
  return {
    put(id, stamp, label = id) {
      const names = Object.keys(COLUMNS(id, stamp, label));
      db.prepare(
        `INSERT OR REPLACE INTO shared_records (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      ).run(...Object.values(COLUMNS(id, stamp, label)));
    },
    line(page, line, stamp, words) {
      db.prepare(
        `INSERT OR REPLACE INTO ${TABLE} (page, line, words, updated_at, node_id)
        VALUES (?, ?, ?, ?, ?)`,
      ).run(page, line, words, text(stamp), stamp.nodeId);
    },
  };
}

const COLUMNS = (id, stamp, label) => ({
  id,
  type: "note",
  created_at: text(stamp),
  updated_at: text(stamp),
  deleted_at: null,
  version: 1,
  content_hash: "",
  object_storage_key: "",
  size_bytes: 0,
  origin_app_id: "app",
  label,
  node_id: stamp.nodeId,
});

/** The database of an app at `path`, and what it holds. */
export function appSide(
  path = ":memory:",
  { apply, isWrapped = true, timeout = 0, db = new DatabaseSync(path) } = {},
) {
  if (timeout > 0) db.exec(`PRAGMA busy_timeout = ${timeout}`);
  const app = new SqliteApp(db, { shape: "0.2" });
  createRows(db);
  const delta = apply === undefined ? { db } : { db, apply };
  const records = isWrapped ? sync.withSqliteDelta(app, delta) : app;
  return {
    db,
    app,
    records,
    rows: sync.withSqliteAppRows({ db }),
    ...writing(db),
    labels: () =>
      Object.fromEntries(
        db
          .prepare("SELECT id, label FROM shared_records WHERE deleted_at IS NULL ORDER BY id")
          .all()
          .map(({ id, label }) => [id, label]),
      ),
    lines: () =>
      Object.fromEntries(
        db
          .prepare(
            `SELECT page, line, words FROM ${TABLE} WHERE deleted_at IS NULL ORDER BY page, line`,
          )
          .all()
          .map(({ page, line, words }) => [`${page}/${line}`, words]),
      ),
    close: () => db.close(),
  };
}

/** The same record as the app's own table holds. */
function recordOf(id, stamp, label) {
  const plain = { contentHash: "", objectStorageKey: "", sizeBytes: 0, originAppId: "app" };
  return {
    id,
    kind: "data",
    type: "note",
    createdAt: stamp,
    updatedAt: stamp,
    deletedAt: null,
    version: 1,
    ...plain,
    label,
  };
}

/** A side over this package's own stores, in a file in `folder`. */
export async function nativeSide(folder, name = "native.db") {
  const path = join(folder, name);
  const opened = new DatabaseSync(path);
  createRows(opened);
  opened.close();
  const store = sync.createSqliteDatabaseAdapter({ path });
  await store.init();
  const rows = sync.createSqliteAppRows({ path });
  const all = async () => (await store.query({ limit: 100_000 })).records;
  return {
    records: store,
    rows,
    put: (id, stamp, label = id) => store.put(recordOf(id, stamp, label)),
    line: (page, line, stamp, words) =>
      rows.applier.apply({
        timestamp: stamp,
        appId: APP,
        table: "lines",
        op: "insert",
        row: { page, line, words, updated_at: text(stamp), deleted_at: null },
      }),
    labels: async () =>
      Object.fromEntries(
        (await all()).filter(({ deletedAt }) => !deletedAt).map(({ id, label }) => [id, label]),
      ),
    lines: async () => {
      const { rows: found } = await rows.applier.scanSince(APP, "lines", "", { limit: 10_000 });
      return Object.fromEntries(
        found
          .filter(({ op }) => op !== "delete")
          .map(({ row }) => [`${row.page}/${row.line}`, row.words])
          .sort(),
      );
    },
    async close() {
      await store.close();
      await rows.close?.();
    },
  };
}

const clock = (nodeId) => sync.createHLCClock({ nodeId });

/** The answering side of `side`, with how many records and rows it was asked and answered. */
export function answering(side, nodeId = "hub") {
  return sync.createInProcessSyncTransport({
    databaseAdapter: side.records,
    clock: clock(nodeId),
    appSyncableSource: side.rows,
  });
}

/** Counts the items of requests and answers. */
export function counting(transport) {
  const counts = { sent: 0, answered: 0, requests: 0 };
  const of = (message) => (message.records?.length ?? 0) + (message.appSyncableRows?.length ?? 0);
  return {
    counts,
    async exchange(request) {
      counts.requests += 1;
      counts.sent += of(request);
      const answer = await transport.exchange(request);
      counts.answered += of(answer);
      return answer;
    },
  };
}

export function engineOf(
  side,
  transport,
  { nodeId = "device", state = memoryState(), ...more } = {},
) {
  return sync.createSyncEngine({
    localDatabaseAdapter: side.records,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    clock: clock(nodeId),
    transport,
    syncState: state,
    appSyncableSource: side.rows,
    ...more,
  });
}
