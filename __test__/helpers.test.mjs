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
