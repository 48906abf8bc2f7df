/**
 * App rows in memory: a namespace store and an applier with `scanSince`, for one app.
 */
import { compareHlc, deserializeHlc, serializeHlc } from "../reference/hlc.mjs";

/**
 * @param {{ appId: string, tables: string[] }} options tables whose primary key is `id`
 */
export function createMemoryAppRows({ appId, tables }) {
  /** @type {Map<string, Map<unknown, any>>} */
  const rowsOf = new Map(tables.map((name) => [name, new Map()]));
  const namespace = {
    appId,
    tables: tables.map((name) => ({ name, pkColumns: ["id"] })),
    tableNames: tables,
    filesEnabled: true,
  };

  /** @param {any} entry */
  function apply(entry) {
    const rows = rowsOf.get(entry.table);
    if (entry.appId !== appId || !rows) throw new Error(`${entry.appId}/${entry.table} is not registered`);
    const id = entry.row?.id ?? entry.where?.id;
    const current = rows.get(id);
    const updatedAt = entry.row?.updated_at ?? serializeHlc(entry.timestamp);
    if (current && compareHlc(deserializeHlc(current.updated_at), deserializeHlc(updatedAt)) >= 0) return;
    const deletedAt = entry.op === "delete" ? updatedAt : null;
    rows.set(id, {
      deleted_at: deletedAt,
      ...current,
      ...entry.row,
      id,
      updated_at: updatedAt,
      ...(deletedAt && { deleted_at: deletedAt }),
    });
  }

  /**
   * @param {string} _app
   * @param {string} table
   * @param {string} since
   * @param {{ limit?: number, cursor?: string }} [options]
   */
  async function scanSince(_app, table, since, { limit = 500, cursor = "" } = {}) {
    const from = cursor > since ? cursor : since;
    const above = [...(rowsOf.get(table)?.values() ?? [])]
      .filter((row) => row.updated_at > from)
      .sort((a, b) => (a.updated_at < b.updated_at ? -1 : 1));
    const page = above.slice(0, limit);
    const hasMore = above.length > limit;
    const rows = page.map((row) => entryOf(table, row));
    return { rows, nextCursor: hasMore ? page[page.length - 1].updated_at : null, hasMore };
  }

  /**
   * @param {string} table
   * @param {any} row
   */
  const entryOf = (table, row) => ({
    timestamp: deserializeHlc(row.updated_at),
    appId,
    table,
    op: row.deleted_at ? "delete" : "insert",
    row: { ...row },
    ...(row.deleted_at && { where: { id: row.id } }),
  });

  return {
    namespaces: { get: (/** @type {string} */ id) => (id === appId ? namespace : null), list: () => [namespace] },
    applier: { apply, scanSince },
    /** @param {string} table */
    rows: (table) => [...(rowsOf.get(table)?.values() ?? [])],
  };
}
