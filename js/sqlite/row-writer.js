"use strict";

/** Applying entries to the tables of apps: the later one wins, by its numbers. */

const { isBroken, told } = require("./malformed.js");
const { fromWire, quote, toWire } = require("./values.js");

const APPLIED = Object.freeze({ status: "applied" });
const STALE = Object.freeze({ status: "stale" });
const BEHIND = Object.freeze({ status: "behind" });
const OPERATION = "apply an app row";
/** SQLite's codes where a row is there already: a primary key, a unique index, a rowid. */
const DUPLICATES = [1555, 2067, 2579];
/** On what was thrown: the row that it was about. */
const ROW = Symbol("row");

exports.createRowWriter = function createRowWriter({ handle, native, fault, declared, shapeOf }) {
  const invalid = (what) => fault("INVALID_ARGUMENT", OPERATION, what);
  const isObject = (value) => typeof value === "object" && value !== null;

  /** What an entry says, checked. `updatedAt` is the text of its version. */
  function read(entry) {
    if (!isObject(entry)) throw native.mustBe("apply(entry)", "an object", entry);
    const { name, pkColumns } = declared(OPERATION, entry.appId, entry.table);
    const shape = shapeOf(name);
    if (shape === null) {
      const what = `the table ${name} is missing; install the app again`;
      throw fault("DATABASE_ERROR", OPERATION, what);
    }
    const [timestamp] = native.textsOf([entry], "timestamp");
    if (timestamp === null)
      throw native.mustBe("apply(entry.timestamp)", "a timestamp", entry.timestamp);
    const row = new Map(Object.entries(entry.row ?? {}));
    const updatedAt = row.get("updated_at") ?? timestamp;
    if (native.floorOf(updatedAt) === undefined)
      throw native.mustBe("apply(entry.row.updated_at)", "a timestamp in text form", updatedAt);
    const [isLater] = native.winners(native.timesOf([updatedAt]), undefined, [timestamp]);
    if (isLater) throw invalid("updated_at must not be later than the entry's own timestamp");
    for (const column of shape.computed) row.delete(column);
    return { shape, pkColumns, row, updatedAt, where: entry.where, ofTable: entry };
  }

  /** The row of an entry in words: by what its entry names it with. */
  function named(one) {
    const { appId, table } = one.ofTable;
    const parts = [...(keyOf(one) ?? conditionIn(one))].map(
      ([column, value]) => `${column} = ${told(value)}`,
    );
    const which = parts.length === 0 ? "" : ` with ${parts.join(" and ")}`;
    return `the row of ${appId}/${table}${which}`;
  }

  const ignored = (one) => native.sqliteIgnored(OPERATION, named(one));

  /** Runs a statement about a row; a refusal names it. */
  function run(one, sql, ...values) {
    try {
      return Number(handle.prepare(sql).run(...values).changes);
    } catch (thrown) {
      throw Object.assign(thrown, { [ROW]: named(one) });
    }
  }

  /** The columns to write and their values; `node_id` follows from the time. */
  function valuesOf({ shape, row, updatedAt }) {
    const values = new Map();
    for (const [column, value] of row) {
      if (column !== "node_id") values.set(columnIn(shape, column), fromWire(value));
    }
    return stamp(values, shape, updatedAt);
  }

  function stamp(values, shape, updatedAt) {
    values.set("updated_at", updatedAt);
    if (shape.timeline.hasNode) values.set("node_id", native.timesOf([updatedAt])[0].nodeId);
    return values;
  }

  /** A column to compare, which may be one that the table computes. */
  const columnToCompare = (shape, name) =>
    shape.computed.includes(name) ? name : columnIn(shape, name);

  /** Only a column that is there: what a newer app sends beside them has to wait until it is here too. */
  function columnIn(shape, name) {
    if (shape.columns.some((column) => column.name === name)) return name;
    const what = `the table ${shape.name} has no column ${JSON.stringify(name)}; update the app`;
    throw fault("DATABASE_ERROR", OPERATION, what);
  }

  const isSame = (a, b) => a === b || (a !== null && b !== null && Buffer.compare(a, b) === 0);

  /** The rows that a condition means, and which of them are older than `updatedAt`. */
  function find({ shape, updatedAt }, condition) {
    const columns = [...condition.keys()].map((column) => quote(columnToCompare(shape, column)));
    const test = columns.map((column) => `${column} IS ?`).join(" AND ");
    const values = [...condition.values()].map(fromWire);
    // By their bytes as well: a text that is no UTF-8 is read as another one.
    const sql = `SELECT "updated_at" AS time, CAST("updated_at" AS BLOB) AS bytes
      FROM ${quote(shape.name)} WHERE ${test}`;
    const found = [];
    for (const row of handle.all(sql, ...values)) {
      const same = found.find(({ time, bytes }) => time === row.time && isSame(bytes, row.bytes));
      if (same === undefined) found.push({ ...row, count: 1 });
      else same.count += 1;
    }
    const times = found.map(({ time, bytes }) => (isBroken(time, bytes) ? null : time));
    const [incoming] = native.timesOf([updatedAt]);
    const wins = native.winners(
      times.map(() => incoming),
      undefined,
      times,
    );
    return { test, values, older: found.filter((_, at) => wins[at]), exists: found.length > 0 };
  }

  /** Writes `values` to the rows of `found` that are older, to each of them. */
  function update(one, { test, values: keys, older }, values) {
    const sets = [...values.keys()].map((column) => `${quote(column)} = ?`).join(", ");
    const sql = `UPDATE ${quote(one.shape.name)} SET ${sets}
      WHERE ${test} AND CAST("updated_at" AS BLOB) IS ?`;
    for (const { bytes, count } of older) {
      if (run(one, sql, ...values.values(), ...keys, bytes) < count) throw ignored(one);
    }
    return older.length > 0 ? APPLIED : STALE;
  }

  function insert(one, values) {
    const names = [...values.keys()].map(quote).join(", ");
    const places = [...values].map(() => "?").join(", ");
    const sql = `INSERT INTO ${quote(one.shape.name)} (${names}) VALUES (${places})`;
    if (run(one, sql, ...values.values()) === 0) throw ignored(one);
    return APPLIED;
  }

  /** A row of a table in which nothing tells rows apart; one that is there already is ignored. */
  function insertOnce(one, values) {
    try {
      return insert(one, values);
    } catch (thrown) {
      if (DUPLICATES.includes(thrown?.errcode)) return STALE;
      throw thrown;
    }
  }

  /** The primary key as the row gives it, or `null`. */
  function keyOf({ row, pkColumns }) {
    if (pkColumns.length === 0 || !pkColumns.every((column) => row.has(column))) return null;
    return new Map(pkColumns.map((column) => [column, row.get(column)]));
  }

  const conditionIn = ({ where }) => new Map(isObject(where) ? Object.entries(where) : []);

  /** The rows that an entry is about: its `where`, else its primary key. Never all of them. */
  function conditionOf(one) {
    const where = conditionIn(one);
    const condition = where.size > 0 ? where : keyOf(one);
    if (condition === null)
      throw invalid("an update or delete must name its row, in `where` or by its primary key");
    return condition;
  }

  const operations = {
    insert(one) {
      const values = valuesOf(one);
      if (
        one.shape.columns.some(({ name }) => name === "deleted_at") &&
        !values.has("deleted_at")
      ) {
        values.set("deleted_at", null);
      }
      if (one.pkColumns.length === 0) {
        return find(one, new Map([...values])).exists ? STALE : insertOnce(one, values);
      }
      const key = keyOf(one);
      if (key === null) throw invalid("an inserted row must have its primary key");
      const found = find(one, key);
      if (found.exists) return update(one, found, values);
      return insert(one, values);
    },

    update: (one) => update(one, find(one, conditionOf(one)), valuesOf(one)),

    delete(one) {
      const found = find(one, conditionOf(one));
      const values = stamp(new Map(), one.shape, one.updatedAt);
      values.set("deleted_at", one.row.get("deleted_at") ?? one.updatedAt);
      if (found.exists) return update(one, found, values);
      // Without its tombstone, an older version from elsewhere would bring the row back.
      const whole = new Map([...valuesOf(one), ...values]);
      const isWhole = one.shape.columns.every(
        ({ name, required, fallback }) => !required || fallback !== null || whole.has(name),
      );
      return keyOf(one) !== null && isWhole ? insert(one, whole) : STALE;
    },
  };

  function applyOne(entry) {
    const one = read(entry);
    if (!Object.hasOwn(operations, entry.op))
      throw native.mustBe("apply(entry.op)", '"insert", "update" or "delete"', entry.op);
    return operations[entry.op](one);
  }

  /** Whether the fault lies with one entry, so that the others of its page can still be applied. */
  function resultOf(thrown) {
    const isSqlite = thrown?.code === "ERR_SQLITE_ERROR";
    const { error, ofOneRow } = handle.explain(OPERATION, thrown, thrown?.[ROW]);
    if (error.code === "STORE_CLOSED" || handle.hasLostTransaction()) throw thrown;
    if (isSqlite && !ofOneRow) throw thrown;
    return { status: "failed", error };
  }

  /** A table of these entries: to write to one of them is to keep other writers out from the beginning. */
  function tableOf(entries) {
    for (const entry of entries) {
      try {
        const name = shapeOf(declared(OPERATION, entry.appId, entry.table).name)?.name;
        if (name !== undefined) return name;
      } catch (thrown) {
        // What is wrong with an entry is its own result.
        if (entries.length === 1) throw thrown;
      }
    }
    return null;
  }

  const alone = (entry) => handle.atomically(null, () => applyOne(entry));

  function apply(entry) {
    try {
      handle.atomically(tableOf([entry ?? {}]), () => void alone(entry));
    } catch (thrown) {
      throw handle.explain(OPERATION, thrown, thrown?.[ROW]).error;
    }
  }

  /** All in one transaction; an entry that fails leaves no trace. */
  function applyRows(entries, how) {
    if (!Array.isArray(entries))
      throw native.mustBe("applyRows(entries)", "an array of entries", entries);
    const stopped = new Set();
    const one = (entry) => {
      const node = entry?.timestamp?.nodeId;
      if (how?.strictOrder === true && stopped.has(node)) return BEHIND;
      try {
        return alone(entry);
      } catch (thrown) {
        stopped.add(node);
        return resultOf(thrown);
      }
    };
    return handle.during(OPERATION, () =>
      handle.atomically(tableOf(entries), () => entries.map(one)),
    );
  }

  /**
   * Of two versions of a row with one timestamp the greater one stands on every side. Both are compared as they read
   * back. Answers null where there are none; else the key under which the log knows the row, and whether the version
   * that came is stored now and was not.
   */
  function settleEqual(entry, keys) {
    const one = read(entry);
    const key = keyOf(one);
    if (key === null || !["insert", "delete"].includes(entry.op)) return null;
    const { name, columns } = one.shape;
    const { test, values: places } = find(one, key);
    const list = columns.map((column) => quote(column.name)).join(", ");
    const sql = `SELECT ${list}, ${keys[name]} AS "key of the log" FROM ${quote(name)} WHERE ${test}`;
    const stand = () => handle.prepare(sql, { bigInts: true }).all(...places);
    const [before, ...more] = stand();
    if (before === undefined || more.length > 0) return null;
    if (!native.sameTimes([entry], "timestamp", [before.updated_at])[0]) return null;
    // The node of its time is no content: some sides name it in a row, others do not.
    const body = ({ node_id: _, "key of the log": _key, ...row }) =>
      JSON.stringify(row, (_name, value) => toWire(value));
    const values = valuesOf(one);
    if (entry.op === "delete" && !values.has("deleted_at")) values.set("deleted_at", one.updatedAt);
    const sets = [...values.keys()].map((column) => `${quote(column)} = ?`).join(", ");
    const write = `UPDATE ${quote(name)} SET ${sets} WHERE ${test}`;
    const undone = {};
    let order = 0;
    try {
      handle.atomically(null, () => {
        run(one, write, ...values.values(), ...places);
        const [after] = stand();
        order = after === undefined ? 0 : native.compareBodies(body(after), body(before));
        if (order <= 0) throw undone;
      });
    } catch (thrown) {
      if (thrown !== undone) throw thrown;
    }
    return order === 0 ? null : { equal: before["key of the log"], isNew: order > 0 };
  }

  /** Takes a page in for a change log, within the transaction of the caller. `keys` are those of the log, in SQL. */
  function settleRows(entries, keys) {
    return applyRows(entries).map((result, at) => {
      if (result !== STALE) return result;
      try {
        const found = handle.atomically(null, () => settleEqual(entries[at], keys));
        if (found === null) return result;
        return { status: found.isNew ? "applied" : "stale", equal: found.equal };
      } catch (thrown) {
        return resultOf(thrown);
      }
    });
  }

  return { apply, applyRows, settleRows };
};
