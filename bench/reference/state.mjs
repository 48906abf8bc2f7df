/**
 * The state store over the app's own `node:sqlite` handle: one table of keys and JSON values, which
 * apps read and write as well.
 *
 * @param {{ db: import("node:sqlite").DatabaseSync }} options
 */
export function createSqliteSyncStateStore({ db }) {
  db.exec(`CREATE TABLE IF NOT EXISTS sync_state (
    key TEXT PRIMARY KEY,
    value_json TEXT NOT NULL,
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now'))
  )`);

  /** @param {string} key */
  const read = (key) => {
    const row = db.prepare("SELECT value_json FROM sync_state WHERE key = ?").get(key);
    return row ? JSON.parse(String(row.value_json)) : null;
  };
  /**
   * @param {string} key
   * @param {unknown} value
   */
  const write = (key, value) => {
    db.prepare(
      `INSERT INTO sync_state (key, value_json, updated_at) VALUES (?, ?, strftime('%s','now'))
       ON CONFLICT (key) DO UPDATE SET value_json = excluded.value_json, updated_at = excluded.updated_at`,
    ).run(key, JSON.stringify(value));
  };

  return {
    getWatermarks: async () => read("watermarks") ?? {},
    /** @param {object} watermarks */
    setWatermarks: async (watermarks) => write("watermarks", watermarks),
    getPeerWatermarks: async () => read("peer_watermarks") ?? {},
    /** @param {object} watermarks */
    setPeerWatermarks: async (watermarks) => write("peer_watermarks", watermarks),
    getHlcClockState: async () => read("hlc_clock"),
    /** @param {object} state */
    setHlcClockState: async (state) => write("hlc_clock", state),
  };
}
