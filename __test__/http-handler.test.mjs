// What is the handler's alone: its place among other code on the same `node:http` server.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { exchange, recordOf, serveWith, sideFor, storesFor } from "./support/answering.mjs";

const handlerFor = (t, options = {}, kind = "adapters") => {
  const stores = storesFor(t, kind);
  return { ...stores, handler: sync.createHttpSyncHandler({ ...stores, ...options }) };
};

test("what is not its own it leaves untouched", async (t) => {
  const side = await sideFor(t, { front: "handler", kind: "adapters" });
  const others = [
    ["GET", "/"],
    ["GET", "/health"],
    ["GET", "/sync/exchange"],
    ["POST", "/files/x"],
    ["PATCH", "/files/x"],
    ["POST", "/sync/exchange/"],
    ["OPTIONS", "/files/x"],
  ];
  for (const [method, path] of others) {
    const response = await fetch(side.url + path, { method });
    assert.equal(response.status, 418, `${method} ${path}`);
    assert.equal(await response.text(), "not the handler's");
  }
});

test("its promise says whether it answered, also where the answer is a refusal", async (t) => {
  const { handler } = handlerFor(t);
  const said = [];
  const side = await serveWith(t, async (req, res) => {
    said.push(await handler(req, res));
    if (!said.at(-1)) res.end();
  });
  await fetch(`${side.url}/files/a%00b`);
  await exchange(side, "{");
  await fetch(`${side.url}/other`);
  assert.deepEqual(said, [true, true, false]);
});

test("it works below a prefix that a router cut off", async (t) => {
  const { handler, objectStorageAdapter } = handlerFor(t);
  const side = await serveWith(t, async (req, res) => {
    req.url = req.url.slice("/apps/photos".length);
    assert.equal(await handler(req, res), true);
  });
  await fetch(`${side.url}/apps/photos/files/x`, { method: "PUT", body: "bytes" });
  assert.equal(await objectStorageAdapter.has("x"), true);
});

/** `node:http` with a parser of bodies before the handler. */
const parsedBy = (t, handler, parse) =>
  serveWith(t, async (req, res) => {
    const pieces = [];
    for await (const piece of req) pieces.push(piece);
    req.body = parse(Buffer.concat(pieces));
    await handler(req, res);
  });

test("a message that a parser has read already is taken from where it was left", async (t) => {
  const { handler, databaseAdapter } = handlerFor(t);
  const parsers = [(bytes) => bytes, (bytes) => bytes.toString(), (bytes) => JSON.parse(bytes)];
  for (const [n, parse] of parsers.entries()) {
    const side = await parsedBy(t, handler, parse);
    const records = [recordOf(`r${n}`, at(n, "a"), { ownerId: "é" })];
    assert.equal((await exchange(side, { watermarks: {}, records })).status, 200);
    assert.deepEqual(await databaseAdapter.get(`r${n}`), records[0]);
  }
});

test("a file that a parser has changed or thrown away is not stored", async (t) => {
  const { handler, objectStorageAdapter } = handlerFor(t);
  const json = Buffer.from('{ "spaced":   1 }');
  const cases = [
    [json, (bytes) => JSON.parse(bytes)],
    [Buffer.from([0xff, 0xfe, 0x41]), (bytes) => bytes.toString()],
    [json, () => undefined],
  ];
  for (const [body, parse] of cases) {
    const side = await parsedBy(t, handler, parse);
    const response = await fetch(`${side.url}/files/f`, { method: "PUT", body });
    assert.equal(response.status, 400);
    assert.equal(await objectStorageAdapter.has("f"), false);
  }
  const kept = await parsedBy(t, handler, (bytes) => bytes);
  await fetch(`${kept.url}/files/f`, { method: "PUT", body: json });
  assert.deepEqual(Buffer.from((await objectStorageAdapter.get("f")).data), json);
});

test("a packed message that a parser has unpacked is not unpacked again", async (t) => {
  const { handler, databaseAdapter } = handlerFor(t);
  const { gunzipSync } = await import("node:zlib");
  const side = await parsedBy(t, handler, (bytes) => JSON.parse(gunzipSync(bytes)));
  const packed = gzipSync(JSON.stringify({ watermarks: {}, records: [recordOf("r", at(1, "a"))] }));
  const headers = { "content-encoding": "gzip" };
  assert.equal((await exchange(side, packed, { headers })).status, 200);
  assert.equal((await databaseAdapter.get("r")).id, "r");
});

test("requests and answers that are no sockets do as well", async (t) => {
  const { handler } = handlerFor(t);
  const req = Object.assign(new PassThrough(), {
    method: "POST",
    url: "/sync/exchange",
    headers: {},
  });
  const res = new PassThrough();
  let head;
  res.writeHead = (status, headers) => ((head = { status, headers }), res);
  req.end('{"watermarks":{}}');
  assert.equal(await handler(req, res), true);
  assert.equal(head.status, 200);
  assert.deepEqual(JSON.parse(res.read()).records, []);
});

test("adapters and authorize see the context that the handler was called in", async (t) => {
  const storage = new AsyncLocalStorage();
  const seen = [];
  const look = () => seen.push(storage.getStore());
  const stores = storesFor(t, "adapters");
  const put = stores.databaseAdapter.put;
  stores.databaseAdapter.put = (record) => (look(), put(record));
  const { has } = stores.objectStorageAdapter;
  stores.objectStorageAdapter.has = (key) => (look(), has(key));
  const authorize = async () => (look(), true);
  const handler = sync.createHttpSyncHandler({ ...stores, authorize });
  let calls = 0;
  const side = await serveWith(t, (req, res) => storage.run((calls += 1), handler, req, res));
  const records = [recordOf("r", at(1, "a"))];
  await exchange(side, { watermarks: {}, records });
  await fetch(`${side.url}/files/x`, { method: "HEAD" });
  assert.deepEqual(seen, [1, 1, 2, 2]);
});

test("what another's parser made of another's request is not looked at", async (t) => {
  const { handler } = handlerFor(t);
  const body = {
    get toJSON() {
      throw new Error("looked at");
    },
  };
  const req = { method: "POST", url: "/other", headers: {}, readableEnded: true, body };
  assert.equal(await handler(req, {}), false);
});

test("a request that cannot be read is refused, and the promise is fulfilled", async (t) => {
  const { handler } = handlerFor(t);
  const body = { self: 1n };
  const req = { method: "POST", url: "/sync/exchange", headers: {}, readableEnded: true, body };
  let said;
  const res = { writeHead: (status) => void (said = status), end() {} };
  assert.equal(await handler(req, res), true);
  assert.equal(said, 500);
});

test("headers that others have set stay, and a list goes on", async (t) => {
  const { handler } = handlerFor(t);
  const side = await serveWith(t, async (req, res) => {
    res.setHeader("Vary", "Origin");
    res.setHeader("X-Mine", "1");
    await handler(req, res);
  });
  const { headers } = await exchange(side, { watermarks: {} });
  assert.equal(headers.get("vary"), "Origin, Accept-Encoding");
  assert.equal(headers.get("x-mine"), "1");
});

test("a caller who leaves in the middle of a file ends nothing but its own request", async (t) => {
  const side = await sideFor(t, { front: "handler", kind: "native" });
  await side.objectStorageAdapter.put("big", new Uint8Array(20_000_000));
  for (let n = 0; n < 5; n += 1) {
    const stop = new AbortController();
    const response = await fetch(`${side.url}/files/big`, { signal: stop.signal });
    const reader = response.body.getReader();
    await reader.read();
    stop.abort();
    await assert.rejects(async () => {
      while (!(await reader.read()).done);
    });
  }
  const whole = await fetch(`${side.url}/files/big`);
  assert.equal((await whole.arrayBuffer()).byteLength, 20_000_000);
});

test("an upload waits for a storage that is slower than the sender", async (t) => {
  // The pieces that are under way are few, whatever the size of the file.
  const { handler } = handlerFor(t, { authorize: () => never }, "native");
  let leave;
  const never = new Promise((resolve) => (leave = resolve));
  const req = Object.assign(new PassThrough({ highWaterMark: 1000 }), {
    method: "PUT",
    url: "/files/f",
    headers: {},
  });
  const res = Object.assign(new PassThrough(), { writeHead: () => res });
  const handled = handler(req, res);
  let taken = 0;
  const piece = Buffer.alloc(1000);
  for (; taken < 1000; taken += 1) {
    if (req.write(piece)) continue;
    const went = await Promise.race([
      once(req, "drain").then(() => true),
      new Promise((resolve) => setTimeout(resolve, 100, false)),
    ]);
    if (!went) break;
  }
  assert.ok(taken < 100, `${taken} pieces were taken`);
  leave(false);
  req.end();
  assert.equal(await handled, true);
});

test("options of a wrong type are refused at once", () => {
  const code = "INVALID_ARGUMENT";
  for (const options of [
    undefined,
    { databaseAdapter: 5 },
    { transport: "x" },
    { authorize: true },
    { maxBodyBytes: 0 },
    { maxFileBytes: "1" },
  ]) {
    assert.throws(() => sync.createHttpSyncHandler(options), { code });
  }
});
