// Places whose stores keep change logs, reached over HTTP: this package's own stores with records and rows in one file
// or apart, and an app's own database.
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { text } from "./hlc.mjs";
import { appSide } from "./logged-app.mjs";
import { memoryAppRows, memoryDatabase, memoryObjects, memoryState, record } from "./memory.mjs";
import { DatabaseSync, folderFor } from "./native.mjs";

const APP = "notes";
const LINES = [{ name: "lines", pkColumns: ["page", "line"] }];

const lineOf = (page, line, stamp, words) => ({
  timestamp: stamp,
  appId: APP,
  table: "lines",
  op: "insert",
  row: { page, line: String(line), words, updated_at: text(stamp), deleted_at: null },
});

/** A place over stores of this package. */
export async function placeOf(nodeId, records, rows) {
  await records.init();
  await rows.register(APP, { tables: LINES, filesEnabled: false });
  return {
    nodeId,
    records,
    rows,
    put: (id, stamp, label = id, fields = {}) =>
      records.put(record(id, stamp, { label, ...fields })),
    line: (page, line, stamp, words) => rows.applier.apply(lineOf(page, line, stamp, words)),
    async labels() {
      const labels = {};
      for (let cursor; ;) {
        const page = await records.query({ limit: 1000, cursor, sort: [] });
        for (const one of page.records) if (!one.deletedAt) labels[one.id] = one.label;
        if (!page.hasMore) return labels;
        cursor = page.nextCursor;
      }
    },
    async lines() {
      const { rows: found } = await rows.applier.scanSince(APP, "lines", "", { limit: 100_000 });
      const kept = found.filter(({ op }) => op !== "delete");
      return Object.fromEntries(
        kept.map(({ row }) => [`${row.page}/${row.line}`, row.words]).sort(),
      );
    },
    async close() {
      await records.close();
      await rows.close();
    },
  };
}

/** A place over this package's own stores in `folder`. */
export async function nativePlace(folder, nodeId, { apart = false } = {}) {
  const paths = { records: join(folder, "records.db") };
  paths.rows = apart ? join(folder, "rows.db") : paths.records;
  const records = sync.createSqliteDatabaseAdapter({ path: paths.records });
  const rows = sync.createSqliteAppRows({ path: paths.rows });
  return { ...(await placeOf(nodeId, records, rows)), folder, paths };
}

/** A place over an app's own database. */
async function appPlace(folder, nodeId) {
  const path = join(folder, "app.db");
  return { ...appSide(path), nodeId, folder, paths: { records: path, rows: path } };
}

/** A place over adapters of an app, which keep no log. */
export function plainPlace(nodeId) {
  const records = memoryDatabase({ nodeWatermarks: true });
  const rows = memoryAppRows({ nodeWatermarks: true });
  rows.register(APP, LINES);
  const { applier } = rows;
  const live = async () => (await applier.scanSince(APP, "lines", "", {})).rows;
  return {
    nodeId,
    records,
    rows,
    put: (id, stamp, label = id, fields = {}) =>
      records.put(record(id, stamp, { label, ...fields })),
    line: (page, line, stamp, words) => applier.apply(lineOf(page, line, stamp, words)),
    async labels() {
      const { records: found } = await records.query({});
      return Object.fromEntries(found.map(({ id, label }) => [id, label]).sort());
    },
    async lines() {
      const found = (await live()).map(({ row }) => [`${row.page}/${row.line}`, row.words]);
      return Object.fromEntries(found.sort());
    },
    close() {},
  };
}

/** The kinds of places: how each is opened, and why it cannot be. */
export const KINDS = {
  "this package's own stores": { open: nativePlace, skip: false },
  "an app's own database": {
    open: appPlace,
    skip: DatabaseSync === null ? "node:sqlite exists from Node 22.5 on" : false,
  },
};

/** Opens a place in a folder of its own. */
export const openFor = async (t, open, nodeId, options) => {
  const place = await open(folderFor(t), nodeId, options);
  t.after(() => place.close());
  return place;
};

/** The files of a closed place as they are, to be put back later: all of them, or those of `which`. */
export function copyOf({ folder, paths }, which = ["records", "rows"]) {
  const kept = join(folder, "kept");
  mkdirSync(kept, { recursive: true });
  const files = [...new Set(which.map((name) => paths[name]))];
  const ends = ["", "-wal", "-shm", "-journal"];
  const at = (file, end, to) => join(to, `${file.slice(dirname(file).length + 1)}${end}`);
  const move = (from, to) => {
    for (const file of files) {
      for (const end of ends) {
        rmSync(at(file, end, to), { force: true });
        if (existsSync(at(file, end, from))) copyFileSync(at(file, end, from), at(file, end, to));
      }
    }
  };
  move(folder, kept);
  return {
    putBack: () => move(kept, folder),
    putInto: (other) => move(kept, other),
  };
}

/** Serves a place over HTTP until the test ends; answers its URL. */
export async function serve(t, place, options = {}) {
  const server = sync.createHttpSyncServer({
    databaseAdapter: place.records,
    objectStorageAdapter: memoryObjects(),
    appSyncableSource: place.rows,
    clock: sync.createHLCClock({ nodeId: place.nodeId }),
    ...options,
  });
  const { port } = await server.listen(0);
  let open = true;
  const close = async () => {
    if (open) await server.close();
    open = false;
  };
  t.after(close);
  return { baseUrl: `http://127.0.0.1:${port}`, close };
}

/** An engine of a place against who answers at `baseUrl`. */
export const engineAt = (place, baseUrl, options = {}) =>
  sync.createSyncEngine({
    localDatabaseAdapter: place.records,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    clock: sync.createHLCClock({ nodeId: place.nodeId }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    syncState: memoryState(),
    appSyncableSource: place.rows,
    ...options,
  });

/** What a place holds. */
export const holding = async (place) => ({
  records: await place.labels(),
  rows: await place.lines(),
});
