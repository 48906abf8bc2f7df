// What one side lacks of another, said as a model, and timestamps to try it with.
import assert from "node:assert/strict";
import fc from "fast-check";
import { at, compare } from "./hlc.mjs";

/** Timestamps of few moments, and of nodes whose names are read wrongly most easily. */
export const anyStamp = (counters) =>
  fc
    .tuple(
      fc.nat(6),
      fc.constantFrom("a", "b:c", "🪐", "\uff5e", "__proto__", ""),
      fc.constantFrom(...counters),
    )
    .map(([offset, nodeId, counter]) => at(offset, nodeId, counter));

/** The timestamps that one who has seen `watermarks` lacks, in order. */
export const unseenOf = (stamps, watermarks) =>
  stamps
    .filter((stamp) => {
      const seen = Object.hasOwn(watermarks, stamp.nodeId) ? watermarks[stamp.nodeId] : null;
      return seen === null || compare(stamp, seen) > 0;
    })
    .sort(compare);

/** All that is unseen, page by page; fails where a page is not the beginning of the rest. */
export async function drainUnseen(db, limit) {
  const seen = new Map();
  const found = [];
  for (let page = 0; page < 200; page += 1) {
    const { records, hasMore } = await db.queryUnseen(Object.fromEntries(seen), { limit });
    const stamps = records.map((one) => one.updatedAt);
    assert.deepEqual(stamps, [...stamps].sort(compare), "a page is in the order of timestamps");
    for (const one of records) {
      assert.deepEqual(one, await db.get(one.id), "a record is what get answers");
      seen.set(one.updatedAt.nodeId, one.updatedAt);
    }
    found.push(...records);
    if (!hasMore) return found;
    assert.ok(records.length > 0, "a page with more behind it is not empty");
  }
  return assert.fail("the pages do not end");
}
