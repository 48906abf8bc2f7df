/**
 * The answering side, in the caller's process.
 */
import { compareHlc } from "./hlc.mjs";
import { gatherUnseen } from "./unseen.mjs";

const DEFAULT_LIMIT = 1000;
const SCAN_PAGE_SIZE = 500;

/** @param {any} options */
export function createInProcessSyncTransport(options) {
  const { databaseAdapter, clock, appSyncableSource, syncSharedRecords = true } = options;

  /** @param {any} record */
  async function applyRecord(record) {
    const local = await databaseAdapter.get(record.id);
    if (local && compareHlc(local.updatedAt, record.updatedAt) >= 0) return;
    clock.receive(record.updatedAt);
    await databaseAdapter.put(record);
  }

  /** @param {any} entry */
  async function applyRow(entry) {
    if (!appSyncableSource?.namespaces.get(entry.appId)) {
      console.warn(`[sync] row for unknown app ${entry.appId} not applied`);
      return;
    }
    clock.receive(entry.timestamp);
    await appSyncableSource.applier.apply(entry);
  }

  /** @param {any} request */
  async function exchange(request) {
    const records = request.records ?? [];
    if (syncSharedRecords) for (const record of records) await applyRecord(record);
    else if (records.length > 0) console.warn(`[sync] ${records.length} shared records dropped: not this channel's`);
    for (const entry of request.appSyncableRows ?? []) await applyRow(entry);

    const unseen = await gatherUnseen({
      database: syncSharedRecords ? databaseAdapter : null,
      source: appSyncableSource,
      watermarks: request.watermarks,
      limit: request.limit ?? DEFAULT_LIMIT,
      pageSize: SCAN_PAGE_SIZE,
    });
    return { records: unseen.records, appSyncableRows: unseen.rows, hasMore: unseen.truncated };
  }

  return { exchange };
}
