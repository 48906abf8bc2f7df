"use strict";

/** The app's `DatabaseSync`: statements, savepoints, and errors in this package's terms. */

const { quote } = require("./values.js");

const SAVEPOINT = "starkeep_delta";

exports.createHandle = function createHandle(db, native, fault) {
  const statements = new Map();
  const ofArrays = new Map();

  /** What `node:sqlite` threw, about a row where one is named, as `{ error, ofOneRow }`; anything else stays. */
  function explain(operation, thrown, row) {
    if (thrown?.code === "ERR_SQLITE_ERROR") {
      return native.sqliteFault(operation, thrown.errcode, thrown.message, thrown, row);
    }
    if (thrown?.code === "ERR_INVALID_STATE") {
      const what = "the database is closed; open it before a round begins";
      return { error: fault("STORE_CLOSED", operation, what, thrown), ofOneRow: false };
    }
    return { error: thrown, ofOneRow: false };
  }

  /** Runs `work` and explains what it throws. */
  function during(operation, work) {
    try {
      return work();
    } catch (thrown) {
      throw explain(operation, thrown).error;
    }
  }

  /** A statement that is kept. It reads integers as BigInts where it is told to, whatever the handle does. */
  function prepare(sql, { bigInts = false } = {}) {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sql);
      statement.setReadBigInts(bigInts);
      statement.setReturnArrays?.(false);
      statements.set(sql, statement);
    }
    return statement;
  }

  /** The rows that a statement finds, each as an array; older versions of Node make objects first. */
  function arrays(sql, values) {
    let statement = ofArrays.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sql);
      statement.setReadBigInts(false);
      statement.setReturnArrays?.(true);
      ofArrays.set(sql, statement);
    }
    const rows = statement.all(...values);
    return statement.setReturnArrays === undefined ? rows.map(Object.values) : rows;
  }

  /**
   * Runs `work`, which must not wait for anything, all or nothing and in one view of the database: in a
   * transaction of its own, or, where the app has one open, within that, which is left open. `writesTo`
   * names a table: other writers are kept out from the beginning then.
   */
  function atomically(writesTo, work) {
    db.exec(`SAVEPOINT ${SAVEPOINT}`);
    try {
      // A transaction that begins by reading could not become a writing one where another process has
      // written meanwhile.
      if (writesTo !== null) claim(writesTo);
      const result = work();
      db.exec(`RELEASE ${SAVEPOINT}`);
      return result;
    } catch (thrown) {
      undo();
      throw thrown;
    }
  }

  function claim(table) {
    prepare(`UPDATE ${quote(table)} SET "updated_at" = "updated_at" WHERE 0`).run();
  }

  function undo() {
    try {
      db.exec(`ROLLBACK TO ${SAVEPOINT}; RELEASE ${SAVEPOINT}`);
    } catch {
      // SQLite has ended the whole transaction itself, as it does when the disk is full.
    }
  }

  return {
    db,
    explain,
    during,
    prepare,
    arrays,
    atomically,
    all: (sql, ...parameters) => prepare(sql).all(...parameters),
    /** Changes with every change of the schema. */
    schemaVersion: () => prepare("PRAGMA schema_version").get().schema_version,
    /** Whether SQLite has ended the transaction that we are in; older versions of Node cannot tell. */
    hasLostTransaction: () => db.isTransaction === false,
  };
};
