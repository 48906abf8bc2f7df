"use strict";

/**
 * `createSqliteSyncStateStore({ db })` over the app's own `node:sqlite` handle.
 *
 * The file is the app's, so it is reached through the app's SQLite library and never through ours: two libraries on
 * one file in one process corrupt it. Apps read and write the table themselves; its form is an interface.
 */

const { parse, textOf } = require("../bridge/index.js").bridge;
const { hasStill } = require("./log.js");

const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS sync_state (
  key TEXT PRIMARY KEY,
  value_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now'))
)`;
const SELECT_VALUE = "SELECT value_json FROM sync_state WHERE key = ?1";
const UPSERT_VALUE = `INSERT INTO sync_state (key, value_json) VALUES (?1, ?2)
  ON CONFLICT (key) DO UPDATE SET value_json = excluded.value_json, updated_at = strftime('%s','now')`;

/** The key of each value, and what it reads as where it is missing. */
const VALUES = {
  Watermarks: { key: "watermarks", missing: "{}" },
  PeerWatermarks: { key: "peer_watermarks", missing: "{}" },
  LogPositions: { key: "log_positions", missing: "null" },
  HlcClockState: { key: "hlc_clock", missing: "null" },
};

const readers = new WeakMap();

/** The store over `db`. */
exports.stateOver = function stateOver(db, { mustBe }) {
  if (typeof db?.exec !== "function" || typeof db.prepare !== "function")
    throw mustBe("createSqliteSyncStateStore({ db })", "a DatabaseSync of node:sqlite", db, true);
  db.exec(CREATE_TABLE);
  const read = ({ key, missing }) => {
    const json = db.prepare(SELECT_VALUE).get(key)?.value_json;
    return parse(typeof json === "string" ? json : missing);
  };
  const methods = Object.entries(VALUES).map(([name, value]) => ({
    [`get${name}`]: async () => read(value),
    [`set${name}`]: async (given) => {
      db.prepare(UPSERT_VALUE).run(value.key, textOf(given) ?? "null");
    },
  }));
  const store = Object.assign({}, ...methods);
  const functions = { ...store };
  readers.set(store, (name) => (hasStill(store, functions) ? () => read(VALUES[name]) : undefined));
  return store;
};

/** What reads a value of such a store at once, while its functions are the ones it was given. */
exports.readerAtOnce = (store, name) => readers.get(store)?.(name);
