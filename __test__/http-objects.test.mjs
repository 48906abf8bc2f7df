// An object storage over the files of a peer.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as sync from "@starkeep/sync-engine";
import { cloudAt, deadAddress, peerAt, rawPeerAt } from "./support/http-peers.mjs";
import { bytes, makeCloud, makeNode, memoryObjects, write } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";

const WAYS = { native: {}, fetch: { fetch: globalThis.fetch } };
const KEYS = [
  "a",
  "photos/2024/é 😀.jpg",
  "100%?#&=+;,:@$'()*!~",
  "../../etc/passwd",
  "a\\b",
  "\u0001",
];

/** Bytes that no packing makes small. */
function noise(length) {
  const blocks = [];
  for (let i = 0; i * 32 < length; i += 1)
    blocks.push(createHash("sha256").update(`${i}`).digest());
  return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
}

for (const [way, options] of Object.entries(WAYS)) {
  test(`${way}: objects come back as they were put, whatever their key`, async (t) => {
    const cloud = makeCloud();
    const { baseUrl, requests } = await cloudAt(t, cloud);
    const { put, get, has, delete: remove } = sync.createHttpObjectStorage({ baseUrl, ...options });
    for (const key of KEYS) {
      assert.deepEqual([await has(key), await get(key)], [false, null]);
      await put(key, bytes(key), { contentType: "image/jpeg" });
      assert.equal(await has(key), true);
      const { data, size, contentType } = await get(key);
      assert.deepEqual([data, size, contentType], [bytes(key), data.length, "image/jpeg"]);
      assert.equal(requests.at(-1).path, `/files/${encodeURIComponent(key)}`);
      await remove(key);
      await remove(key);
      assert.equal(await has(key), false);
    }
    await put("empty", new Uint8Array());
    assert.deepEqual((await get("empty")).data, new Uint8Array());
    const large = noise(3_000_000);
    await put("large", large);
    assert.ok(Buffer.from(large).equals((await get("large")).data));
  });

  test(`${way}: a key that no URL can name is refused, and nothing is sent`, async (t) => {
    const { baseUrl, requests } = await cloudAt(t, makeCloud());
    const storage = sync.createHttpObjectStorage({ baseUrl, ...options });
    for (const key of ["", ".", "..", "lone \uD800"]) {
      for (const call of [
        () => storage.has(key),
        () => storage.get(key),
        () => storage.delete(key),
        () => storage.put(key, bytes("x")),
      ]) {
        await assert.rejects(call(), { code: "INVALID_KEY" });
      }
    }
    for (const call of [() => storage.has(5), () => storage.put("k", "text")]) {
      await assert.rejects(call(), { code: "INVALID_ARGUMENT" });
    }
    await assert.rejects(storage.list(""), { code: "INVALID_ARGUMENT", message: /cannot list/ });
    assert.equal(requests.length, 0);
  });

  test(`${way}: a peer that refuses is a SyncError that says which object`, async (t) => {
    const { baseUrl } = await peerAt(t, (_, res) => res.writeHead(403).end("not yours"));
    const storage = sync.createHttpObjectStorage({ baseUrl, ...options });
    for (const [call, said] of [
      [() => storage.get("a/b"), "GET /files/a%2Fb failed: 403 Forbidden not yours"],
      [() => storage.has("k"), "HEAD /files/k failed: 403 Forbidden "],
      [() => storage.put("k", bytes("x")), "PUT /files/k failed: 403 Forbidden not yours"],
      [() => storage.delete("k"), "DELETE /files/k failed: 403 Forbidden not yours"],
    ]) {
      await assert.rejects(call(), { name: "SyncError", message: said });
    }
  });

  test(`${way}: what cannot be reached is not healthy, and neither is what says so`, async (t) => {
    const peer = await peerAt(t, ({ path }, res) =>
      res.writeHead(path === "/health" ? 204 : 500).end(),
    );
    const healthy = (baseUrl) =>
      sync.createHttpObjectStorage({ baseUrl, ...options }).healthCheck();
    assert.equal(await healthy(`${peer.baseUrl}/`), true);
    assert.equal(await healthy(`${peer.baseUrl}/down`), false);
    assert.equal(await healthy(await deadAddress(t)), false);
  });

  test(`${way}: callbacks see what is sent, and what they throw is thrown`, async (t) => {
    const { baseUrl, requests } = await cloudAt(t, makeCloud());
    const asked = [];
    const storage = sync.createHttpObjectStorage({
      baseUrl,
      ...options,
      getAuthHeader: async () => "Bearer t",
      signRequest: (...args) => {
        asked.push(args);
        return { "X-Signature": args.join(" ") };
      },
    });
    await storage.put("a/b", bytes("x"));
    await storage.has("a/b");
    await storage.get("a/b");
    await storage.delete("a/b");
    assert.deepEqual(asked, [
      ["PUT", "/files/a%2Fb", undefined],
      ["HEAD", "/files/a%2Fb", ""],
      ["GET", "/files/a%2Fb", ""],
      ["DELETE", "/files/a%2Fb", ""],
    ]);
    assert.deepEqual(
      requests.map(({ headers }) => [headers.authorization, headers["x-signature"]]),
      asked.map((args) => ["Bearer t", args.join(" ").trim()]),
    );
    const thrown = new Error("mine");
    const failing = sync.createHttpObjectStorage({
      baseUrl,
      ...options,
      getAuthHeader: () => Promise.reject(thrown),
    });
    await assert.rejects(failing.get("k"), (error) => error === thrown);
  });

  test(`${way}: what passes is tried again as often as allowed`, async (t) => {
    const peer = await peerAt(t, ({ index }, res) => {
      res.writeHead(index % 3 === 2 ? 200 : 503, { "Retry-After": "0" }).end();
    });
    const storage = sync.createHttpObjectStorage({ baseUrl: peer.baseUrl, ...options, retries: 2 });
    assert.equal(await storage.has("k"), true);
    assert.equal((await storage.get("k")).size, 0);
    await storage.put("k", bytes("again and again"));
    assert.deepEqual(
      peer.requests.slice(6).map(({ text }) => text),
      Array(3).fill("again and again"),
    );
    await storage.delete("k");
    assert.equal(peer.requests.length, 12);
  });

  test(`${way}: an object that moves may take longer than one that stands still`, async (t) => {
    const parts = Array.from({ length: 12 }, (_, i) => `part ${i};`);
    const peer = await peerAt(t, async ({ path }, res) => {
      res.writeHead(200);
      for (const part of parts) {
        res.write(part);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      if (path === "/files/whole") res.end();
    });
    const storage = sync.createHttpObjectStorage({
      baseUrl: peer.baseUrl,
      ...options,
      // Less than all parts take, and much more than one does, also on a busy machine.
      timeoutMs: 1000,
    });
    assert.deepEqual((await storage.get("whole")).data, bytes(parts.join("")));
    await assert.rejects(storage.get("stuck"), { code: "SYNC_ERROR", message: /1000 ms/ });
  });

  test(`${way}: half an object is an error, and the store keeps nothing of it`, async (t) => {
    const cut = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly the beginning";
    const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\nhal";
    for (const wire of [cut, chunked]) {
      const { baseUrl } = await rawPeerAt(t, wire);
      const local = sync.createFsObjectStorage({ root: folderFor(t) });
      const cloud = makeCloud();
      const node = makeNode("a", cloud, {
        engine: {
          localObjectStorage: local,
          remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, ...options }),
        },
      });
      write(cloud, "SR", "photo", { key: "photo.jpg" });
      const { held } = await node.engine.exchange();
      assert.deepEqual(
        held.map(({ direction, key }) => [direction, key]),
        [["inbound", "photo.jpg"]],
      );
      assert.deepEqual(node.state.own(), {});
      assert.deepEqual((await local.list("")).keys, []);
    }
  });
}

test("objects stream between a folder and a peer, and through stores of the app's", async (t) => {
  const cloud = makeCloud();
  const { baseUrl, requests } = await cloudAt(t, cloud);
  const http = sync.createHttpObjectStorage({ baseUrl });
  const folder = sync.createFsObjectStorage({ root: folderFor(t) });
  const other = sync.createFsObjectStorage({ root: folderFor(t) });
  const memory = memoryObjects();
  const { transferFile } = sync.createFileSyncEngine();
  const large = noise(5_000_001);
  const manifest = {
    fileHash: "h",
    objectStorageKey: "photos/large.bin",
    sizeBytes: large.length,
    mimeType: "image/x-raw",
  };
  await folder.put(manifest.objectStorageKey, large, { contentType: "text/plain" });
  for (const [source, destination] of [
    [folder, http],
    [http, other],
    [http, memory],
  ]) {
    assert.equal(await transferFile(manifest, source, destination), true);
    const { data, contentType } = await destination.get(manifest.objectStorageKey);
    assert.ok(Buffer.from(data).equals(large));
    assert.equal(contentType, "image/x-raw");
  }
  const put = requests.find(({ method }) => method === "PUT");
  assert.equal(put.headers["content-length"], String(large.length));
  const small = { ...manifest, objectStorageKey: "from memory" };
  await memory.put("from memory", bytes("small"));
  assert.equal(await transferFile(small, memory, http), true);
  assert.deepEqual((await cloud.objects.get("from memory")).data, bytes("small"));
  const none = { ...manifest, objectStorageKey: "none" };
  assert.equal(await transferFile(none, http, other), false);
});

test("a content type that no header can hold keeps no object from moving", async (t) => {
  const cloud = makeCloud();
  const { baseUrl } = await cloudAt(t, cloud);
  const storage = sync.createHttpObjectStorage({ baseUrl });
  await storage.put("k", bytes("x"), { contentType: "text/plain\r\nX-Injected: 1" });
  assert.deepEqual((await cloud.objects.get("k")).data, bytes("x"));
});

test("an object that was packed on the way is stored as it was put", async (t) => {
  const packed = gzipSync(noise(5000));
  const peer = await peerAt(t, (_, res) =>
    res.writeHead(200, { "Content-Encoding": "gzip", "Content-Length": packed.length }).end(packed),
  );
  const found = await sync.createHttpObjectStorage({ baseUrl: peer.baseUrl }).get("k");
  assert.deepEqual(Buffer.from(found.data), Buffer.from(noise(5000)));
});

for (const [coding, message] of [
  ["br", /packed as "br"/],
  ["gzip", /not packed with gzip as it says/],
]) {
  test(`an object that came packed in another way than ${coding} says is refused`, async (t) => {
    const peer = await peerAt(t, (_, res) =>
      res.writeHead(200, { "Content-Encoding": coding }).end("packed"),
    );
    const storage = sync.createHttpObjectStorage({ baseUrl: peer.baseUrl });
    await assert.rejects(storage.get("k"), { code: "SYNC_ERROR", message });
  });
}

test("a peer that stops taking an object is given up, and the item is held", async (t) => {
  const cloud = makeCloud();
  const { baseUrl } = await rawPeerAt(t, "", { hangUp: false });
  const node = makeNode("a", cloud, {
    engine: {
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, timeoutMs: 100 }),
    },
  });
  write(node, "SR", "photo", { key: "photo.jpg" });
  const { held, shipped } = await node.engine.exchange();
  assert.equal(shipped, 0);
  assert.match(held[0].reason, /within 100 ms/);
});
