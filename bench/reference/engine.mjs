/**
 * The caller's side of a round.
 *
 * @typedef {import("./items.mjs").Item} Item
 * @typedef {import("./watermarks.mjs").Watermarks} Watermarks
 */
import { createFileSyncEngine } from "./files.mjs";
import { compareHlc } from "./hlc.mjs";
import { linesByNode } from "./items.mjs";
import { createChangeNotifier } from "./notifier.mjs";
import { gatherUnseen } from "./unseen.mjs";
import { advanceWatermark } from "./watermarks.mjs";

/** @param {any} options */
export function createSyncEngine(options) {
  const { transport, syncState, syncSharedRecords = true, pageLimit = 1000, scanPageSize = 500 } = options;
  const round = { ...options, syncSharedRecords, files: createFileSyncEngine() };
  const changeNotifier = createChangeNotifier();

  async function exchange() {
    const own = { ...(await syncState?.getWatermarks()) };
    const peer = { ...(await syncState?.getPeerWatermarks()) };

    const outbound = await gatherUnseen({
      database: syncSharedRecords ? options.localDatabaseAdapter : null,
      source: options.appSyncableSource,
      watermarks: peer,
      limit: pageLimit,
      pageSize: scanPageSize,
    });
    const shipped = await pushBlobs(round, linesByNode(outbound.records, outbound.rows));
    const answer = await transport.exchange(requestFor(own, shipped, pageLimit));
    const inbound = linesByNode(acceptedRecords(round, answer), answer.appSyncableRows);
    const taken = await takeIn(round, inbound, own);

    for (const item of shipped) advanceWatermark(peer, item.hlc);
    for (const line of inbound) for (const item of line) advanceWatermark(peer, item.hlc);
    await syncState?.setWatermarks(own);
    await syncState?.setPeerWatermarks(peer);

    if (taken.newIds.length > 0) {
      const timestamp = options.clock.now();
      changeNotifier.emit({ eventType: "local-data-synced", recordIds: taken.newIds, timestamp });
    }
    return { applied: taken.applied, shipped: shipped.length, hasMore: answer.hasMore };
  }

  return { exchange, changeNotifier };
}

/**
 * @param {Watermarks} own
 * @param {Item[]} shipped
 * @param {number} limit
 */
function requestFor(own, shipped, limit) {
  const records = shipped.flatMap((item) => (item.record ? [item.record] : []));
  const rows = shipped.flatMap((item) => (item.entry ? [item.entry] : []));
  return {
    watermarks: { ...own },
    records: records.length > 0 ? records : undefined,
    appSyncableRows: rows.length > 0 ? rows : undefined,
    limit,
  };
}

/**
 * Ships a node's items up to the first whose blob cannot be brought to the peer.
 *
 * @param {any} round
 * @param {Item[][]} lines
 */
async function pushBlobs(round, lines) {
  const shipped = [];
  for (const line of lines) {
    for (const item of line) {
      if (!(await bringBlob(round, item, round.localObjectStorage, round.remoteObjectStorage))) break;
      shipped.push(item);
    }
  }
  return shipped;
}

/**
 * @param {any} round
 * @param {any} answer
 */
function acceptedRecords(round, answer) {
  if (round.syncSharedRecords || answer.records.length === 0) return answer.records;
  console.warn(`[sync] ${answer.records.length} shared records dropped: not this channel's`);
  return [];
}

/**
 * Applies what came in. A node's own watermark rises over its unbroken run from the start; what
 * stands after a gap is applied, and offered again.
 *
 * @param {any} round
 * @param {Item[][]} lines
 * @param {Watermarks} own raised in place
 */
async function takeIn(round, lines, own) {
  const taken = { applied: 0, newIds: /** @type {string[]} */ ([]) };
  for (const line of lines) {
    let unbroken = true;
    for (const item of line) {
      const whole = item.record ? await takeInRecord(round, item, taken) : await takeInRow(round, item);
      unbroken &&= whole;
      if (unbroken) advanceWatermark(own, item.hlc);
    }
  }
  return taken;
}

/**
 * @param {any} round
 * @param {Item} item
 * @param {{ applied: number, newIds: string[] }} taken
 */
async function takeInRecord(round, item, taken) {
  const { record } = item;
  const local = await round.localDatabaseAdapter.get(record.id);
  const isNew = !local || compareHlc(local.updatedAt, record.updatedAt) < 0;
  if (isNew) {
    round.clock.receive(record.updatedAt);
    await round.localDatabaseAdapter.put(record);
    taken.newIds.push(record.id);
  }
  const whole = await bringBlob(round, item, round.remoteObjectStorage, round.localObjectStorage);
  if (isNew && whole) taken.applied += 1;
  return whole;
}

/**
 * @param {any} round
 * @param {Item} item
 */
async function takeInRow(round, item) {
  if (!round.appSyncableSource) return false;
  try {
    round.clock.receive(item.hlc);
    await round.appSyncableSource.applier.apply(item.entry);
  } catch (error) {
    console.warn(`[sync] row of ${item.entry.appId}/${item.entry.table} not applied`, error);
    return false;
  }
  return bringBlob(round, item, round.remoteObjectStorage, round.localObjectStorage);
}

/**
 * @param {any} round
 * @param {Item} item
 * @param {any} source
 * @param {any} destination
 * @returns {Promise<boolean>} whether the item needs no blob, or its blob is at the destination
 */
async function bringBlob(round, item, source, destination) {
  if (!item.blob) return true;
  try {
    return await round.files.transferFile(item.blob, source, destination);
  } catch (error) {
    console.warn(`[sync] blob ${item.blob.objectStorageKey} not transferred`, error);
    return false;
  }
}
