import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";
import { join } from "node:path";

const opened = () => new DatabaseSync(":memory:");
const valueOf = (db, key) =>
  db.prepare("SELECT value_json FROM sync_state WHERE key = ?").get(key)?.value_json;
const plant = (db, key, value) =>
  db.prepare("INSERT OR REPLACE INTO sync_state (key, value_json) VALUES (?, ?)").run(key, value);

test("the table is there as soon as the store is made, in its agreed shape", needsSqlite, () => {
  const db = opened();
  sync.createSqliteSyncStateStore({ db });
  const columns = db.prepare("PRAGMA table_info(sync_state)").all();
  assert.deepEqual(
    columns.map((c) => [c.name, c.type, c.notnull, c.pk]),
    [
      ["key", "TEXT", 0, 1],
      ["value_json", "TEXT", 1, 0],
      ["updated_at", "INTEGER", 1, 0],
    ],
  );
  const before = Math.floor(Date.now() / 1000) - 1;
  plant(db, "photos:watermarks", "{}");
  const { updated_at: stamped } = db.prepare("SELECT updated_at FROM sync_state").get();
  assert.ok(
    stamped >= before && stamped <= before + 60,
    "the default of updated_at is the time in seconds",
  );
});

test("values stand in the table as JSON under the agreed keys", needsSqlite, async () => {
  const db = opened();
  const store = sync.createSqliteSyncStateStore({ db });
  await store.setWatermarks({ a: at(1, "a") });
  await store.setPeerWatermarks({ b: at(2, "b") });
  await store.setHlcClockState({ wallTime: 12, counter: 3 });
  assert.deepEqual(JSON.parse(valueOf(db, "watermarks")), { a: at(1, "a") });
  assert.deepEqual(JSON.parse(valueOf(db, "peer_watermarks")), { b: at(2, "b") });
  assert.deepEqual(JSON.parse(valueOf(db, "hlc_clock")), { wallTime: 12, counter: 3 });
});

test(
  "what the app itself wrote under these keys is what the store reads",
  needsSqlite,
  async () => {
    const db = opened();
    const store = sync.createSqliteSyncStateStore({ db });
    plant(db, "watermarks", JSON.stringify({ a: at(4, "a") }));
    plant(db, "hlc_clock", '{"wallTime":5,"counter":6}');
    assert.deepEqual(await store.getWatermarks(), { a: at(4, "a") });
    assert.deepEqual(await store.getHlcClockState(), { wallTime: 5, counter: 6 });
  },
);

test("a table that is there already keeps its rows and its foreign keys", needsSqlite, async () => {
  const db = opened();
  db.exec(
    "CREATE TABLE sync_state (key TEXT PRIMARY KEY, value_json TEXT NOT NULL, updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now')))",
  );
  plant(db, "photos:watermarks", "not even JSON");
  plant(db, "watermarks", JSON.stringify({ a: at(1, "a") }));
  const store = sync.createSqliteSyncStateStore({ db });
  assert.deepEqual(await store.getWatermarks(), { a: at(1, "a") });
  await store.setWatermarks({ b: at(2, "b") });
  await store.setPeerWatermarks({ c: at(3, "c") });
  assert.equal(valueOf(db, "photos:watermarks"), "not even JSON");
  const keys = db
    .prepare("SELECT key FROM sync_state ORDER BY key")
    .all()
    .map((r) => r.key);
  assert.deepEqual(keys, ["peer_watermarks", "photos:watermarks", "watermarks"]);
});

test(
  "a corrupt value is not taken for watermarks, and reading it does not write",
  needsSqlite,
  async () => {
    const db = opened();
    const store = sync.createSqliteSyncStateStore({ db });
    plant(db, "watermarks", "{ broken");
    const outcome = await Promise.resolve()
      .then(() => store.getWatermarks())
      .catch((error) => error);
    assert.ok(outcome instanceof Error || Object.keys(outcome).length === 0);
    assert.equal(valueOf(db, "watermarks"), "{ broken");
  },
);

test("setting a key again moves its updated_at", needsSqlite, async () => {
  const db = opened();
  const store = sync.createSqliteSyncStateStore({ db });
  await store.setWatermarks({});
  db.exec("UPDATE sync_state SET updated_at = 7");
  await store.setWatermarks({ a: at(1, "a") });
  assert.ok(
    db.prepare("SELECT updated_at FROM sync_state WHERE key = 'watermarks'").get().updated_at > 7,
  );
});

test("an error of the database comes out as the same object", needsSqlite, async () => {
  const db = opened();
  const error = new Error("disk is gone");
  const store = sync.createSqliteSyncStateStore({ db });
  db.prepare = () => {
    throw error;
  };
  db.exec = db.prepare;
  // A store that prepared its statements beforehand does not meet the error at all.
  const outcome = await Promise.resolve()
    .then(() => store.getWatermarks())
    .catch((thrown) => thrown);
  assert.ok(outcome === error || Object.keys(outcome).length === 0);
});

test(
  "the store works inside a transaction of the app, and is rolled back with it",
  needsSqlite,
  async () => {
    const db = opened();
    const store = sync.createSqliteSyncStateStore({ db });
    db.exec("BEGIN");
    await store.setWatermarks({ a: at(1, "a") });
    db.exec("ROLLBACK");
    assert.deepEqual(await store.getWatermarks(), {});
  },
);

test(
  "a store over a file of the app sees what another connection of the app wrote",
  needsSqlite,
  async (t) => {
    const path = join(folderFor(t), "app.db");
    const [mine, other] = [new DatabaseSync(path), new DatabaseSync(path)];
    const store = sync.createSqliteSyncStateStore({ db: mine });
    plant(other, "peer_watermarks", JSON.stringify({ a: at(9, "a") }));
    assert.deepEqual(await store.getPeerWatermarks(), { a: at(9, "a") });
    mine.close();
    other.close();
  },
);

test("something that is no database is refused with a word about db", needsSqlite, () => {
  for (const db of [undefined, null, 7, {}]) {
    assert.throws(
      () => sync.createSqliteSyncStateStore({ db }),
      (error) => error instanceof Error && /db/i.test(error.message),
    );
  }
});
