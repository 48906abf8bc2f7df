"use strict";

/** A row of an app's table as an entry of the exchange, and what is said of one that is none. */

const malformed = require("./malformed.js");
const { quote, toWire } = require("./values.js");

exports.createRowReader = function createRowReader({ handle, fault }) {
  const all = (sql, ...parameters) => handle.prepare(sql, { bigInts: true }).all(...parameters);

  /** A row in words: by its primary key, or else by what names it in its table. */
  function named({ appId, table, pkColumns }, row, standIn) {
    const hasKey =
      pkColumns.length > 0 && pkColumns.every((column) => (row[column] ?? null) !== null);
    const key = pkColumns.map((column) => `${column} = ${malformed.told(row[column])}`);
    const which = hasKey ? ` with ${key.join(" and ")}` : standIn;
    return `the row of ${appId}/${table}${which}`;
  }

  /**
   * The columns that keep a row from being sent, and why, as `[column, reason]`: a text that is no UTF-8, and
   * a primary key that is NULL, of which there may be several.
   */
  function faultsOf(of, row) {
    const where = ` of ${JSON.stringify(row.updated_at)}`;
    const faults = of.pkColumns
      .filter((column) => row[column] === null)
      .map((column) => [column, "a text or a number", "null"]);
    if (Object.values(row).some(malformed.mayBeBroken)) faults.push(...brokenOf(of, row));
    return faults.map(([column, wanted, got]) => [
      column,
      malformed.reasonOf(named(of, row, where), column, wanted, got),
    ]);
  }

  /** The rows of the table that were read as this one was, and have the very time that was read. */
  function alikeOf({ name, columns }, row) {
    const names = columns.map((column) => column.name);
    const list = names.map(quote).join(", ");
    const bytes = names.map((column, at) => `CAST(${quote(column)} AS BLOB) AS "bytes ${at}"`);
    const sql = `SELECT ${list}, ${bytes.join(", ")} FROM ${quote(name)} WHERE "updated_at" = ?`;
    const same = (a, b) =>
      a === b || (ArrayBuffer.isView(a) && ArrayBuffer.isView(b) && Buffer.compare(a, b) === 0);
    return all(sql, row.updated_at).filter((other) =>
      names.every((column) => same(row[column], other[column])),
    );
  }

  /** Whether the time of a row is the one that was read: of a text that is no UTF-8, another one is read. */
  const hasItsTime = (of, row) =>
    !malformed.mayBeBroken(row.updated_at) || alikeOf(of, row).length > 0;

  /** The columns of a row that hold a text which is none. Its time is one, so the row is found by it. */
  function brokenOf(of, row) {
    const alike = alikeOf(of, row);
    const names = of.columns.map((column) => column.name);
    return names.flatMap((column, at) => {
      const key = `bytes ${at}`;
      const broken = alike.find((other) => malformed.isBroken(row[column], other[key]));
      if (broken === undefined) return [];
      return [[column, malformed.UTF_8, malformed.toldBytes(broken[key])]];
    });
  }

  function entryOf(of, row, timestamp) {
    const wire = {};
    for (const [column, value] of Object.entries(row)) {
      // Own, whatever name it is: `__proto__` is a name like any other.
      Object.defineProperty(wire, column, {
        value: toWire(value),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    for (const [column, reason] of faultsOf(of, row)) {
      malformed.unreadable(wire, column, fault("MALFORMED_ITEM", malformed.OPERATION, reason));
    }
    const op = (row.deleted_at ?? null) === null ? "insert" : "delete";
    return { timestamp, appId: of.appId, table: of.table, op, row: wire };
  }

  /** Why a row has no place in the order. */
  function reasonOf(of, { row, time }) {
    const keys = of.pkColumns.map((column) => quote(column));
    const bytes = `CAST("updated_at" AS BLOB) AS "bytes of the time"`;
    const from = `FROM ${quote(of.name)} WHERE ${of.timeline.row} = ?`;
    const [found] = all(`SELECT ${[...keys, bytes].join(", ")} ${from}`, row);
    const standIn = typeof row === "bigint" ? `rowid ${row}` : `key ${malformed.told(row)}`;
    const raw = found?.["bytes of the time"];
    const got = malformed.isBroken(time, raw) ? malformed.toldBytes(raw) : malformed.told(time);
    const what = named(of, found ?? {}, ` with ${standIn}`);
    return {
      id: standIn,
      reason: malformed.reasonOf(what, "updated_at", malformed.TIME, got),
    };
  }

  return { entryOf, hasItsTime, reasonOf };
};
