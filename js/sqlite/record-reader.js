"use strict";

/** Records of an app's own table that its adapter may not be able to read, as they stand there. */

const malformed = require("./malformed.js");
const { quote } = require("./values.js");

/** Written by this package, or derived: no field of a record lies in them. */
const NO_FIELDS = ["node_id", "extra_json"];
/** What shows whether a row is a record. */
const HEAD = `"id", "type", "created_at", "deleted_at"`;

exports.createRecordReader = function createRecordReader(
  { handle, native, fault, table },
  shapeOf,
) {
  const from = quote(table);
  let layout = null;

  /** The columns that are fields, and the statements over them. */
  function layoutOf() {
    const shape = shapeOf();
    if (layout?.shape === shape) return layout;
    const usable = shape.columns.filter(({ name }) => !NO_FIELDS.includes(name));
    const fields = native.columnsOf(usable.map(({ name }) => name));
    const columns = usable
      .map((column, at) => ({ ...column, ...fields[at] }))
      .filter(({ field }) => field !== undefined && field !== "kind");
    const where = `FROM ${from} WHERE ${shape.timeline.row} = ?`;
    const names = columns.map(({ name }) => quote(name));
    layout = {
      shape,
      columns,
      heads: `SELECT ${HEAD} ${where}`,
      whole: `SELECT ${names.join(", ")} ${where}`,
      bytes: `SELECT ${names.map((name) => `CAST(${name} AS BLOB) AS ${name}`).join(", ")} ${where}`,
      mayBeEmpty: columns.some(({ name, required }) => name === "deleted_at" && required),
    };
    return layout;
  }

  const get = (sql, row) => handle.prepare(sql, { bigInts: true }).get(row);
  const named = (id, row) =>
    typeof id === "string" && id !== ""
      ? `the record ${JSON.stringify(id)}`
      : `the record with ${standIn(row)}`;
  const standIn = (row) =>
    typeof row === "bigint" ? `rowid ${row}` : `key ${malformed.told(row)}`;

  /**
   * For each of these rows `{ id, isRecord }`; `null` for one that cannot be read again, as its key is no text.
   * What is no record, as far as the columns say that every table has, is not for the app's `get`.
   */
  const headsOf = (rows) => verdictsOf(rows, rows.map(headOf));
  const headOf = (row) => get(layoutOf().heads, row) ?? null;

  /** The same of rows that were read with their `HEAD` and the `row` that names each. */
  const headsIn = (found) =>
    verdictsOf(
      found.map(({ row }) => row),
      found.map((one) => (malformed.mayBeBroken(one.row) ? headOf(one.row) : one)),
    );

  function verdictsOf(rows, found) {
    const { mayBeEmpty } = layoutOf();
    const times = (name) => native.timesOf(found.map((head) => head?.[name]));
    const [created, deleted] = [times("created_at"), times("deleted_at")];
    return found.map((head, at) => {
      if (head === null) return null;
      const isLive = head.deleted_at === null || (mayBeEmpty && head.deleted_at === "");
      const isRecord =
        typeof head.id === "string" &&
        head.id !== "" &&
        typeof head.type === "string" &&
        created[at] !== null &&
        (isLive || deleted[at] !== null) &&
        !(
          malformed.mayBeBroken(head.id) &&
          brokenColumns(rows[at]).some(({ field }) => field === "id")
        );
      return { id: head.id, isRecord };
    });
  }

  /** The columns of a row that hold a text which is none, with the bytes. */
  function brokenColumns(row) {
    const { columns, whole, bytes } = layoutOf();
    const values = get(whole, row) ?? {};
    if (!columns.some(({ name }) => malformed.mayBeBroken(values[name]))) return [];
    const raw = get(bytes, row);
    return columns
      .filter(({ name }) => malformed.isBroken(values[name], raw[name]))
      .map((column) => ({ ...column, bytes: raw[column.name] }));
  }

  /** A row as the record that can be read of it; what is malformed is left as it stands. */
  function asItStands(row) {
    const { columns, whole } = layoutOf();
    const values = get(whole, row);
    const record = { kind: "data" };
    for (const { name, field, kind } of columns) {
      const value = typeof values[name] === "bigint" ? Number(values[name]) : values[name];
      record[field] = kind === "time" ? (native.timesOf([value])[0] ?? value) : value;
    }
    return withBroken(record, row);
  }

  /** The record, where it has a text that is none: with the id in bytes, and other fields that tell why. */
  function withBroken(record, row) {
    const broken = brokenColumns(row);
    if (broken.length === 0) return record;
    const marked = { ...record };
    for (const { name, field, bytes } of broken) {
      if (field === "id") marked.id = bytes;
      else {
        const got = malformed.toldBytes(bytes);
        const reason = malformed.reasonOf(named(record.id, row), name, malformed.UTF_8, got);
        malformed.unreadable(marked, field, fault("MALFORMED_ITEM", malformed.OPERATION, reason));
      }
    }
    return marked;
  }

  /** A record that the app's adapter answered: what it read of a text that is none is not sent on. */
  function checked(record, row) {
    const isSuspect = Object.values(record ?? {}).some(malformed.mayBeBroken);
    return isSuspect ? withBroken(record, row) : record;
  }

  /** All that stands in the row of an id, as one text; null where there is none. */
  function whole(id) {
    const { shape } = layoutOf();
    const hasExtra = shape.columns.some(({ name }) => name === "extra_json");
    const extra = hasExtra ? `"extra_json"` : "NULL";
    const sql = `SELECT ${shape.timeline.row} AS row, ${extra} AS extra FROM ${from} WHERE "id" = ?`;
    const found = get(sql, id);
    if (found === undefined) return null;
    const record = asItStands(found.row);
    return JSON.stringify({ ...record, ...JSON.parse(found.extra ?? "{}") });
  }

  /** Why a row has no place in the order. */
  function reasonOf({ row, time }) {
    const { id } = get(layoutOf().heads, row) ?? {};
    const broken = brokenColumns(row).find(({ field }) => field === "updatedAt");
    const got = broken === undefined ? malformed.told(time) : malformed.toldBytes(broken.bytes);
    return {
      id: typeof id === "string" && id !== "" ? id : standIn(row),
      reason: malformed.reasonOf(named(id, row), "updated_at", malformed.TIME, got),
    };
  }

  return { HEAD, headsOf, headsIn, asItStands, whole, checked, reasonOf };
};
