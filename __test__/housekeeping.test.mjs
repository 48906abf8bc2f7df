// Objects that nothing names any more, and all that must stay.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytes, faulty, memoryDatabase, memoryObjects, throwingFor } from "./support/index.mjs";
import {
  DAY,
  GRACE,
  NOW,
  datedObjects,
  fileRows,
  find,
  keysOf,
  naming,
  shelf,
} from "./support/keeping.mjs";
import { NOTES } from "./support/world.mjs";

test("a dry call names what would go, and changes nothing", async () => {
  const { storage, records } = await shelf(["a", "b", "cc"]);
  const watched = faulty(storage);
  const before = records.all();
  const heard = [];
  const result = await find({ storage: watched, records, onFound: (one) => void heard.push(one) });
  const old = NOW - 30 * DAY;
  const unreferenced = [
    { key: "b", sizeBytes: 1, modifiedMs: old },
    { key: "cc", sizeBytes: 2, modifiedMs: old },
  ];
  assert.deepEqual(result, {
    ...{ checked: 3, referenced: 1, young: 0, ageUnknown: 0, kept: 0, found: 2 },
    ...{ unreferenced, bytes: 3, removed: 0, failed: [], missing: [] },
    seen: { version: 1, keys: [] },
  });
  assert.deepEqual(heard, unreferenced);
  assert.equal(watched.calls.delete + watched.calls.put, 0);
  assert.deepEqual(storage.keys(), ["a", "b", "cc"]);
  assert.deepEqual(records.all(), before);
});

test("with remove, what nothing names goes, and nothing else", async () => {
  const { storage, records } = await shelf(["a", "b", "cc"]);
  const result = await find({ storage, records, remove: true });
  assert.deepEqual(storage.keys(), ["a"]);
  assert.deepEqual([result.removed, result.bytes, keysOf(result)], [2, 3, ["b", "cc"]]);
  const again = await find({ storage, records, remove: true });
  assert.deepEqual([again.checked, again.found, again.removed], [1, 0, 0]);
});

test("an object stays while it is younger than graceMs, or of the future", async () => {
  const { storage, records } = await shelf([]);
  await storage.keep("young", GRACE - 1);
  await storage.keep("old", GRACE);
  await storage.keep("future", -DAY);
  const result = await find({ storage, records, remove: true });
  assert.deepEqual(storage.keys().sort(), ["future", "young"]);
  assert.deepEqual([result.young, result.removed, result.checked], [2, 1, 3]);
});

test("an object that is put anew while it is looked at stays", async () => {
  const { storage, records } = await shelf(["a", "b"]);
  const onFound = ({ key }) => (key === "b" ? storage.keep("b", 0) : undefined);
  const result = await find({ storage, records, remove: true, onFound });
  assert.deepEqual(storage.keys(), ["a", "b"]);
  assert.deepEqual([result.young, result.found], [1, 0]);
});

/* Ages that are not known ----------------------------------------------------------------------- */

/** A storage without `stat`. */
function undated(...keys) {
  const storage = memoryObjects();
  for (const key of keys) storage.put(key, bytes(key));
  return storage;
}

const throughJson = (value) => JSON.parse(JSON.stringify(value));

test("an object of unknown age goes only once two calls graceMs apart saw it unreferenced", async () => {
  const storage = undated("a", "__proto__");
  const { records } = await shelf([]);
  let seen;
  const call = async (moment, more) => {
    const result = await find({ storage, records, remove: true, seen, now: () => moment, ...more });
    seen = throughJson(result.seen);
    return result;
  };
  assert.equal((await call(NOW, { graceMs: 0 })).ageUnknown, 2, "never at the first sight");
  assert.equal((await call(NOW + GRACE - 1)).removed, 0);
  assert.equal((await call(NOW - DAY)).removed, 0, "a clock that was set back begins anew");
  assert.equal((await call(NOW - DAY + GRACE - 1)).removed, 0);
  assert.equal(storage.keys().length, 2);
  const last = await call(NOW - DAY + GRACE);
  assert.deepEqual([last.removed, storage.keys(), seen], [2, [], { version: 1, keys: [] }]);
});

test("an object that was named in between is seen anew", async () => {
  const storage = undated("a");
  const { records } = await shelf([]);
  const at = (moment, seen) => find({ storage, records, remove: true, seen, now: () => moment });
  const first = await at(NOW);
  await records.put(naming("10", "a"));
  const second = await at(NOW + GRACE, first.seen);
  assert.deepEqual([second.referenced, second.seen.keys], [1, []]);
  await records.put(naming("10", "b"));
  const third = await at(NOW + 2 * GRACE, second.seen);
  assert.deepEqual([third.removed, third.seen.keys], [0, [["a", NOW + 2 * GRACE]]]);
});

test("a dry call, an object that the app keeps and one that cannot be removed stay seen", async () => {
  const plain = undated("dry", "kept", "stuck");
  const storage = faulty(plain, { delete: throwingFor(new Error("no"), (key) => key === "stuck") });
  const { records } = await shelf([]);
  const keys = ["dry", "kept", "stuck"].map((key) => [key, NOW - GRACE]);
  const seen = { version: 1, keys };
  const dry = await find({ storage, records, seen });
  assert.deepEqual([dry.found, dry.seen.keys], [3, keys]);
  const onFound = ({ key }) => key !== "kept";
  const result = await find({ storage, records, seen, remove: true, onFound });
  assert.deepEqual([result.removed, result.kept, result.found], [1, 1, 2]);
  assert.deepEqual(result.seen.keys.toSorted(), keys.slice(1));
});

test("a stat that says no time is an unknown age", async () => {
  const { records } = await shelf([]);
  const storage = { ...undated("a"), stat: async () => ({ size: 5, modifiedMs: Number.NaN }) };
  const result = await find({ storage, records, remove: true });
  assert.deepEqual([result.ageUnknown, result.removed], [1, 0]);
});

/* What names an object -------------------------------------------------------------------------- */

test("a tombstone keeps its object while it is younger than graceMs, a living item always", async () => {
  const { storage, records } = await shelf(["young", "old", "shared"], 0);
  await records.put(naming("10", "young", { deleted: GRACE - 1 }));
  await records.put(naming("11", "old", { deleted: GRACE }));
  await records.put(naming("12", "shared", { deleted: 40 * DAY }));
  await records.put(naming("13", "shared"));
  const result = await find({ storage, records, remove: true });
  assert.deepEqual(keysOf(result), ["old"]);
  assert.deepEqual(storage.keys(), ["young", "shared"]);
  const deletedAt = naming("", "", { deleted: 40 * DAY }).updatedAt;
  await records.put({ ...naming("14", "old", { age: 0 }), deletedAt });
  await storage.keep("old");
  assert.equal((await find({ storage, records })).found, 0, "by the later of its times");
});

test("rows of every table keep their objects, deleted ones for graceMs", async () => {
  const { storage, records } = await shelf(["file", "note", "young", "old"], 0);
  const appRows = fileRows();
  appRows.file("1", "file");
  appRows.file("2", "note", { table: NOTES });
  appRows.file("3", "young", { deleted: GRACE - 1 });
  appRows.file("4", "old", { deleted: GRACE });
  const result = await find({ storage, records, appRows, remove: true });
  assert.deepEqual([keysOf(result), storage.keys()], [["old"], ["file", "note", "young"]]);
  const rowsAlone = await find({ storage, records: null, appRows, remove: true });
  assert.deepEqual([rowsAlone.found, rowsAlone.referenced], [0, 3]);
});

test("the table of files counts where the app keeps files and does not list it", async () => {
  const { storage, records } = await shelf(["file"], 0);
  const appRows = fileRows();
  appRows.file("1", "file");
  const namespaces = {
    ...appRows.namespaces,
    list: () => [{ appId: "photos", tables: [], tableNames: [], filesEnabled: true }],
  };
  const result = await find({ storage, records, appRows: { ...appRows, namespaces } });
  assert.equal(result.referenced, 1);
});

test("of several stores over one storage each keeps what it names", async () => {
  const { storage, records } = await shelf(["a", "b", "c", "d"]);
  const other = memoryDatabase();
  await other.put(naming("10", "b"));
  const appRows = fileRows();
  appRows.file("1", "c");
  const result = await find({ storage, records: [records, other], appRows: [appRows] });
  assert.deepEqual(keysOf(result), ["d"]);
});

test("keys that a file system may take for one and the same keep each other", async () => {
  const { storage, records } = await shelf(["IMG/Caf\u00e9.jpg", "img/other.jpg"], 0);
  await records.put(naming("10", "img/Cafe\u0301.JPG"));
  const result = await find({ storage, records });
  assert.deepEqual(keysOf(result), ["img/other.jpg"]);
  await storage.keep("img/OTHER.jpg");
  await find({ storage, records, remove: true });
  assert.deepEqual(storage.keys(), ["IMG/Caf\u00e9.jpg"], "and go together");
});

test("only keys with the prefix are looked at", async () => {
  const { storage, records } = await shelf(["a/1", "b/1", "b/2"], 0);
  await find({ storage, records, prefix: "b/", remove: true });
  assert.deepEqual(storage.keys(), ["a/1"]);
});

/* What is written meanwhile --------------------------------------------------------------------- */

test("a record that is written behind the reader, or before a removal, keeps its object", async () => {
  for (const moment of ["query", "stat", "onFound"]) {
    const { storage, records } = await shelf(["x", "a", "b"]);
    for (let i = 0; i < 600; i += 1) await records.put(naming(`2${i}`, "x"));
    let written = false;
    const write = async () => {
      if (!written) await records.put(naming("0", "a"));
      written = true;
    };
    const after = (adapter, name) => ({
      ...adapter,
      async [name](...given) {
        const answer = await adapter[name](...given);
        await write();
        return answer;
      },
    });
    const result = await find({
      storage: moment === "stat" ? after(storage, "stat") : storage,
      records: moment === "query" ? after(records, "query") : records,
      remove: true,
      onFound: moment === "onFound" ? write : undefined,
    });
    assert.ok(written);
    assert.deepEqual(storage.keys(), ["x", "a"], moment);
    assert.deepEqual([result.referenced, keysOf(result), result.missing], [2, ["b"], []], moment);
  }
});

test("a row that is written before a removal keeps its object", async () => {
  const { storage, records } = await shelf(["x", "a", "b"]);
  const appRows = fileRows();
  appRows.file("1", "elsewhere");
  const onFound = () => appRows.file("2", "a");
  const result = await find({ storage, records, appRows, remove: true, onFound });
  assert.deepEqual([storage.keys(), result.removed], [["x", "a"], 1]);
});

test("a key that is named in the moment of its removal is told, unless it was brought again", async () => {
  const { storage, records } = await shelf(["x", "lost", "again"]);
  const racing = {
    ...storage,
    async delete(key) {
      await storage.delete(key);
      await records.put(naming(`2${key}`, key));
      if (key === "again") await storage.keep(key, 0);
    },
  };
  const result = await find({ storage: racing, records, remove: true });
  assert.deepEqual([result.removed, result.missing], [2, ["lost"]]);
});

/* A model --------------------------------------------------------------------------------------- */

const KEYS = Array.from({ length: 8 }, (_, index) => `key-${index}`);
const key = fc.constantFrom(...KEYS);
const age = fc.integer({ min: -3, max: 20 }).map((days) => days * DAY);
const item = fc.record({ key, deleted: fc.option(age, { nil: undefined }) });
const world = fc.record({
  objects: fc.uniqueArray(fc.record({ key, age: fc.option(age), seen: fc.option(age) }), {
    selector: (object) => object.key,
  }),
  records: fc.array(item, { minLength: 1 }),
  rows: fc.array(item, { minLength: 1 }),
  writes: fc.array(fc.record({ key, moment: fc.nat(20) })),
  graceMs: fc.constantFrom(0, DAY, GRACE),
  maxKeys: fc.integer({ min: 1, max: 9 }),
});

/** What may go, by the rules and nothing else. */
function expected({ objects, records, rows, graceMs }, written) {
  const isKept = ({ deleted }) => deleted === undefined || deleted < graceMs;
  const named = new Set([...records, ...rows].filter(isKept).map((one) => one.key));
  const isOld = (object) =>
    object.age === null
      ? object.seen !== null && object.seen >= Math.max(graceMs, 0)
      : object.age >= graceMs;
  const gone = objects.filter((one) => !named.has(one.key) && !written.has(one.key) && isOld(one));
  return gone.map((one) => one.key).sort();
}

/** The stores of a world. What is to be written at a moment is written with that call of the listener or of `list`. */
async function build(made) {
  const storage = datedObjects();
  for (const object of made.objects) await storage.keep(object.key, object.age ?? Number.NaN);
  const [records, appRows] = [memoryDatabase(), fileRows()];
  for (const [index, one] of made.records.entries())
    await records.put(naming(`${index}`, one.key, one));
  for (const [index, one] of made.rows.entries()) appRows.file(`${index}`, one.key, one);
  const written = new Set();
  let moment = 0;
  const write = async () => {
    for (const one of made.writes.filter((due) => due.moment === moment)) {
      // A key whose object is gone by then is brought again by what writes the record.
      if (!storage.keys().includes(one.key)) continue;
      written.add(one.key);
      await records.put(naming(`w${one.key}`, one.key));
    }
    moment += 1;
  };
  const list = async (...given) => {
    await write();
    return storage.list(...given);
  };
  return { storage: { ...storage, list }, records, appRows, written, write };
}

test("what is removed is what the rules say, whatever is written meanwhile", async () => {
  const property = fc.asyncProperty(world, async (made) => {
    const { storage, records, appRows, written, write } = await build(made);
    const seenAt = made.objects.filter(({ seen }) => seen !== null);
    const seen = { version: 1, keys: seenAt.map((one) => [one.key, NOW - one.seen]) };
    const { graceMs, maxKeys } = made;
    const options = { storage, records, appRows, seen, graceMs, maxKeys };
    const before = storage.keys();
    const dry = await find(options);
    assert.deepEqual(storage.keys(), before);
    const result = await find({ ...options, remove: true, onFound: write });
    const gone = before.filter((one) => !storage.keys().includes(one)).sort();
    assert.deepEqual(gone, expected(made, written));
    assert.deepEqual([keysOf(result), result.removed, result.missing], [gone, gone.length, []]);
    for (const { checked, referenced, young, ageUnknown, kept, found } of [dry, result])
      assert.equal(checked, referenced + young + ageUnknown + kept + found);
  });
  await fc.assert(property, { numRuns: 300 });
});
