import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { bytes, faulty, memoryObjects, needingThis, throwing } from "./support/index.mjs";

const manifest = (key, mimeType = "image/png") => ({
  fileHash: key,
  objectStorageKey: key,
  sizeBytes: 1,
  mimeType,
});

async function filled(...keys) {
  const objects = memoryObjects();
  for (const key of keys) await objects.put(key, bytes(`data of ${key}`), { contentType: "x/y" });
  return faulty(objects);
}

test("transferFile copies the bytes and puts them with the type of the manifest", async () => {
  const files = sync.createFileSyncEngine();
  const [source, destination] = [await filled("k"), await filled()];
  assert.equal(await files.transferFile(manifest("k"), source, destination), true);
  const { args } = destination.log.find(({ name }) => name === "put");
  assert.equal(args[0], "k");
  assert.ok(args[1] instanceof Uint8Array);
  assert.deepEqual(args[1], bytes("data of k"));
  assert.equal(args[2].contentType, "image/png");
});

test("transferFile copies nothing where the destination has the key", async () => {
  const files = sync.createFileSyncEngine();
  const [source, destination] = [await filled("k"), await filled("k")];
  assert.equal(await files.transferFile(manifest("k"), source, destination), true);
  assert.equal(source.calls.get, 0);
  assert.equal(destination.calls.put, 0);
});

test("a storage may answer whether it has a key with what it has of it, or with nothing", async () => {
  const files = sync.createFileSyncEngine();
  const [source, destination] = [await filled("k"), await filled()];
  destination.plan.has = { answers: () => ({ value: { size: 9 } }) };
  assert.equal(await files.transferFile(manifest("k"), source, destination), true);
  assert.equal(destination.calls.put, 0);
  const row = { object_storage_key: "k", deleted_at: null };
  assert.equal(await sync.residencyOf(row, { has: () => 1 }), "resident");
  assert.equal(await sync.residencyOf(row, { has: () => undefined }), "staged");
});

test("transferFile answers false where the source has no such key", async () => {
  const files = sync.createFileSyncEngine();
  const [source, destination] = [await filled(), await filled()];
  assert.equal(await files.transferFile(manifest("k"), source, destination), false);
  assert.equal(destination.calls.put, 0);
  assert.equal(files.isTransferInFlight("k"), false);
});

test("a second transfer of a key that is under way answers false at once", async () => {
  const files = sync.createFileSyncEngine();
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const source = await filled("k", "other");
  source.plan.get = { answers: (_call, [key]) => (key === "k" ? { value: gate } : undefined) };
  const destination = await filled();
  assert.equal(files.isTransferInFlight("k"), false);
  const first = files.transferFile(manifest("k"), source, destination);
  assert.equal(files.isTransferInFlight("k"), true);
  assert.equal(await files.transferFile(manifest("k"), source, destination), false);
  assert.equal(await files.transferFile(manifest("other"), source, destination), true);
  assert.equal(files.isTransferInFlight("k"), true);
  assert.equal(sync.createFileSyncEngine().isTransferInFlight("k"), false);
  open({ data: bytes("late"), size: 4 });
  assert.equal(await first, true);
  assert.equal(files.isTransferInFlight("k"), false);
});

for (const method of ["has", "get", "put"]) {
  test(`what ${method} throws is thrown by transferFile, and the key is free again`, async () => {
    const files = sync.createFileSyncEngine();
    const [source, destination] = [await filled("k"), await filled()];
    const error = { not: "an Error" };
    const side = method === "get" ? source : destination;
    side.plan[method] = throwing(error, 1);
    await assert.rejects(
      async () => files.transferFile(manifest("k"), source, destination),
      (thrown) => thrown === error,
    );
    assert.equal(files.isTransferInFlight("k"), false);
    assert.equal(await files.transferFile(manifest("k"), source, destination), true);
  });
}

test("transferFile takes storages that answer with values and that need their this", async () => {
  const files = sync.createFileSyncEngine();
  const source = memoryObjects({ plain: true });
  source.put("k", bytes("abc"));
  const destination = needingThis(memoryObjects({ plain: true }));
  assert.equal(await files.transferFile(manifest("k"), needingThis(source), destination), true);
  assert.deepEqual(destination.get("k").data, bytes("abc"));
});

test("getFilesToPush lists, in order, what here is and there is not", async () => {
  const files = sync.createFileSyncEngine();
  const [local, remote] = [await filled("c", "a", "both"), await filled("both")];
  const entries = [
    { key: "c", mimeType: "image/png" },
    { key: "nowhere" },
    { key: "both", mimeType: "image/png" },
    { key: "a" },
  ];
  const push = await files.getFilesToPush(local, remote, entries);
  assert.deepEqual(
    push.map(({ mimeType: _type, ...rest }) => rest),
    ["c", "a"].map((key) => ({
      fileHash: key,
      objectStorageKey: key,
      sizeBytes: bytes(`data of ${key}`).length,
    })),
  );
  assert.deepEqual(
    push.map((one) => one.mimeType),
    ["image/png", undefined],
  );
});

test("getFilesToPull lists, in order, what there is and here is not", async () => {
  const files = sync.createFileSyncEngine();
  const [local, remote] = [await filled("both", "mine"), await filled("b", "both", "a")];
  const entries = ["b", "both", "mine", "nowhere", "a"].map((key) => ({ key, mimeType: "t/t" }));
  assert.deepEqual(
    await files.getFilesToPull(local, remote, entries),
    ["b", "a"].map((key) => ({
      fileHash: key,
      objectStorageKey: key,
      sizeBytes: bytes(`data of ${key}`).length,
      mimeType: "t/t",
    })),
  );
});

test("the lists of no entries are empty", async () => {
  const files = sync.createFileSyncEngine();
  const [local, remote] = [await filled("a"), await filled()];
  assert.deepEqual(await files.getFilesToPush(local, remote, []), []);
  assert.deepEqual(await files.getFilesToPull(local, remote, []), []);
});

test("what a storage throws while files are listed is thrown", async () => {
  const files = sync.createFileSyncEngine();
  const error = new Error("listing");
  const local = await filled("a");
  const remote = faulty(memoryObjects(), { has: throwing(error) });
  await assert.rejects(
    async () => files.getFilesToPush(local, remote, [{ key: "a" }]),
    (thrown) => thrown === error,
  );
});
