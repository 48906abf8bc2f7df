// What the native stores refuse: files that something else has open, and keys that leave their folder.
import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { bytes, record } from "./support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";

// Only there does the system tell a process which files it has open.
const tellsOpenFiles = {
  skip: ["linux", "darwin"].includes(process.platform)
    ? false
    : "this system does not tell open files",
};
const both = { skip: tellsOpenFiles.skip || needsSqlite.skip };

function thrownBy(work) {
  try {
    work();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

const OPENERS = {
  async database(path) {
    const adapter = sync.createSqliteDatabaseAdapter({ path });
    await adapter.init();
    return adapter;
  },
  async "state store"(path) {
    const store = sync.createSqliteSyncStateStore({ path });
    await store.getWatermarks();
    return store;
  },
};

/** Makes a proper database file that nobody has open. */
async function made(path) {
  const adapter = await OPENERS.database(path);
  await adapter.put(record("1", at(1, "a")));
  await adapter.close();
}

const refusal = (error) =>
  error instanceof Error && /open/i.test(error.message) && error.message.length > 20;

for (const [what, open] of Object.entries(OPENERS)) {
  test(
    `a native ${what} is refused over a file that the app has open`,
    tellsOpenFiles,
    async (t) => {
      const path = join(folderFor(t), "app.db");
      await made(path);
      const descriptor = openSync(path, "r");
      await assert.rejects(async () => open(path), refusal);
      closeSync(descriptor);
      await (await open(path)).close?.();
    },
  );

  test(
    `a native ${what} is refused over a file that node:sqlite has open, and the refusal names the way out`,
    both,
    async (t) => {
      const path = join(folderFor(t), "app.db");
      const db = new DatabaseSync(path);
      db.exec("CREATE TABLE t (x)");
      await assert.rejects(
        async () => open(path),
        (error) => refusal(error) && /\bdb\b/.test(error.message),
      );
      assert.equal(db.prepare("PRAGMA integrity_check").get().integrity_check, "ok");
      db.close();
    },
  );
}

test(
  "a native database is refused over a file that another one has open, by any name",
  tellsOpenFiles,
  async (t) => {
    const folder = folderFor(t);
    const path = join(folder, "app.db");
    await made(path);
    const first = await OPENERS.database(path);
    symlinkSync(path, join(folder, "soft.db"));
    linkSync(path, join(folder, "hard.db"));
    mkdirSync(join(folder, "sub"));
    for (const name of [
      path,
      join(folder, "soft.db"),
      join(folder, "hard.db"),
      `${folder}/sub/../app.db`,
    ]) {
      await assert.rejects(async () => OPENERS.database(name), refusal, name);
    }
    await first.put(record("2", at(2, "a")));
    await first.close();
  },
);

test("once it is closed, the file may be opened again, by anybody", both, async (t) => {
  const path = join(folderFor(t), "app.db");
  await made(path);
  const db = new DatabaseSync(path);
  assert.equal(db.prepare("SELECT count(*) AS n FROM shared_records").get().n, 1);
  db.close();
  await (await OPENERS.database(path)).close();
});

test("a closed database says so instead of crashing", async (t) => {
  const adapter = await OPENERS.database(join(folderFor(t), "app.db"));
  await adapter.close();
  await adapter.close();
  await assert.rejects(async () => adapter.get("1"), { code: "STORE_CLOSED" });
});

test("an error names what was being done, and is listed as before", async (t) => {
  const adapter = await OPENERS.database(join(folderFor(t), "app.db"));
  await adapter.close();
  const errors = [
    await adapter.get("1").catch((error) => error),
    thrownBy(() => sync.createFsObjectStorage({})),
    thrownBy(() => sync.withSqliteDelta(null)),
  ];
  for (const error of errors) {
    assert.ok(error.operation.length > 0);
    assert.ok(error.message.startsWith(`${error.operation}: `), error.message);
    assert.ok(!Object.keys(error).includes("operation"));
  }
});

test("a closed store is not made ready again by init", async (t) => {
  const folder = folderFor(t);
  const stores = [
    await OPENERS.database(join(folder, "app.db")),
    sync.createFsObjectStorage({ root: join(folder, "objects") }),
  ];
  for (const store of stores) {
    await store.init();
    await store.close();
    await assert.rejects(store.init(), { code: "STORE_CLOSED" });
  }
});

test("a busy timeout may be longer than SQLite can count", async (t) => {
  for (const busyTimeoutMs of [2 ** 31, Number.MAX_SAFE_INTEGER]) {
    const path = join(folderFor(t), "app.db");
    const adapter = sync.createSqliteDatabaseAdapter({ path, busyTimeoutMs });
    await adapter.put(record("1", at(1, "a")));
    await adapter.close();
  }
});

test("a database in a folder that does not exist is an error, not a crash", async (t) => {
  const path = join(folderFor(t), "no", "such", "folder", "app.db");
  await assert.rejects(async () => OPENERS.database(path), { code: "IO_ERROR" });
});

test("a file that is no database is an error, and is left as it was", async (t) => {
  const path = join(folderFor(t), "text.db");
  writeFileSync(
    path,
    "this is no database, but it is long enough to be taken for something".repeat(100),
  );
  await assert.rejects(async () => OPENERS.database(path), { code: "NOT_A_DATABASE" });
});

const LEAVING = [
  "..",
  "../x",
  "../../etc/passwd",
  "a/../../x",
  "a/..",
  "/etc/passwd",
  "//x",
  "a\\b",
  "..\\x",
  "a\0b",
  "",
  ".",
  "C:\\x",
];

for (const key of LEAVING) {
  test(`an object key like ${JSON.stringify(key)} is refused`, async (t) => {
    const folder = folderFor(t);
    const root = join(folder, "inner", "objects");
    const storage = sync.createFsObjectStorage({ root });
    await storage.init();
    await assert.rejects(async () => storage.put(key, bytes("x")), Error);
    const asked = [
      await storage.get(key).catch(() => null),
      await storage.has(key).catch(() => false),
    ];
    assert.deepEqual(asked, [null, false]);
    await storage.delete(key).catch(() => {});
    assert.deepEqual((await storage.list("")).keys, []);
    assert.ok(existsSync(root));
    assert.deepEqual(readdirSync(folder), ["inner"]);
    assert.deepEqual(readdirSync(dirname(root)), ["objects"]);
  });
}

test("a listing for a prefix that leaves the folder shows nothing of what is outside", async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, "secret"), "x");
  const storage = sync.createFsObjectStorage({ root: join(folder, "objects") });
  await storage.init();
  for (const prefix of ["..", "../", "/", join(folder, "s")]) {
    const listed = await storage.list(prefix).catch(() => ({ keys: [] }));
    assert.deepEqual(listed.keys, []);
  }
});

test("what is no bytes is refused by name", async (t) => {
  const storage = sync.createFsObjectStorage({ root: folderFor(t) });
  await storage.init();
  for (const data of ["text", 5, null, undefined, {}]) {
    await assert.rejects(async () => storage.put("k", data), Error);
  }
  assert.equal(await storage.has("k"), false);
});
