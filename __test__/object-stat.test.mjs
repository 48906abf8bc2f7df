// What a storage in a folder says of an object without handing it out, where an app asked for that.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { bytes, memoryDatabase } from "./support/index.mjs";
import { DAY, GRACE, find, keysOf } from "./support/keeping.mjs";
import { folderFor } from "./support/native.mjs";
import { engineOf, sideOf, writeFile } from "./support/reconciling.mjs";

/** A storage, and the folder that it is in. */
function storageIn(t, options = { stat: true }) {
  const root = join(folderFor(t), "objects");
  const storage = sync.createFsObjectStorage({ root, ...options });
  t.after(() => storage.close());
  return { root, storage };
}

test("stat says the size, the hash and when the object was put", async (t) => {
  const { storage } = storageIn(t);
  const before = Date.now();
  await storage.put("photos/1", bytes("words"));
  const { modifiedMs, ...rest } = await storage.stat("photos/1");
  const contentHash = createHash("sha256").update("words").digest("hex");
  assert.deepEqual(rest, { size: 5, contentHash });
  // A file system may count in coarser steps than the clock.
  assert.ok(modifiedMs >= before - 2000 && modifiedMs <= Date.now() + 2000, `${modifiedMs}`);
  assert.ok(Number.isSafeInteger(modifiedMs));
});

test("of a file that something else put there, stat says the size and the time of the file", async (t) => {
  const { root, storage } = storageIn(t);
  writeFileSync(join(root, "by-hand"), "four");
  utimesSync(join(root, "by-hand"), 1_700_000_000, 1_700_000_000);
  assert.deepEqual(await storage.stat("by-hand"), { size: 4, modifiedMs: 1_700_000_000_000 });
});

test("stat answers null where there is no object, and rejects as the other functions do", async (t) => {
  const { storage } = storageIn(t);
  assert.equal(await storage.stat("nothing"), null);
  await assert.rejects(storage.stat("../outside"), { code: "INVALID_KEY" });
  await assert.rejects(storage.stat(5), { code: "INVALID_ARGUMENT", message: /stat\(key\)/ });
  await storage.close();
  await assert.rejects(storage.stat("nothing"), { code: "STORE_CLOSED" });
});

test("a storage has stat only if it is asked for", (t) => {
  for (const options of [{}, { stat: false }, { stat: null }, { stat: undefined }])
    assert.equal("stat" in storageIn(t, options).storage, false);
  assert.throws(() => storageIn(t, { stat: "yes" }), {
    code: "INVALID_ARGUMENT",
    message: /createFsObjectStorage\(stat\): must be true or false/,
  });
});

test("with stat one call finds the objects that nothing names, by their age", async (t) => {
  const { root, storage } = storageIn(t);
  for (const key of ["old", "young"]) await storage.put(key, bytes(key));
  const now = Date.now();
  const then = (now - GRACE - DAY) / 1000;
  utimesSync(join(root, "old"), then, then);
  const options = { storage, records: memoryDatabase(), now: () => now };
  const result = await find(options);
  assert.deepEqual([keysOf(result), result.young, result.ageUnknown], [["old"], 1, 0]);
  assert.equal(result.unreferenced[0].sizeBytes, 3);
});

test("an engine takes it as it takes one without stat, and asks a copy of it by stat", async (t) => {
  const [a, hub] = await Promise.all(["a", "hub"].map((name) => sideOf(t, name)));
  const { storage } = storageIn(t);
  const side = { ...a, objects: storage };
  await writeFile(side, 1, "words");
  const round = await engineOf(side, hub).exchange();
  assert.deepEqual([round.shipped, round.inSync], [1, true]);

  const asked = [];
  const copy = {
    ...storage,
    stat(key) {
      asked.push(key);
      return storage.stat(key);
    },
  };
  await writeFile(side, 2, "more words");
  await engineOf({ ...a, objects: copy }, hub).reconcile({ objects: true });
  assert.ok(asked.includes("files/2"));
  assert.equal((await hub.objects.get("files/2")).size, 10);
});
