import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { ZERO, at } from "./support/hlc.mjs";
import { faulty, memoryObjects, record, throwing } from "./support/index.mjs";

test("advanceWatermark stores the very timestamp object under its node", () => {
  const watermarks = {};
  const first = at(1, "a");
  assert.equal(sync.advanceWatermark(watermarks, first), undefined);
  assert.equal(watermarks.a, first);
});

test("advanceWatermark moves forward only, and changes no other node", () => {
  const other = at(9, "b");
  const watermarks = { a: at(5, "a", 2), b: other };
  sync.advanceWatermark(watermarks, at(5, "a", 1));
  assert.deepEqual(watermarks.a, at(5, "a", 2));
  const equal = at(5, "a", 2);
  const before = watermarks.a;
  sync.advanceWatermark(watermarks, equal);
  assert.equal(watermarks.a, before, "an equal timestamp leaves the object that stood there");
  const later = at(5, "a", 3);
  sync.advanceWatermark(watermarks, later);
  assert.equal(watermarks.a, later);
  assert.equal(watermarks.b, other);
});

test("advanceWatermark keeps the fields of the object that it was given", () => {
  const odd = { ...at(1, "a"), note: "kept" };
  const watermarks = {};
  sync.advanceWatermark(watermarks, odd);
  assert.equal(watermarks.a.note, "kept");
});

/** The two, each with items whose timestamp is in its place. */
const COMPUTING = {
  computeRecordWatermarks: (hlc) => ({ id: "1", updatedAt: hlc }),
  computeAppSyncableWatermarks: (hlc) => ({ appId: "photos", timestamp: hlc }),
};

for (const [name, itemOf] of Object.entries(COMPUTING)) {
  const compute = sync[name];

  test(`${name} keeps the greatest timestamp of each node, as the very object`, () => {
    const greatest = { a: at(5, "a", 2), b: at(4, "b") };
    const stamps = [at(5, "a", 1), greatest.a, at(3, "a", 9), greatest.b, at(5, "a", 2)];
    const watermarks = compute(stamps.map(itemOf));
    assert.deepEqual(Object.keys(watermarks).sort(), ["a", "b"]);
    assert.equal(watermarks.a, greatest.a);
    assert.equal(watermarks.b, greatest.b);
  });

  test(`${name} takes whatever can be iterated`, () => {
    const items = [at(1, "a"), at(2, "a"), at(1, "b")].map(itemOf);
    const expected = { a: at(2, "a"), b: at(1, "b") };
    const generated = (function* () {
      yield* items;
    })();
    const map = new Map(items.map((item, index) => [index, item]));
    for (const iterable of [items, new Set(items), generated, map.values()]) {
      assert.deepEqual(compute(iterable), expected);
    }
    assert.deepEqual(compute([]), {});
    assert.deepEqual(compute(new Set()), {});
  });

  test(`${name} takes nodes of any name`, () => {
    const nodes = ["__proto__", "constructor", "toString", ""];
    const watermarks = compute(nodes.map((node) => itemOf(at(1, node))));
    assert.deepEqual(Object.keys(watermarks).sort(), [...nodes].sort());
    for (const node of nodes)
      assert.deepEqual(Object.entries(watermarks).find(([n]) => n === node)[1], at(1, node));
    assert.equal(Object.getPrototypeOf(watermarks), Object.prototype);
  });

  test(`${name} refuses what is no iterable, and items without a timestamp`, () => {
    const refused = (message) => ({ code: "INVALID_ARGUMENT", message });
    for (const items of [undefined, null, 7, {}, Promise.resolve([])]) {
      assert.throws(() => compute(items), refused(/must be an iterable of .*, got /));
    }
    assert.throws(
      () => compute([itemOf(at(1, "a")), itemOf({ wallTime: -1, counter: 0, nodeId: "a" })]),
      refused(/\[1\]\.(updatedAt|timestamp)\): must be a timestamp .*, got an object/),
    );
    assert.throws(() => compute([null]), refused(/\[0\]\): must be an object, got null/));
  });
}

test("mergeWatermarks takes the greater entry of each node and changes neither map", () => {
  const left = Object.freeze({ a: at(1, "a"), b: at(5, "b") });
  const right = Object.freeze({ b: at(4, "b", 9), c: at(7, "c") });
  const merged = sync.mergeWatermarks(left, right);
  assert.deepEqual(merged, { a: at(1, "a"), b: at(5, "b"), c: at(7, "c") });
  assert.notEqual(merged, left);
  assert.notEqual(merged, right);
});

test("mergeWatermarks of a map with nothing is a new map of the same entries", () => {
  const only = { a: at(1, "a") };
  const merged = sync.mergeWatermarks(only, {});
  assert.deepEqual(merged, only);
  assert.notEqual(merged, only);
});

test("watermarkFor answers the entry, or the zero timestamp", () => {
  const mine = at(3, "a");
  assert.equal(sync.watermarkFor({ a: mine }, "a"), mine);
  assert.deepEqual(sync.watermarkFor({}, "a"), ZERO);
});

for (const nodeId of [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  "x".repeat(5000),
  "\uD800",
  "🪐",
]) {
  const name = nodeId.length > 20 ? "a very long name" : JSON.stringify(nodeId);

  test(`the watermark helpers treat the node ${name} as any other`, () => {
    assert.deepEqual(sync.watermarkFor({}, nodeId), ZERO);
    const watermarks = {};
    const stamp = at(2, nodeId);
    sync.advanceWatermark(watermarks, stamp);
    assert.deepEqual(Object.keys(watermarks), [nodeId]);
    assert.equal(Object.getPrototypeOf(watermarks), Object.prototype);
    assert.equal(sync.watermarkFor(watermarks, nodeId), stamp);
    const merged = sync.mergeWatermarks({}, watermarks);
    assert.deepEqual(Object.keys(merged), [nodeId]);
    assert.deepEqual(sync.watermarkFor(merged, nodeId), stamp);
    const newer = record("1", at(3, nodeId));
    assert.deepEqual(sync.selectUnseen([record("0", stamp), newer], watermarks), [newer]);
    assert.deepEqual(sync.selectUnseen([newer], {}), [newer]);
  });
}

test("selectUnseen answers the same objects, in the order in which they came", () => {
  const records = [
    record("3", at(3, "a")),
    record("1", at(1, "a")),
    record("9", at(1, "b")),
    record("2", at(2, "a")),
  ];
  const unseen = sync.selectUnseen(records, { a: at(1, "a") });
  assert.equal(unseen.length, 3);
  assert.equal(unseen[0], records[0]);
  assert.equal(unseen[1], records[2]);
  assert.equal(unseen[2], records[3]);
});

test("selectUnseen takes anything that has an updatedAt", () => {
  const seen = { updatedAt: at(1, "a") };
  const unseen = { updatedAt: at(1, "a", 1) };
  assert.deepEqual(sync.selectUnseen([seen, unseen], { a: at(1, "a") }), [unseen]);
});

const row = (fields = {}) => ({
  id: "1",
  object_storage_key: "k",
  content_hash: "sha256:k",
  mime_type: "text/plain",
  size_bytes: 1,
  original_filename: null,
  origin_app_id: "photos",
  created_at: "",
  updated_at: "",
  deleted_at: null,
  ...fields,
});

test("residencyOf says absent where there is no row", async () => {
  assert.equal(await sync.residencyOf(null, memoryObjects()), "absent");
});

test("residencyOf tells staged from resident by the blob", async () => {
  const objects = memoryObjects();
  assert.equal(await sync.residencyOf(row(), objects), "staged");
  await objects.put("k", new Uint8Array(1));
  assert.equal(await sync.residencyOf(row(), objects), "resident");
});

test("residencyOf says tombstoned without asking the storage", async () => {
  const objects = faulty(memoryObjects());
  assert.equal(await sync.residencyOf(row({ deleted_at: "x" }), objects), "tombstoned");
  assert.equal(objects.calls.has, 0);
});

test("residencyOf takes a storage that answers with values, and lets its error through", async () => {
  assert.equal(await sync.residencyOf(row(), memoryObjects({ plain: true })), "staged");
  const error = new Error("storage is down");
  const broken = faulty(memoryObjects(), { has: throwing(error) });
  await assert.rejects(
    async () => sync.residencyOf(row(), broken),
    (thrown) => thrown === error,
  );
});
