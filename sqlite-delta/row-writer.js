"use strict";

/** Applying entries to the tables of apps: the later one wins, by its numbers. */

const { fromWire, quote } = require("./values.js");

const APPLIED = Object.freeze({ status: "applied" });
const STALE = Object.freeze({ status: "stale" });
const BEHIND = Object.freeze({ status: "behind" });
const OPERATION = "apply an app row";

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
    return { shape, pkColumns, row, updatedAt, where: entry.where };
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

  /** Only a column that is there: what a newer app sends beside them has to wait until it is here too. */
  function columnIn(shape, name) {
    if (shape.columns.some((column) => column.name === name)) return name;
    const what = `the table ${shape.name} has no column ${JSON.stringify(name)}; update the app`;
    throw fault("DATABASE_ERROR", OPERATION, what);
  }

  /** The rows that a condition means, and which of them are older than `updatedAt`. */
  function find({ shape, updatedAt }, condition) {
    const columns = [...condition.keys()].map((column) => quote(columnIn(shape, column)));
    const test = columns.map((column) => `${column} IS ?`).join(" AND ");
    const values = [...condition.values()].map(fromWire);
    const sql = `SELECT "updated_at" AS time FROM ${quote(shape.name)} WHERE ${test}`;
    const times = [...new Set(handle.all(sql, ...values).map(({ time }) => time))];
    const [incoming] = native.timesOf([updatedAt]);
    const wins = native.winners(
      times.map(() => incoming),
      undefined,
      times,
    );
    return { test, values, older: times.filter((_, at) => wins[at]), exists: times.length > 0 };
  }

  /** Writes `values` to the rows of `found` that are older. */
  function update({ shape }, { test, values: keys, older }, values) {
    const sets = [...values.keys()].map((column) => `${quote(column)} = ?`).join(", ");
    const sql = `UPDATE ${quote(shape.name)} SET ${sets} WHERE ${test} AND "updated_at" IS ?`;
    for (const time of older) handle.prepare(sql).run(...values.values(), ...keys, time);
    return older.length > 0 ? APPLIED : STALE;
  }

  function insert({ shape }, values) {
    const names = [...values.keys()].map(quote).join(", ");
    const places = [...values].map(() => "?").join(", ");
    const sql = `INSERT INTO ${quote(shape.name)} (${names}) VALUES (${places}) ON CONFLICT DO NOTHING`;
    return Number(handle.prepare(sql).run(...values.values()).changes) > 0 ? APPLIED : STALE;
  }

  /** The primary key as the row gives it, or `null`. */
  function keyOf({ row, pkColumns }) {
    if (pkColumns.length === 0 || !pkColumns.every((column) => row.has(column))) return null;
    return new Map(pkColumns.map((column) => [column, row.get(column)]));
  }

  /** The rows that an entry is about: its `where`, else its primary key. Never all of them. */
  function conditionOf(one) {
    const where = isObject(one.where) ? new Map(Object.entries(one.where)) : new Map();
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
        return find(one, new Map([...values])).exists ? STALE : insert(one, values);
      }
      const key = keyOf(one);
      if (key === null) throw invalid("an inserted row must have its primary key");
      const found = find(one, key);
      if (found.exists) return update(one, found, values);
      const inserted = insert(one, values);
      if (inserted === APPLIED) return inserted;
      throw fault("CONSTRAINT_VIOLATION", OPERATION, "another row has a value that is unique");
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
    const { error, ofOneRow } = handle.explain(OPERATION, thrown);
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
    handle.during(OPERATION, () =>
      handle.atomically(tableOf([entry ?? {}]), () => void alone(entry)),
    );
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

  return { apply, applyRows };
};
