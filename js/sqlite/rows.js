"use strict";

/** The rows of apps in `<app>_syncable_<table>`, over the app's own handle. */

const { createRowWriter } = require("./row-writer.js");
const { createRowReader } = require("./row-reader.js");
const { columnsOf, computedOf, createTimeline } = require("./timeline.js");
const { createUnorderable } = require("./unorderable.js");
const { quote } = require("./values.js");

const ALL = "SELECT app_id, tables_json, files_enabled FROM app_syncable_namespaces";
const IS_TABLE = "SELECT 1 FROM sqlite_schema WHERE name = 'app_syncable_namespaces'";
const DEFAULT_LIMIT = 500;
const USUAL_MOMENT = /^[0-9a-f]{12}:[0-9a-f]{4}:/;

const tableName = (appId, table) => `${appId.toLowerCase().replaceAll("-", "_")}_syncable_${table}`;

/** The namespaces in the table `app_syncable_namespaces`, read at every call. */
function createNamespaces(handle, fault) {
  function namespaceOf({ app_id: appId, tables_json: json, files_enabled: filesEnabled }) {
    const tables = readTables(appId, json);
    const tableNames = tables.map(({ name }) => name);
    return { appId, tables, filesEnabled: filesEnabled !== 0, tableNames };
  }

  function readTables(appId, json) {
    try {
      const tables = JSON.parse(json);
      if (
        tables.every(({ name, pkColumns }) => typeof name === "string" && Array.isArray(pkColumns))
      ) {
        return tables;
      }
    } catch {
      // told below
    }
    const what = `tables_json of ${appId} is not [{ "name", "pkColumns" }]; register the app again`;
    throw fault("DATABASE_ERROR", "app_syncable_namespaces", what);
  }

  const read = (sql, ...parameters) =>
    handle.during("namespaces", () =>
      handle.all(IS_TABLE).length === 0 ? [] : handle.all(sql, ...parameters).map(namespaceOf),
    );
  return {
    get: (appId) => read(`${ALL} WHERE app_id = ?`, appId)[0] ?? null,
    list: () => read(`${ALL} ORDER BY app_id`),
  };
}

exports.createAppRows = function createAppRows(context) {
  const { handle, native, fault } = context;
  const namespaces = context.namespaces ?? createNamespaces(handle, fault);
  const shapes = new Map();

  /** What the app declared of the table. */
  function declared(operation, appId, table) {
    const unknown = (what) => fault("UNKNOWN_APP", operation, `${what} is not registered`);
    const namespace = typeof appId === "string" ? namespaces.get(appId) : null;
    if (namespace === null) throw unknown(`the app ${JSON.stringify(appId)}`);
    const info = namespace.tables.find(({ name }) => name === table);
    if (info === undefined) throw unknown(`the table ${JSON.stringify(table)} of ${appId}`);
    const name = tableName(appId, table);
    if (name.includes("\0"))
      throw fault("INVALID_ARGUMENT", operation, "a name must be without NUL");
    return { name, pkColumns: info.pkColumns };
  }

  /** The table as it is now, its indexes made, or `null` where it is missing. */
  function shapeOf(name) {
    const version = handle.schemaVersion();
    const known = shapes.get(name);
    if (known?.version === version) return known;
    const columns = columnsOf(handle, name);
    if (columns.length === 0) return null;
    if (!columns.some((column) => column.name === "updated_at")) {
      const what = `the table ${name} has no column updated_at, so its rows cannot be exchanged`;
      throw fault("DATABASE_ERROR", "app rows", what);
    }
    const timeline = handle.atomically(null, () => createTimelineOf(name, columns));
    const unorderable = createUnorderable(context, name);
    const computed = computedOf(handle, name);
    const made = { name, columns, computed, timeline, unorderable };
    const shape = { ...made, version: handle.schemaVersion() };
    shapes.set(name, shape);
    return shape;
  }

  function createTimelineOf(name, columns) {
    const keys = columns.filter(({ pk }) => pk > 0).map((column) => column.name);
    return createTimeline(handle, name, columns, { keys, byTime: true });
  }

  const readRows = (sql, ...parameters) =>
    handle.prepare(sql, { bigInts: true }).all(...parameters);

  /**
   * The text behind all of a moment, of which a page has either all rows or none. A cursor as it stands could
   * lie before a text of its moment that is no UTF-8, and that was read as this cursor.
   */
  const afterMoment = (cursor) => (USUAL_MOMENT.test(cursor) ? `${cursor.slice(0, 17)};` : cursor);

  /**
   * The usual rows of one page in text order, never parted within a moment. What is written otherwise has
   * its place by its numbers, on the page into whose stretch it falls.
   */
  function scan(shape, since, limit, cursor) {
    const { name, columns, timeline } = shape;
    const select = `SELECT ${columns.map((column) => quote(column.name)).join(", ")} FROM ${quote(name)}`;
    // An empty place is the beginning, as it is to SQL.
    const floor = since === "" ? "" : native.floorOf(since);
    if (floor === undefined || (cursor !== "" && native.floorOf(cursor) === undefined)) {
      const [argument, place] =
        floor === undefined ? ["sinceHlcStr", since] : ["{ cursor }", cursor];
      throw native.mustBe(`scanSince(${argument})`, "a timestamp in text form", place);
    }
    const after = afterMoment(cursor);
    // Every text is less than the empty BLOB, and no BLOB is.
    const usual = `WHERE NOT ${timeline.isOdd}
      AND "updated_at" >= ?1 AND "updated_at" > ?2 AND "updated_at" < x''`;
    // Rows of the moment of `since` are read as well, for text does not order them: those that were seen
    // take no place on the page, or a page of nothing else would look like the end.
    const most = floor === null ? 0 : limit + seenAt(floor);
    const found =
      floor === null
        ? []
        : readRows(`${select} ${usual} ORDER BY "updated_at" LIMIT ?3`, floor, after, most + 1);
    const next = found.length > most ? found.pop() : null;
    let last = null;
    if (next !== null) {
      const moment = found.at(-1).updated_at.slice(0, 18);
      while (found.at(-1)?.updated_at.startsWith(moment)) found.pop();
      found.push(...rowsAt(moment, select));
      const end = found.at(-1).updated_at;
      // The rest of the moment may have been all that there was.
      if (!next.updated_at.startsWith(moment) || isMoreAfter(end)) last = end;
    }
    found.push(...readRows(`${select} WHERE ${timeline.isOdd}`));
    const texts = found.map((row) => row.updated_at);
    const order = native.rowsBetween(texts, since, cursor, last);
    const rows = order.map((at) => found[at]).filter((row) => reader.hasItsTime(shape, row));
    return { rows, hasMore: last !== null, nextCursor: last };

    function isMoreAfter(end) {
      const after = afterMoment(end);
      return readRows(`SELECT 1 FROM ${quote(name)} ${usual} LIMIT 1`, end, after).length > 0;
    }

    /** The usual rows of one moment, given as the text before the node, in text order. */
    function rowsAt(moment, selected) {
      // ';' is what follows ':'.
      const end = `${moment.slice(0, 17)};`;
      return readRows(
        `${selected} ${usual} AND "updated_at" < ?3 ORDER BY "updated_at"`,
        moment,
        after,
        end,
      );
    }

    /** How many rows of the moment of `since` are not later than it. */
    function seenAt(moment) {
      if (moment === "") return 0;
      const times = rowsAt(moment, `SELECT "updated_at" FROM ${quote(name)}`);
      const later = native.rowsBetween(
        times.map((row) => row.updated_at),
        since,
        null,
        null,
      );
      return times.length - later.length;
    }
  }

  function scanSince(appId, table, sinceText, options) {
    const { name, pkColumns } = declared("scanSince", appId, table);
    const since = sinceText ?? "";
    const limit = options?.limit ?? DEFAULT_LIMIT;
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw native.mustBe("scanSince({ limit })", "a positive integer", limit);
    }
    const cursor = options?.cursor ?? "";
    return handle.during("scanSince", () => {
      const shape = shapeOf(name);
      if (shape === null) return { rows: [], nextCursor: null, hasMore: false };
      return handle.atomically(null, () => {
        const page = scan(shape, since, limit, cursor);
        const times = native.timesOf(page.rows.map((row) => row.updated_at));
        const of = { appId, table, pkColumns, ...shape };
        return { ...page, rows: page.rows.map((row, at) => reader.entryOf(of, row, times[at])) };
      });
    });
  }

  /** The rows of a table that have no place in the order, and why. */
  function queryMalformed(appId, table) {
    const { name, pkColumns } = declared("queryMalformed", appId, table);
    return handle.during("queryMalformed", () => {
      const shape = shapeOf(name);
      if (shape === null) return [];
      const of = { appId, table, pkColumns, ...shape };
      return handle.atomically(null, () =>
        shape.unorderable.rowsOf(shape.timeline).map((row) => reader.reasonOf(of, row)),
      );
    });
  }

  function getNodeWatermarks(appId, table) {
    const { name } = declared("getNodeWatermarks", appId, table);
    return handle.during("getNodeWatermarks", () => {
      const shape = shapeOf(name);
      if (shape === null) return {};
      const times = handle.all(shape.timeline.newest).map(({ time }) => time);
      return native.newestTimes(times.filter(shape.unorderable.stands));
    });
  }

  const reader = createRowReader(context);
  const writer = createRowWriter({ handle, native, fault, declared, shapeOf });
  const applier = {
    apply: async (entry) => writer.apply(entry),
    applyRows: async (entries, how) => writer.applyRows(entries, how),
    scanSince: async (...place) => scanSince(...place),
    getNodeWatermarks: async (appId, table) => getNodeWatermarks(appId, table),
    queryMalformed: async (appId, table) => queryMalformed(appId, table),
  };

  /** The tables of all apps, as their change log knows them; null where nothing tells the rows of one apart. */
  function logged() {
    const tables = [];
    const list = namespaces.list();
    if (!Array.isArray(list)) return null;
    for (const { appId, tables: infos } of list) {
      if (!Array.isArray(infos)) return null;
      for (const { name: table, pkColumns } of infos) {
        const name = tableName(appId, table);
        const shape = name.includes("\0") ? null : shapeOf(name);
        if (shape === null) continue;
        const known = [...shape.columns.map((column) => column.name), ...shape.computed];
        const isKeyed = Array.isArray(pkColumns) && pkColumns.length > 0;
        if (!isKeyed || !pkColumns.every((column) => known.includes(column))) return null;
        const hasDeletedAt = known.includes("deleted_at");
        tables.push({ appId, table, name, key: pkColumns, hasDeletedAt });
      }
    }
    return tables;
  }

  /** The entries under keys. */
  function under(keys) {
    const [items, counts, reasons] = [[], [], []];
    const known = new Map();
    for (const { appId, table, test, values } of keys) {
      if (test === undefined) {
        counts.push(0);
        continue;
      }
      const key = tableName(appId, table);
      if (!known.has(key)) {
        const { name, pkColumns } = declared("scanSince", appId, table);
        const shape = shapeOf(name);
        known.set(key, shape && { appId, table, pkColumns, ...shape });
      }
      const of = known.get(key);
      const rows = of === null ? [] : rowsUnder(of, test, values);
      const times = native.timesOf(rows.map((row) => row.updated_at));
      for (const [at, row] of rows.entries()) {
        const time = reader.hasItsTime(of, row) ? times[at] : null;
        const { "key of the log": place, ...columns } = row;
        items.push(reader.entryOf(of, columns, time));
        const timed = { row: place, time: row.updated_at };
        reasons.push(time === null ? reader.reasonOf(of, timed).reason : null);
      }
      counts.push(rows.length);
    }
    return { items, counts, reasons };
  }

  function rowsUnder({ name, columns, timeline }, test, values) {
    const names = columns.map((column) => quote(column.name)).join(", ");
    const sql = `SELECT ${names}, ${timeline.row} AS "key of the log" FROM ${quote(name)} WHERE ${test}`;
    return readRows(sql, ...values);
  }

  const log = { tables: logged, items: under, settled: (found) => found, take: writer.settleRows };
  return { namespaces, applier, log };
};
