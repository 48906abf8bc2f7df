// Uploads of large objects that go on where the line broke.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as sync from "@starkeep/sync-engine";
import { FRONTS, raw, recordOf, serveWith, sideFor } from "./support/answering.mjs";
import { cuttingProxy } from "./support/cutting.mjs";
import { NOTHING, json } from "./support/http-peers.mjs";
import { folderFor } from "./support/native.mjs";

const MIB = 1024 * 1024;
const hashOf = (data) => createHash("sha256").update(data).digest("hex");
const idOf = (data) => `${hashOf(data)}-${data.length}`;

/** A side over a folder, whose parts can be looked at. */
async function sideOver(t, front, options = {}) {
  const root = folderFor(t);
  const objectStorageAdapter = sync.createFsObjectStorage({ root });
  t.after(() => objectStorageAdapter.close());
  const side = await sideFor(t, {
    front,
    kind: "native",
    options: { objectStorageAdapter, ...options },
  });
  const folder = join(root, ".starkeep-store", "parts");
  const parts = () => (existsSync(folder) ? readdirSync(folder) : []);
  return { ...side, root, folder, parts, objectStorageAdapter };
}

/** A laptop with one record whose object is `data`. */
async function laptopWith(t, baseUrl, data, fields = {}) {
  const path = join(folderFor(t), "one.db");
  const local = sync.createFsObjectStorage({ root: folderFor(t) });
  const database = sync.createSqliteDatabaseAdapter({ path });
  const state = sync.createSqliteSyncStateStore({ path });
  const clock = sync.createHLCClock({ nodeId: "laptop" });
  t.after(() => Promise.all([local.close(), database.close(), state.close()]));
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: database,
    localObjectStorage: local,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    syncState: state,
    clock,
    logger,
  });
  await local.put("big", data);
  const object = { objectStorageKey: "big", contentHash: hashOf(data), sizeBytes: data.length };
  await database.put(recordOf("r", clock.now(), { ...object, ...fields }));
  return engine;
}

/** Exchanges until nothing is held, and says how often it was. */
async function untilThere(engine, most = 10) {
  for (let times = 1; times <= most; times += 1) {
    const { held } = await engine.exchange();
    if (held.length === 0) return times;
  }
  return assert.fail("the object did not arrive");
}

for (const front of FRONTS)
  test(`${front}: a large object survives a line that breaks, and little of it goes twice`, async (t) => {
    const side = await sideOver(t, front);
    const data = randomBytes(32 * MIB);
    const cuts = [10 * MIB, 10 * MIB, 4 * MIB];
    const { baseUrl, seen } = await cuttingProxy(t, side.port, cuts);
    const engine = await laptopWith(t, baseUrl, data);
    await untilThere(engine);
    assert.equal(seen.cut, 3);
    assert.ok(data.equals((await side.objectStorageAdapter.get("big")).data));
    // What was on its way when the line broke goes again: what the buffers of sockets hold.
    assert.ok(seen.sent < 32 * MIB + 3 * 3 * MIB, `${seen.sent / MIB} MiB were sent`);
    assert.deepEqual(side.parts(), []);
    assert.equal((await side.databaseAdapter.get("r")).objectStorageKey, "big");
  });

const part = (side, data, { from = 0, to = data.length, id = idOf(data), key = "k" } = {}) =>
  fetch(`${side.url}/files/${key}`, {
    method: "PUT",
    headers: {
      "upload-id": id,
      ...(from > 0 ? { "content-range": `bytes ${from}-${data.length - 1}/${data.length}` } : {}),
    },
    body: data.subarray(from, to),
  });

const offsetOf = async (side, data, key = "k") => {
  const headers = { "upload-id": idOf(data) };
  const { headers: told } = await fetch(`${side.url}/files/${key}`, { method: "HEAD", headers });
  return told.get("upload-offset");
};

/**
 * Begins an upload, breaks it off after so many bytes, and answers how many are kept: what has arrived by then. The server
 * puts them away when it notices the end, which may be a moment after it has ended the connection too.
 */
async function broken(side, data, bytes, { from = 0, key = "k" } = {}) {
  const range =
    from > 0 ? `Content-Range: bytes ${from}-${data.length - 1}/${data.length}\r\n` : "";
  const head =
    `PUT /files/${key} HTTP/1.1\r\nHost: localhost\r\nUpload-Id: ${idOf(data)}\r\n${range}` +
    `Content-Length: ${data.length - from}\r\n\r\n`;
  await raw(side.port, head, data.subarray(from, from + bytes), (socket) => socket.end());
  let kept = from;
  for (let tries = 0; kept <= from && tries < 50; tries += 1) {
    if (tries > 0) await sleep(20);
    kept = Number(await offsetOf(side, data, key));
  }
  return kept;
}

for (const front of FRONTS) {
  test(`${front}: what is kept of an upload is told, and it goes on there alone`, async (t) => {
    const side = await sideOver(t, front);
    const data = randomBytes(MIB);
    assert.equal(await offsetOf(side, data), "0");
    const first = await broken(side, data, 300_000);
    assert.ok(first > 64 * 1024 && first <= 300_000, `${first} bytes are kept`);
    assert.equal(await side.objectStorageAdapter.has("k"), false);
    assert.deepEqual((await side.objectStorageAdapter.list("")).keys, []);
    assert.equal(await offsetOf(side, data, "other"), "0");
    assert.equal(await offsetOf(side, randomBytes(MIB)), "0");
    for (const from of [first - 1, first + 1]) {
      const refused = await part(side, data, { from });
      assert.deepEqual([refused.status, (await refused.json()).code], [409, "SYNC_ERROR"]);
    }
    const second = await broken(side, data, 200_000, { from: first });
    assert.ok(second > first && second <= first + 200_000, `${second} bytes are kept`);
    assert.equal((await part(side, data, { from: second })).status, 200);
    assert.ok(data.equals((await side.objectStorageAdapter.get("k")).data));
    assert.deepEqual([await offsetOf(side, data), side.parts()], ["0", []]);
  });

  test(`${front}: what comes together and is not what it was to be is not stored`, async (t) => {
    const side = await sideOver(t, front);
    const data = randomBytes(MIB);
    await side.objectStorageAdapter.put("k", Buffer.from("before"));
    const from = await broken(side, data, 300_000);
    const other = Buffer.concat([data.subarray(0, from), randomBytes(MIB - from)]);
    const answer = await part(side, other, { from, id: idOf(data) });
    assert.deepEqual([answer.status, (await answer.json()).code], [409, "HASH_MISMATCH"]);
    const { data: kept } = await side.objectStorageAdapter.get("k");
    assert.equal(Buffer.from(kept).toString(), "before");
    assert.deepEqual(side.parts(), []);
  });

  test(`${front}: who may not write goes on with nothing`, async (t) => {
    const data = randomBytes(MIB);
    const authorize = ({ headers }) => (headers["x-reads"] ? { readOnly: true } : true);
    const side = await sideOver(t, front, { authorize, maxFileBytes: MIB });
    const from = await broken(side, data, 300_000);
    const headers = {
      "x-reads": "1",
      "upload-id": idOf(data),
      "content-range": `bytes ${from}-${MIB - 1}/${MIB}`,
    };
    const body = data.subarray(from);
    const refused = await fetch(`${side.url}/files/k`, { method: "PUT", headers, body });
    assert.equal(refused.status, 403);
    const large = Buffer.alloc(MIB + 1);
    assert.equal((await part(side, large, { to: 10 })).status, 413);
    assert.equal(await offsetOf(side, data), `${from}`);
  });
}

test("parts that are old go when the folder is opened, and when another is kept", async (t) => {
  const side = await sideOver(t, "server");
  const [a, b] = [randomBytes(MIB), randomBytes(MIB)];
  await broken(side, a, 300_000);
  const old = join(side.folder, side.parts()[0]);
  const days = (n) => new Date(Date.now() - n * 24 * 3600 * 1000);
  utimesSync(old, days(2), days(2));
  await broken(side, b, 300_000);
  assert.equal(side.parts().length, 2);
  utimesSync(old, days(4), days(4));
  const kept = await broken(side, b, 400_000);
  assert.equal(side.parts().length, 1);
  assert.equal(statSync(join(side.folder, side.parts()[0])).size, kept);
  const left = join(side.folder, side.parts()[0]);
  utimesSync(left, days(4), days(4));
  await sync.createFsObjectStorage({ root: side.root }).close();
  assert.deepEqual(side.parts(), []);
});

test("no more than a hundred parts are kept, and the newest of them", async (t) => {
  const side = await sideOver(t, "server");
  const all = Array.from({ length: 103 }, () => randomBytes(100_000));
  for (const data of all) await broken(side, data, 80_000);
  assert.equal(side.parts().length, 100);
  assert.notEqual(await offsetOf(side, all.at(-1)), "0");
});

test("a small beginning, and one without a name, is not kept", async (t) => {
  const side = await sideOver(t, "server");
  const data = randomBytes(MIB);
  await broken(side, data, 1000);
  const head = `PUT /files/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${MIB}\r\n\r\n`;
  await raw(side.port, head, data.subarray(0, 300_000), (socket) => socket.end());
  assert.deepEqual(side.parts(), []);
});

test("a side that keeps nothing takes an upload whole, and none that goes on", async (t) => {
  const side = await sideFor(t, { front: "server", kind: "adapters" });
  const data = randomBytes(MIB);
  assert.equal(await offsetOf(side, data), null);
  assert.equal((await part(side, data, { from: 5 })).status, 409);
  assert.equal((await part(side, data)).status, 200);
  const big = randomBytes(9 * MIB);
  assert.equal(await untilThere(await laptopWith(t, side.url, big)), 1);
  assert.ok(big.equals(Buffer.from((await side.objectStorageAdapter.get("big")).data)));
});

test("a server of another make that names an offset is not believed", async (t) => {
  const puts = [];
  const other = await serveWith(t, async (req, res) => {
    if (req.method === "HEAD") return res.writeHead(404, { "upload-offset": "5000000" }).end();
    let size = 0;
    for await (const piece of req) size += piece.length;
    if (req.url === "/sync/exchange") return json(res, NOTHING);
    puts.push([req.headers["content-range"], size]);
    return res.writeHead(500).end();
  });
  const data = randomBytes(9 * MIB);
  const engine = await laptopWith(t, other.url, data);
  assert.equal((await engine.exchange()).held[0].key, "big");
  assert.deepEqual(puts[0], [undefined, data.length]);
});

/** A line that breaks once in the middle of a PUT, and loses a header of every PUT of a part. */
async function losingProxy(t, port, lost) {
  let cutAt = 10 * MIB;
  const { url } = await serveWith(t, (req, res) => {
    const headers = { ...req.headers, host: `127.0.0.1:${port}` };
    if (headers["content-range"] !== undefined) delete headers[lost];
    const about = { host: "127.0.0.1", port, method: req.method, path: req.url, headers };
    const onward = request(about, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    req.on("error", () => {});
    let passed = 0;
    req.on("data", (piece) => {
      passed += piece.length;
      if (cutAt > passed || req.method !== "PUT" || cutAt === 0) return void onward.write(piece);
      cutAt = 0;
      req.pause();
      onward.write(piece, () => (onward.destroy(), req.destroy()));
    });
    req.on("end", () => onward.end());
  });
  return url;
}

for (const lost of ["content-range", "upload-id"])
  test(`a part is never taken for the whole where ${lost} is lost on the way, and the whole comes`, async (t) => {
    const side = await sideOver(t, "server");
    const data = randomBytes(20 * MIB);
    const engine = await laptopWith(t, await losingProxy(t, side.port, lost), data);
    for (let round = 0; round < 4; round += 1) {
      await engine.exchange();
      const stored = await side.objectStorageAdapter.get("big");
      assert.ok(stored === null || data.equals(stored.data));
    }
    assert.ok(data.equals((await side.objectStorageAdapter.get("big")).data));
    assert.equal((await side.databaseAdapter.get("r")).objectStorageKey, "big");
  });

test("a large object whose item names another hash is sent as it is", async (t) => {
  const side = await sideOver(t, "server");
  const data = randomBytes(9 * MIB);
  const engine = await laptopWith(t, side.url, data, { contentHash: hashOf("others") });
  await untilThere(engine, 2);
  assert.ok(data.equals((await side.objectStorageAdapter.get("big")).data));
});
