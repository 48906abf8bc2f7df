// Devices that exchange with a server over a bucket: its bytes go through the server, or past it by urls.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { needsS3 } from "../scripts/test-servers.mjs";
import { recordOf } from "./support/answering.mjs";
import { openNode } from "./support/native-node.mjs";
import { folderFor } from "./support/native.mjs";
import { beforeS3, s3At } from "./support/s3.mjs";

const MIB = 2 ** 20;
const SIZES = [0, 1, 7000, 3 * MIB, 8 * MIB, 8 * MIB + 1, 21 * MIB + 5];
const hashOf = (data) => createHash("sha256").update(data).digest("hex");
const partsIn = (root) => readdirSync(root).filter((name) => name.startsWith(".upload"));

/** A server over SQLite and the bucket. */
async function hubOver(t, bucket) {
  const { db, clock, close } = openNode(folderFor(t), "hub");
  const server = sync.createHttpSyncServer({
    databaseAdapter: db,
    objectStorageAdapter: bucket,
    clock,
  });
  const { port } = await server.listen();
  t.after(async () => {
    await server.close();
    await close();
  });
  return { server, db, baseUrl: `http://127.0.0.1:${port}` };
}

/** A device of native stores. Its objects go to `remote`, or to the peer. */
function deviceOf(t, name, { baseUrl, presign = false, remote }) {
  const node = openNode(folderFor(t), name);
  t.after(() => node.close());
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: node.db,
    localObjectStorage: node.objects,
    remoteObjectStorage: remote ?? sync.createHttpObjectStorage({ baseUrl, presign }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    clock: node.clock,
    syncState: node.state,
  });
  return { ...node, engine };
}

/** Adds a file and its record. */
async function add({ db, objects, clock }, key, data) {
  await objects.put(key, data, { contentType: "image/x-raw" });
  const about = { contentHash: hashOf(data), sizeBytes: data.length, mimeType: "image/x-raw" };
  await db.put(recordOf(key, clock.now(), { objectStorageKey: key, ...about }));
}

async function exchangeAll(...devices) {
  for (let round = 0; round < 2; round += 1)
    for (const { engine } of devices) {
      const { held } = await engine.exchange();
      assert.deepEqual(held, []);
    }
}

describe("a server over a bucket", needsS3, () => {
  for (const [way, options] of Object.entries({
    "through the server": { presign: false },
    "past it, by urls": { presign: true },
    "straight to the bucket": { straight: true },
  }))
    test(`two devices have the same files in the end, ${way}`, async (t) => {
      const { storage, root } = await s3At(t);
      const bucket = storage();
      const hub = await hubOver(t, bucket);
      const remote = () => (options.straight ? storage() : undefined);
      const [a, b] = ["a", "b"].map((name) =>
        deviceOf(t, name, { ...hub, presign: options.presign, remote: remote() }),
      );
      const files = new Map(SIZES.map((size, i) => [`photos/é ${i}+%.raw`, randomBytes(size)]));
      const from = [a, b];
      let turn = 0;
      for (const [key, data] of files) await add(from[turn++ % 2], key, data);
      await exchangeAll(a, b);
      const stores = { a: a.objects, b: b.objects, bucket };
      for (const [key, data] of files)
        for (const [name, store] of Object.entries(stores)) {
          const got = await store.get(key);
          assert.ok(data.equals(got.data), `${key} of ${data.length} bytes in ${name}`);
          assert.equal(got.contentType, "image/x-raw", `${key} in ${name}`);
        }
      for (const [key, data] of files) {
        const { size, contentHash } = await bucket.stat(key);
        assert.deepEqual({ size, contentHash }, { size: data.length, contentHash: hashOf(data) });
      }
      assert.deepEqual(partsIn(root), []);
    });

  test("the server answers a part of an object, and tells what has not changed", async (t) => {
    const { storage } = await s3At(t);
    const bucket = storage();
    const { baseUrl } = await hubOver(t, bucket);
    const data = randomBytes(300_000);
    await bucket.put("k", data, { contentType: "text/plain" });
    const url = `${baseUrl}/files/k`;
    const part = await fetch(url, { headers: { range: "bytes=1000-1999" } });
    assert.equal(part.status, 206);
    assert.ok(data.subarray(1000, 2000).equals(Buffer.from(await part.arrayBuffer())));
    const etag = part.headers.get("etag");
    assert.equal((await fetch(url, { headers: { "if-none-match": etag } })).status, 304);
    await bucket.put("k", randomBytes(300_000));
    assert.equal((await fetch(url, { headers: { "if-none-match": etag } })).status, 200);
  });

  test("a round that is called off within an upload leaves no parts", async (t) => {
    const real = await s3At(t);
    const stop = new AbortController();
    const { storage } = await beforeS3(t, real, async ({ path }) => {
      if (!path.includes("partNumber=2")) return false;
      stop.abort();
      await after(100);
      return false;
    });
    const hub = await hubOver(t, real.storage());
    const a = deviceOf(t, "a", { ...hub, remote: storage() });
    await add(a, "big", randomBytes(40 * MIB));
    await assert.rejects(a.engine.exchange({ signal: stop.signal }));
    for (let waits = 0; partsIn(real.root).length > 0 && waits < 200; waits += 1) await after(25);
    assert.deepEqual(partsIn(real.root), []);
    assert.equal(await real.storage().has("big"), false);
    await exchangeAll(a);
    assert.equal((await real.storage().stat("big")).size, 40 * MIB);
  });

  test("of one object that two devices add at once one stays, and both know it", async (t) => {
    const { storage } = await s3At(t);
    const hub = await hubOver(t, storage());
    const devices = ["a", "b"].map((name) => deviceOf(t, name, { ...hub, remote: storage() }));
    const data = randomBytes(1000);
    for (const device of devices) {
      await device.objects.put("same", data);
      const { name, db, clock } = device;
      const about = { contentHash: hashOf(data), sizeBytes: data.length };
      await db.put(
        recordOf(`r${name}${clock.now().nodeId}`, clock.now(), {
          objectStorageKey: "same",
          ...about,
        }),
      );
    }
    await Promise.all(devices.map(({ engine }) => engine.exchange()));
    await exchangeAll(...devices);
    assert.ok(data.equals((await storage().get("same")).data));
    assert.equal((await hub.db.query({})).records.length, 2);
  });
});
