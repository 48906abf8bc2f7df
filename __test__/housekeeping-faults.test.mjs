// Housekeeping where an adapter fails, or where something is put together wrongly.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { faulty, memoryDatabase, throwingFor } from "./support/index.mjs";
import { NOW, fileRows, find, shelf } from "./support/keeping.mjs";

test("an object that cannot be removed, looked at or copied is told, and stops nothing", async () => {
  const { storage, records } = await shelf(["x", "a", "b", "c", "d"]);
  const told = new sync.StarkeepError("the disk is gone", "IO_ERROR");
  const broken = faulty(storage, {
    delete: throwingFor(new Error("locked"), (key) => key === "a"),
    stat: throwingFor(told, (key) => key === "b"),
  });
  const onFound = ({ key }) => {
    if (key === "c") throw Object.create(null);
  };
  const result = await find({ storage: broken, records, remove: true, onFound });
  assert.deepEqual(storage.keys(), ["x", "a", "b", "c"]);
  assert.deepEqual(
    result.failed.toSorted((one, other) => (one.key < other.key ? -1 : 1)),
    [
      { key: "a", code: "APP_ERROR", reason: "locked" },
      { key: "b", code: "IO_ERROR", reason: "the disk is gone" },
      { key: "c", code: "APP_ERROR", reason: "an object" },
    ],
  );
  const { removed, found, kept, ageUnknown, referenced, checked } = result;
  assert.deepEqual([removed, found, kept, ageUnknown, referenced, checked], [1, 2, 1, 1, 1, 5]);
});

test("an object whose stat fails stays, however long it was seen", async () => {
  const { storage, records } = await shelf(["x", "a"]);
  const broken = faulty(storage, { stat: throwingFor(new Error("down"), () => true) });
  const seen = { version: 1, keys: [["a", 0]] };
  const result = await find({ storage: broken, records, seen, remove: true });
  assert.deepEqual([result.removed, result.seen, storage.keys()], [0, seen, ["x", "a"]]);
});

test("an object that is gone before it is looked at is not counted", async () => {
  const { storage, records } = await shelf(["x", "a"]);
  const result = await find({ storage: { ...storage, stat: async () => null }, records });
  const { checked, referenced, found, ageUnknown } = result;
  assert.deepEqual([checked, referenced, found, ageUnknown], [1, 1, 0, 0]);
});

test("a page that does not say whether there is more is gone on from by its cursor", async () => {
  const { storage, records } = await shelf(["a", "b"], 2);
  const query = async ({ cursor }) => {
    const page = await records.query({ limit: 1, cursor });
    return { records: page.records, nextCursor: page.nextCursor };
  };
  const result = await find({ storage, records: { ...records, query }, remove: true });
  assert.equal(result.referenced, 2);
});

/** Adapters by which an item would be overlooked, and what the call rejects with. */
const OVERLOOKING = {
  "a page without an end": [{ query: async () => ({ records: [] }) }, /records\.query\.hasMore/],
  "a page without a cursor": [
    { query: async () => ({ records: [], hasMore: true, nextCursor: null }) },
    /records\.query\.nextCursor/,
  ],
  "a cursor that leads nowhere": [
    { query: async () => ({ records: [], hasMore: true, nextCursor: "1" }) },
    /records\.query\.nextCursor/,
  ],
  "no page": [{ query: async () => null }, /records\.query\.records: must be an array/],
  "a record that is none": [
    { query: async () => ({ records: [7], nextCursor: null }) },
    /records\.query: must be a function that answers objects/,
  ],
  "a key that is no text": [
    { query: async () => ({ records: [{ id: "7", objectStorageKey: 5 }], nextCursor: null }) },
    /the record "7" names its object by what is no text/,
    "MALFORMED_ITEM",
  ],
  "a record that stands malformed": [
    { queryMalformed: async () => [{ id: "rowid 7", reason: "no time" }] },
    /mend rowid 7 first.*no time/,
    "MALFORMED_ITEM",
  ],
};

for (const [what, [functions, message, code = "INVALID_ARGUMENT"]] of Object.entries(OVERLOOKING)) {
  test(`${what} ends the call before anything is removed`, async () => {
    const { storage, records } = await shelf(["a", "b"]);
    const call = find({ storage, records: { ...records, ...functions }, remove: true });
    await assert.rejects(call, { code, message });
    assert.deepEqual(storage.keys(), ["a", "b"]);
  });
}

test("rows that stand malformed, and keys that are none, end the call as well", async () => {
  const { storage, records } = await shelf(["a", "b", "c"]);
  const appRows = fileRows();
  appRows.file("1", "b");
  const queryMalformed = (appId, table) =>
    table === "notes" ? [{ id: `a row of ${appId}`, reason: "no time" }] : [];
  const malformed = { ...appRows, applier: { ...appRows.applier, queryMalformed } };
  const code = "MALFORMED_ITEM";
  const call = find({ storage, records, appRows: malformed, remove: true });
  await assert.rejects(call, { code, message: /mend a row of photos first/ });
  appRows.file("2", 5);
  await assert.rejects(find({ storage, records, appRows }), { code, message: /"photos"/ });
  const list = async () => ({ keys: ["a", 5], nextCursor: null, hasMore: false });
  await assert.rejects(find({ storage: { ...storage, list }, records }), {
    code: "INVALID_ARGUMENT",
    message: /storage\.list: must be a function that answers strings/,
  });
  assert.deepEqual(storage.keys(), ["a", "b", "c"]);
});

test("a store that holds nothing at all is taken for the wrong one, and nothing is removed", async () => {
  const { storage, records } = await shelf(["a", "b"]);
  const empty = (words) => ({ code: "INVALID_ARGUMENT", message: words });
  const wrong = memoryDatabase();
  const words = /\(records\): holds nothing, not even a tombstone/;
  await assert.rejects(find({ storage, records: wrong, remove: true }), empty(words));
  const both = find({ storage, records, appRows: fileRows(), remove: true });
  await assert.rejects(both, empty(/\(appRows\): holds nothing/));
  assert.deepEqual(storage.keys(), ["a", "b"]);
  assert.equal((await find({ storage, records: wrong })).found, 2, "a dry call tells it");
});

test("what an adapter throws comes out as it is", async () => {
  const { storage, records } = await shelf(["a"]);
  const error = new Error("down");
  const down = async () => {
    throw error;
  };
  const calls = [{ storage: { ...storage, list: down } }, { records: { ...records, query: down } }];
  for (const changes of calls)
    await assert.rejects(find({ storage, records, ...changes }), (thrown) => thrown === error);
});

test("a call that is called off removes nothing more", async () => {
  const { storage, records } = await shelf(["x", "a", "b"]);
  const reason = new Error("enough");
  const off = AbortSignal.abort(reason);
  await assert.rejects(find({ storage, records, remove: true, signal: off }), reason);
  const controller = new AbortController();
  const onFound = () => controller.abort(reason);
  const call = find({ storage, records, remove: true, onFound, signal: controller.signal });
  await assert.rejects(call, (thrown) => thrown === reason);
  assert.deepEqual(storage.keys(), ["x", "a", "b"]);
});

/* Options --------------------------------------------------------------------------------------- */

test("an option of a wrong kind is named, and a name that is not known is refused", async () => {
  const { storage, records } = await shelf(["a"]);
  const wrongs = {
    storage: [undefined, {}, Promise.resolve(storage)],
    records: [undefined, null, [], {}, [{}], Promise.resolve(records)],
    appRows: [5, [], {}, { namespaces: { list: () => [] }, applier: {} }],
    graceMs: [-1, Number.NaN, "7d"],
    remove: [1],
    prefix: [5],
    seen: [[], { version: 2, keys: [] }, { version: 1, keys: [["a", null]] }],
    maxKeys: [0, 1.5],
    signal: [5],
    onFound: ["log"],
    now: [NOW, () => "today"],
  };
  for (const [option, values] of Object.entries(wrongs)) {
    for (const value of values) {
      const message = new RegExp(`findUnreferencedObjects\\(${option}`);
      const call = find({ storage, records, [option]: value });
      await assert.rejects(call, { code: "INVALID_ARGUMENT", message }, option);
    }
  }
  const misspelt = find({ storage, records, gracePeriod: 1 });
  await assert.rejects(misspelt, { message: /unknown option `gracePeriod`/ });
  await assert.rejects(sync.findUnreferencedObjects(), { code: "INVALID_ARGUMENT" });
});

test("the options are those of the declaration", async () => {
  const types = readFileSync(new URL("../index.d.ts", import.meta.url), "utf8");
  const [, members] = /interface UnreferencedObjectsOptions \{\n(.*?)\n\}/s.exec(types);
  const declared = [...members.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
  const error = await find({ zzzzzzzzzzzzzzzz: 1 }).catch((thrown) => thrown);
  const known = [...error.message.matchAll(/`(\w+)`/g)].map(([, name]) => name).slice(1);
  assert.deepEqual(known.sort(), declared.sort());
});

test("with remove it must be said whether rows name objects", async () => {
  const { storage, records } = await shelf(["a", "b"]);
  const call = (more) => sync.findUnreferencedObjects({ storage, records, ...more });
  await assert.rejects(call({ remove: true }), { message: /\(appRows\): must be given with/ });
  assert.deepEqual(storage.keys(), ["a", "b"]);
  assert.equal((await call()).checked, 2);
});
