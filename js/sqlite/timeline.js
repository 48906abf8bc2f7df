"use strict";

/**
 * The rows of a table by the time at which they were written, per node.
 *
 * Times are text, whose order is that of timestamps while they have their usual 12 and 4 digits. One index
 * orders the usual rows of each node: `(node_id, updated_at)`, or the same over the text where the table
 * has no `node_id`. The few others are in a small index of their own and are all looked at: times of other
 * digits, and rows whose `node_id` is not the node of their time, for it is the time that counts.
 */

const { quote } = require("./values.js");

const HEX = "[0-9a-f]";
const USUAL = `${HEX.repeat(12)}:${HEX.repeat(4)}:`;
const NODE_IN_TEXT = `substr("updated_at", 19)`;
const ODD_TEXT = `substr("updated_at", 1, 18) NOT GLOB '${USUAL}' OR instr("updated_at", char(0)) > 0`;

const COLUMNS = `SELECT name, type, "notnull" AS required, dflt_value AS fallback, pk
  FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid`;
const COMPUTED = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)";
const IS_WITHOUT_ROWID = "SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'";
const HAS_INDEX = "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?";
const HAS_INDEX_BY_NODE = `SELECT 1 FROM pragma_index_list(?) AS list
  WHERE list.partial = 0
    AND (SELECT name FROM pragma_index_info(list.name) WHERE seqno = 0) = 'node_id'
    AND (SELECT name FROM pragma_index_info(list.name) WHERE seqno = 1) = 'updated_at'`;

/** The columns of a table that can be written, in their order; none where there is no such table. */
exports.columnsOf = (handle, table) => handle.all(COLUMNS, table);

/** The names of the columns that the table computes itself: never sent, never written. */
const computedOf = (handle, table) => handle.all(COMPUTED, table).map(({ name }) => name);
exports.computedOf = computedOf;

/** What names a row where `id` need not. */
function rowName(handle, table, columns, keys) {
  if (handle.all(IS_WITHOUT_ROWID, table).some((list) => list.wr === 1)) {
    // Several columns are one name as a text; only the few rows that are malformed are asked for by it.
    const quoted = keys.map(quote);
    return quoted.length === 1
      ? quoted[0]
      : quoted.map((key) => `quote(${key})`).join(" || ', ' || ");
  }
  const names = [...columns.map(({ name }) => name), ...computedOf(handle, table)];
  const taken = new Set(names.map((name) => name.toLowerCase()));
  return ["rowid", "_rowid_", "oid"].find((name) => !taken.has(name));
}

/**
 * The statements over the table. `keys` are the columns that name a row of a table without rowids;
 * `byTime` asks for an index over all nodes as well. Indexes that are missing are created: call it within a
 * savepoint.
 */
exports.createTimeline = function createTimeline(handle, table, columns, { keys, byTime = false }) {
  const has = (name) => columns.some((column) => column.name === name);
  const [from, hasNode] = [quote(table), has("node_id")];
  const node = hasNode ? `"node_id"` : NODE_IN_TEXT;
  const odd = hasNode ? `(${ODD_TEXT} OR "node_id" IS NOT ${NODE_IN_TEXT})` : `(${ODD_TEXT})`;
  const row = rowName(handle, table, columns, keys);
  const usualOf = `FROM ${from} WHERE ${node} = ?1 AND NOT ${odd}`;
  // The order says which index is meant: another one may have all columns that are asked for, and would be
  // read from end to end. The `LIMIT` where this is a subquery keeps the order.
  const few = `FROM ${from} WHERE ${odd} ORDER BY "updated_at"`;
  const nodes = `WITH RECURSIVE nodes (node) AS (
    SELECT (SELECT ${node} FROM ${from} WHERE ${node} >= '' ORDER BY ${node} LIMIT 1)
    UNION ALL
    SELECT (SELECT ${node} FROM ${from} WHERE ${node} > nodes.node ORDER BY ${node} LIMIT 1)
      FROM nodes WHERE nodes.node IS NOT NULL)`;

  function createIndex(suffix, definition) {
    const name = `starkeep_${table}_${suffix}`;
    if (handle.all(HAS_INDEX, name).length > 0) return;
    handle.db.exec(`CREATE INDEX ${quote(name)} ON ${from} ${definition}`);
  }
  if (!hasNode) createIndex("by_node_in_text", `(${NODE_IN_TEXT}, "updated_at")`);
  else if (handle.all(HAS_INDEX_BY_NODE, table).length === 0) {
    createIndex("by_node", `("node_id", "updated_at")`);
  }
  createIndex(hasNode ? "off_their_node" : "at_odd_times", `("updated_at") WHERE ${odd}`);
  if (byTime) createIndex("by_time", `("updated_at")`);

  return {
    row,
    hasNode,
    isOdd: odd,
    /** Per node the greatest usual time, and all odd times. */
    newest: `${nodes}
      SELECT (SELECT "updated_at" FROM ${from} WHERE ${node} = nodes.node AND NOT ${odd}
               ORDER BY "updated_at" DESC LIMIT 1) AS time FROM nodes WHERE node IS NOT NULL
      UNION ALL SELECT time FROM (SELECT "updated_at" AS time ${few} LIMIT -1)`,
    nodes: `${nodes} SELECT node FROM nodes WHERE node IS NOT NULL`,
    /** The usual rows of a node from a time on, in order; then those after a row of it. */
    first: `SELECT ${row} AS row, "updated_at" AS time ${usualOf} AND "updated_at" >= ?2
      ORDER BY "updated_at", ${row} LIMIT ?3`,
    next: `SELECT ${row} AS row, "updated_at" AS time ${usualOf} AND ("updated_at", ${row}) > (?2, ?3)
      ORDER BY "updated_at", ${row} LIMIT ?4`,
    odd: `SELECT ${row} AS row, "updated_at" AS time ${few}`,
    /** The rows that have neither a time nor a node, given a null; those of a node, given its bytes. */
    timeless: `SELECT ${row} AS row, "updated_at" AS time FROM ${from}
      WHERE ${node} IS ?1 AND "updated_at" IS ?1`,
    ofNode: `SELECT ${row} AS row, "updated_at" AS time FROM ${from}
      WHERE ${node} = ?1 AND NOT ${odd}`,
    ofNodeInBytes: `SELECT ${row} AS row, "updated_at" AS time FROM ${from}
      WHERE ${node} = CAST(?1 AS TEXT) AND NOT ${odd}`,
    nodesInBytes: `${nodes} SELECT node, CAST(node AS BLOB) AS bytes FROM nodes
      WHERE node IS NOT NULL`,
  };
};
