"use strict";

/**
 * Where two sides wrote one item without knowing of each other: tells listeners of both versions, and has the app merge
 * them, if it does. The last writer wins, as ever, and what the app merges is written on top of that.
 */
exports.createConflicts = ({ notifier, onConflict, clock, alone }, { fault, warn }) => {
  /** Writes what the app made of both versions, stamped anew, unless a newer one was written meanwhile. */
  async function merge({ local, incoming, winner }) {
    const merged = await onConflict(local, incoming);
    if (merged === undefined || merged === null) return false;
    const { id } = incoming;
    if (typeof merged !== "object" || merged.id !== id)
      throw fault(
        "INVALID_ARGUMENT",
        "onConflict",
        `must answer a record with the id of the two versions, ${JSON.stringify(id)}, or nothing`,
      );
    const stands = winner === "incoming" ? incoming : local;
    return alone(async (database) => {
      const now = await database.get(id);
      if (!isStampOf(now?.updatedAt, stands.updatedAt)) return false;
      await database.put({ ...merged, updatedAt: await clock.now() });
      return true;
    });
  }

  /** Returns whether something was written that is to be shipped. */
  return async function settle(conflicts) {
    let wrote = false;
    for (const conflict of conflicts) {
      notifier.emit({ eventType: "conflict", ...conflict });
      if (conflict.kind !== "record" || typeof onConflict !== "function") continue;
      try {
        if (await merge(conflict)) wrote = true;
      } catch (error) {
        warn("onConflict failed; the later version stands", error);
      }
    }
    return wrote;
  };
};

function isStampOf(a, b) {
  return a?.wallTime === b?.wallTime && a?.counter === b?.counter && a?.nodeId === b?.nodeId;
}
exports.isStampOf = isStampOf;
