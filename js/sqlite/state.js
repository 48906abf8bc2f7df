"use strict";

/**
 * `createSqliteSyncStateStore({ db })` over the app's own `node:sqlite` handle.
 *
 * The file is the app's, so it is reached through the app's SQLite library and never through ours: two libraries on
 * one file in one process corrupt it. Apps read and write the table themselves; its form is an interface.
 */

const { parse, textOf } = require("../bridge/index.js").bridge;

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
  HlcClockState: { key: "hlc_clock", missing: "null" },
};

/** The store over `db`. */
exports.stateOver = function stateOver(db, { mustBe }) {
  if (typeof db?.exec !== "function" || typeof db.prepare !== "function")
    throw mustBe("createSqliteSyncStateStore({ db })", "a DatabaseSync of node:sqlite", db, true);
  db.exec(CREATE_TABLE);
  const methods = Object.entries(VALUES).map(([name, { key, missing }]) => ({
    [`get${name}`]: async () => {
      const json = db.prepare(SELECT_VALUE).get(key)?.value_json;
      return parse(typeof json === "string" ? json : missing);
    },
    [`set${name}`]: async (value) => {
      db.prepare(UPSERT_VALUE).run(key, textOf(value) ?? "null");
    },
  }));
  return Object.assign({}, ...methods);
};
