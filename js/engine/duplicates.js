"use strict";

const { isStampOf } = require("./conflicts.js");

/**
 * Why a record is held that the database refused: `CONSTRAINT_VIOLATION` of the stores that this package knows, and
 * `APP_ERROR` of all others. What is held for another reason is not here because of a twin.
 */
const REFUSED = new Set(["CONSTRAINT_VIOLATION", "APP_ERROR"]);

const isLive = (record) => (record.deletedAt ?? null) === null;
const isTwin = (record, other) =>
  record.id !== other.id &&
  isLive(record) &&
  (record.originalFilename ?? null) !== null &&
  record.originalFilename === other.originalFilename &&
  record.contentHash === other.contentHash &&
  (record.ownerId ?? null) === (other.ownerId ?? null);

/**
 * One file that was added on two devices: where a unique index over name and hash lets one of the two records in, the
 * other is held. The app may say that one is enough. Then the record with the smaller id stays, which every side comes to
 * by itself; the other gets a tombstone, and records whose `parentId` is that one point at the one that stays.
 *
 * `storages` are those of both sides: a record whose object is in neither does not take the place of one that has it.
 */
exports.createDuplicates = (
  { onDuplicate, clock, database, alone, storages },
  { pagesOf, warn },
) => {
  /** The records whose field has this value, page by page. An adapter may know no filters. */
  async function* recordsWith(database, field, value) {
    const filters = [{ field, operator: "eq", value }];
    const ask = (cursor) => database.query({ filters, limit: 500, cursor });
    for await (const records of pagesOf("localDatabaseAdapter.query", "records", ask))
      yield* records.filter((record) => record[field] === value);
  }

  async function twinOf(incoming) {
    for await (const record of recordsWith(database, "contentHash", incoming.contentHash))
      if (isTwin(record, incoming)) return record;
    return undefined;
  }

  async function hasObject({ objectStorageKey: key }) {
    if ((key ?? "") === "") return true;
    for (const storage of storages) if (await storage.has(key)) return true;
    return false;
  }

  /** A stamp behind which the version is. */
  async function stampAfter({ updatedAt }) {
    await clock.receive(updatedAt);
    return clock.now();
  }

  const inOrder = (local, incoming) =>
    local.id < incoming.id ? [local, incoming] : [incoming, local];

  /** What the app wrote while it was asked is what counts: a record that is no twin any more stays. */
  async function keepOne(database, id, incoming) {
    const local = await database.get(id);
    if ((local ?? null) === null || !isTwin(local, incoming)) return false;
    const [kept, other] = inOrder(local, incoming);
    const children = [];
    for await (const record of recordsWith(database, "parentId", other.id))
      if (isLive(record)) children.push(record);
    for (const child of children)
      await database.put({ ...child, parentId: kept.id, updatedAt: await stampAfter(child) });
    const deletedAt = await stampAfter(other);
    if (other === local) {
      await database.delete(local.id, deletedAt);
      return true;
    }
    await database.put({ ...incoming, deletedAt, updatedAt: deletedAt });
    // The peer may have refused the version that is here, and by watermarks the tombstone would wait behind it.
    await database.put({ ...local, updatedAt: await clock.now() });
    return true;
  }

  /** One that is here waits for its object alone: an app's own storage may have failed, as its database may. */
  async function isHere({ id, updatedAt }) {
    const stored = await database.get(id);
    return isStampOf(stored?.updatedAt, updatedAt);
  }

  /** Returns whether one of two was kept. */
  async function settleOne(incoming) {
    if (await isHere(incoming)) return false;
    const local = await twinOf(incoming);
    if (local === undefined) return false;
    const [kept] = inOrder(local, incoming);
    if (!(await hasObject(kept)) || (await onDuplicate(local, incoming)) !== true) return false;
    return alone((database) => keepOne(database, local.id, incoming));
  }

  /** Returns whether anything was written that is to be shipped. */
  return async function settle(held) {
    let wrote = false;
    for (const { direction, kind, code, item } of held) {
      if (direction !== "inbound" || kind !== "record" || item === null || !isLive(item)) continue;
      if (!REFUSED.has(code)) continue;
      try {
        if (await settleOne(item)) wrote = true;
      } catch (error) {
        warn("onDuplicate failed; both records stay as they are", error);
      }
    }
    return wrote;
  };
};
