"use strict";

/** What names objects, and the keys of those that are there, page by page. A page that is cut short would hide a name. */

const { createPagesOf } = require("../pages.js");

/** The table whose rows have objects. */
const FILES = "_starkeep_sync_records";

/** How many keys, records or rows are asked for at a time. */
const KEYS = 1000;
const ITEMS = 500;

/** `check` throws once the run was called off. */
exports.createPages = function createPages({ mustBe }, fault, check) {
  const malformed = (place, what) => fault("MALFORMED_ITEM", place, what);

  const pagesOf = createPagesOf(mustBe, check);

  const mustBeKey = (key) => {
    if (typeof key !== "string")
      throw mustBe("storage.list", "a function that answers strings", key, true);
  };

  /** What is malformed stands on no page: what it names is not known. */
  async function refuseMalformed(adapter, place, ...of) {
    if (typeof adapter.queryMalformed !== "function") return;
    const [first] = (await adapter.queryMalformed(...of)) ?? [];
    if (first === undefined) return;
    throw malformed(place, `mend ${first.id} first, as its object is not known: ${first.reason}`);
  }

  return {
    malformed,

    keysOf(storage, prefix, most) {
      const limit = Math.min(KEYS, most);
      const ask = (cursor) =>
        storage.list(prefix, cursor === undefined ? { limit } : { limit, cursor });
      return pagesOf("storage.list", "keys", ask, mustBeKey);
    },

    /** Pages of records; with `filters`, for a store that is known to heed them, of those that pass. */
    async *recordsOf(adapter, filters) {
      const query = filters === undefined ? { limit: ITEMS } : { limit: ITEMS, filters };
      if (filters === undefined) await refuseMalformed(adapter, "records.queryMalformed");
      yield* pagesOf("records.query", "records", (cursor) =>
        adapter.query(cursor === undefined ? query : { ...query, cursor }),
      );
    },

    /** Pages of the rows of all apps. */
    async *rowsOf({ namespaces, applier }) {
      const listed = await namespaces.list();
      if (!Array.isArray(listed)) throw mustBe("appRows.namespaces.list", "an array", listed, true);
      for (const { appId, tables, filesEnabled } of listed) {
        const names = new Set(tables.map(({ name }) => name));
        if (filesEnabled) names.add(FILES);
        for (const table of names) {
          await refuseMalformed(applier, "appRows.applier.queryMalformed", appId, table);
          yield* pagesOf("appRows.applier.scanSince", "rows", (cursor) => {
            const page = cursor === undefined ? { limit: ITEMS } : { limit: ITEMS, cursor };
            return applier.scanSince(appId, table, "", page);
          });
        }
      }
    },
  };
};

exports.FILES = FILES;
