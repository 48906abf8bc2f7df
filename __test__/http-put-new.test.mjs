// Small objects go to a server of this package without the question whether they are there.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { STORES, recordOf, serveWith, storesFor } from "./support/answering.mjs";
import { folderFor } from "./support/native.mjs";

const COUNT = 20;
const hashOf = (text) => createHash("sha256").update(text).digest("hex");

/** A cloud that notes the requests for files, and a laptop with native stores. */
async function pairFor(t, kind) {
  const cloud = storesFor(t, kind);
  const handler = sync.createHttpSyncHandler(cloud);
  const asked = [];
  const { url: baseUrl } = await serveWith(t, async (req, res) => {
    if (req.url.startsWith("/files/")) asked.push(`${req.method} ${req.url.slice(7)}`);
    await handler(req, res);
  });
  const path = join(folderFor(t), "laptop.db");
  const objects = sync.createFsObjectStorage({ root: folderFor(t) });
  const records = sync.createSqliteDatabaseAdapter({ path });
  const state = sync.createSqliteSyncStateStore({ path });
  const clock = sync.createHLCClock({ nodeId: "laptop" });
  t.after(() => Promise.all([objects.close(), records.close(), state.close()]));
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: records,
    localObjectStorage: objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    syncState: state,
    blobConcurrency: 1,
    clock,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  async function write(key, text) {
    await objects.put(key, Buffer.from(text));
    const object = { objectStorageKey: key, contentHash: hashOf(text), sizeBytes: text.length };
    await records.put(recordOf(key, clock.now(), object));
  }
  const there = async (key) => {
    const object = await cloud.objectStorageAdapter.get(key);
    return object === null ? null : Buffer.from(object.data).toString();
  };
  return { cloud, asked, engine, write, there };
}

const countOf = (asked, method) => asked.filter((line) => line.startsWith(method)).length;

for (const kind of STORES)
  test(`${kind}: the first object is asked for, the others are put at once`, async (t) => {
    const { asked, engine, write, there } = await pairFor(t, kind);
    for (let n = 0; n < COUNT; n += 1) await write(`k${n}`, `text ${n}`);
    const { objectsSent, held } = await engine.drain();
    assert.deepEqual([objectsSent, held], [COUNT, []]);
    assert.deepEqual([countOf(asked, "HEAD"), countOf(asked, "PUT")], [1, COUNT]);
    for (let n = 0; n < COUNT; n += 1) assert.equal(await there(`k${n}`), `text ${n}`);
  });

test("what is under the key already stays if it is right, and is replaced if it is not", async (t) => {
  const { cloud, asked, engine, write, there } = await pairFor(t, "native");
  await write("first", "first");
  await engine.drain();
  await cloud.objectStorageAdapter.put("same", Buffer.from("same text"));
  await cloud.objectStorageAdapter.put("other", Buffer.from("of an older item"));
  await write("same", "same text");
  await write("other", "of the newer item");
  const { objectsSent, held } = await engine.drain();
  assert.deepEqual(held, []);
  assert.equal(await there("same"), "same text");
  assert.equal(await there("other"), "of the newer item");
  assert.equal(objectsSent, 1);
  assert.ok(countOf(asked, "HEAD") > 1);
});

test("a large object is asked for, so that its bytes do not go for nothing", async (t) => {
  const { asked, engine, write, there } = await pairFor(t, "native");
  await write("small", "small");
  await engine.drain();
  const large = "x".repeat(10_000);
  await write("large", large);
  await engine.drain();
  assert.equal(await there("large"), large);
  assert.deepEqual(
    asked.filter((line) => line.endsWith("large")),
    ["HEAD large", "PUT large"],
  );
});
