"use strict";

/**
 * The delta for apps that keep their own `DatabaseSync` of `node:sqlite`.
 *
 * The file belongs to the app's SQLite library, so the statements run here, on the app's handle, and none
 * of them crosses the bridge. What is decided where:
 *
 * - Which timestamp is greater, which rows make a page, what an error code means and which field lies in
 *   which column: on the native side (`src/node/timestamps.rs`), asked once for a page.
 * - Which rows are looked at: in SQL, by index (`timeline.js`).
 * - Here: the statements, the savepoints, and the way between columns and values.
 */

const { adapterWith } = require("./adapter.js");
const { createApplier } = require("./apply.js");
const { createHandle } = require("./handle.js");
const { createAppRows } = require("./rows.js");
const { createLog, hasStill } = require("./log.js");
const { createRecords } = require("./records.js");

/** The functions of the package, given the native helpers and the way to report errors of its entry. */
exports.sqliteDelta = function sqliteDelta(native, fault) {
  const need = (holds, name, what, value) => {
    if (!holds) throw native.mustBe(name, what, value);
  };
  const isObject = (value) =>
    (typeof value === "object" && value !== null) || typeof value === "function";
  const needDatabase = (name, options) => {
    need(isObject(options), name, "called with an options object", options);
    native.checkOptions(name, options);
    const { db } = options;
    const fits = typeof db?.exec === "function" && typeof db?.prepare === "function";
    need(fits, `${name}({ db })`, "a DatabaseSync of node:sqlite", db);
    return createHandle(db, native, fault);
  };

  return {
    withSqliteDelta(adapter, options) {
      const name = "withSqliteDelta";
      const isAdapter = isObject(adapter) && typeof adapter.then !== "function";
      need(isAdapter, `${name}(adapter)`, "a DatabaseAdapter", adapter);
      const handle = needDatabase(name, options);
      const { table = "shared_records", apply = "sql" } = options;
      need(typeof table === "string" && table !== "", `${name}({ table })`, "a name", table);
      need(apply === "sql" || apply === "put", `${name}({ apply })`, '"sql" or "put"', apply);
      const context = { adapter, handle, native, fault, table };
      const records = createRecords(context);
      const applier = createApplier(context, records);
      const functions = {
        getNodeWatermarks: async () => records.watermarks(),
        queryUnseen: async (watermarks, query) => records.unseen(watermarks, query),
        queryMalformed: async () => records.malformed(),
        applyRecords: async (items, how) =>
          apply === "put" ? applier.byPut(items, how) : applier.bySql(items, how),
      };
      const wrapped = adapterWith(adapter, functions);
      createLog(context, {
        isOfRows: false,
        adapter: wrapped,
        stands: () => hasStill(wrapped, functions),
        tables: records.logged,
        items: records.under,
        settled: records.settled,
        take: (items) => (apply === "put" ? null : applier.settleBySql(items)),
        put: apply === "put" ? applier.settleByPut : undefined,
      });
      return wrapped;
    },

    withSqliteAppRows(options) {
      const name = "withSqliteAppRows";
      const handle = needDatabase(name, options);
      const { namespaces } = options;
      if (namespaces !== undefined) {
        const fits =
          typeof namespaces?.get === "function" && typeof namespaces?.list === "function";
        need(fits, `${name}({ namespaces })`, "an AppSyncableNamespaceStore", namespaces);
      }
      const rows = createAppRows({ handle, native, fault, namespaces });
      const { applier } = rows;
      const functions = { ...applier };
      createLog(
        { handle, native },
        {
          isOfRows: true,
          adapter: applier,
          stands: (beside) => beside === rows.namespaces && hasStill(applier, functions),
          ...rows.log,
        },
      );
      return { namespaces: rows.namespaces, applier };
    },
  };
};
