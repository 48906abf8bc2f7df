// The way to a peer over this package's own connections: packing, reuse, redirects, and no peer at all.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { NOTHING, cloudAt, deadAddress, json, peerAt } from "./support/http-peers.mjs";
import { folderFor } from "./support/native.mjs";
import { clockFor, memoryDatabase, memoryState } from "./support/memory.mjs";
import { drain, makeCloud, makeNode, record, write } from "./support/index.mjs";

const ASKED = { watermarks: {} };

/** Longer than a peer on this machine takes to answer. */
const FAR_MS = 20;

test("requests are packed once the peer has said that it takes it", async (t) => {
  const peer = await peerAt(t, async (_, res) => {
    await setTimeout(FAR_MS);
    json(res, NOTHING, { headers: { "Accept-Encoding": "br, gzip;q=0.5" } });
  });
  const { exchange } = sync.createHttpSyncTransport(peer);
  const long = { watermarks: {}, records: [record("1", at(1, "z"), { note: "n".repeat(5000) })] };
  await exchange(long);
  await exchange(long);
  await exchange(ASKED);
  const packing = peer.requests.map(({ headers }) => headers["content-encoding"]);
  assert.deepEqual(packing, [undefined, "gzip", undefined], "short ones are not worth it");
  assert.equal(peer.requests[0].text, peer.requests[1].text);
  assert.ok(peer.requests[1].bytes.length < peer.requests[0].bytes.length / 5);
});

test("a peer that does not take what it said it takes is believed the second time", async (t) => {
  const peer = await peerAt(t, async ({ headers }, res) => {
    await setTimeout(FAR_MS);
    if (headers["content-encoding"] !== undefined) return res.writeHead(415).end();
    return json(res, NOTHING, { headers: { "Accept-Encoding": "gzip" } });
  });
  const { exchange } = sync.createHttpSyncTransport(peer);
  const long = { watermarks: {}, records: [record("1", at(1, "z"), { note: "n".repeat(5000) })] };
  for (let i = 0; i < 3; i += 1) assert.deepEqual(await exchange(long), NOTHING);
  const packing = peer.requests.map(({ headers }) => headers["content-encoding"]);
  assert.deepEqual(packing, [undefined, "gzip", undefined, undefined]);
});

test("neither a peer that says nothing nor one that signs gets packed requests", async (t) => {
  const peer = await peerAt(t, async ({ path }, res) => {
    await setTimeout(FAR_MS);
    json(res, NOTHING, path.startsWith("/mute") ? {} : { headers: { "Accept-Encoding": "gzip" } });
  });
  const long = { watermarks: {}, records: [record("1", at(1, "z"), { note: "n".repeat(5000) })] };
  for (const options of [
    { baseUrl: `${peer.baseUrl}/mute` },
    { baseUrl: peer.baseUrl, signRequest: () => ({}) },
  ]) {
    const { exchange } = sync.createHttpSyncTransport(options);
    for (let i = 0; i < 2; i += 1) await exchange(long);
  }
  assert.deepEqual(
    peer.requests.map(({ headers }) => headers["content-encoding"]),
    Array(4).fill(undefined),
  );
});

test("a peer on this machine that answers at once is neither sent nor asked for anything packed", async (t) => {
  const cloud = makeCloud();
  const peer = await cloudAt(t, cloud);
  const { exchange } = sync.createHttpSyncTransport(peer);
  const long = { watermarks: {}, records: [record("1", at(1, "z"), { note: "n".repeat(5000) })] };
  const asked = () => peer.requests.at(-1).headers;
  for (let i = 0; i < 1000; i += 1) {
    await exchange(long);
    if (asked()["accept-encoding"] === undefined) break;
  }
  assert.equal(asked()["accept-encoding"], undefined);
  assert.equal(asked()["content-encoding"], undefined);
});

test("a packed answer is unpacked", async (t) => {
  const answer = { ...NOTHING, records: [record("1", at(1, "z"))] };
  const peer = await peerAt(t, ({ headers }, res) => {
    assert.match(headers["accept-encoding"], /gzip/);
    json(res, gzipSync(JSON.stringify(answer)), { headers: { "Content-Encoding": "gzip" } });
  });
  const got = await sync.createHttpSyncTransport(peer).exchange(ASKED);
  assert.deepEqual(got, JSON.parse(JSON.stringify(answer)));
});

test("connections are kept, and carry rounds and objects", async (t) => {
  const cloud = makeCloud();
  const peer = await cloudAt(t, cloud);
  const node = makeNode("a", cloud, {
    engine: {
      transport: sync.createHttpSyncTransport(peer),
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: peer.baseUrl }),
      blobConcurrency: 1,
      pageLimit: 1,
    },
  });
  for (let i = 0; i < 4; i += 1) write(node, "SR", `${i}`, { key: `k${i}` });
  await drain(node);
  assert.ok(peer.requests.length >= 12);
  // On a busy machine a request may come before the connection of the one before it is free again.
  assert.ok(peer.connections() <= 3, `${peer.connections()} connections`);
});

test("a redirect is an error that names the place, and nothing is sent there", async (t) => {
  const other = await peerAt(t, (_, res) => json(res, NOTHING));
  for (const status of [301, 302, 303, 307, 308]) {
    const peer = await peerAt(t, (_, res) => {
      res.writeHead(status, { Location: `${other.baseUrl}/elsewhere` }).end();
    });
    const options = { baseUrl: peer.baseUrl, getAuthHeader: () => "Bearer secret" };
    await assert.rejects(sync.createHttpSyncTransport(options).exchange(ASKED), {
      name: "SyncError",
      message: new RegExp(`failed: ${status} .*redirects to ${other.baseUrl}/elsewhere`),
    });
    await assert.rejects(sync.createHttpObjectStorage(options).get("k"), { code: "SYNC_ERROR" });
  }
  assert.equal(other.requests.length, 0);
});

test("a peer that is not there is a SyncError that says what to do", async (t) => {
  const baseUrl = await deadAddress(t);
  await assert.rejects(sync.createHttpSyncTransport({ baseUrl }).exchange(ASKED), (error) => {
    assert.ok(error instanceof sync.SyncError);
    assert.match(error.message, /nothing listens there: check that the peer runs/);
    assert.match(error.cause.message, /refused/i);
    return true;
  });
  const plain = await peerAt(t, (_, res) => json(res, NOTHING));
  const secure = plain.baseUrl.replace("http:", "https:");
  await assert.rejects(sync.createHttpSyncTransport({ baseUrl: secure }).exchange(ASKED), {
    code: "SYNC_ERROR",
    message: /that port does not speak TLS: use http:/,
  });
});

test("callbacks see the context that the round was begun in, at every try", async (t) => {
  const context = new AsyncLocalStorage();
  const seen = [];
  const look = () => void seen.push(context.getStore());
  const peer = await peerAt(t, ({ index }, res) =>
    index === 0 ? res.writeHead(503, { "Retry-After": "0" }).end() : json(res, NOTHING),
  );
  const transport = sync.createHttpSyncTransport({
    baseUrl: peer.baseUrl,
    retries: 1,
    getAuthHeader: look,
    signRequest: look,
  });
  const node = makeNode("a", makeCloud(), { engine: { transport } });
  await context.run("mine", () => node.engine.exchange());
  assert.deepEqual(seen, Array(4).fill("mine"));
});

test("an upload that its peer does not read ends by timeoutMs, from memory and from a folder", async (t) => {
  const sockets = new Set();
  const peer = createServer((socket) => {
    sockets.add(socket.pause());
    socket.on("error", () => {});
  });
  peer.listen(0, "127.0.0.1");
  await once(peer, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    peer.close();
  });
  const baseUrl = `http://127.0.0.1:${peer.address().port}`;
  const remote = sync.createHttpObjectStorage({ baseUrl, timeoutMs: 300 });
  const large = Buffer.alloc(50_000_000, 1);
  const isLate = ({ code, reason }) => code === "SYNC_ERROR" && reason === "timeout";
  await assert.rejects(remote.put("photo", large), isLate);
  const local = sync.createFsObjectStorage({ root: join(folderFor(t), "files") });
  t.after(() => local.close());
  await local.put("photo", large);
  const own = memoryDatabase();
  await own.put(record("r", at(1, "laptop"), { kind: "file", objectStorageKey: "photo" }));
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: own,
    localObjectStorage: local,
    remoteObjectStorage: remote,
    clock: clockFor("laptop"),
    syncState: memoryState(),
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: memoryDatabase(),
      objectStorage: remote,
      clock: clockFor("cloud"),
    }),
  });
  const { held } = await engine.exchange();
  assert.equal(held.length, 1);
  assert.ok(isLate(held[0].error), String(held[0].error));
});
