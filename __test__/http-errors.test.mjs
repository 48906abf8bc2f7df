// What an error of the network tells an app that wants to act on it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import * as sync from "@starkeep/sync-engine";
import { NOTHING, deadAddress, json, peerAt, rawPeerAt } from "./support/http-peers.mjs";
import { storesFor } from "./support/answering.mjs";
import { makeCloud, makeNode } from "./support/index.mjs";

const ASKED = { watermarks: {} };
const WAYS = { native: {}, fetch: { fetch: (...args) => fetch(...args) } };

/** What the call rejects with. */
async function errorOf(promise) {
  const outcome = await promise.then(
    () => assert.fail("it is rejected"),
    (error) => error,
  );
  assert.ok(outcome instanceof Error);
  return outcome;
}

const NAMES = ["code", "reason", "status", "peerCode", "retryable", "url", "operation"];
const told = (error) => Object.fromEntries(NAMES.map((name) => [name, error[name]]));

const EXCHANGE = "/sync/exchange";

for (const [way, options] of Object.entries(WAYS)) {
  test(`${way}: an error tells the status, the peer's code, and whether to try again`, async (t) => {
    const statuses = {
      400: false,
      401: false,
      404: false,
      408: true,
      413: false,
      425: true,
      429: true,
      500: true,
      501: false,
      503: true,
      505: false,
      507: true,
    };
    const peer = await peerAt(t, ({ path }, res) => {
      const status = Number(/\d+/.exec(path)[0]);
      json(res, { error: "no", code: `CODE_${status}` }, { status });
    });
    for (const [status, retryable] of Object.entries(statuses)) {
      const baseUrl = `${peer.baseUrl}/${status}`;
      const error = await errorOf(
        sync.createHttpSyncTransport({ ...options, baseUrl }).exchange(ASKED),
      );
      assert.ok(error instanceof sync.SyncError);
      assert.ok(error.message.startsWith(`${EXCHANGE} failed: ${status} `), error.message);
      assert.deepEqual(told(error), {
        code: "SYNC_ERROR",
        reason: "status",
        status: Number(status),
        peerCode: `CODE_${status}`,
        retryable,
        url: `${baseUrl}${EXCHANGE}`,
        operation: EXCHANGE,
      });
      assert.deepEqual(
        Object.keys(error).filter((name) => NAMES.includes(name)),
        ["code"],
      );
    }
  });

  test(`${way}: an error of a file tells the same`, async (t) => {
    const server = sync.createHttpSyncServer({ ...storesFor(t, "native"), authorize: () => false });
    const { port } = await server.listen();
    t.after(() => server.close());
    const peer = { baseUrl: `http://127.0.0.1:${port}` };
    const storage = sync.createHttpObjectStorage({ ...options, baseUrl: peer.baseUrl });
    const calls = {
      PUT: () => storage.put("a b", new Uint8Array(3)),
      GET: () => storage.get("a b"),
      HEAD: () => storage.has("a b"),
      DELETE: () => storage.delete("a b"),
    };
    for (const [method, call] of Object.entries(calls)) {
      const error = await errorOf(call());
      const seen = { ...told(error), peerCode: undefined };
      assert.deepEqual(seen, {
        code: "SYNC_ERROR",
        reason: "status",
        status: 401,
        peerCode: undefined,
        retryable: false,
        url: `${peer.baseUrl}/files/a%20b`,
        operation: `${method} /files/a%20b`,
      });
      // An answer to HEAD has no body.
      assert.equal(error.peerCode, method === "HEAD" ? undefined : "UNAUTHORIZED");
    }
  });

  test(`${way}: a put that finds nothing there is an error with its status`, async (t) => {
    const peer = await peerAt(t, (_, res) => json(res, { code: "NOT_HERE" }, { status: 404 }));
    const storage = sync.createHttpObjectStorage({ ...options, baseUrl: peer.baseUrl });
    const error = await errorOf(storage.put("k", new Uint8Array(3)));
    assert.equal(error.message, 'PUT /files/k failed: 404 Not Found {"code":"NOT_HERE"}');
    assert.deepEqual([error.status, error.peerCode, error.retryable], [404, "NOT_HERE", false]);
  });

  test(`${way}: an answer that cannot be read, and one that is late, are told apart`, async (t) => {
    const peer = await peerAt(t, ({ path }, res) => {
      if (path.startsWith("/late")) return;
      json(res, path.startsWith("/long") ? " ".repeat(2000) : "<p>", { status: 203 });
    });
    const at = (path, more) => {
      const baseUrl = `${peer.baseUrl}/${path}`;
      return errorOf(
        sync.createHttpSyncTransport({ ...options, baseUrl, ...more }).exchange(ASKED),
      );
    };
    const seen = ({ reason, status, retryable, url }) => ({ reason, status, retryable, url });
    const urlOf = (path) => `${peer.baseUrl}/${path}${EXCHANGE}`;
    const malformed = { reason: "malformed", status: 203, retryable: false };
    assert.deepEqual(seen(await at("bad")), { ...malformed, url: urlOf("bad") });
    const long = await at("long", { maxAnswerBytes: 1000 });
    assert.deepEqual(seen(long), { ...malformed, url: urlOf("long") });
    assert.deepEqual(seen(await at("late", { timeoutMs: 50 })), {
      reason: "timeout",
      status: undefined,
      retryable: true,
      url: urlOf("late"),
    });
  });

  test(`${way}: no error tells what is secret in a URL`, async (t) => {
    const peer = await peerAt(t, (_, res) =>
      res.writeHead(307, { Location: "/new?key=s3cret" }).end(),
    );
    const dead = await deadAddress(t);
    for (const baseUrl of [
      `${peer.baseUrl}/app?key=s3cret#s3cret`,
      `${peer.baseUrl}/app`,
      ...(way === "native"
        ? [`${dead}/app?key=s3cret`, "nowhere://me:s3cret@host:x/?key=s3cret"]
        : []),
    ]) {
      const transport = sync.createHttpSyncTransport({
        ...options,
        ...(way === "fetch" && {
          fetch: (url, init) => fetch(url, { ...init, redirect: "manual" }),
        }),
        baseUrl,
      });
      const error = await errorOf(transport.exchange(ASKED));
      for (let at = error; at !== undefined; at = at.cause) {
        assert.ok(!`${at.stack}${at.message}${at.url}`.includes("s3cret"), `${at.stack} ${at.url}`);
      }
    }
  });
}

test("connections that fail are told apart", async (t) => {
  const dead = await deadAddress(t);
  const plain = await peerAt(t, (_, res) => json(res, NOTHING));
  const silent = await rawPeerAt(t, "");
  const other = await rawPeerAt(t, "220 mail.example ESMTP\r\n");
  for (const [baseUrl, reason, retryable] of [
    [dead, "unreachable", true],
    ["http://no-such-peer.invalid", "dns", true],
    [plain.baseUrl.replace("http:", "https:"), "tls", false],
    [silent.baseUrl, "closed", true],
    [other.baseUrl, "malformed", false],
  ]) {
    const storage = sync.createHttpObjectStorage({ baseUrl });
    for (const [call, path] of [
      [() => sync.createHttpSyncTransport({ baseUrl }).exchange(ASKED), EXCHANGE],
      [() => storage.get("k"), "/files/k"],
      [() => storage.put("k", new Uint8Array(3)), "/files/k"],
    ]) {
      const error = await errorOf(call());
      assert.deepEqual(told(error), {
        code: "SYNC_ERROR",
        reason,
        status: undefined,
        peerCode: undefined,
        retryable,
        url: `${baseUrl}${path}`,
        operation: "reach the peer",
      });
    }
  }
});

test("a file that ends too early is told as a connection that closed", async (t) => {
  const peer = await rawPeerAt(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
  const error = await errorOf(sync.createHttpObjectStorage({ baseUrl: peer.baseUrl }).get("k"));
  const { reason, status, retryable, url } = error;
  assert.deepEqual([reason, status, retryable], ["closed", 200, true]);
  assert.equal(url, `${peer.baseUrl}/files/k`);
});

test("what a fetch throws is told by nothing but itself", async () => {
  const thrown = new TypeError("fetch failed");
  const { stack } = thrown;
  const options = { baseUrl: "http://peer.invalid", fetch: () => Promise.reject(thrown) };
  const error = await errorOf(sync.createHttpSyncTransport(options).exchange(ASKED));
  assert.equal(error, thrown);
  assert.equal(error.stack, stack);
  assert.deepEqual(Reflect.ownKeys(error).sort(), ["message", "stack"]);
});

async function myOwnCall(work) {
  await Promise.resolve();
  return await work();
}

test("the stack of an error leads to the app's own call", async (t) => {
  const baseUrl = await deadAddress(t);
  const transport = sync.createHttpSyncTransport({ baseUrl });
  const { engine } = makeNode("a", makeCloud(), { engine: { transport } });
  const storage = sync.createHttpObjectStorage({ baseUrl });
  const cloud = makeCloud();
  for (const call of [
    () => transport.exchange(ASKED),
    () => engine.exchange(),
    () => storage.put("k", new Uint8Array(3)),
    () => cloud.transport.exchange({}),
  ]) {
    const { stack, name, message } = await errorOf(myOwnCall(call));
    assert.ok(stack.startsWith(`${name}: ${message}\n`) || stack.includes(message), stack);
    assert.match(stack, /at myOwnCall .*http-errors\.test\.mjs/);
  }
});

test("the stack of an error that the app's own code threw is left as it is", async () => {
  const thrown = new Error("mine");
  const { stack } = thrown;
  const transport = { exchange: () => Promise.reject(thrown) };
  const { engine } = makeNode("a", makeCloud(), { engine: { transport } });
  assert.equal(await errorOf(myOwnCall(() => engine.exchange())), thrown);
  assert.equal(thrown.stack, stack);
});

test("errors of both entries and of other realms are known by isStarkeepError", async (t) => {
  const required = createRequire(import.meta.url)("@starkeep/sync-engine");
  const baseUrl = await deadAddress(t);
  const faces = [sync, required];
  const errors = [];
  for (const face of faces) {
    errors.push(new face.SyncError("made by the app"), new face.StarkeepError("made", "BY_APP"));
    errors.push(await errorOf(face.createHttpSyncTransport({ baseUrl }).exchange(ASKED)));
    try {
      face.createHttpSyncTransport({});
    } catch (error) {
      assert.equal(error.code, "INVALID_ARGUMENT");
      errors.push(error);
    }
    for (const error of errors.slice(-4)) assert.ok(error instanceof face.StarkeepError);
  }
  errors.push(
    runInNewContext(
      `class StarkeepError extends Error { code = "ELSEWHERE" }; new StarkeepError("e")`,
    ),
  );
  const others = [
    undefined,
    null,
    "SYNC_ERROR",
    new Error("plain"),
    Object.assign(new Error("of Node.js"), { code: "ENOENT" }),
    { code: "SYNC_ERROR", name: "SyncError" },
    Object.create(null),
  ];
  for (const { isStarkeepError } of faces) {
    for (const error of errors) assert.equal(isStarkeepError(error), true, String(error));
    for (const other of others) assert.equal(isStarkeepError(other), false);
  }
});
