// Every source of app rows. Each comes with the app "notes" and its tables.
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { memoryAppRows } from "../support/app-rows.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "../support/native.mjs";
import { needsPostgres, postgresDatabase } from "../support/postgres.mjs";

export const APP = "notes";
export const FILES = "_starkeep_sync_records";
export const TABLES = [
  { name: "pages", pkColumns: ["id"] },
  { name: "links", pkColumns: ["from", "to"] },
  { name: FILES, pkColumns: ["id"] },
];

const COLUMNS = {
  pages: "id TEXT PRIMARY KEY, title, note, list",
  links: `"from", "to", PRIMARY KEY ("from", "to")`,
  [FILES]: "id TEXT PRIMARY KEY, object_storage_key, mime_type, size_bytes",
};

const OWN_COLUMNS = "the app's tables have the columns that the app gave them";

/** The tables as an app makes them, with the registry of its namespaces. */
function makeTables(db, { nodeId }) {
  db.exec(`CREATE TABLE app_syncable_namespaces (app_id TEXT PRIMARY KEY, tables_json TEXT NOT NULL,
    files_enabled INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL DEFAULT 0)`);
  db.prepare("INSERT INTO app_syncable_namespaces (app_id, tables_json) VALUES (?, ?)").run(
    APP,
    JSON.stringify(TABLES),
  );
  for (const [name, columns] of Object.entries(COLUMNS)) {
    const [first, ...keys] = columns.split(", PRIMARY KEY");
    const times = `updated_at TEXT NOT NULL, deleted_at TEXT${nodeId ? ", node_id TEXT" : ""}`;
    db.exec(
      `CREATE TABLE notes_syncable_${name} (${[`${first}, ${times}`, ...keys].join(", PRIMARY KEY")})`,
    );
  }
}

function memory(options) {
  return () => {
    const rows = memoryAppRows(options);
    rows.register(APP, TABLES);
    return rows;
  };
}

async function nativeAt(t, path) {
  const rows = sync.createSqliteAppRows({ path });
  t.after(() => rows.close());
  await rows.register(APP, { tables: TABLES, filesEnabled: true });
  return rows;
}

function overHandle(age) {
  const over = async (t, fill) => {
    const db = new DatabaseSync(":memory:");
    t.after(() => db.close());
    makeTables(db, age);
    await fill(db);
    return sync.withSqliteAppRows({ db });
  };
  return {
    skip: needsSqlite.skip,
    make: (t) => over(t, () => {}),
    over,
    nodeId: age.nodeId,
    cannot: { "columns of any name": OWN_COLUMNS },
  };
}

function nativeOver(age) {
  const over = async (t, fill) => {
    const path = join(folderFor(t), "rows.db");
    const db = new DatabaseSync(path);
    makeTables(db, age);
    await fill(db);
    db.close();
    return nativeAt(t, path);
  };
  return { skip: needsSqlite.skip, make: (t) => over(t, () => {}), over, nodeId: age.nodeId };
}

export const ROW_STORES = {
  "plain JavaScript in memory": { make: memory({ nodeWatermarks: true }) },
  "plain JavaScript in memory that answers at once, and not what it holds": {
    make: memory({ plain: true }),
    cannot: { coverage: "the applier was written before there was such a question" },
  },
  "withSqliteAppRows, tables of 0.1": overHandle({ nodeId: false }),
  "withSqliteAppRows, tables of 0.2": overHandle({ nodeId: true }),
  "native app rows, a file of their own": {
    make: (t) => nativeAt(t, join(folderFor(t), "rows.db")),
  },
  "app rows in a PostgreSQL database": {
    skip: needsPostgres.skip,
    make: async (t) => {
      const rows = sync.createPostgresAppRows(await postgresDatabase());
      t.after(() => rows.close());
      await rows.register(APP, { tables: TABLES, filesEnabled: true });
      return rows;
    },
    cannot: { "long counters": "PostgreSQL compares timestamps as text" },
  },
  "native app rows, an app's file of 0.1": nativeOver({ nodeId: false }),
  "native app rows, an app's file of 0.2": nativeOver({ nodeId: true }),
};

/** Those over tables that an app can write to itself: `over(t, fill)` does that first. */
export const SOURCES_OVER_TABLES = Object.fromEntries(
  Object.entries(ROW_STORES).filter(([, of]) => of.over !== undefined),
);
