// The way to a peer over HTTP: what is sent, and how answers are taken.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { NOTHING, cloudAt, json, peerAt } from "./support/http-peers.mjs";
import {
  assertSettled,
  makeCloud,
  makeNode,
  record,
  remove,
  settle,
  write,
} from "./support/index.mjs";

const ASKED = { watermarks: {} };
/** The two ways: over this package's connections, and over a `fetch` of the app's. */
const WAYS = { native: {}, fetch: { fetch: globalThis.fetch } };

for (const [way, options] of Object.entries(WAYS)) {
  test(`${way}: nodes that share a cloud over HTTP end with the same, objects and all`, async (t) => {
    const cloud = makeCloud();
    const { baseUrl } = await cloudAt(t, cloud);
    const engine = () => ({
      transport: sync.createHttpSyncTransport({ baseUrl: `${baseUrl}//`, ...options }),
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: `${baseUrl}/`, ...options }),
      pageLimit: 3,
    });
    const nodes = ["a", "b"].map((name) => makeNode(name, cloud, { engine }));
    const [a, b] = nodes;
    for (let i = 0; i < 5; i += 1) {
      write(a, "SR", `photo ${i}`, { key: `photos/ü/${i} %?#.jpg` });
      write(b, "AR", `file ${i}`, { key: `file-${i}` });
      write(b, "AW", `note ${i}`);
    }
    await settle(nodes);
    remove(a, "SR", "photo 1");
    write(b, "SR", "photo 2", {
      fields: { unknown: { __proto__: null, deep: [1, { x: "é\u2028" }] } },
    });
    await settle(nodes);
    assertSettled({ cloud, nodes });
    const seen = a.db.all().find((one) => one.id === "photo 2");
    assert.deepEqual(JSON.parse(JSON.stringify(seen.unknown)), { deep: [1, { x: "é\u2028" }] });
    assert.deepEqual(a.objects.keys().sort(), b.objects.keys().sort());
  });

  test(`${way}: the request is a POST of JSON with the headers that the app answers`, async (t) => {
    const peer = await peerAt(t, (_, res) => json(res, NOTHING));
    const asked = [];
    const owner = {
      baseUrl: `${peer.baseUrl}/base///`,
      ...options,
      token: 0,
      getAuthHeader() {
        this.token += 1;
        return this.token === 2 ? undefined : Promise.resolve(`Bearer ${this.token}`);
      },
      async signRequest(...args) {
        asked.push(args);
        return { "X-Signature": `of ${this.token}`, "X-None": undefined };
      },
    };
    const { exchange } = sync.createHttpSyncTransport(owner);
    for (let i = 0; i < 3; i += 1) assert.deepEqual(await exchange(ASKED), NOTHING);
    assert.deepEqual(
      peer.requests.map(({ method, path }) => `${method} ${path}`),
      Array(3).fill("POST /base/sync/exchange"),
    );
    const header = (name) => peer.requests.map(({ headers }) => headers[name]);
    assert.deepEqual(header("content-type"), Array(3).fill("application/json"));
    assert.deepEqual(header("authorization"), ["Bearer 1", undefined, "Bearer 3"]);
    assert.deepEqual(header("x-signature"), ["of 1", "of 2", "of 3"]);
    assert.deepEqual(
      asked,
      peer.requests.map(({ text }) => ["POST", "/sync/exchange", text]),
      "what was signed is what was sent",
    );
    assert.equal(owner.token, 3, "the callbacks had their own `this`");
  });

  test(`${way}: a signature replaces the header that it names, however it is written`, async (t) => {
    const peer = await peerAt(t, (_, res) => json(res, NOTHING));
    await sync
      .createHttpSyncTransport({
        baseUrl: peer.baseUrl,
        ...options,
        getAuthHeader: () => "Bearer old",
        signRequest: () => new Map([["authorization", "Signature new"]]),
      })
      .exchange(ASKED);
    assert.equal(peer.requests[0].headers.authorization, "Signature new");
  });

  test(`${way}: a status outside 200 to 299 is a SyncError that says what came`, async (t) => {
    const statuses = [400, 401, 404, 413, 429, 500, 503];
    const peer = await peerAt(t, ({ index }, res) => {
      res.writeHead(statuses[index], index === 5 ? "Out Of Coffee" : undefined);
      res.end(index === 6 ? "x".repeat(1_000_000) : `because ${index} é`);
    });
    const transport = sync.createHttpSyncTransport({ baseUrl: peer.baseUrl, ...options });
    const said = [];
    for (const _ of statuses) {
      await transport.exchange(ASKED).then(
        () => assert.fail("it is an error"),
        (error) => {
          assert.ok(error instanceof sync.SyncError && error.code === "SYNC_ERROR");
          said.push(error.message);
        },
      );
    }
    assert.deepEqual(said.slice(0, 6), [
      "/sync/exchange failed: 400 Bad Request because 0 é",
      "/sync/exchange failed: 401 Unauthorized because 1 é",
      "/sync/exchange failed: 404 Not Found because 2 é",
      "/sync/exchange failed: 413 Payload Too Large because 3 é",
      "/sync/exchange failed: 429 Too Many Requests because 4 é",
      "/sync/exchange failed: 500 Out Of Coffee because 5 é",
    ]);
    assert.match(said[6], /^\/sync\/exchange failed: 503 Service Unavailable x{4096}$/);
    assert.equal(peer.requests.length, statuses.length, "nothing is tried again unasked");
  });

  test(`${way}: what passes is tried again as often as allowed, with new headers`, async (t) => {
    const peer = await peerAt(t, ({ index }, res) => {
      if (index < 2) return res.writeHead([503, 429][index], { "Retry-After": "0" }).end();
      return json(res, NOTHING);
    });
    let tokens = 0;
    const transport = sync.createHttpSyncTransport({
      baseUrl: peer.baseUrl,
      ...options,
      retries: 2,
      getAuthHeader: () => `Bearer ${(tokens += 1)}`,
    });
    assert.deepEqual(await transport.exchange(ASKED), NOTHING);
    assert.deepEqual(
      peer.requests.map(({ headers }) => headers.authorization),
      ["Bearer 1", "Bearer 2", "Bearer 3"],
    );
    assert.equal(new Set(peer.requests.map(({ text }) => text)).size, 1);
  });

  test(`${way}: a status that stays is told after the last try; one that is final at once`, async (t) => {
    const peer = await peerAt(t, ({ path }, res) =>
      res.writeHead(path.startsWith("/busy") ? 503 : 500, { "Retry-After": "0" }).end(),
    );
    const at = (place) =>
      sync.createHttpSyncTransport({ baseUrl: `${peer.baseUrl}${place}`, ...options, retries: 2 });
    await assert.rejects(at("/busy").exchange(ASKED), /failed: 503/);
    assert.equal(peer.requests.length, 3);
    await assert.rejects(at("/broken").exchange(ASKED), /failed: 500/);
    assert.equal(peer.requests.length, 4);
  });

  test(`${way}: what a callback throws rejects the round as that very object`, async (t) => {
    const cloud = makeCloud();
    const { baseUrl, requests } = await cloudAt(t, cloud);
    const thrown = new Error("mine");
    const fails = () => {
      throw thrown;
    };
    for (const callback of [
      { getAuthHeader: fails },
      { getAuthHeader: async () => fails() },
      { signRequest: fails },
      { signRequest: () => Promise.reject(thrown) },
    ]) {
      const transport = sync.createHttpSyncTransport({
        baseUrl,
        ...options,
        retries: 5,
        ...callback,
      });
      const node = makeNode("a", cloud, { engine: { transport } });
      write(node, "SR", "1");
      await assert.rejects(
        async () => node.engine.exchange(),
        (error) => error === thrown,
      );
      assert.deepEqual([node.state.own(), node.state.peer()], [{}, {}]);
    }
    assert.equal(requests.length, 0);
  });

  test(`${way}: an answer with more bytes than allowed is refused, packed or not`, async (t) => {
    const big = JSON.stringify({ ...NOTHING, filler: "x".repeat(200_000) });
    const peer = await peerAt(t, ({ index }, res) => {
      if (index === 0) return json(res, big);
      if (index === 1) return json(res, gzipSync(big), { headers: { "Content-Encoding": "gzip" } });
      res.writeHead(200, { "Content-Type": "application/json" });
      res.write(big);
      return res.end();
    });
    const transport = sync.createHttpSyncTransport({
      baseUrl: peer.baseUrl,
      ...options,
      maxAnswerBytes: 100_000,
    });
    for (let i = 0; i < 3; i += 1) {
      await assert.rejects(transport.exchange(ASKED), {
        code: "SYNC_ERROR",
        message: /more than 100000 bytes.*maxAnswerBytes/,
      });
    }
    const wide = sync.createHttpSyncTransport({
      baseUrl: peer.baseUrl,
      ...options,
      maxAnswerBytes: Infinity,
    });
    assert.deepEqual(await wide.exchange(ASKED), NOTHING);
  });

  test(`${way}: a peer that never answers is given up in time, and so is an endless answer`, async (t) => {
    const peer = await peerAt(t, ({ index }, res) => {
      if (index > 0) res.writeHead(200, { "Content-Type": "application/json" }).write("{");
    });
    const transport = sync.createHttpSyncTransport({
      baseUrl: peer.baseUrl,
      ...options,
      timeoutMs: 200,
    });
    for (let i = 0; i < 2; i += 1) {
      await assert.rejects(transport.exchange(ASKED), {
        code: "SYNC_ERROR",
        message: /did not answer within 200 ms.*timeoutMs/,
      });
    }
  });
}

test("the fetch that is passed in is called as before, and nothing else is", async () => {
  const calls = [];
  const fetch = async (...args) => {
    calls.push(args);
    return { ok: true, status: 200, statusText: "OK", json: async () => NOTHING };
  };
  const transport = sync.createHttpSyncTransport({
    baseUrl: "http://peer.invalid/",
    fetch,
    getAuthHeader: () => "Bearer t",
  });
  assert.deepEqual(Object.keys(transport), ["exchange"]);
  assert.deepEqual(await transport.exchange({ ...ASKED, limit: 7 }), NOTHING);
  assert.deepEqual(calls, [
    [
      "http://peer.invalid/sync/exchange",
      {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: "Bearer t" },
        body: '{"watermarks":{},"limit":7}',
      },
    ],
  ]);
});

test("a double may know no more of a response than the test needs", async () => {
  const answer = { ...NOTHING, records: [record("1", at(1, "z"))] };
  const doubles = [
    { ok: true, text: async () => JSON.stringify(answer) },
    { ok: true, json: async () => answer },
    { ok: true, status: 200, json: () => answer, text: async () => "" },
    { status: 200, text: () => JSON.stringify(answer), json: () => assert.fail("is a stub") },
    { ok: true, body: {}, text: () => JSON.stringify(answer), json: () => assert.fail("is read") },
    new Response(JSON.stringify(answer)),
    new Response(`\uFEFF${JSON.stringify(answer)}`, { status: 299 }),
  ];
  for (const response of doubles) {
    const { exchange } = sync.createHttpSyncTransport({ baseUrl: "x:", fetch: () => response });
    assert.deepEqual(await exchange(ASKED), JSON.parse(JSON.stringify(answer)));
  }
  for (const [response, message] of [
    [{ ok: false, text: async () => "no" }, "/sync/exchange failed:   no"],
    [{ ok: false, status: 418, statusText: "Teapot" }, "/sync/exchange failed: 418 Teapot "],
    [{ ok: true, status: 500, statusText: "Odd" }, "/sync/exchange failed: 500 Odd "],
  ]) {
    const { exchange } = sync.createHttpSyncTransport({ baseUrl: "x:", fetch: () => response });
    await assert.rejects(exchange(ASKED), { name: "SyncError", message });
  }
});

test("what a fetch throws rejects the round as that very object, after the last try", async () => {
  const thrown = new TypeError("fetch failed");
  for (const [retries, error, calls] of [
    [0, thrown, 1],
    [1, thrown, 2],
    [3, new DOMException("called off", "AbortError"), 1],
  ]) {
    let called = 0;
    const transport = sync.createHttpSyncTransport({
      baseUrl: "http://peer.invalid",
      retries,
      fetch: async () => {
        called += 1;
        throw error;
      },
    });
    const node = makeNode("a", makeCloud(), { engine: { transport } });
    write(node, "SR", "1");
    await assert.rejects(
      async () => node.engine.exchange(),
      (one) => one === error,
    );
    assert.equal(called, calls);
    assert.deepEqual([node.state.own(), node.state.peer()], [{}, {}]);
  }
});

test("a fetch that heeds no signal is given up all the same", async () => {
  const transport = sync.createHttpSyncTransport({
    baseUrl: "http://peer.invalid",
    timeoutMs: 50,
    fetch: () => new Promise(() => {}),
  });
  await assert.rejects(transport.exchange(ASKED), { code: "SYNC_ERROR", message: /within 50 ms/ });
});

test("options of a wrong type are refused at once, a URL of no use with the first request", async () => {
  for (const wrong of [
    undefined,
    {},
    { baseUrl: 5 },
    { baseUrl: "http://x", fetch: 5 },
    { baseUrl: "http://x", getAuthHeader: "Bearer" },
    { baseUrl: "http://x", signRequest: {} },
    { baseUrl: "http://x", timeoutMs: 0 },
    { baseUrl: "http://x", timeoutMs: "1s" },
    { baseUrl: "http://x", retries: -1 },
    { baseUrl: "http://x", retries: 1.5 },
  ]) {
    for (const create of [sync.createHttpSyncTransport, sync.createHttpObjectStorage]) {
      assert.throws(() => create(wrong), { code: "INVALID_ARGUMENT" });
    }
  }
  assert.throws(() => sync.createHttpSyncTransport({ baseUrl: "http://x", maxAnswerBytes: 0 }), {
    code: "INVALID_ARGUMENT",
  });
  for (const baseUrl of ["", "peer", "ftp://127.0.0.1", "http://user:secret@127.0.0.1"]) {
    const { exchange } = sync.createHttpSyncTransport({ baseUrl });
    await assert.rejects(exchange(ASKED), { code: "INVALID_ARGUMENT" }, baseUrl);
  }
});

test("headers that cannot be sent are refused, and nothing is", async (t) => {
  const peer = await peerAt(t, (_, res) => json(res, NOTHING));
  for (const options of [
    { getAuthHeader: () => 5 },
    { getAuthHeader: () => "a\r\nX-Injected: b" },
    { signRequest: () => ({ "X Y": "a" }) },
    { signRequest: () => ({ "X-Number": 5 }) },
  ]) {
    const { exchange } = sync.createHttpSyncTransport({ baseUrl: peer.baseUrl, ...options });
    await assert.rejects(exchange(ASKED), { code: "INVALID_ARGUMENT" });
  }
  assert.equal(peer.requests.length, 0);
});

test("a request that is none rejects, and nothing is sent", async (t) => {
  const peer = await peerAt(t, (_, res) => json(res, NOTHING));
  const { exchange } = sync.createHttpSyncTransport(peer);
  for (const request of [undefined, {}, { watermarks: [] }, { watermarks: {}, limit: 0 }]) {
    await assert.rejects(exchange(request), { code: "SYNC_ERROR", message: /malformed/ });
  }
  assert.equal(peer.requests.length, 0);
});

test("a request of the app's own goes out as JSON.stringify writes it", async (t) => {
  const peer = await peerAt(t, (_, res) => json(res, NOTHING));
  const bodies = [];
  const fetch = (url, init) => {
    bodies.push(init.body);
    return { ok: true, json: () => NOTHING };
  };
  const sent = [
    { watermarks: {} },
    { limit: 5, watermarks: {}, records: [], appSyncableRows: [] },
    { watermarks: { a: at(1, "a") }, records: [record("1", at(1, "z"))], channel: "c" },
  ];
  for (const request of sent) {
    await sync.createHttpSyncTransport(peer).exchange(request);
    await sync.createHttpSyncTransport({ ...peer, fetch }).exchange(request);
  }
  const texts = sent.map((request) => JSON.stringify(request));
  assert.deepEqual(bodies, texts);
  assert.deepEqual(
    peer.requests.map(({ text }) => text),
    texts,
  );
});
