// Connections that the peer closes while they are quiet, just when they are used again.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { NOTHING, json, peerAt } from "./support/http-peers.mjs";
import { drain, makeCloud, makeNode, write } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";

const ASKED = { watermarks: {} };

const ENDS = {
  "closes it": (socket) => socket.destroy(),
  "resets it": (socket) => socket.resetAndDestroy(),
};

/**
 * A peer that answers what comes first over a connection, and ends the connection with whatever comes
 * next, unread. `seen` are all the requests, `lost` those without an answer.
 */
async function forgetfulPeerAt(t, end, answer) {
  const [seen, lost, used] = [[], [], new Set()];
  const server = createServer(async (req, res) => {
    const { method, url: path, headers, socket } = req;
    seen.push({ method, path, headers });
    if (used.has(socket)) {
      lost.push(path);
      end(socket);
      return;
    }
    used.add(socket);
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    answer({ method, path, bytes: Buffer.concat(chunks) }, res);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { baseUrl: `http://127.0.0.1:${server.address().port}`, seen, lost };
}

for (const [name, end] of Object.entries(ENDS)) {
  test(`a peer that ends a connection when it is used again (${name}) fails no round`, async (t) => {
    const peer = await forgetfulPeerAt(t, end, (_, res) => json(res, NOTHING));
    const { exchange } = sync.createHttpSyncTransport(peer);
    for (let i = 0; i < 200; i += 1) assert.deepEqual(await exchange(ASKED), NOTHING);
    assert.ok(peer.lost.length >= 50, `${peer.lost.length} requests met an ended connection`);
    assert.equal(peer.seen.length, 200 + peer.lost.length, "each of them was sent once more");
  });
}

test("what is sent once more is signed anew", async (t) => {
  const peer = await forgetfulPeerAt(t, ENDS["closes it"], (_, res) => json(res, NOTHING));
  let nonce = 0;
  const { exchange } = sync.createHttpSyncTransport({
    baseUrl: peer.baseUrl,
    signRequest: () => ({ "X-Nonce": String((nonce += 1)) }),
  });
  for (let i = 0; i < 20; i += 1) await exchange(ASKED);
  const nonces = peer.seen.map(({ headers }) => headers["x-nonce"]);
  assert.ok(peer.lost.length > 0);
  assert.equal(new Set(nonces).size, peer.seen.length);
});

test("a connection that was not used before is not tried twice, and no request three times", async (t) => {
  const hopeless = await peerAt(t, (_, res) => res.destroy());
  const { exchange } = sync.createHttpSyncTransport(hopeless);
  await assert.rejects(exchange(ASKED), { code: "SYNC_ERROR", message: /broke/ });
  assert.equal(hopeless.requests.length, 1);

  // From the first connection on that is used again, nothing is answered any more.
  let lost = 0;
  const used = new Set();
  const dying = await peerAt(t, (_, res) => {
    if (lost === 0 && !used.has(res.socket)) {
      used.add(res.socket);
      return json(res, NOTHING);
    }
    lost += 1;
    return res.destroy();
  });
  const transport = sync.createHttpSyncTransport(dying);
  const rounds = async () => {
    for (let i = 0; i < 100; i += 1) await transport.exchange(ASKED);
  };
  await assert.rejects(rounds(), { code: "SYNC_ERROR", message: /broke/ });
  assert.equal(lost, 2);
});

test("an answer that has begun is not asked for once more", async (t) => {
  const begun = [];
  const used = new Set();
  const peer = await peerAt(t, ({ index }, res) => {
    if (!used.has(res.socket)) {
      used.add(res.socket);
      return json(res, NOTHING);
    }
    begun.push(index);
    res.writeHead(200, { "Content-Length": "100" }).write("{", () => res.destroy());
    return undefined;
  });
  const { exchange } = sync.createHttpSyncTransport(peer);
  const rounds = async () => {
    for (let i = 0; i < 100; i += 1) await exchange(ASKED);
  };
  await assert.rejects(rounds(), { code: "SYNC_ERROR", message: /broke/ });
  assert.deepEqual(begun, [peer.requests.length - 1]);
});

/** A server of files in memory. */
function filesIn(files) {
  return ({ method, path, bytes }, res) => {
    if (method === "PUT") {
      files.set(path, bytes);
      return res.writeHead(200).end();
    }
    if (!files.has(path)) return res.writeHead(404).end();
    if (method === "DELETE") files.delete(path);
    const body = method === "GET" ? files.get(path) : "";
    return res.writeHead(method === "DELETE" ? 204 : 200).end(body);
  };
}

test("files come and go over connections that the peer ends", async (t) => {
  const files = new Map();
  const peer = await forgetfulPeerAt(t, ENDS["resets it"], filesIn(files));
  const storage = sync.createHttpObjectStorage({ baseUrl: peer.baseUrl });
  for (let i = 0; i < 40; i += 1) {
    const bytes = Buffer.alloc(i * 5000, i);
    await storage.put("k", bytes);
    assert.ok(files.get("/files/k").equals(bytes));
    assert.equal(await storage.has("k"), true);
    assert.ok(bytes.equals((await storage.get("k")).data));
    await storage.delete("k");
    assert.equal(await storage.has("k"), false);
  }
  const methods = new Set(peer.seen.map(({ method }) => method));
  assert.deepEqual([...methods].sort(), ["DELETE", "GET", "HEAD", "PUT"]);
  assert.ok(peer.lost.length >= 50);
});

test("a file that streams from the disk arrives whole over connections that the peer ends", async (t) => {
  const files = new Map();
  const serve = filesIn(files);
  const peer = await forgetfulPeerAt(t, ENDS["closes it"], (request, res) =>
    request.method === "POST" ? json(res, NOTHING) : serve(request, res),
  );
  const local = sync.createFsObjectStorage({ root: folderFor(t) });
  await local.init();
  const node = makeNode("a", makeCloud(), {
    engine: {
      transport: sync.createHttpSyncTransport(peer),
      localObjectStorage: local,
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: peer.baseUrl }),
      blobConcurrency: 1,
      pageLimit: 1,
    },
  });
  const sizes = [1, 100_000, 300_000, 70_000, 5, 200_000];
  for (const [i, size] of sizes.entries()) {
    await local.put(`k${i}`, Buffer.alloc(size, i + 1));
    write(node, "SR", `${i}`, { key: `k${i}`, fields: { sizeBytes: size } });
  }
  const results = await drain(node);
  assert.deepEqual(
    results.flatMap(({ held }) => held ?? []),
    [],
  );
  for (const [i, size] of sizes.entries()) {
    assert.ok(files.get(`/files/k${i}`)?.equals(Buffer.alloc(size, i + 1)), `k${i}`);
  }
  assert.ok(peer.lost.some((path) => path.startsWith("/files/")));
});
