"use strict";

/**
 * Taking in a page of records, last writer wins.
 *
 * All of a page is one transaction; a record that the table refuses fails alone, for a statement that
 * fails leaves no trace. Whatever ends the transaction as a whole, such as a full disk, is thrown.
 */

const { mayBeBroken } = require("./malformed.js");
const { computedOf } = require("./timeline.js");
const { quote, toColumn } = require("./values.js");

const APPLIED = Object.freeze({ status: "applied" });
const STALE = Object.freeze({ status: "stale" });
const BEHIND = Object.freeze({ status: "behind" });
const failed = (error) => ({ status: "failed", error });

/** Written by this package, or derived: no field of a record lies in them. */
const EXTRA = "extra_json";
const NODE = "node_id";
const OPERATION = "applyRecords";

exports.createApplier = function createApplier(context, { shape: shapeOf, whole }) {
  const { adapter, handle, native, fault, table } = context;
  const name = quote(table);
  const stored = `SELECT "updated_at" AS time FROM ${name} WHERE "id" = ?`;
  let layout = null;

  /** The columns and their fields. */
  function layoutOf(shape) {
    if (layout?.shape === shape) return layout;
    const usable = shape.columns.filter((column) => column.name !== EXTRA && column.name !== NODE);
    const fields = native.columnsOf(usable.map((column) => column.name));
    const columns = usable
      .map((column, at) => ({ ...column, ...fields[at] }))
      .filter(({ field }) => field !== undefined);
    layout = {
      shape,
      known: columns.filter(({ kind }) => kind !== "foreign"),
      foreign: columns.filter(({ kind }) => kind === "foreign"),
      fields: new Set(["kind", ...columns.map(({ field }) => field), ...computedFields()]),
      hasExtra: shape.columns.some((column) => column.name === EXTRA),
      hasNode: shape.timeline.hasNode,
      statements: new Map(),
    };
    return layout;
  }

  /** Fields that only this table knows and computes itself. */
  function computedFields() {
    const fields = native.columnsOf(computedOf(handle, table));
    return fields.filter((one) => one?.kind === "foreign").map(({ field }) => field);
  }

  const invalid = (what) => failed(fault("INVALID_ARGUMENT", OPERATION, what));

  /** A page as groups in which no id comes twice: what is stored is read once for a group. */
  function* groupsOf(records) {
    let group = [];
    let ids = new Set();
    for (const [at, record] of records.entries()) {
      if (ids.has(record?.id)) {
        yield group;
        [group, ids] = [[], new Set()];
      }
      group.push({ at, record });
      ids.add(record?.id);
    }
    yield group;
  }

  /**
   * Takes in one group: `write(record, at)` for each record that wins, `at` its place in the group. A node
   * that is `stopped` gets no further.
   */
  function takeIn(group, results, { strict, stopped }, write) {
    const items = group.map(({ record }) => record ?? {});
    const find = handle.prepare(stored);
    const times = items.map(({ id }) => (typeof id === "string" ? timeOf(find, id) : undefined));
    const wins = native.winners(items, "updatedAt", times);
    const texts = { updatedAt: native.textsOf(items, "updatedAt") };
    for (const field of ["createdAt", "deletedAt"]) {
      texts[field] = native.textsOf(items.map((item) => item[field]));
    }
    for (const [at, { at: place, record }] of group.entries()) {
      const node = record?.updatedAt?.nodeId;
      if (strict && stopped.has(node)) results[place] = BEHIND;
      else if (wins[at] === false) results[place] = STALE;
      else {
        results[place] = faultOf(record, texts, at) ?? write(record, texts, at);
        if (results[place].status === "failed") stopped.add(node);
      }
    }
  }

  /** The time that is stored under an id. One that is no UTF-8 is none, whatever was read of it. */
  function timeOf(find, id) {
    const time = find.get(id)?.time;
    if (!mayBeBroken(time)) return time;
    const same = handle.all(`SELECT 1 FROM ${name} WHERE "id" = ? AND "updated_at" = ?`, id, time);
    return same.length > 0 ? time : undefined;
  }

  /** What keeps a record from being one that can be exchanged. */
  function faultOf(record, texts, at) {
    if (typeof record?.id !== "string" || record.id === "")
      return invalid("a record must have an id, a text that is not empty");
    const is = (holds, what) =>
      holds ? null : invalid(`the record ${record.id} must have ${what}`);
    return (
      is(texts.updatedAt[at] !== null, "a timestamp as updatedAt") ??
      is(texts.createdAt[at] !== null, "a timestamp as createdAt") ??
      is(
        (record.deletedAt ?? null) === null || texts.deletedAt[at] !== null,
        "a timestamp as deletedAt",
      ) ??
      is(typeof record.type === "string", "a type, a text") ??
      is(
        ["string", "undefined"].includes(typeof (record.objectStorageKey ?? undefined)),
        "a text as objectStorageKey",
      )
    );
  }

  function writeRow(of, record, texts, at) {
    const { columns, sql } = statementFor(of, record);
    const values = columns.map((column) => valueOf(column, record, texts, at));
    if (of.hasNode) values.push(record.updatedAt.nodeId);
    if (of.hasExtra) values.push(extraOf(of, record));
    try {
      const { changes } = handle.prepare(sql).run(...values);
      if (Number(changes) > 0) return APPLIED;
      return failed(native.sqliteIgnored(OPERATION, named(record)));
    } catch (thrown) {
      const { error, ofOneRow } = handle.explain(OPERATION, thrown, named(record));
      if (thrown?.code === "ERR_SQLITE_ERROR") {
        if (!ofOneRow || handle.hasLostTransaction()) throw thrown;
        return failed(error);
      }
      if (error.code === "STORE_CLOSED") throw thrown;
      return failed(fault("INVALID_ARGUMENT", OPERATION, thrown.message, thrown));
    }
  }

  const named = ({ id }) => `the record ${JSON.stringify(id)}`;

  /** The columns that a record fills, and the statement for them: those of fields that it lacks stay out. */
  function statementFor(of, record) {
    const given = of.foreign.filter(({ field }) => Object.hasOwn(record, field));
    const key = given.map((column) => column.name).join("\0");
    let statement = of.statements.get(key);
    if (statement === undefined) {
      const columns = [...of.known, ...given];
      const names = columns.map((column) => column.name);
      if (of.hasNode) names.push(NODE);
      if (of.hasExtra) names.push(EXTRA);
      statement = { columns, sql: upsert(names) };
      of.statements.set(key, statement);
    }
    return statement;
  }

  function upsert(names) {
    const quoted = names.map(quote);
    const updates = quoted.map((one) => `${one} = excluded.${one}`);
    return `INSERT INTO ${name} (${quoted.join(", ")}) VALUES (${quoted.map(() => "?").join(", ")})
      ON CONFLICT ("id") DO UPDATE SET ${updates.join(", ")}`;
  }

  /** What the table does not have a column for, where this package keeps such fields in the table. */
  function extraOf(of, record) {
    const rest = Object.entries(record).filter(([field]) => !of.fields.has(field));
    return rest.length === 0 ? null : JSON.stringify(Object.fromEntries(rest));
  }

  function valueOf(column, record, texts, at) {
    const value = Object.hasOwn(record, column.field) ? record[column.field] : null;
    if (column.kind === "foreign") return toColumn(value);
    if (column.kind === "time") return texts[column.field][at];
    if ((value ?? null) === null) return emptyOf(column);
    if (column.kind === "integer" && typeof value === "number") return value;
    return typeof value === "string" ? value : JSON.stringify(value);
  }

  /** A field that a record of the other release lacks, where the column may not be null. */
  function emptyOf(column) {
    if (column.field === "kind") return "data";
    if (!column.required) return null;
    if (column.kind === "integer") return column.name === "version" ? 1 : 0;
    return "";
  }

  function inOneTransaction(records, strict) {
    return handle.atomically(table, () => {
      const of = layoutOf(shapeOf());
      const results = [];
      const state = { strict, stopped: new Set() };
      for (const group of groupsOf(records)) {
        takeIn(group, results, state, (record, texts, at) => writeRow(of, record, texts, at));
      }
      return results;
    });
  }

  function check(records) {
    if (!Array.isArray(records)) {
      throw native.mustBe(`${OPERATION}(records)`, "an array of records", records);
    }
  }

  function bySql(records, how) {
    check(records);
    const strict = how?.strictOrder === true;
    return handle.during(OPERATION, () => {
      shapeOf();
      try {
        return inOneTransaction(records, strict);
      } catch (thrown) {
        if (!isRefusal(thrown)) throw thrown;
        return oneByOne(records, strict);
      }
    });
  }

  const isRefusal = (thrown) =>
    thrown?.code === "ERR_SQLITE_ERROR" && handle.explain(OPERATION, thrown).ofOneRow;

  /** Where only the end of the transaction showed that a record is refused, as a deferred constraint does. */
  function oneByOne(records, strict) {
    const stopped = new Set();
    return records.map((record) => {
      const node = record?.updatedAt?.nodeId;
      if (strict && stopped.has(node)) return BEHIND;
      let result;
      try {
        [result] = inOneTransaction([record], strict);
      } catch (thrown) {
        if (!isRefusal(thrown)) throw thrown;
        result = failed(handle.explain(OPERATION, thrown, named(record)).error);
      }
      if (result.status === "failed") stopped.add(node);
      return result;
    });
  }

  /**
   * Through the app's own `put`. All of a group are begun in one go, within one transaction: a `put` that
   * works at once is part of it, and nothing of the app's can come between. One that does its work later
   * does it by itself, as always. Whatever failed in the transaction is tried once more without: a `put`
   * with a transaction of its own needs that.
   */
  async function byPut(records, how) {
    check(records);
    const strict = how?.strictOrder === true;
    const results = [];
    const state = { strict, stopped: new Set() };
    // Order can be strict only where it is known of each whether it failed before the next is begun.
    const groups = strict ? records.map((record, at) => [{ at, record }]) : groupsOf(records);
    for (const group of groups) {
      const puts = handle.during(OPERATION, () => {
        shapeOf();
        return strict ? begin(group, results, state) : beginTogether(group, results, state);
      });
      for (const { record, at, done } of puts) {
        const attempt = done === null ? put(record) : done.catch(() => put(record));
        results[at] = await attempt.then(
          () => outcomeOf(record),
          (thrown) => refusalOf(record, thrown),
        );
        if (results[at] !== APPLIED) state.stopped.add(record.updatedAt.nodeId);
      }
    }
    return results;
  }

  /** What a `put` that settled has done: a trigger may have ignored the row without a word. */
  function outcomeOf(record) {
    const time = handle.during(OPERATION, () => timeOf(handle.prepare(stored), record.id));
    const [isMissing] = native.winners([record], "updatedAt", [time]);
    return isMissing ? failed(native.sqliteIgnored(OPERATION, named(record))) : APPLIED;
  }

  const refusalOf = (record, thrown) =>
    failed(
      thrown?.code === "ERR_SQLITE_ERROR"
        ? handle.explain(OPERATION, thrown, named(record)).error
        : thrown,
    );

  /** Begins to put the records that win. */
  function begin(group, results, state) {
    const puts = [];
    takeIn(group, results, state, (record, _texts, at) => {
      const done = put(record);
      // It is awaited later, and may have rejected by then.
      done.catch(() => {});
      puts.push({ record, at: group[at].at, done });
      return APPLIED;
    });
    return puts;
  }

  function beginTogether(group, results, state) {
    let puts = [];
    try {
      return handle.atomically(table, () => (puts = begin(group, results, state)));
    } catch (thrown) {
      if (puts.length === 0) throw thrown;
      // The transaction could not be ended: each of them is put by itself.
      return puts.map((one) => ({ ...one, done: null }));
    }
  }

  const put = async (record) => adapter.put(record);

  const isSameTime = (record) =>
    native.sameTimes([record], "updatedAt", [timeOf(handle.prepare(stored), record.id)])[0];

  /**
   * Which of two versions with one timestamp is the greater one: 1 if it is the one that came. Both are compared as
   * they read back: what the table has no column for is in neither. `keep` says whether it stays stored then.
   */
  function compareEqual(record, keep) {
    const before = whole(record.id);
    if (native.compareBodies(JSON.stringify(record), before) === 0) return 0;
    const of = layoutOf(shapeOf());
    const texts = Object.fromEntries(
      ["updatedAt", "createdAt", "deletedAt"].map((field) => [
        field,
        native.textsOf([record[field]]),
      ]),
    );
    return tentatively(() => {
      if (writeRow(of, record, texts, 0).status === "failed") return [0, false];
      const order = native.compareBodies(whole(record.id), before);
      return [order, keep && order > 0];
    });
  }

  /** Runs `work`, which answers `[answer, whether it stays]`. */
  function tentatively(work) {
    const undone = {};
    let answer;
    try {
      handle.atomically(null, () => {
        const [found, stays] = work();
        answer = found;
        if (!stays) throw undone;
      });
    } catch (thrown) {
      if (thrown !== undone) throw thrown;
    }
    return answer;
  }

  /** What became of a record, for a change log: of equal timestamps the greater version stands on every side. */
  function settle(result, record) {
    if (result !== STALE || !isSameTime(record)) return result;
    const order = compareEqual(record, true);
    if (order === 0) return result;
    return { status: order > 0 ? "applied" : "stale", equal: record.id };
  }

  /** Takes a page in, within the transaction of the caller. */
  function settleBySql(records) {
    const results = inOneTransaction(records, false);
    return handle.atomically(null, () => results.map((result, at) => settle(result, records[at])));
  }

  /** The same through the app's own `put`. */
  async function settleByPut(records) {
    const results = await byPut(records);
    for (const [at, record] of records.entries()) {
      if (results[at] !== STALE) continue;
      const order = handle.during(OPERATION, () =>
        isSameTime(record) ? compareEqual(record, false) : 0,
      );
      if (order === 0) continue;
      try {
        if (order > 0) await put(record);
        results[at] = { status: order > 0 ? "applied" : "stale", equal: record.id };
      } catch (thrown) {
        results[at] = refusalOf(record, thrown);
      }
    }
    return results;
  }

  return { bySql, byPut, settleBySql, settleByPut };
};
