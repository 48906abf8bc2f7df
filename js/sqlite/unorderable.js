"use strict";

/**
 * The rows of a table whose `updated_at` is no timestamp: they have no place in the order, are on no page,
 * and are found by the same small index as the odd ones.
 */

const { mayBeBroken } = require("./malformed.js");
const { quote } = require("./values.js");

exports.createUnorderable = function createUnorderable({ handle, native }, table) {
  const from = quote(table);
  const read = (sql, ...parameters) => handle.prepare(sql, { bigInts: true }).all(...parameters);

  /** Whether a time stands in the table as it was read: of a text that is no UTF-8, another one is read. */
  const stands = (time) =>
    !mayBeBroken(time) ||
    handle.all(`SELECT 1 FROM ${from} WHERE "updated_at" = ? LIMIT 1`, time).length > 0;

  /** The same of one row. */
  const standsIn = (timeline, { row, time }) =>
    !mayBeBroken(time) ||
    handle.all(`SELECT 1 FROM ${from} WHERE ${timeline.row} = ? AND "updated_at" = ?`, row, time)
      .length > 0;

  /** Rows and the times that are none, as `{ row, time }`; `row` names each in a condition. */
  function rowsOf(timeline) {
    const rows = [...read(timeline.odd), ...read(timeline.timeless, null)];
    // Where the node is no text, neither is the time that it is a part of.
    for (const { node, bytes } of read(timeline.nodesInBytes)) {
      if (ArrayBuffer.isView(node)) rows.push(...read(timeline.ofNode, node));
      else if (mayBeBroken(node)) rows.push(...read(timeline.ofNodeInBytes, bytes));
    }
    const times = native.timesOf(rows.map(({ time }) => time));
    return rows.filter((row, at) => times[at] === null || !standsIn(timeline, row));
  }

  return { stands, standsIn, rowsOf };
};
