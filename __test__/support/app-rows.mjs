// The double of an app's own tables: a namespace store and an applier.
import { promised } from "./faulty.mjs";
import { compare, parse, text, watermarksOf } from "./hlc.mjs";

const stampOf = (row) => parse(row.updated_at);
const newer = (row, stored) => stored === undefined || compare(stampOf(row), stampOf(stored)) > 0;

function namespaceOf(appId, tables, filesEnabled) {
  return { appId, tables, filesEnabled, tableNames: tables.map((table) => table.name) };
}

/** One table: its rows by primary key, and the three operations on them. */
function memoryTable({ pkColumns }) {
  const rows = new Map();
  const keyOf = (row) => JSON.stringify(pkColumns.map((column) => row[column]));
  const matches = (row, where) =>
    Object.keys(where).every((column) => row[column] === where[column]);
  const change = (where, updatedAt, columns) => {
    for (const [key, stored] of rows) {
      const row = { ...stored, ...columns, updated_at: updatedAt };
      if (matches(stored, where) && newer(row, stored)) rows.set(key, row);
    }
  };
  return {
    rows,
    insert({ row }) {
      const key = keyOf(row);
      if (!newer(row, rows.get(key))) return;
      const stored = { ...rows.get(key) };
      // An insert brings a row to life.
      if (Object.hasOwn(stored, "deleted_at")) stored.deleted_at = null;
      rows.set(key, { ...stored, ...row });
    },
    update({ row, where, timestamp }) {
      change(where, row.updated_at ?? text(timestamp), row);
    },
    // A whole row also leaves its tombstone where the row was never seen: without
    // it an older insert from elsewhere would bring the row back.
    delete({ row, where, timestamp }) {
      const updatedAt = row?.updated_at ?? text(timestamp);
      if (row !== undefined && pkColumns.every((column) => Object.hasOwn(row, column))) {
        const dead = { ...row, updated_at: updatedAt, deleted_at: row.deleted_at ?? updatedAt };
        if (newer(dead, rows.get(keyOf(row)))) rows.set(keyOf(row), dead);
        return;
      }
      change(where, updatedAt, { deleted_at: updatedAt });
    },
  };
}

const entryOf = (appId, table, row) => ({
  timestamp: stampOf(row),
  appId,
  table,
  op: row.deleted_at === null || row.deleted_at === undefined ? "insert" : "delete",
  row,
});

/**
 * The page of `rows` after the later of `since` and `cursor`, by update time. A cursor names a time, so rows of
 * one time are never parted: the page is longer then.
 */
function scan(rows, since, { limit = Infinity, cursor } = {}) {
  const floors = [since, cursor].filter((floor) => floor).map(parse);
  const found = [...rows]
    .filter((row) => floors.every((floor) => compare(stampOf(row), floor) > 0))
    .sort((a, b) => compare(stampOf(a), stampOf(b)));
  let end = Math.min(limit, found.length);
  while (end < found.length && found[end].updated_at === found[end - 1].updated_at) end += 1;
  const hasMore = end < found.length;
  const shown = found.slice(0, end);
  return { shown, hasMore, nextCursor: hasMore ? shown[end - 1].updated_at : null };
}

/**
 * App tables in memory: `{ namespaces, applier }` as the engine takes them, and
 * `register`, `rows` and `wipe` for the test. `hide(appId)` takes an app out of the
 * namespace list and leaves its rows where they are.
 */
export function memoryAppRows({ nodeWatermarks = false, plain = false } = {}) {
  const listed = new Map();
  const tables = new Map();
  const tableOf = (appId, name) => {
    const found = tables.get(appId)?.get(name);
    if (found === undefined) throw new Error(`no table ${name} of app ${appId}`);
    return found;
  };
  const core = {
    apply: (one) => tableOf(one.appId, one.table)[one.op](one),
    scanSince(appId, table, since, options) {
      const { shown, ...rest } = scan(tableOf(appId, table).rows.values(), since, options);
      return { rows: shown.map((row) => entryOf(appId, table, row)), ...rest };
    },
  };
  if (nodeWatermarks) {
    core.getNodeWatermarks = (appId, table) =>
      watermarksOf([...tableOf(appId, table).rows.values()].map(stampOf));
  }
  return {
    namespaces: { get: (appId) => listed.get(appId) ?? null, list: () => [...listed.values()] },
    applier: plain ? core : promised(core),
    register(appId, infos, filesEnabled = true) {
      listed.set(appId, namespaceOf(appId, infos, filesEnabled));
      const known = tables.get(appId) ?? tables.set(appId, new Map()).get(appId);
      for (const info of infos) if (!known.has(info.name)) known.set(info.name, memoryTable(info));
    },
    hide: (appId) => void listed.delete(appId),
    apply: core.apply,
    rows: (appId, table) => [...tableOf(appId, table).rows.values()],
    wipe() {
      for (const known of tables.values()) for (const table of known.values()) table.rows.clear();
    },
  };
}
