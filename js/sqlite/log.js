"use strict";

/**
 * The change log of a database that the app opened: the way to its handle for the statements of the native side
 * (`src/node/adapters/handle.rs`), which decides all that is about logs. Here are the transactions, and the
 * readers and writers of the tables.
 */

const OPERATION = "read the change log";
const SAVEPOINT = "starkeep_log_of_app";
/** So long, in milliseconds, is waited for another writer where the app's own handle would not wait. */
const LONGEST_WAIT = 5000;
const BUSY = 5;

/** The logs by the object that was wrapped: `{ log, stands(beside) }`. */
const logs = new WeakMap();

/** The log of an adapter, or of an applier with its namespaces, while its functions are the ones it was given. */
exports.logOf = function logOf(adapter, beside) {
  const known = logs.get(adapter);
  return known?.stands(beside) ? known.log : undefined;
};

/** Whether `object` has these very functions. */
exports.hasStill = (object, functions) =>
  Object.entries(functions).every(([name, made]) => object[name] === made);

/**
 * Makes the log of `adapter`. `tables()` names what is noted, or answers null where there can be no log; `items(keys)`
 * reads what lies under keys, and `settled(found)` waits for what the app's own functions answer to that; `take(page,
 * keys)` takes a page in at once, or answers null where `put(page)` has to.
 */
exports.createLog = function createLog(
  { handle, native },
  { isOfRows, adapter, stands, ...ports },
) {
  const { db } = handle;

  /** Begins a transaction, or a savepoint where the app has a transaction open. Whether it is a transaction. */
  function begin(write) {
    const isOpen = db.isTransaction;
    if (isOpen !== true) {
      try {
        waiting(() => db.exec(write ? "BEGIN IMMEDIATE" : "BEGIN"));
        return true;
      } catch (thrown) {
        // Older versions of Node cannot tell before.
        if (isOpen === false || !/within a transaction/.test(thrown?.message)) throw thrown;
      }
    }
    db.exec(`SAVEPOINT ${SAVEPOINT}`);
    return false;
  }

  function waiting(work) {
    try {
      return work();
    } catch (thrown) {
      if (thrown?.errcode !== BUSY) throw thrown;
    }
    const { timeout } = handle.prepare("PRAGMA busy_timeout").get();
    db.exec(`PRAGMA busy_timeout = ${Math.max(timeout, LONGEST_WAIT)}`);
    try {
      return work();
    } finally {
      db.exec(`PRAGMA busy_timeout = ${timeout}`);
    }
  }

  function end(isOwn, isDone) {
    if (!isDone) return undo(isOwn);
    try {
      if (isOwn) waiting(() => db.exec("COMMIT"));
      else db.exec(`RELEASE ${SAVEPOINT}`);
    } catch (thrown) {
      undo(isOwn);
      throw thrown;
    }
  }

  function undo(isOwn) {
    try {
      db.exec(isOwn ? "ROLLBACK" : `ROLLBACK TO ${SAVEPOINT}; RELEASE ${SAVEPOINT}`);
    } catch {
      // SQLite has ended the whole transaction itself, as it does when the disk is full.
    }
  }

  /** As SQLite is to see them: a number of JavaScript would be a real one, also where it is whole. */
  const bound = (values) => values.map((one) => (typeof one === "number" ? BigInt(one) : one));

  /** A statement without parameters is one that is not asked for again and again. */
  function run(sql, values) {
    if (values.length > 0) return Number(handle.prepare(sql).run(...bound(values)).changes);
    db.exec(sql);
    return 0;
  }

  const rows = (sql, values) => handle.arrays(sql, bound(values));
  const explained =
    (work) =>
    (...args) =>
      handle.during(OPERATION, () => work(...args));

  /** What is data alone crosses to the native side as JSON. */
  const data = { begin, end, run, rows, tables: ports.tables };

  const log = native.brandLog(
    {
      ask: explained((name, args) => JSON.stringify(data[name](...JSON.parse(args)) ?? null)),
      items: explained((wanted) => ports.items(JSON.parse(wanted))),
      settled: ports.settled,
      take: explained(ports.take),
      putAll: ports.put ?? null,
    },
    isOfRows,
  );
  logs.set(adapter, { log, stands });
};
