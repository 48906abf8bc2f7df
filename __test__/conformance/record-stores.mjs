// Every store of records.
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { memoryDatabase } from "../support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "../support/native.mjs";
import { needsPostgres, postgresSchema } from "../support/postgres.mjs";
import { openApp } from "../support/sqlite-app.mjs";

/** What became of a record in a table of the first or second release. */
const AGES = {
  0.1: ({ label: _gone, ...record }) => record,
  0.2: ({ ownerId: _gone, ...record }) => ({ label: null, ...record }),
};

const OWN_COLUMNS = "the app's adapter knows its own columns and no others";
const OWN_METADATA = "the app keeps its metadata elsewhere";
const NO_DELTA = "the exchange finds its delta by reading it through";
const DELTA_INSIDE = "the exchange asks its native side";
const CUT_AT_NUL = "this node:sqlite answers text up to its first NUL";
const cutsAtNul =
  DatabaseSync !== null &&
  new DatabaseSync(":memory:").prepare("SELECT 'x' || char(0) || 'y' AS text").get().text === "x";
const OWN_TRANSACTIONS = "the app's adapter lets its callbacks call what they like";
const NO_OWNERLESS = "the column of the owner may not be null";

async function begun(t, store) {
  await store.init();
  t.after(() => store.close());
  return store;
}

/** The store that `open` makes of an app's database once `fill({ db, app })` has written to it. */
async function filled(t, opened, fill, open) {
  await fill(opened);
  return begun(t, open(opened));
}

function appTable(shape) {
  return {
    skip: needsSqlite.skip,
    make: (t) => begun(t, openApp({ shape }).app),
    over: (t, fill) => filled(t, openApp({ shape }), fill, ({ app }) => app),
    shape,
    as: AGES[shape],
    cannot: {
      coverage: "the adapter was written before there was such a question",
      metadata: OWN_METADATA,
      "unknown fields": OWN_COLUMNS,
      "knowing its own callbacks": OWN_TRANSACTIONS,
      ...(cutsAtNul ? { "text behind a NUL": CUT_AT_NUL } : {}),
      delta: NO_DELTA,
      ...(shape === "0.1" ? { "records without an owner": NO_OWNERLESS } : {}),
    },
  };
}

function appTableWithDelta(shape, apply) {
  const { cannot, ...rest } = appTable(shape);
  const { coverage: _coverage, delta: _delta, ...left } = cannot;
  const withDelta = ({ db, app }) => sync.withSqliteDelta(app, { db, apply });
  return {
    ...rest,
    make: (t) => begun(t, withDelta(openApp({ shape }))),
    over: (t, fill) => filled(t, openApp({ shape }), fill, withDelta),
    apply,
    cannot: left,
  };
}

const nativeAt = (folder) => sync.createSqliteDatabaseAdapter({ path: join(folder, "records.db") });

function nativeOver(shape) {
  const over = (t, fill) => {
    const folder = folderFor(t);
    return filled(t, openApp({ shape }, join(folder, "records.db")), fill, ({ db }) => {
      db.close();
      return nativeAt(folder);
    });
  };
  return {
    skip: needsSqlite.skip,
    make: (t) => over(t, () => {}),
    over,
    shape,
    apply: "native",
    cannot: { delta: DELTA_INSIDE },
  };
}

export const RECORD_STORES = {
  "plain JavaScript in memory": {
    make: (t) => begun(t, memoryDatabase({ nodeWatermarks: true })),
    cannot: { delta: NO_DELTA, "knowing its own callbacks": OWN_TRANSACTIONS },
  },
  "plain JavaScript in memory that answers at once, and not what it holds": {
    make: (t) => begun(t, memoryDatabase({ plain: true })),
    cannot: {
      coverage: "the adapter was written before there was such a question",
      delta: NO_DELTA,
      "knowing its own callbacks": OWN_TRANSACTIONS,
    },
  },
  "an app's adapter over its DatabaseSync, table of 0.1": appTable("0.1"),
  "an app's adapter over its DatabaseSync, table of 0.2": appTable("0.2"),
  "withSqliteDelta by sql, table of 0.1": appTableWithDelta("0.1", "sql"),
  "withSqliteDelta by sql, table of 0.2": appTableWithDelta("0.2", "sql"),
  "withSqliteDelta by put, table of 0.1": appTableWithDelta("0.1", "put"),
  "withSqliteDelta by put, table of 0.2": appTableWithDelta("0.2", "put"),
  "the native database, a file of its own": {
    make: (t) => begun(t, nativeAt(folderFor(t))),
    cannot: { delta: DELTA_INSIDE },
  },
  "a PostgreSQL database": {
    skip: needsPostgres.skip,
    make: async (t) => begun(t, sync.createPostgresDatabaseAdapter(await postgresSchema())),
    refuses: "NUL",
    cannot: {
      delta: DELTA_INSIDE,
      "text behind a NUL": "PostgreSQL stores none",
      "long counters": "PostgreSQL compares timestamps as text",
    },
  },
  "the native database, an app's file of 0.1": nativeOver("0.1"),
  "the native database, an app's file of 0.2": nativeOver("0.2"),
};

/** Those over a table that an app can write to itself: `over(t, fill)` does that first. */
export const STORES_OVER_TABLES = Object.fromEntries(
  Object.entries(RECORD_STORES).filter(([, of]) => of.over !== undefined),
);

/** Those of them whose writing is this package's. */
export const OWN_STORES_OVER_TABLES = Object.fromEntries(
  Object.entries(STORES_OVER_TABLES).filter(([, of]) => of.apply !== undefined),
);
