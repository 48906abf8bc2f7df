"use strict";

/** What the other side has not seen of the records in an app's own table. */

const { createRecordReader } = require("./record-reader.js");
const { columnsOf, createTimeline } = require("./timeline.js");
const { createUnorderable } = require("./unorderable.js");
const { quote } = require("./values.js");

/** How many rows of a node are looked at first; every further look takes this many times as many. */
const FIRST_LOOK = 128;
const GROWTH = 4;
/** How often a page is chosen anew because the app's adapter answered what was written since. */
const TRIES = 8;

/** Whether nothing but `id` has to be unique together with it. */
const IS_KEY = `SELECT 1 FROM pragma_index_list(?1) AS list WHERE list."unique" = 1 AND list.partial = 0
    AND (SELECT count(*) FROM pragma_index_info(list.name)) = 1
    AND (SELECT name FROM pragma_index_info(list.name)) = 'id'
  UNION ALL SELECT 1 FROM pragma_table_info(?1) WHERE name = 'id' AND pk = 1
    AND (SELECT max(pk) FROM pragma_table_info(?1)) = 1`;

const NEEDED = ["id", "type", "created_at", "updated_at", "deleted_at", "object_storage_key"];

exports.createRecords = function createRecords({ adapter, handle, native, fault, table }) {
  let known = null;
  const reader = createRecordReader({ handle, native, fault, table }, shape);
  const unorderable = createUnorderable({ handle, native }, table);

  /** The table as it is now, its indexes made. Looked at again when the schema changes. */
  function shape() {
    const version = handle.schemaVersion();
    if (known?.version === version) return known;
    const columns = columnsOf(handle, table);
    for (const name of NEEDED) {
      if (columns.some((column) => column.name === name)) continue;
      const what =
        columns.length === 0
          ? `the table ${table} is not there; call the adapter's init() before the first round`
          : `the table ${table} has no column ${name}, so it holds no records; name the table that does`;
      throw fault("DATABASE_ERROR", "withSqliteDelta({ table })", what);
    }
    const timeline = handle.atomically(null, () =>
      createTimeline(handle, table, columns, { keys: ["id"] }),
    );
    known = { version: handle.schemaVersion(), columns, timeline };
    return known;
  }

  function watermarks() {
    return handle.during("getNodeWatermarks", () => {
      const { timeline } = shape();
      const times = handle.all(timeline.newest).map(({ time }) => time);
      return native.newestTimes(times.filter(unorderable.stands));
    });
  }

  /** Offers the rows of a node in order, for as long as one of them can get a place. */
  function offerNode(page, timeline, node, candidates) {
    const floor = page.floor(node);
    if (floor === null) return;
    let size = FIRST_LOOK;
    let rows = read(timeline.first, node, floor, size);
    for (;;) {
      candidates.push(...rows);
      const goesOn = page.offer(timesOf(rows), true);
      if (!goesOn || rows.length < size) return;
      const last = rows.at(-1);
      size *= GROWTH;
      rows = read(timeline.next, node, last.time, last.row, size);
    }
  }
  const read = (sql, ...parameters) => handle.prepare(sql, { bigInts: true }).all(...parameters);
  const timesOf = (rows) => rows.map(({ time }) => time);

  /** The rows of the page, as `{ row, time, id, isRecord }` in the order of timestamps. */
  function choose(seen, limit) {
    const { timeline } = shape();
    const page = native.choosePage(seen, limit);
    const candidates = [];
    for (const { node } of handle.all(timeline.nodes)) offerNode(page, timeline, node, candidates);
    const odd = read(timeline.odd).filter((row) => unorderable.standsIn(timeline, row));
    candidates.push(...odd);
    page.offer(timesOf(odd), false);
    const { rows, hasMore } = page.finish();
    const places = rows.map((at) => candidates[at]);
    const heads = reader.headsOf(places.map(({ row }) => row));
    const chosen = places
      .map((candidate, at) => heads[at] && { ...candidate, ...heads[at] })
      .filter((one) => one !== null);
    return { chosen, hasMore };
  }

  /**
   * Each record is what the app's `get` answers, for only the app knows how its records look. A row that is
   * no record is not asked for, but read as it stands, so that it can be held. A record whose
   * `get` works at once is read in the same view of the database in which the page was chosen; where it
   * does not, and something was written meanwhile, the page is chosen again.
   */
  async function unseen(seen, query) {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const { chosen, hasMore, answers } = handle.during("queryUnseen", () =>
        handle.atomically(null, () => {
          const page = choose(seen, query?.limit);
          return { ...page, answers: page.chosen.map(answerOf) };
        }),
      );
      const records = (await Promise.all(answers)).map(({ error, record }) => {
        if (error !== undefined) throw error.thrown;
        return record;
      });
      const found = records.map((record) => record ?? {});
      const times = chosen.map(({ time }) => time);
      const same = native.sameTimes(found, "updatedAt", times);
      if (same.every(Boolean)) return { records, hasMore };
    }
    throw fault(
      "STORE_BUSY",
      "queryUnseen",
      `the adapter's get() keeps answering other versions than ${table} holds; ` +
        "is `db` the adapter's own database?",
    );
  }

  /** What `get` answers, settled: a rejection of one must not be unhandled while another is awaited. */
  function answerOf({ id, row, isRecord }) {
    if (!isRecord) return { record: reader.asItStands(row) };
    try {
      const answer = adapter.get(id);
      if (typeof answer?.then !== "function") return { record: reader.checked(answer, row) };
      return Promise.resolve(answer).then(
        (record) => ({ record: reader.checked(record, row) }),
        (thrown) => ({ error: { thrown } }),
      );
    } catch (thrown) {
      return { error: { thrown } };
    }
  }

  /** The records that have no place in the order, and why. */
  function malformed() {
    return handle.during("queryMalformed", () => {
      const { timeline } = shape();
      return handle.atomically(null, () => unorderable.rowsOf(timeline).map(reader.reasonOf));
    });
  }

  /** The table, as its change log knows it. Records are told apart by their ids, so no id may stand there twice. */
  function logged() {
    const known = shape();
    known.isKeyed ??= handle.all(IS_KEY, table).length > 0;
    return known.isKeyed ? [{ name: table, key: ["id"], hasDeletedAt: true }] : null;
  }

  /** The records under keys, as far as they are read at once. */
  function under(keys) {
    const { timeline } = shape();
    const columns = `${timeline.row} AS row, "updated_at" AS time, ${reader.HEAD}`;
    const from = `SELECT ${columns} FROM ${quote(table)} WHERE `;
    const found = [];
    const ends = keys.map(({ test, values }) => {
      if (test !== undefined) found.push(...read(from + test, ...values));
      return found.length;
    });
    const heads = reader.headsIn(found);
    const counts = [];
    const chosen = [];
    let at = 0;
    for (const end of ends) {
      const before = chosen.length;
      for (; at < end; at += 1) {
        const { row, time } = found[at];
        if (heads[at] !== null) chosen.push({ row, time, ...heads[at] });
      }
      counts.push(chosen.length - before);
    }
    // A time that is none is said with its reason; the record is read as it stands then.
    const times = native.timesOf(chosen.map(({ time }) => time));
    const isTimed = chosen.map(
      (one, at) => times[at] !== null && unorderable.standsIn(timeline, one),
    );
    const reasons = chosen.map((one, at) => (isTimed[at] ? null : reader.reasonOf(one).reason));
    const answers = chosen.map((one, at) =>
      isTimed[at] ? answerOf(one) : { record: { id: one.id, updatedAt: null } },
    );
    return { counts, chosen, isTimed, reasons, answers };
  }

  /** The same once the app has answered; null where something else is stored by then. */
  function settled({ counts, chosen, isTimed, reasons, answers }) {
    const finish = (all) => {
      const items = all.map(({ error, record }) => {
        if (error !== undefined) throw error.thrown;
        return record ?? {};
      });
      const times = chosen.map(({ time }) => time);
      const same = native.sameTimes(items, "updatedAt", times);
      return same.every((is, at) => is || !isTimed[at]) ? { items, counts, reasons } : null;
    };
    const waits = answers.some((answer) => typeof answer.then === "function");
    return waits ? Promise.all(answers).then(finish) : finish(answers);
  }

  return { shape, watermarks, unseen, malformed, logged, under, settled, whole: reader.whole };
};
