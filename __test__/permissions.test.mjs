// Which rights the files and folders of stores have, after every kind of write.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as sync from "@starkeep/sync-engine";
import { recordOf, sideFor } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";

const onUnix = {
  skip: process.platform === "win32" && "Windows has no modes: rights come from the folder above",
};

/** The rights of all that is below a folder, by path, in octal. */
function modesIn(folder, above = "") {
  return Object.assign(
    {},
    ...readdirSync(folder).map((name) => {
      const [path, key] = [join(folder, name), above + name];
      const found = lstatSync(path);
      const mode = (found.mode & 0o777).toString(8);
      return found.isDirectory()
        ? { [`${key}/`]: mode, ...modesIn(path, `${key}/`) }
        : { [key]: mode };
    }),
  );
}

/** Says that all of these have the rights that files and folders should have. */
function assertModes(modes, [file, folder], least) {
  assert.ok(Object.keys(modes).length >= least, JSON.stringify(modes));
  for (const [path, mode] of Object.entries(modes))
    assert.equal(mode, path.endsWith("/") ? folder : file, path);
}

/** Runs `work` with the umask that most systems have, so that what is private is so by itself. */
async function withUmask(work) {
  const before = process.umask(0o022);
  try {
    return await work();
  } finally {
    process.umask(before);
  }
}

async function* pieces() {
  yield Buffer.from("in ");
  yield Buffer.from("pieces");
}

/** Every kind of write of an object storage. */
async function writeObjects(t, root, options) {
  const storage = sync.createFsObjectStorage({ root, ...options });
  await storage.put("a", Buffer.from("a"));
  await storage.put("folder/b", Buffer.from("b"), { contentType: "text/plain" });
  // Its place is taken by a file: it lies elsewhere.
  await storage.put("a/nested/c", Buffer.from("c"));
  await storage.put("a", Buffer.from("again"));
  await storage.healthCheck();
  const side = await sideFor(t, {
    front: "server",
    kind: "native",
    options: { objectStorageAdapter: storage },
  });
  const streamed = { method: "PUT", body: pieces(), duplex: "half" };
  assert.equal((await fetch(`${side.url}/files/streamed/d`, streamed)).status, 200);
  return storage;
}

for (const [permissions, modes] of [
  [undefined, ["600", "700"]],
  ["private", ["600", "700"]],
  ["umask", ["644", "755"]],
]) {
  test(`files and folders of objects are ${modes.join(" and ")}: ${permissions}`, onUnix, (t) =>
    withUmask(async () => {
      const home = folderFor(t);
      const storage = await writeObjects(t, join(home, "made", "here"), { permissions });
      const found = modesIn(home);
      for (const path of ["a", "folder/", "folder/b", "streamed/d", ".starkeep-store/"])
        assert.ok(`made/here/${path}` in found, path);
      assertModes(found, modes, 20);
      await storage.close();
      assertModes(modesIn(home), modes, 16);
    }),
  );

  test(`a database and what lies beside it is ${modes[0]}: ${permissions}`, onUnix, (t) =>
    withUmask(async () => {
      const home = folderFor(t);
      const path = (name) => ({ path: join(home, name), permissions });
      const records = sync.createSqliteDatabaseAdapter(path("records.db"));
      const rows = sync.createSqliteAppRows(path("rows.db"));
      const state = sync.createSqliteSyncStateStore(path("state.db"));
      await records.init();
      await records.put(recordOf("1", at(1, "laptop")));
      await rows.register("notes", { tables: [] });
      await state.setWatermarks({ laptop: at(1, "laptop") });
      const names = ["records.db", "rows.db", "state.db"];
      const beside = names.flatMap((name) => [name, `${name}-shm`, `${name}-wal`]);
      assert.deepEqual(Object.keys(modesIn(home)).sort(), beside.sort());
      assertModes(modesIn(home), modes, 9);
      for (const store of [records, rows, state]) await store.close();
      assert.deepEqual(Object.keys(modesIn(home)).sort(), names);
      assertModes(modesIn(home), modes, 3);
    }),
  );
}

test("what is there keeps the rights that it has", onUnix, (t) =>
  withUmask(async () => {
    const home = folderFor(t);
    const root = join(home, "objects");
    mkdirSync(join(root, "theirs"), { recursive: true });
    writeFileSync(join(root, "theirs", "a"), "a");
    chmodSync(root, 0o750);
    const path = join(home, "records.db");
    writeFileSync(path, "");
    chmodSync(path, 0o640);
    const storage = sync.createFsObjectStorage({ root });
    await storage.put("theirs/b", Buffer.from("b"));
    const records = sync.createSqliteDatabaseAdapter({ path });
    await records.init();
    await records.put(recordOf("1", at(1, "laptop")));
    const modes = modesIn(home);
    const kept = {
      "objects/": "750",
      "objects/theirs/": "755",
      "objects/theirs/a": "644",
      "objects/theirs/b": "600",
      "records.db": "640",
      "records.db-wal": "640",
      "records.db-shm": "640",
    };
    for (const [name, mode] of Object.entries(kept)) assert.equal(modes[name], mode, name);
    await storage.close();
    await records.close();
  }),
);

test(
  "a database that the app opened itself is the app's",
  { skip: onUnix.skip || needsSqlite.skip },
  (t) =>
    withUmask(async () => {
      const home = folderFor(t);
      const db = new DatabaseSync(join(home, "app.db"));
      const state = sync.createSqliteSyncStateStore({ db });
      await state.setWatermarks({ laptop: at(1, "laptop") });
      assert.deepEqual(modesIn(home), { "app.db": "644" });
      db.close();
    }),
);

test("what a killed process leaves is as private as the rest", onUnix, (t) => {
  const home = folderFor(t);
  const entry = fileURLToPath(new URL("../index.js", import.meta.url));
  const script = `
    process.umask(0o022);
    const sync = require(${JSON.stringify(entry)});
    const root = ${JSON.stringify(join(home, "objects"))};
    const storage = sync.createFsObjectStorage({ root });
    const records = sync.createSqliteDatabaseAdapter({ path: ${JSON.stringify(join(home, "records.db"))} });
    Promise.all([storage.put("a", Buffer.from("a")), records.init()]).then(() =>
      process.kill(process.pid, "SIGKILL"));`;
  const { signal, stderr } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  assert.equal(signal, "SIGKILL", stderr);
  const modes = modesIn(home);
  assert.ok(Object.keys(modes).some((path) => /writing\/.+\.lock$/.test(path)));
  assert.ok("records.db-wal" in modes);
  assertModes(modes, ["600", "700"], 10);
});
