// The files of the native stores: what they outlive, and how others find them laid out.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { bytes, record } from "./support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";

test("what the native database holds is there after it was closed and opened again", async (t) => {
  const path = join(folderFor(t), "records.db");
  const first = sync.createSqliteDatabaseAdapter({ path });
  await first.init();
  const kept = record("1", at(1, "a"), { colour: "red" });
  await first.put(kept);
  await first.close();
  const second = sync.createSqliteDatabaseAdapter({ path });
  await second.init();
  assert.deepEqual({ ...(await second.get("1")) }, { ...kept });
  await second.close();
});

test("what is asked of the native database without waiting is written in the order of asking", async (t) => {
  const adapter = sync.createSqliteDatabaseAdapter({ path: join(folderFor(t), "records.db") });
  t.after(() => adapter.close());
  const versions = [1, 2, 3, 4, 5].map((wallTime) => record("1", at(wallTime, "a")));
  const newest = async () => (await adapter.get("1")).updatedAt;
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(versions.map((version) => adapter.put(version)));
    assert.deepEqual(await newest(), at(5, "a"));
    const between = adapter.transaction((one) => one.put(record("1", at(6, "a"))));
    const after = adapter.put(record("1", at(7, "a")));
    await Promise.all([between, after]);
    assert.deepEqual(await newest(), at(7, "a"));
  }
});

test("what was begun in a transaction before its end is a part of it, in the order of asking", async (t) => {
  const adapter = sync.createSqliteDatabaseAdapter({ path: join(folderFor(t), "records.db") });
  t.after(() => adapter.close());
  for (let round = 1; round <= 20; round += 1) {
    const begun = [];
    await adapter.transaction(async ({ put }) => {
      for (let counter = 0; counter < 5; counter += 1) {
        begun.push(put(record("1", at(round, "a", counter))));
      }
    });
    await Promise.all(begun);
    assert.deepEqual((await adapter.get("1")).updatedAt, at(round, "a", 4));
  }
});

test("what the native object storage holds is there for the next one over the same folder", async (t) => {
  const root = folderFor(t);
  const first = sync.createFsObjectStorage({ root });
  await first.init();
  await first.put("deep/er/key", bytes("x"), { contentType: "a/b" });
  await first.close();
  const second = sync.createFsObjectStorage({ root });
  await second.init();
  assert.equal((await second.get("deep/er/key")).contentType, "a/b");
  assert.deepEqual((await second.list("deep/")).keys, ["deep/er/key"]);
  await second.close();
});

test("a put leaves no half-written file where it is listed", async (t) => {
  const root = folderFor(t);
  const storage = sync.createFsObjectStorage({ root });
  await storage.init();
  await Promise.all(
    Array.from({ length: 10 }, (_, i) => storage.put(`k${i}`, new Uint8Array(10_000))),
  );
  assert.equal((await storage.list("")).keys.length, 10);
  assert.ok(existsSync(root) && readdirSync(root).length > 0);
});

test("the native database lays its table out as apps know it", needsSqlite, async (t) => {
  const path = join(folderFor(t), "records.db");
  const adapter = sync.createSqliteDatabaseAdapter({ path });
  await adapter.init();
  await adapter.put(record("1", at(1, "a", 2), { label: "l" }));
  await adapter.delete("1", at(3, "b"));
  await adapter.close();
  const db = new DatabaseSync(path);
  const row = db
    .prepare("SELECT id, updated_at, deleted_at, node_id, owner_id, label FROM shared_records")
    .get();
  const hex = (offset) => at(offset, "").wallTime.toString(16).padStart(12, "0");
  assert.deepEqual(
    { ...row },
    {
      id: "1",
      updated_at: `${hex(3)}:0000:b`,
      deleted_at: `${hex(3)}:0000:b`,
      node_id: "b",
      owner_id: "owner",
      label: "l",
    },
  );
  const nullable = db
    .prepare("PRAGMA table_info(shared_records)")
    .all()
    .filter((c) => ["owner_id", "mime_type"].includes(c.name));
  assert.deepEqual(
    nullable.map((c) => c.notnull),
    [0, 0],
  );
  db.close();
});

test("a file of the first release is used as it is", needsSqlite, async (t) => {
  const path = join(folderFor(t), "app.db");
  const db = new DatabaseSync(path);
  db.exec(`CREATE TABLE shared_records (id TEXT PRIMARY KEY, type TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    owner_id TEXT NOT NULL, deleted_at TEXT, version INTEGER NOT NULL DEFAULT 1, content_hash TEXT NOT NULL, object_storage_key TEXT NOT NULL,
    mime_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, original_filename TEXT, origin_app_id TEXT NOT NULL, parent_id TEXT)`);
  db.exec(
    `INSERT INTO shared_records VALUES ('old', 'note', '000000000001:0000:a', '0000000000ff:0001:a', 'me', NULL, 3, 'h', 'k', 't/t', 4, NULL, 'drive', NULL)`,
  );
  db.exec(
    "CREATE UNIQUE INDEX once ON shared_records (owner_id, original_filename, content_hash) WHERE deleted_at IS NULL AND original_filename IS NOT NULL",
  );
  db.close();
  const adapter = sync.createSqliteDatabaseAdapter({ path });
  await adapter.init();
  const old = await adapter.get("old");
  assert.deepEqual(
    [old.updatedAt, old.ownerId, old.version, old.kind],
    [{ wallTime: 255, counter: 1, nodeId: "a" }, "me", 3, "data"],
  );
  await adapter.put(record("new", at(1, "b"), { originalFilename: "same", contentHash: "h" }));
  await assert.rejects(
    adapter.put(record("twin", at(1, "b"), { originalFilename: "same", contentHash: "h" })),
    Error,
  );
  assert.deepEqual(await adapter.getNodeWatermarks(), {
    a: { wallTime: 255, counter: 1, nodeId: "a" },
    b: at(1, "b"),
  });
  await adapter.close();
  const again = new DatabaseSync(path);
  assert.equal(
    again.prepare("SELECT version FROM shared_records WHERE id = 'old'").get().version,
    3,
  );
  again.close();
});
