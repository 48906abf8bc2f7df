// Faults of the disk and of the process: what the native stores say of them, and that they work again after.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { bytes, record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

/** There an open file can be neither removed nor replaced. */
const replaceable = {
  skip: process.platform === "win32" ? "Windows keeps an open file in its place" : false,
};

const one = (id) => record(id, at(1, "a"), { text: "x".repeat(500) });
const mark = { a: at(1, "a") };

/** The three stores on a SQLite file: something to write, and whether they are well. */
const DATABASES = {
  "database adapter": {
    open: (path) => sync.createSqliteDatabaseAdapter({ path }),
    write: (db) => db.put(one("1")),
    read: (db) => db.get("1"),
  },
  "store of app rows": {
    open: (path) => sync.createSqliteAppRows({ path }),
    write: (rows) => rows.register("app", { tables: [{ name: "notes", pkColumns: ["id"] }] }),
    read: (rows) => rows.applier.getNodeWatermarks("app", "notes"),
  },
  "state store": {
    open: (path) => sync.createSqliteSyncStateStore({ path }),
    write: (state) => state.setWatermarks(mark),
    read: (state) => state.getWatermarks(),
  },
};

const CHANGES = {
  removed: (path) => rmSync(path),
  replaced(path) {
    writeFileSync(`${path}.new`, "");
    renameSync(`${path}.new`, path);
  },
  "gone with its folder": (path) => rmSync(dirname(path), { recursive: true }),
};

for (const [what, { open, write, read }] of Object.entries(DATABASES)) {
  for (const [change, make] of Object.entries(CHANGES)) {
    test(`a ${what} whose file is ${change} says so`, replaceable, async (t) => {
      const folder = join(folderFor(t), "inner");
      mkdirSync(folder);
      const path = join(folder, "app.db");
      const store = open(path);
      t.after(() => store.close());
      await write(store);
      if (store.healthCheck) assert.equal(await store.healthCheck(), true);
      make(path);
      const refused = (error) => error.code === "STORE_REPLACED" && error.message.includes(path);
      await assert.rejects(write(store), refused);
      await assert.rejects(read(store), refused);
      if (store.healthCheck) assert.equal(await store.healthCheck(), false);
      await store.close();
      mkdirSync(folder, { recursive: true });
      const again = open(path);
      await write(again);
      assert.ok(await read(again));
      await again.close();
    });
  }
}

test(
  "a transaction is not committed into a file that was replaced under it",
  replaceable,
  async (t) => {
    const path = join(folderFor(t), "app.db");
    const db = sync.createSqliteDatabaseAdapter({ path });
    t.after(() => db.close());
    const transaction = db.transaction(async (inner) => {
      await inner.put(one("1"));
      CHANGES.replaced(path);
    });
    await assert.rejects(transaction, { code: "STORE_REPLACED" });
    await db.close();
    assert.equal(statSync(path).size, 0);
  },
);

test(
  "a round over a file that was replaced says so, and takes nothing in",
  replaceable,
  async (t) => {
    const path = join(folderFor(t), "app.db");
    const [db, peer] = [path, ":memory:"].map((file) =>
      sync.createSqliteDatabaseAdapter({ path: file }),
    );
    t.after(() => Promise.all([db.close(), peer.close()]));
    await peer.put(one("1"));
    const clock = () => sync.createHLCClock({ nodeId: "b" });
    const engine = sync.createSyncEngine({
      localDatabaseAdapter: db,
      localObjectStorage: sync.createFsObjectStorage({ root: folderFor(t) }),
      remoteObjectStorage: sync.createFsObjectStorage({ root: folderFor(t) }),
      transport: sync.createInProcessSyncTransport({ databaseAdapter: peer, clock: clock() }),
      clock: clock(),
    });
    CHANGES.replaced(path);
    await assert.rejects(engine.exchange(), { code: "STORE_REPLACED" });
  },
);

test(
  "closing leaves alone what another process put in the place of a database",
  replaceable,
  async (t) => {
    const folder = folderFor(t);
    const [path, other] = [join(folder, "app.db"), join(folder, "other.db")];
    const db = sync.createSqliteDatabaseAdapter({ path });
    await db.put(one("1"));
    for (const suffix of ["", "-wal", "-shm"]) {
      writeFileSync(`${other}${suffix}`, `other${suffix}`);
      renameSync(`${other}${suffix}`, `${path}${suffix}`);
    }
    await db.close();
    for (const suffix of ["", "-wal", "-shm"]) {
      assert.equal(readFileSync(`${path}${suffix}`, "utf8"), `other${suffix}`);
    }
  },
);

/** Writes a database whose pages lie in its file, and opens it anew. */
async function settled(t, open, fill) {
  const path = join(folderFor(t), "app.db");
  const first = sync.createSqliteDatabaseAdapter({ path });
  for (let id = 0; id < fill; id += 1) await first.put(one(`${id}`));
  await first.close();
  const store = open(path);
  t.after(() => store.close());
  assert.equal(await store.healthCheck(), true);
  return { path, store };
}

function overwrite(path, from, length) {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, new Uint8Array(length).fill(0xa5), 0, length, from);
  closeSync(descriptor);
}

const DAMAGES = {
  "at its beginning": (path) => overwrite(path, 0, 100),
  "in its middle": (path) => overwrite(path, 3 * 4096, statSync(path).size - 3 * 4096),
  "all over": (path) => overwrite(path, 0, statSync(path).size),
  "by being cut short": (path) => truncateSync(path, 4096),
  "by being emptied": (path) => truncateSync(path, 0),
};

for (const what of ["database adapter", "store of app rows"]) {
  for (const [where, damage] of Object.entries(DAMAGES)) {
    test(`a ${what} over a file that is damaged ${where} is not well`, async (t) => {
      const { path, store } = await settled(t, DATABASES[what].open, 40);
      damage(path);
      assert.equal(await store.healthCheck(), false);
    });
  }
}

test(
  "a storage whose folder was removed or replaced says so, and writes nothing",
  replaceable,
  async (t) => {
    for (const again of [false, true]) {
      const root = join(folderFor(t), "objects");
      const storage = sync.createFsObjectStorage({ root });
      await storage.put("a/b", bytes("x"));
      rmSync(root, { recursive: true });
      if (again) mkdirSync(root);
      const refused = (error) => error.code === "STORE_REPLACED" && error.message.includes(root);
      await assert.rejects(storage.put("c", bytes("x")), refused);
      await assert.rejects(storage.get("a/b"), refused);
      await assert.rejects(storage.delete("a/b"), refused);
      await assert.rejects(storage.list(""), refused);
      assert.equal(await storage.healthCheck(), false);
      assert.equal(existsSync(join(root, ".starkeep-store")), false);
      await storage.close();
      const next = sync.createFsObjectStorage({ root });
      await next.put("c", bytes("x"));
      assert.equal(await next.healthCheck(), true);
      await next.close();
    }
  },
);

test("what is removed of a storage's own folder is made again", replaceable, async (t) => {
  const root = folderFor(t);
  const storage = sync.createFsObjectStorage({ root });
  t.after(() => storage.close());
  const own = join(root, ".starkeep-store");
  await storage.put("a", bytes("first"), { contentType: "a/b" });
  for (const part of ["", "writing", "sidecars", "nested"]) {
    rmSync(join(own, part), { recursive: true });
    await storage.put("a", bytes(`after ${part}`), { contentType: "a/b" });
    await storage.put("a/below", bytes("x"));
    const { data, contentType } = await storage.get("a");
    assert.equal(new TextDecoder().decode(data), `after ${part}`);
    assert.equal(contentType, "a/b");
    assert.ok(await storage.has("a/below"));
    assert.equal(await storage.healthCheck(), true);
  }
  rmSync(own, { recursive: true });
  assert.equal(await storage.healthCheck(), true);
});

test(
  "a process that was out of descriptors works on once it has some again",
  { skip: process.platform === "win32" ? "there is no such limit" : false },
  (t) => {
    const script = fileURLToPath(new URL("./support/out-of-descriptors.mjs", import.meta.url));
    const said = spawnSync(
      "/bin/sh",
      ["-c", 'ulimit -n 96 && exec "$0" "$@"', process.execPath, script, folderFor(t)],
      { encoding: "utf8", timeout: 120_000 },
    );
    assert.doesNotMatch(said.stderr, /uncaught|unhandled/i);
    assert.deepEqual(JSON.parse(said.stdout), {
      during: { put: "put IO_ERROR", object: "put IO_ERROR", round: "exchange IO_ERROR" },
      after: { id: "1", object: true, applied: 1, healthy: [true, true] },
    });
  },
);
