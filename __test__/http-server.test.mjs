// What is the server's alone: its socket, its limits, its end.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { exchange, raw, recordOf, sideFor, storesFor } from "./support/answering.mjs";

const serverOf = (t, options = {}, kind = "native") =>
  sideFor(t, { front: "server", kind, options });

/** A server of these channels. */
async function serverOfChannels(t, channels) {
  const server = sync.createHttpSyncServer({ channels });
  const { port } = await server.listen();
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${port}` };
}

/** A transport that answers when it is told to. */
function gated() {
  const waiting = [];
  const exchange = () =>
    new Promise((resolve) => {
      waiting.push(() => resolve({ records: [], appSyncableRows: [], hasMore: false }));
    });
  const begun = async (count) => {
    while (waiting.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { transport: { exchange }, begun, open: () => waiting.forEach((go) => go()) };
}

test("it says where it listens, and where it does not", async (t) => {
  const server = sync.createHttpSyncServer(storesFor(t, "native"));
  assert.equal(server.address(), null);
  const place = await server.listen(0, "127.0.0.1");
  t.after(() => server.close());
  assert.equal(place.address, "127.0.0.1");
  assert.equal(place.family, "IPv4");
  assert.ok(place.port > 0);
  assert.deepEqual(server.address(), place);
  await assert.rejects(server.listen(), { code: "INVALID_ARGUMENT" });
  const other = sync.createHttpSyncServer(storesFor(t, "native"));
  await assert.rejects(other.listen(place.port), { code: "IO_ERROR" });
  await server.close();
  assert.equal(server.address(), null);
  await other.listen(place.port);
  await other.close();
  await other.close();
  await server.listen(place.port);
});

test("it is healthy, and knows nothing else", async (t) => {
  const side = await serverOf(t);
  const health = await fetch(`${side.url}/health`);
  assert.equal(health.status, 200);
  assert.deepEqual(await health.json(), { status: "ok" });
  assert.equal((await fetch(`${side.url}/`)).status, 404);
  const other = await fetch(`${side.url}/sync/exchange`);
  assert.equal(other.status, 405);
  assert.equal(other.headers.get("allow"), "POST");
});

test("channels have a prefix each, and know nothing of each other", async (t) => {
  const [photos, notes, root] = [1, 2, 3].map(() => storesFor(t, "native"));
  const side = await serverOfChannels(t, {
    "/apps/photos": photos,
    "/apps/photos/notes/": notes,
    "/": root,
  });
  const send = (path, id) =>
    exchange(side, { watermarks: {}, records: [recordOf(id, at(1, "a"))] }, { path });
  await send("/apps/photos/sync/exchange", "in-photos");
  await send("/apps/photos/notes/sync/exchange", "in-notes");
  await send("/sync/exchange", "in-root");
  const ids = async ({ databaseAdapter }) =>
    (await databaseAdapter.query({})).records.map(({ id }) => id);
  assert.deepEqual(await ids(photos), ["in-photos"]);
  assert.deepEqual(await ids(notes), ["in-notes"]);
  assert.deepEqual(await ids(root), ["in-root"]);
  const put = await fetch(`${side.url}/apps/photos/files/x`, { method: "PUT", body: "x" });
  assert.equal(put.status, 200);
  assert.equal(await photos.objectStorageAdapter.has("x"), true);
  assert.equal(await root.objectStorageAdapter.has("x"), false);
});

test("without a root, other prefixes are not there, and the server is healthy", async (t) => {
  const side = await serverOfChannels(t, { "/apps/photos": storesFor(t, "native") });
  for (const path of ["/sync/exchange", "/apps/sync/exchange", "/apps/photosx/sync/exchange"]) {
    assert.equal((await exchange(side, { watermarks: {} }, { path })).status, 404, path);
  }
  assert.equal((await fetch(`${side.url}/health`)).status, 200);
});

test("a prefix that no URL spells so is refused, with the spelling that it has there", (t) => {
  for (const [prefix, spelt] of [
    ["/älbum", "/%C3%A4lbum"],
    ["/my photos", "/my%20photos"],
    ["/apps/../photos", "/photos"],
  ])
    assert.throws(
      () => sync.createHttpSyncServer({ channels: { [prefix]: storesFor(t, "native") } }),
      ({ code, message }) => code === "INVALID_ARGUMENT" && message.includes(`"${spelt}"`),
      prefix,
    );
});

test("a sender that drips is cut off, and nothing is left of what it sent", async (t) => {
  const side = await serverOf(t, { bodyTimeoutMs: 300, headerTimeoutMs: 300 });
  const drip = (text) => (socket) => {
    const timer = setInterval(() => socket.write(text), 20);
    socket.on("close", () => clearInterval(timer));
  };
  const head = (method, path) =>
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n`;
  const [body, file, headers] = await Promise.all([
    raw(side.port, head("POST", "/sync/exchange"), drip(" ")),
    raw(side.port, head("PUT", "/files/f"), drip("x")),
    raw(side.port, "POST /sync/exchange HTTP/1.1\r\n", drip("X-Y: z\r\n")),
  ]);
  assert.match(body, /^HTTP\/1\.1 408 /);
  assert.match(file, /^HTTP\/1\.1 408 /);
  assert.equal(headers, "");
  assert.equal(await side.objectStorageAdapter.has("f"), false);
  assert.equal((await exchange(side, { watermarks: {} })).status, 200);
});

test("a connection that does nothing is let go of, before and after a request", async (t) => {
  // The request of the second has to come within it, also on a busy machine.
  const side = await serverOf(t, { idleTimeoutMs: 1000 });
  assert.equal(await raw(side.port), "");
  const said = await raw(side.port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(said, /^HTTP\/1\.1 200 /);
});

test("who does not take its answer is let go of", async (t) => {
  const side = await serverOf(t, { idleTimeoutMs: 300, maxRequests: 1 });
  await side.objectStorageAdapter.put("big", new Uint8Array(50_000_000));
  const socket = connect(side.port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.pause();
  socket.write("GET /files/big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  let status = 503;
  for (let n = 0; n < 200 && status === 503; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ({ status } = await fetch(`${side.url}/files/none`));
  }
  assert.equal(status, 404);
  socket.destroy();
});

test("past so many requests the next are asked to come again", async (t) => {
  const gate = gated();
  const side = await serverOf(t, { transport: gate.transport, maxRequests: 2 });
  const running = [exchange(side, { watermarks: {} }), exchange(side, { watermarks: {} })];
  await gate.begun(2);
  const third = await exchange(side, { watermarks: {} });
  assert.equal(third.status, 503);
  assert.equal(third.json.code, "BUSY");
  assert.equal(third.headers.get("retry-after"), "1");
  gate.open();
  for (const { status } of await Promise.all(running)) assert.equal(status, 200);
});

test("past so many connections the next wait until one ends", async (t) => {
  const side = await serverOf(t, { maxConnections: 1 });
  const first = connect(side.port, "127.0.0.1");
  await once(first, "connect");
  const request = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  first.write(`${request}\r\n`);
  await once(first, "data");
  let over = false;
  const second = raw(side.port, `${request}Connection: close\r\n\r\n`).finally(() => (over = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(over, false);
  first.destroy();
  assert.match(await second, /^HTTP\/1\.1 200 /);
});

test("closing lets what is in work end, and takes nothing new", async (t) => {
  const gate = gated();
  const side = await serverOf(t, { transport: gate.transport });
  const running = exchange(side, { watermarks: {} });
  await gate.begun(1);
  let over = false;
  const closed = side.server.close().then(() => (over = true));
  for (let refused = false; !refused;) {
    refused = await fetch(`${side.url}/health`).then(
      () => false,
      () => true,
    );
  }
  assert.equal(over, false);
  gate.open();
  assert.equal((await running).status, 200);
  await closed;
});

test("closing waits no longer than it may", async (t) => {
  const gate = gated();
  const side = await serverOf(t, { transport: gate.transport, closeTimeoutMs: 100 });
  const running = exchange(side, { watermarks: {} });
  const failed = assert.rejects(running);
  await gate.begun(1);
  await side.server.close();
  await failed;
  gate.open();
});

test("adapters see the context that listen() was called in", async (t) => {
  const storage = new AsyncLocalStorage();
  const seen = [];
  const stores = storesFor(t, "adapters");
  const { put } = stores.databaseAdapter;
  stores.databaseAdapter.put = (record) => {
    seen.push(storage.getStore());
    return put(record);
  };
  const server = sync.createHttpSyncServer(stores);
  const { port } = await storage.run("listening", () => server.listen());
  t.after(() => server.close());
  const side = { url: `http://127.0.0.1:${port}` };
  for (const n of [1, 2]) {
    await exchange(side, { watermarks: {}, records: [recordOf(`r${n}`, at(n, "a"))] });
  }
  assert.deepEqual(seen, ["listening", "listening"]);
});

test("a listening server keeps the process alive, a closed one does not", async () => {
  const script = `
    const sync = require(${JSON.stringify(fileURLToPath(new URL("../index.js", import.meta.url)))});
    const server = sync.createHttpSyncServer({
      transport: { exchange: () => ({ records: [], appSyncableRows: [], hasMore: false }) },
      objectStorageAdapter: {}, databaseAdapter: {}, clock: {},
    });
    server.listen().then(({ port }) => {
      setTimeout(async () => {
        const { status } = await fetch("http://127.0.0.1:" + port + "/health");
        await server.close();
        process.stdout.write("closed after " + status);
      }, 200).unref();
    });`;
  const said = await new Promise((resolve, reject) => {
    execFile(process.execPath, ["-e", script], { timeout: 30_000 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
  });
  assert.equal(said, "closed after 200");
});

test("options of a wrong type are refused at once", (t) => {
  const stores = storesFor(t, "adapters");
  const code = "INVALID_ARGUMENT";
  for (const options of [
    undefined,
    { ...stores, channels: [] },
    { channels: {} },
    { channels: { photos: stores } },
    { channels: { "/a": stores, "/a/": stores } },
    { channels: { "/a": 5 } },
    { channels: { "/a": stores }, authorize: () => true },
    { ...stores, idleTimeoutMs: 0 },
    { ...stores, maxRequests: "many" },
  ]) {
    assert.throws(() => sync.createHttpSyncServer(options), { code });
  }
});

test("a place that is none is refused", async (t) => {
  const server = sync.createHttpSyncServer(storesFor(t, "adapters"));
  for (const [port, host] of [[70_000], ["x"], [0, 5]]) {
    await assert.rejects(server.listen(port, host), { code: "INVALID_ARGUMENT" });
  }
  await assert.rejects(server.listen(0, "203.0.113.1"), { code: "IO_ERROR" });
});

test("over native stores alone the JavaScript thread has no part in an exchange", async (t) => {
  const side = await serverOf(t);
  const body = JSON.stringify({ watermarks: {}, records: [recordOf("r", at(1, "a"))] });
  const script = `fetch(${JSON.stringify(`${side.url}/sync/exchange`)}, { method: "POST", headers: { "content-type": "application/json" }, body: ${JSON.stringify(body)} })
    .then((response) => response.json()).then((answer) => console.log(answer.records[0].id));`;
  // This thread waits for the caller, and does nothing else meanwhile.
  const said = execFileSync(process.execPath, ["-e", script], { timeout: 30_000 });
  assert.equal(`${said}`, "r\n");
  assert.equal((await side.databaseAdapter.get("r")).id, "r");
});
