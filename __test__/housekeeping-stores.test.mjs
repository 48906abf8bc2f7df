// Housekeeping over this package's own stores, over an app's, and over more than fits in memory.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { bytes, faulty, memoryDatabase, memoryObjects } from "./support/index.mjs";
import { DAY, GRACE, NOW, datedObjects, find, keysOf, naming } from "./support/keeping.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";
import { SqliteApp } from "./support/sqlite-app.mjs";
import { text } from "./support/hlc.mjs";
import { FILES } from "./support/world.mjs";

/** Native stores, with records, rows and objects of which `free` and `other` are named by nothing. */
async function native(t) {
  const folder = folderFor(t);
  const storage = sync.createFsObjectStorage({ root: join(folder, "objects") });
  const records = sync.createSqliteDatabaseAdapter({ path: join(folder, "data.db") });
  const appRows = sync.createSqliteAppRows({ path: join(folder, "data.db") });
  t.after(() => Promise.all([storage, records, appRows].map((store) => store.close())));
  await appRows.register("photos", { filesEnabled: true });
  for (const key of ["a/record", "a/row", "a/young", "a/old", "free", "other"])
    await storage.put(key, bytes(key));
  await records.put(naming("01", "a/record"));
  await records.put(naming("02", "a/young", { deleted: GRACE - 1 }));
  await records.put(naming("03", "a/old", { deleted: GRACE }));
  const timestamp = naming("", "").updatedAt;
  const row = { id: "1", object_storage_key: "a/row", updated_at: text(timestamp) };
  const entry = { timestamp, appId: "photos", table: FILES, op: "insert", row };
  await appRows.applier.apply(entry);
  /** When a file was written is what its storage would say. */
  const stat = async (key) => {
    const { size, mtimeMs } = statSync(join(folder, "objects", key));
    return { size, modifiedMs: mtimeMs };
  };
  return { storage, records, appRows, stat };
}

const listed = async ({ storage }) => (await storage.list("")).keys;

test("over native stores what nothing names goes at the second call", async (t) => {
  const stores = await native(t);
  const { storage, records, appRows } = stores;
  const options = { storage, records, appRows, remove: true };
  const first = await find(options);
  assert.deepEqual([first.removed, first.ageUnknown, first.referenced], [0, 3, 3]);
  // The tombstones get older as well.
  const later = { now: () => NOW + GRACE, seen: first.seen };
  const result = await find({ ...options, ...later, graceMs: GRACE });
  assert.deepEqual([result.removed, keysOf(result)], [3, ["a/old", "free", "other"]]);
  assert.deepEqual(await listed(stores), ["a/record", "a/row", "a/young"]);
});

test("over native stores, with the times of their files, it is one call", async (t) => {
  const stores = await native(t);
  const storage = { ...stores.storage, stat: stores.stat };
  const { records, appRows } = stores;
  const options = { storage, records, appRows, remove: true };
  const now = () => Date.now() + GRACE / 2;
  assert.equal((await find({ ...options, now })).removed, 0);
  const result = await find({ ...options, now: () => Date.now() + 2 * GRACE });
  assert.deepEqual(await listed(stores), ["a/record", "a/row"]);
  assert.equal(result.bytes, "a/young".length + "a/old".length + "free".length + "other".length);
});

test("a record or a row that is written before a removal keeps its object in native stores", async (t) => {
  const stores = await native(t);
  const storage = { ...stores.storage, stat: stores.stat };
  const { records, appRows } = stores;
  const timestamp = naming("", "", { age: DAY }).updatedAt;
  const row = { id: "2", object_storage_key: "other", updated_at: text(timestamp) };
  const onFound = async () => {
    await records.put(naming("00", "free"));
    const entry = { timestamp, appId: "photos", table: FILES, op: "insert", row };
    await appRows.applier.apply(entry);
  };
  const now = () => Date.now() + 2 * GRACE;
  await find({ storage, records, appRows, remove: true, onFound, now });
  assert.deepEqual(await listed(stores), ["a/record", "a/row", "free", "other"]);
});

test("a key that no text of a database can be keeps no others from being asked for", async (t) => {
  const { records } = await native(t);
  const storage = datedObjects();
  for (const key of ["\ud800", "free"]) await storage.keep(key);
  const onFound = () => records.put(naming("00", "free"));
  const result = await find({ storage, records, remove: true, onFound });
  assert.deepEqual([storage.keys(), result.removed], [["free"], 1]);
});

test("a native store that a function of the app stands before is read as a whole", async (t) => {
  const stores = await native(t);
  const storage = { ...stores.storage, stat: stores.stat };
  const records = {
    ...stores.records,
    // Filters of an adapter of the app's own need not work.
    query: async ({ filters, ...query }) =>
      filters === undefined
        ? stores.records.query(query)
        : { records: [], nextCursor: null, hasMore: false },
  };
  const onFound = () => stores.records.put(naming("00", "free"));
  const now = () => Date.now() + 2 * GRACE;
  await find({ storage, records, appRows: stores.appRows, remove: true, onFound, now });
  assert.ok((await listed(stores)).includes("free"));
});

test("over an app's own database with withSqliteDelta", needsSqlite, async () => {
  const db = new DatabaseSync(":memory:");
  const records = sync.withSqliteDelta(new SqliteApp(db), { db });
  await records.put({ ...naming("01", "named"), label: null });
  const storage = datedObjects();
  for (const key of ["named", "free"]) await storage.keep(key);
  assert.deepEqual(keysOf(await find({ storage, records, remove: true })), ["free"]);
  db.exec("UPDATE shared_records SET updated_at = 'yesterday'");
  await storage.keep("free");
  const call = find({ storage, records, remove: true });
  await assert.rejects(call, { code: "MALFORMED_ITEM" });
  db.close();
});

/* More than a page ------------------------------------------------------------------------------ */

const name = (index) => `k${String(index).padStart(7, "0")}`;

test("over many pages of keys and records exactly what is not named goes", async () => {
  const plain = datedObjects();
  // A storage whose cursor is a key that must be there.
  const storage = faulty({
    ...plain,
    async list(prefix, options) {
      assert.ok(options.cursor === undefined || (await plain.has(options.cursor)));
      return plain.list(prefix, options);
    },
  });
  const records = faulty(memoryDatabase());
  for (let i = 0; i < 2500; i += 1) await plain.keep(name(i));
  for (let i = 0; i < 2500; i += 2) await records.put(naming(`${i}`, name(i)));
  const result = await find({ storage, records, remove: true, maxKeys: 700 });
  assert.deepEqual([result.checked, result.referenced, result.removed], [2500, 1250, 1250]);
  assert.ok(plain.keys().every((key) => Number(key.slice(1)) % 2 === 0));
  const limits = records.log
    .filter((call) => call.name === "query")
    .map(({ args }) => args[0].limit);
  assert.deepEqual([...new Set(limits)], [500]);
});

test("of a huge storage no more than maxKeys keys are held, and the answer is bounded", async () => {
  const total = 200_000;
  let [held, most, asked] = [0, 0, 0];
  const storage = {
    ...memoryObjects(),
    stat: async () => ({ size: 1, modifiedMs: NOW - 30 * DAY }),
    async list(prefix, { limit, cursor }) {
      const from = cursor === undefined ? 0 : Number(cursor.slice(1)) + 1;
      const keys = Array.from({ length: Math.min(limit, total - from) }, (_, i) => name(from + i));
      held += keys.length;
      most = Math.max(most, held);
      const hasMore = from + keys.length < total;
      return { keys, hasMore, nextCursor: hasMore ? keys.at(-1) : null };
    },
  };
  const one = naming("1", name(7));
  const records = {
    ...memoryDatabase(),
    // A pass over the records is one over the keys that were listed since the one before; a page is read ahead.
    async query() {
      asked += 1;
      held = 1000;
      return { records: [one], nextCursor: null, hasMore: false };
    },
  };
  const result = await find({ storage, records, maxKeys: 20_000 });
  assert.deepEqual([result.checked, result.referenced, result.found], [total, 1, total - 1]);
  assert.deepEqual([result.unreferenced.length, result.bytes], [10_000, total - 1]);
  assert.equal(asked, 10);
  assert.ok(most <= 21_000, `${most} keys`);
});
