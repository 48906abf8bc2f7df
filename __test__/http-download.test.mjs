// Downloads of large objects that go on where the line broke.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { FRONTS, serveWith, sideFor } from "./support/answering.mjs";
import { cuttingProxy } from "./support/cutting.mjs";
import { folderFor } from "./support/native.mjs";

const MIB = 1024 * 1024;

/** A side over a folder. */
async function sideOver(t, front) {
  const objectStorageAdapter = sync.createFsObjectStorage({ root: folderFor(t) });
  t.after(() => objectStorageAdapter.close());
  const side = await sideFor(t, { front, kind: "native", options: { objectStorageAdapter } });
  return { ...side, objectStorageAdapter };
}

/** The bytes of an object of a storage, or the code of its error. */
async function fetched(storage, key) {
  try {
    return Buffer.from((await storage.get(key)).data);
  } catch (error) {
    return error.code;
  }
}

for (const front of FRONTS)
  test(`${front}: a large object comes over a line that breaks, and little of it comes twice`, async (t) => {
    const side = await sideOver(t, front);
    const data = randomBytes(32 * MIB);
    await side.objectStorageAdapter.put("big", data);
    const cuts = Array.from({ length: 7 }, () => 4 * MIB);
    const { baseUrl, seen } = await cuttingProxy(t, side.port, cuts, { way: "down" });
    const remote = sync.createHttpObjectStorage({ baseUrl });
    assert.ok(data.equals(await fetched(remote, "big")));
    assert.equal(seen.cut, 7);
    // What was on its way when the line broke is sent again: what the buffers of sockets hold.
    assert.ok(seen.sent < 34 * MIB, `${seen.sent / MIB} MiB were sent`);
  });

test("a small object gets an error from a line that breaks", async (t) => {
  const side = await sideOver(t, "server");
  await side.objectStorageAdapter.put("k", randomBytes(4 * MIB));
  const { baseUrl, seen } = await cuttingProxy(t, side.port, [2 * MIB], { way: "down" });
  assert.equal(await fetched(sync.createHttpObjectStorage({ baseUrl }), "k"), "SYNC_ERROR");
  assert.equal(seen.cut, 1);
});

test("a line that brings nothing any more is given up", async (t) => {
  const side = await sideOver(t, "server");
  await side.objectStorageAdapter.put("k", randomBytes(16 * MIB));
  const cuts = [2 * MIB, ...Array.from({ length: 20 }, () => 65 * 1024)];
  const { baseUrl, seen } = await cuttingProxy(t, side.port, cuts, { way: "down" });
  const remote = sync.createHttpObjectStorage({ baseUrl });
  assert.equal(await fetched(remote, "k"), "SYNC_ERROR");
  assert.equal(seen.cut, 5);
});

test("an object that changed while its line was broken is not put together from two versions", async (t) => {
  const side = await sideOver(t, "server");
  const [first, second] = [randomBytes(16 * MIB), randomBytes(16 * MIB)];
  await side.objectStorageAdapter.put("k", first);
  let requests = 0;
  const between = await serveWith(t, async (req, res) => {
    requests += 1;
    if (requests === 2) await side.objectStorageAdapter.put("k", second);
    const answer = await fetch(`${side.url}${req.url}`, { headers: req.headers });
    const bytes = Buffer.from(await answer.arrayBuffer());
    res.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (requests > 1) return res.end(bytes);
    return res.write(bytes.subarray(0, 5 * MIB), () => res.destroy());
  });
  const remote = sync.createHttpObjectStorage({ baseUrl: between.url });
  assert.equal(await fetched(remote, "k"), "SYNC_ERROR");
  assert.equal(requests, 2);
  assert.ok(second.equals(await fetched(remote, "k")));
});

/** Answers of a server of another make: the first breaks off in the middle, and `again` is the next. */
async function serverOf(t, { tag, again }) {
  const data = randomBytes(12 * MIB);
  const asked = [];
  const server = createServer((req, res) => {
    asked.push(req.headers.range);
    if (asked.length > 1) return again(req, res, data);
    res.writeHead(200, { "content-length": data.length, ...(tag ? { etag: tag } : {}) });
    return res.write(data.subarray(0, 3 * MIB), () => res.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const baseUrl = `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`;
  return { data, asked, remote: sync.createHttpObjectStorage({ baseUrl }) };
}

const part = (tag, shift) => (req, res, data) => {
  const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range)[1]) + shift;
  const range = `bytes ${from}-${data.length - 1}/${data.length}`;
  res.writeHead(206, { "content-range": range, "content-length": data.length - from, etag: tag });
  res.end(data.subarray(from));
};

test("a server of another make sends the rest of the version that it named", async (t) => {
  const { data, asked, remote } = await serverOf(t, { tag: '"a"', again: part('"a"', 0) });
  assert.ok(data.equals(await fetched(remote, "k")));
  assert.equal(asked.length, 2);
});

for (const [what, tag, again] of [
  ["sends another version", '"a"', part('"b"', 0)],
  ["sends another part", '"a"', part('"a"', 1)],
  ["sends the whole", '"a"', (_, res, data) => res.end(data)],
  ["wants other headers", '"a"', (_, res) => res.writeHead(401).end()],
  ["names no version", undefined, part('"a"', 0)],
  ["names none for sure", 'W/"a"', part('W/"a"', 0)],
])
  test(`a server that ${what} of a download that broke is not believed`, async (t) => {
    const { remote } = await serverOf(t, { tag, again });
    assert.equal(await fetched(remote, "k"), "SYNC_ERROR");
  });
