"use strict";

/**
 * One file that was added on two devices: where a unique index over name and hash lets one of the two records in, the
 * other is held. The app may say that one is enough. Then the record with the smaller id stays, which every side comes to
 * by itself; the other gets a tombstone, and records whose `parentId` is that one point at the one that stays.
 */
exports.createDuplicates = ({ onDuplicate, clock, database }, { pagesOf, warn }) => {
  const isLive = (record) => (record.deletedAt ?? null) === null;
  const isTwin = (record, other) =>
    record.id !== other.id &&
    isLive(record) &&
    (record.originalFilename ?? null) !== null &&
    record.originalFilename === other.originalFilename &&
    record.contentHash === other.contentHash &&
    (record.ownerId ?? null) === (other.ownerId ?? null);

  /** The records whose field has this value, page by page. An adapter may know no filters. */
  async function* recordsWith(field, value) {
    const filters = [{ field, operator: "eq", value }];
    const ask = (cursor) => database.query({ filters, limit: 500, cursor });
    for await (const records of pagesOf("localDatabaseAdapter.query", "records", ask))
      yield* records.filter((record) => record[field] === value);
  }

  async function twinOf(incoming) {
    for await (const record of recordsWith("contentHash", incoming.contentHash))
      if (isTwin(record, incoming)) return record;
    return undefined;
  }

  /** A stamp behind which the version is. */
  async function stampAfter({ updatedAt }) {
    await clock.receive(updatedAt);
    return clock.now();
  }

  async function keepOne(local, incoming) {
    const [kept, other] = local.id < incoming.id ? [local, incoming] : [incoming, local];
    const children = [];
    for await (const record of recordsWith("parentId", other.id))
      if (isLive(record)) children.push(record);
    for (const child of children)
      await database.put({ ...child, parentId: kept.id, updatedAt: await stampAfter(child) });
    const deletedAt = await stampAfter(other);
    if (other === local) return database.delete(local.id, deletedAt);
    await database.put({ ...incoming, deletedAt, updatedAt: deletedAt });
    // The peer may have refused the version that is here, and by watermarks the tombstone would wait behind it.
    await database.put({ ...local, updatedAt: await clock.now() });
  }

  /** Returns whether anything was written that is to be shipped. */
  return async function settle(held) {
    let wrote = false;
    for (const { direction, kind, item } of held) {
      if (direction !== "inbound" || kind !== "record" || item === null || !isLive(item)) continue;
      try {
        const local = await twinOf(item);
        if (local === undefined || (await onDuplicate(local, item)) !== true) continue;
        await keepOne(local, item);
        wrote = true;
      } catch (error) {
        warn("onDuplicate failed; both records stay as they are", error);
      }
    }
    return wrote;
  };
};
