// What every store of records that finds its delta itself must do, said as a model.
import assert from "node:assert/strict";
import { at, compare, watermarksOf } from "./hlc.mjs";
import { record } from "./memory.mjs";

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

/** @type {Record<string, (db: any) => Promise<void>>} */
export const DELTA = {
  async "applies what is new, and says of each record what became of it"(db) {
    const page = [record("1", at(2, "a")), record("2", at(3, "b")), record("1", at(1, "c"))];
    assert.deepEqual(
      (await db.applyRecords(page)).map(({ status }) => status),
      ["applied", "applied", "stale"],
    );
    assert.deepEqual((await db.get("1")).updatedAt, at(2, "a"));
    assert.deepEqual(await db.applyRecords([]), []);
  },

  async "compares counters as numbers, also past their four digits"(db) {
    await db.applyRecords([record("1", at(1, "a", 65_535))]);
    const [later] = await db.applyRecords([record("1", at(1, "a", 65_536))]);
    const [earlier] = await db.applyRecords([record("1", at(1, "a", 9))]);
    assert.deepEqual([later.status, earlier.status], ["applied", "stale"]);
    assert.deepEqual(await db.getNodeWatermarks(), { a: at(1, "a", 65_536) });
    const { records } = await db.queryUnseen({ a: at(1, "a", 65_535) }, { limit: 5 });
    assert.deepEqual(
      records.map(({ id }) => id),
      ["1"],
    );
  },

  async "a record that cannot be stored fails alone"(db) {
    const results = await db.applyRecords([
      record("1", at(1, "a")),
      { ...record("2", at(2, "a")), createdAt: "yesterday" },
      null,
      record("3", at(3, "a")),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ["applied", "failed", "failed", "applied"],
    );
    assert.equal(results[1].error.code, "INVALID_ARGUMENT");
    assert.equal(await db.get("2"), null);
  },

  async "with strict order nothing passes a failure of its node"(db) {
    const page = [{ ...record("1", at(1, "a")), createdAt: 0 }, record("2", at(2, "a"))];
    const results = await db.applyRecords([...page, record("3", at(3, "b"))], {
      strictOrder: true,
    });
    assert.deepEqual(
      results.map(({ status }) => status),
      ["failed", "behind", "applied"],
    );
    assert.equal(await db.get("2"), null);
  },

  async "never parts equal timestamps, and says exactly whether there is more"(db) {
    await db.applyRecords(["1", "2", "3"].map((id) => record(id, at(1, "a"))));
    await db.applyRecords([record("0", at(0, "a"))]);
    const one = await db.queryUnseen({}, { limit: 2 });
    assert.deepEqual([one.records.length, one.hasMore], [1, true]);
    const rest = await db.queryUnseen({ a: at(0, "a") }, { limit: 1 });
    assert.deepEqual([rest.records.length, rest.hasMore], [3, false]);
    assert.deepEqual(await db.queryUnseen({ a: at(1, "a") }, { limit: 1 }), {
      records: [],
      hasMore: false,
    });
  },

  async "keeps tombstones, and nodes of any name"(db) {
    const nodes = ["__proto__", "", "a:b:c", "🪐", "'; --"];
    const page = nodes.map((node, i) => record(node + i, at(i, node), { deletedAt: at(i, node) }));
    await db.applyRecords(page);
    assert.deepEqual(await db.getNodeWatermarks(), watermarksOf(page.map((one) => one.updatedAt)));
    assert.equal((await drainUnseen(db, 2)).length, nodes.length);
  },

  async "refuses a limit or watermarks that are none"(db) {
    await assert.rejects(db.queryUnseen({}, { limit: 0 }), { code: "INVALID_ARGUMENT" });
    await assert.rejects(db.queryUnseen({ a: 5 }, { limit: 1 }), { code: "INVALID_ARGUMENT" });
  },
};
