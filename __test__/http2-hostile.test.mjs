// Callers of HTTP/2 that ask and take no answers: they keep nobody else out, and are let go of.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { test } from "node:test";
import { closeOf, exchange, raw, sideFor } from "./support/answering.mjs";

/** Connections that are stuck in the end need not be waited for. */
const serverOf = (t, options = {}) =>
  sideFor(t, { front: "server", kind: "native", options: { closeTimeoutMs: 100, ...options } });

/** A connection whose streams have room for so many bytes of an answer. */
async function sessionFor(t, { url }, initialWindowSize = 65_535) {
  const session = connect(url, { settings: { initialWindowSize } });
  session.on("error", () => {});
  t.after(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

/** Asks for a path; the promise is of its headers, or of null where there are none. */
function ask(session, path, headers = {}) {
  const stream = session.request({ ":path": path, ...headers });
  stream.on("error", () => {});
  const answered = once(stream, "response").then(([head]) => head);
  const ended = once(stream, "close").then(() => null);
  return { stream, head: Promise.race([answered, ended]).catch(() => null) };
}

/** The whole answer to a path. */
async function read(session, path) {
  const { stream, head } = ask(session, path);
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  await once(stream, "close");
  return { status: (await head)?.[":status"], bytes: Buffer.concat(chunks) };
}

/** What is answered on a connection of its own: one that is kept would be let go of as well. */
const getOnce = ({ port }, path) =>
  raw(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);

async function assertServed(side) {
  assert.equal((await fetch(`${side.url}/health`)).status, 200);
  assert.equal((await exchange(side, { watermarks: {} })).status, 200);
  assert.equal((await fetch(`${side.url}/files/none`)).status, 404);
}

for (const path of ["/health", "/files/none", "/files/small", "/nowhere"]) {
  test(`callers that take no answer of ${path} keep nobody else out`, async (t) => {
    const side = await serverOf(t);
    await side.objectStorageAdapter.put("small", new Uint8Array(1000));
    for (let n = 0; n < 3; n += 1) {
      const session = await sessionFor(t, side, 0);
      for (let request = 0; request < 100; request += 1) ask(session, path);
    }
    for (let n = 0; n < 5; n += 1) await assertServed(side);
  });
}

test("callers of one address that take nothing of large files leave room for others, and are let go of", async (t) => {
  const side = await serverOf(t, { idleTimeoutMs: 500, maxRequests: 8, maxRequestsPerAddress: 6 });
  await side.objectStorageAdapter.put("large", new Uint8Array(5_000_000));
  const session = await sessionFor(t, side, 0);
  const asked = Array.from({ length: 20 }, () => ask(session, "/files/large"));
  const statuses = await Promise.all(asked.map(async ({ head }) => (await head)?.[":status"]));
  assert.equal(statuses.filter((status) => status === 200).length, 6);
  assert.equal(statuses.filter((status) => status === 503).length, 14);
  assert.match(await getOnce(side, "/health"), /^HTTP\/1\.1 200 /);
  assert.match(await getOnce(side, "/files/none"), /^HTTP\/1\.1 503 /);
  await closeOf(session);
  await assertServed(side);
});

test("an answer that is taken bit by bit is not cut off", async (t) => {
  const IDLE_MS = 1000;
  const side = await serverOf(t, { idleTimeoutMs: IDLE_MS });
  const bytes = Buffer.alloc(1_000_000, 7);
  await side.objectStorageAdapter.put("large", bytes);
  const session = await sessionFor(t, side, 32_768);
  const { stream } = ask(session, "/files/large");
  let taken = 0;
  const began = performance.now();
  // Much less at a time than the limit, so that a busy machine does not look idle, and more in all.
  for await (const chunk of stream) {
    taken += chunk.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(performance.now() - began > IDLE_MS);
  assert.equal(taken, bytes.length);
});

test("one connection has as many requests in work as it may, and the others of it are answered later", async (t) => {
  const side = await serverOf(t, { maxRequestsPerConnection: 4 });
  const session = await sessionFor(t, side);
  assert.equal(session.remoteSettings.maxConcurrentStreams, 4);
  const answers = await Promise.all(Array.from({ length: 40 }, () => read(session, "/health")));
  for (const { status, bytes } of answers) {
    assert.equal(status, 200);
    assert.match(bytes.toString(), /ok/);
  }
});

test("a connection that asks nothing is told goodbye at the time that is promised", async (t) => {
  const side = await serverOf(t, { idleTimeoutMs: 300 });
  const session = await sessionFor(t, side);
  assert.equal((await read(session, "/health")).status, 200);
  const goodbye = once(session, "goaway");
  const [code] = await goodbye;
  assert.equal(code, 0);
  await closeOf(session);
});

test("connections of one address past so many are closed, and others come in", async (t) => {
  const side = await serverOf(t, { maxConnectionsPerAddress: 2 });
  const [one, two] = [await sessionFor(t, side), await sessionFor(t, side)];
  await assert.rejects(fetch(`${side.url}/health`));
  one.destroy();
  await closeOf(one);
  let status;
  for (let n = 0; n < 100 && status !== 200; n += 1) {
    status = await fetch(`${side.url}/health`).then(
      (answer) => answer.status,
      () => 0,
    );
  }
  assert.equal(status, 200);
  assert.equal((await read(two, "/health")).status, 200);
});
