// Disks that are full, may not be written, or keep what a killed process left: errors that say so, nothing
// half-written, and everything in its place once the disk is well again.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { recordOf } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { startPlace } from "./support/kill.mjs";
import { DatabaseSync, folderFor } from "./support/native.mjs";

const mount = (...args) => spawnSync("mount", args, { encoding: "utf8" });

/** A disk of its own, or null and the reason said, where this user may not mount one. */
function diskFor(t, size) {
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-disk-"));
  const { status, stderr, error } = mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder);
  if (status !== 0) {
    rmdirSync(folder);
    t.skip(`a disk of its own cannot be mounted: ${error?.message ?? stderr.trim()}`);
    return null;
  }
  t.after(() => {
    spawnSync("umount", ["-l", folder]);
    rmdirSync(folder);
  });
  const remount = (option) => {
    const { status: code, stderr: said } = mount("-o", `remount,${option}`, folder);
    assert.equal(code, 0, said);
  };
  return { folder, remount };
}

function open(folder) {
  const path = join(folder, "store.db");
  const database = sync.createSqliteDatabaseAdapter({ path });
  const objects = sync.createFsObjectStorage({ root: join(folder, "files") });
  const state = sync.createSqliteSyncStateStore({ path });
  const close = async () => {
    for (const store of [state, database, objects]) await store.close();
  };
  return { database, objects, state, close, folder };
}

function openFor(t, folder) {
  const side = open(folder);
  t.after(side.close);
  return side;
}

function engineOf(node, cloud) {
  return sync.createSyncEngine({
    localDatabaseAdapter: node.database,
    localObjectStorage: node.objects,
    remoteObjectStorage: cloud.objects,
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: cloud.database,
      objectStorage: cloud.objects,
      clock: sync.createHLCClock({ nodeId: "cloud" }),
    }),
    clock: sync.createHLCClock({ nodeId: "n" }),
    syncState: node.state,
  });
}

const hashOf = (data) => createHash("sha256").update(data).digest("hex");

/** Writes `count` records of node `name`, each with an object of `size` bytes. */
async function fill({ database, objects }, name, { count, size, from = 0 }) {
  for (let i = from; i < from + count; i += 1) {
    const data = Buffer.alloc(size, `${name}${i} `);
    const key = `blobs/${name}${i}`;
    await objects.put(key, data, { contentType: "text/plain" });
    const about = { objectStorageKey: key, contentHash: hashOf(data), sizeBytes: size };
    await database.put(recordOf(`${name}${i}`, at(i + 1, name), about));
  }
}

const hasObject = (one) => one.objectStorageKey !== "";
const recordsOf = async ({ database }) => (await database.query({ limit: 1000 })).records;

/** The codes of all that went wrong in a round, held or thrown. */
async function codesOf(engine) {
  try {
    return (await engine.exchange()).held.map(({ code }) => code);
  } catch (error) {
    return [error.code];
  }
}

/** What is half-written: objects that are there and torn, and what lies in the writing area. */
async function halfWritten({ objects, folder }, records) {
  const torn = [];
  for (const { objectStorageKey: key, contentHash } of records.filter(hasObject)) {
    const object = await objects.get(key);
    if (object !== null && hashOf(object.data) !== contentHash) torn.push(key);
  }
  return [...torn, ...leftIn(folder)];
}

const writing = (folder) => join(folder, "files", ".starkeep-store", "writing");
const leftIn = (folder) =>
  readdirSync(writing(folder), { recursive: true }).filter((name) => /[/\\]/.test(name));

async function assertEqualSides(node, cloud) {
  const records = await recordsOf(cloud);
  assert.deepEqual(await recordsOf(node), records);
  for (const { objectStorageKey: key, contentHash } of records.filter(hasObject))
    for (const { objects } of [node, cloud])
      assert.equal(hashOf((await objects.get(key)).data), contentHash, key);
}

async function assertRepaired(engine, node, cloud) {
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const { held, hasMore, applied, shipped } = await engine.exchange();
    assert.deepEqual(held, []);
    if (!hasMore && applied + shipped === 0) return assertEqualSides(node, cloud);
  }
  return assert.fail("it does not come to an end");
}

for (const [where, from] of [
  ["the disk here", "the peer"],
  ["the peer's disk", "here"],
]) {
  test(`objects that ${where} has no room for are held, and come once there is`, async (t) => {
    const disk = diskFor(t, "3m");
    if (disk === null) return;
    const [small, large] = [openFor(t, disk.folder), openFor(t, folderFor(t))];
    const [node, cloud] = from === "the peer" ? [small, large] : [large, small];
    await fill(large, "x", { count: 8, size: 700_000 });
    const engine = engineOf(node, cloud);
    for (let rounds = 0; rounds < 3; rounds += 1) {
      const codes = await codesOf(engine);
      assert.deepEqual([...new Set(codes)], ["STORAGE_FULL"]);
      assert.deepEqual(await halfWritten(small, await recordsOf(large)), []);
    }
    disk.remount("size=64m");
    await assertRepaired(engine, node, cloud);
  });
}

test("a database whose disk is full says so, keeps what it had, and goes on later", async (t) => {
  const disk = diskFor(t, "4m");
  if (disk === null) return;
  const [node, cloud] = [openFor(t, disk.folder), openFor(t, folderFor(t))];
  await fill(node, "n", { count: 5, size: 100 });
  const kept = await recordsOf(node);
  const filler = join(disk.folder, "filler");
  assert.throws(() => writeFileSync(filler, Buffer.alloc(8_000_000)), { code: "ENOSPC" });
  const large = { originalFilename: "x".repeat(300_000) };
  await assert.rejects(node.database.put(recordOf("large", at(99, "n"), large)), {
    code: "STORAGE_FULL",
  });
  await assert.rejects(node.objects.put("large", new Uint8Array(300_000)), {
    code: "STORAGE_FULL",
  });
  assert.deepEqual(await recordsOf(node), kept);
  await fill(cloud, "x", { count: 300, size: 100 });
  const engine = engineOf(node, cloud);
  for (let rounds = 0; rounds < 3; rounds += 1) {
    const codes = await codesOf(engine);
    assert.deepEqual([...new Set(codes)], ["STORAGE_FULL"]);
  }
  assert.deepEqual(await halfWritten(node, await recordsOf(cloud)), []);
  rmSync(filler);
  await assertRepaired(engine, node, cloud);
  await node.database.put(recordOf("large", at(99, "n"), large));
  await assertRepaired(engine, node, cloud);
});

const needsSqlite = {
  skip: DatabaseSync === null ? "node:sqlite exists from Node 22.5 on" : false,
};

test(
  "a file whose log finds no room on the disk is as it was, and opens later",
  needsSqlite,
  async (t) => {
    const disk = diskFor(t, "8m");
    if (disk === null) return;
    const made = open(disk.folder);
    const records = Array.from({ length: 900 }, (_, i) => recordOf(`n${i}`, at(i + 1, "n")));
    await made.database.batch(records.map((record) => ({ type: "put", record })));
    await made.close();
    const path = join(disk.folder, "store.db");
    const namesIn = (db, type) =>
      db
        .prepare(
          "SELECT name FROM sqlite_schema WHERE type = ? AND name LIKE '%\\_log%' ESCAPE '\\'",
        )
        .all(type)
        .map(({ name }) => name);
    const before = new DatabaseSync(path);
    assert.ok(namesIn(before, "table").length > 5);
    for (const type of ["trigger", "table"])
      for (const name of namesIn(before, type)) before.exec(`DROP ${type} "${name}"`);
    before.exec("VACUUM");
    before.close();
    const filler = join(disk.folder, "filler");
    assert.throws(() => writeFileSync(filler, Buffer.alloc(16_000_000)), { code: "ENOSPC" });
    truncateSync(filler, statSync(filler).size - 100_000);
    assert.throws(() => sync.createSqliteDatabaseAdapter({ path }), { code: "STORAGE_FULL" });
    const meanwhile = new DatabaseSync(path);
    assert.deepEqual(namesIn(meanwhile, "table"), []);
    meanwhile.close();
    rmSync(filler);
    const [node, cloud] = [openFor(t, disk.folder), openFor(t, folderFor(t))];
    assert.equal((await recordsOf(node)).length, 900);
    await assertRepaired(engineOf(node, cloud), node, cloud);
  },
);

test("a disk that is full when a store is opened says so, and the store opens once there is room", async (t) => {
  const disk = diskFor(t, "2m");
  if (disk === null) return;
  const before = open(disk.folder);
  await fill(before, "a", { count: 3, size: 1000 });
  await before.close();
  const filler = join(disk.folder, "filler");
  assert.throws(() => writeFileSync(filler, Buffer.alloc(4 * 1024 * 1024)), { code: "ENOSPC" });
  assert.throws(() => sync.createSqliteDatabaseAdapter({ path: join(disk.folder, "store.db") }), {
    code: "STORAGE_FULL",
    message: /the disk is full/,
  });
  rmSync(filler);
  const after = openFor(t, disk.folder);
  assert.equal((await recordsOf(after)).length, 3);
});

test("a disk that became read-only cannot be opened, and can once it may be written", async (t) => {
  const disk = diskFor(t, "16m");
  if (disk === null) return;
  const cloud = openFor(t, folderFor(t));
  const before = open(disk.folder);
  await fill(before, "n", { count: 3, size: 1000 });
  await engineOf(before, cloud).exchange();
  await before.close();
  disk.remount("ro");
  assert.throws(() => sync.createSqliteDatabaseAdapter({ path: join(disk.folder, "store.db") }), {
    code: "READ_ONLY",
  });
  assert.throws(() => sync.createSqliteSyncStateStore({ path: join(disk.folder, "store.db") }), {
    code: "READ_ONLY",
  });
  const storage = async () => {
    const objects = sync.createFsObjectStorage({ root: join(disk.folder, "files") });
    await objects.init();
  };
  await assert.rejects(storage, { code: "READ_ONLY" });
  disk.remount("rw");
  const node = openFor(t, disk.folder);
  await fill(cloud, "x", { count: 3, size: 1000 });
  await assertRepaired(engineOf(node, cloud), node, cloud);
});

/** Root may write everywhere, so a test about rights runs as nobody. */
function asNobody(t, folder) {
  if (process.getuid?.() !== 0) return;
  chownSync(folder, 65_534, 65_534);
  process.seteuid(65_534);
  t.after(() => process.seteuid(0));
}

test("a folder that loses its rights in the middle of a run holds objects until it has them again", async (t) => {
  if (process.platform === "win32") return t.skip("Windows has no such rights");
  const [mine, other] = [folderFor(t), folderFor(t)];
  if (process.getuid?.() === 0) chownSync(other, 65_534, 65_534);
  asNobody(t, mine);
  const [node, cloud] = [openFor(t, mine), openFor(t, other)];
  await fill(cloud, "x", { count: 3, size: 1000 });
  const engine = engineOf(node, cloud);
  await assertRepaired(engine, node, cloud);
  await fill(cloud, "x", { count: 3, size: 1000, from: 3 });
  const area = writing(mine);
  const folders = [area, ...readdirSync(area).map((name) => join(area, name))];
  const locked = folders.filter((path) => statSync(path).isDirectory());
  for (const path of locked) chmodSync(path, 0o555);
  for (let rounds = 0; rounds < 2; rounds += 1)
    assert.deepEqual([...new Set(await codesOf(engine))], ["READ_ONLY"]);
  assert.equal(await node.objects.healthCheck(), false);
  for (const path of locked) chmodSync(path, 0o755);
  assert.deepEqual(await halfWritten(node, await recordsOf(cloud)), []);
  await assertRepaired(engine, node, cloud);
});

test("half an object that a killed process left is nobody's, and goes with the next opening", async (t) => {
  const folder = folderFor(t);
  const place = startPlace(["serve", folder, 0]);
  t.after(() => place.child.kill("SIGKILL"));
  const socket = connect(await place.says("port"), "127.0.0.1");
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  socket.write(
    "PUT /files/photos%2Fhalf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n",
  );
  socket.write(Buffer.alloc(1_000_000, "half "));
  const written = () =>
    leftIn(folder).reduce((sum, name) => sum + statSync(join(writing(folder), name)).size, 0);
  while (written() === 0) {
    assert.equal(place.child.exitCode, null, place.complaints);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await place.kill();
  assert.equal(leftIn(folder).length, 1, "it is left behind");
  const objects = sync.createFsObjectStorage({ root: join(folder, "files") });
  await objects.init();
  assert.deepEqual(leftIn(folder), []);
  assert.equal(await objects.get("photos/half"), null);
  assert.deepEqual((await objects.list("")).keys, []);
  await objects.put("photos/half", new Uint8Array([1, 2]));
  assert.equal((await objects.get("photos/half")).size, 2);
  await objects.close();
  assert.deepEqual(readdirSync(writing(folder)), []);
});
