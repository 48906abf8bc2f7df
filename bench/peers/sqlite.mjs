/**
 * SQLite alone: the same rows in as many commits, without a peer. It is no sync but what a sync stands on.
 */
import { join } from "node:path";
import { createSqliteDatabaseAdapter, sqliteMissing } from "../adapters/index.mjs";
import { senderRecords } from "../workloads/sides.mjs";

/** As many records as a request of this package carries at most. */
const PAGE = 1000;

export const missing = async () => sqliteMissing;

/**
 * @param {{ dir: string, variant: string }} options `variant` is the pragma `synchronous`
 * @returns {Promise<import("./index.mjs").Side>}
 */
export async function openSide({ dir, variant }) {
  const adapter = createSqliteDatabaseAdapter({ path: join(dir, "alone.db") });
  adapter.db.exec(`PRAGMA synchronous = ${variant}`);
  /** @type {any[]} */
  let waiting = [];
  const write = async () => {
    for (let at = 0; at < waiting.length; at += PAGE) adapter.fill(waiting.slice(at, at + PAGE));
    waiting = [];
  };
  return {
    prepare: async ({ records = 0 }) => void (waiting = [...senderRecords(records)]),
    serve: async () => "",
    up: write,
    down: write,
    change: async (records) => void (waiting = records),
    held: async () => adapter.fingerprint(),
    close: () => adapter.close(),
  };
}
