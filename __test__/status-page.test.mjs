// The status page of a server: what it says is what happened, and callers that are not meant get nothing of it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { exchange, raw, sideFor, storesFor } from "./support/answering.mjs";
import { EPOCH } from "./support/hlc.mjs";
import { ahead, page, sideWith } from "./support/status-page.mjs";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url)));

const shownBy = async ({ url }) => (await fetch(`${url}/status`)).json();

const statusOf = async (url, init) => {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  return response.status;
};

const ROUTES = ["/", "/status", "/status/events"];

test("without the option there is no page, and with it only for GET", async (t) => {
  const without = await sideFor(t, { front: "server", kind: "native" });
  for (const route of ROUTES) assert.equal(await statusOf(without.url + route), 404, route);
  const side = await sideWith(t);
  for (const route of ROUTES)
    assert.equal(await statusOf(side.url + route, { method: "POST" }), 404, route);
  assert.equal(await statusOf(`${side.url}/status/`), 404);
  assert.equal(await statusOf(side.url), 200);
  const { requests } = side.server.stats();
  assert.equal(requests.find(({ route }) => route === "status").count, 1);
  for (const statusPage of [true, "all"]) {
    const words = /statusPage\): must be "loopback" or "everyone"/;
    const make = () => sync.createHttpSyncServer({ ...storesFor(t, "native"), statusPage });
    assert.throws(make, { code: "INVALID_ARGUMENT" });
    assert.throws(make, words);
  }
});

test("what it says is what happened", async (t) => {
  const side = await sideWith(t);
  const before = await shownBy(side);
  assert.deepEqual(before.channels, [
    {
      channel: "/",
      exchanges: 0,
      lastExchange: null,
      itemsIn: 0,
      itemsOut: 0,
      itemsRefused: 0,
      bytesIn: 0,
      bytesOut: 0,
      turnedAway: 0,
    },
  ]);
  assert.deepEqual([before.exchanges, before.refusals, before.nodes], [[], [], []]);
  const began = Date.now();
  await exchange(side, page("phone", "one", "two"));
  await exchange(side, { watermarks: {} });
  await exchange(side, "no JSON");
  await fetch(`${side.url}/files/key`, { method: "PUT", body: Buffer.alloc(5000) });
  const shown = await shownBy(side);
  assert.equal(shown.version, version);
  assert.ok(shown.uptimeMs >= 0 && shown.startedAt <= began && shown.now >= began);
  const [channel] = shown.channels;
  assert.equal(shown.channels.length, 1);
  assert.equal(channel.exchanges, 3);
  assert.equal(channel.itemsIn, 2);
  // What a caller lacks by its watermarks it gets back.
  assert.equal(channel.itemsOut, 4);
  assert.ok(channel.bytesIn > 5000 && channel.bytesIn < 20_000, `${channel.bytesIn} bytes`);
  assert.ok(channel.lastExchange >= began);
  const told = shown.exchanges.map(({ channel, route, remoteAddress, ...rest }) => {
    assert.deepEqual([channel, route, remoteAddress], ["/", "exchange", "127.0.0.1"]);
    assert.ok(rest.at >= began && rest.durationMs >= 0 && rest.bytesIn > 0 && rest.bytesOut > 0);
    return [rest.itemsIn, rest.itemsOut, rest.itemsRefused, rest.status, rest.code];
  });
  assert.deepEqual(told, [
    [0, null, null, 400, "SYNC_ERROR"],
    [0, 2, 0, 200, null],
    [2, 2, 0, 200, null],
  ]);
  assert.equal(shown.exchanges[0].bytesIn, "no JSON".length);
  const [{ broughtAt, ...node }] = shown.nodes;
  assert.deepEqual(node, { nodeId: "phone", newest: EPOCH + 2 });
  assert.ok(broughtAt >= began);
  const sum = (name) => shown.minutes.reduce((all, minute) => all + minute[name], 0);
  assert.deepEqual([sum("bytesIn"), sum("bytesOut")], [channel.bytesIn, channel.bytesOut]);
});

test("what was refused is named with its reason, and its node has brought nothing", async (t) => {
  const side = await sideWith(t);
  const { json } = await exchange(side, ahead("late", "fast"));
  assert.equal(json.refused.length, 1);
  await exchange(side, "no JSON");
  const { refusals, nodes, channels, exchanges } = await shownBy(side);
  const told = refusals.map(({ kind, id, code, channel, remoteAddress }) => [
    kind,
    id,
    code,
    channel,
    remoteAddress,
  ]);
  assert.deepEqual(told, [
    ["exchange", null, "SYNC_ERROR", "/", "127.0.0.1"],
    ["record", "late", "CLOCK_AHEAD", "/", "127.0.0.1"],
  ]);
  assert.ok(refusals.every(({ reason }) => reason.length > 10));
  assert.deepEqual(nodes, []);
  assert.equal(channels[0].itemsRefused, 1);
  assert.equal(exchanges[1].itemsRefused, 1);
});

test("callers that are not let in are counted, and put nothing else into the page", async (t) => {
  const authorize = ({ headers }) => headers.authorization === "Bearer let-in";
  const side = await sideWith(t, { authorize });
  await exchange(side, page("stranger", "one"));
  await exchange(side, page("phone", "two"), { headers: { authorization: "Bearer let-in" } });
  const { channels, exchanges, nodes, refusals } = await shownBy(side);
  assert.equal(channels[0].turnedAway, 1);
  assert.equal(channels[0].exchanges, 1);
  assert.equal(exchanges.length, 1);
  assert.deepEqual(refusals, []);
  assert.deepEqual(
    nodes.map(({ nodeId }) => nodeId),
    ["phone"],
  );
});

test("a side between others shows what goes through it", async (t) => {
  const stores = storesFor(t, "native");
  const transport = sync.createInProcessSyncTransport(stores);
  const server = sync.createHttpSyncServer({
    transport: { exchange: (request) => transport.exchange(request) },
    objectStorageAdapter: stores.objectStorageAdapter,
    statusPage: "loopback",
  });
  t.after(() => server.close());
  const { port } = await server.listen();
  const side = { url: `http://127.0.0.1:${port}` };
  assert.equal((await exchange(side, page("phone", "one"))).status, 200);
  const { exchanges, nodes } = await shownBy(side);
  assert.equal(exchanges[0].itemsIn, 1);
  assert.equal(exchanges[0].status, 200);
  assert.equal(nodes[0].nodeId, "phone");
});

test("the last 50 are shown, the newest first", async (t) => {
  const side = await sideWith(t);
  for (let n = 0; n < 60; n += 1) await exchange(side, ahead(`late-${n}`));
  const { exchanges, refusals, channels } = await shownBy(side);
  assert.deepEqual([exchanges.length, refusals.length], [50, 50]);
  assert.deepEqual([refusals[0].id, refusals[49].id], ["late-59", "late-10"]);
  assert.equal(channels[0].exchanges, 60);
});

test("channels keep their routes, and are named by their prefixes", async (t) => {
  const [one, other] = [storesFor(t, "native"), storesFor(t, "native")];
  const server = sync.createHttpSyncServer({
    channels: { "/": one, "/status": other },
    statusPage: "loopback",
  });
  t.after(() => server.close());
  const { port } = await server.listen();
  const side = { url: `http://127.0.0.1:${port}` };
  await exchange(side, page("phone", "x"));
  await exchange(side, page("phone", "y"), { path: "/status/sync/exchange" });
  const stop = new AbortController();
  t.after(() => stop.abort());
  const events = await fetch(`${side.url}/status/events`, { signal: stop.signal });
  const { value } = await events.body.pipeThrough(new TextDecoderStream()).getReader().read();
  assert.match(value, /^event: ready\n/);
  const { channels } = await shownBy(side);
  assert.deepEqual(
    channels.map(({ channel, exchanges }) => [channel, exchanges]),
    [
      ["/", 1],
      ["/status", 1],
    ],
  );
});

test("no name and no page of elsewhere gets it", async (t) => {
  const side = await sideWith(t);
  for (const route of ROUTES) {
    const rebound = `GET ${route} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`;
    assert.match(await raw(side.port, rebound), /^HTTP\/1\.1 403 /, route);
    const origin = { headers: { origin: "http://evil.example" } };
    assert.equal(await statusOf(side.url + route, origin), 403, route);
  }
  const named = await sideWith(t, { allowedHosts: ["sync.home"] });
  const own = "GET /status HTTP/1.1\r\nHost: sync.home\r\nConnection: close\r\n\r\n";
  assert.match(await raw(named.port, own), /^HTTP\/1\.1 200 /);
});

const outside = Object.values(networkInterfaces())
  .flat()
  .find(({ internal, family }) => !internal && family === "IPv4")?.address;

test(
  "the page for loopback is for no other address of the machine",
  { skip: outside === undefined && "this machine has no address but loopback" },
  async (t) => {
    const statuses = [];
    for (const statusPage of ["loopback", "everyone"]) {
      const server = sync.createHttpSyncServer({ ...storesFor(t, "native"), statusPage });
      t.after(() => server.close());
      const { port } = await server.listen(0, "0.0.0.0");
      for (const route of ["/", "/status"])
        statuses.push(await statusOf(`http://${outside}:${port}${route}`));
    }
    assert.deepEqual(statuses, [404, 404, 200, 200]);
  },
);

test("no other page reads, keeps or frames it, and no script runs but its own", async (t) => {
  const side = await sideWith(t);
  const stop = new AbortController();
  t.after(() => stop.abort());
  for (const route of ROUTES) {
    const { headers } = await fetch(side.url + route, { signal: stop.signal });
    assert.match(
      headers.get("content-security-policy"),
      /^default-src 'none'; .*frame-ancestors 'none'$/,
    );
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("cross-origin-resource-policy"), "same-origin");
    assert.equal(headers.get("access-control-allow-origin"), null);
  }
  const response = await fetch(side.url);
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  const html = await response.text();
  const policy = response.headers.get("content-security-policy");
  for (const element of ["script", "style"]) {
    const [, inside] = new RegExp(`<${element}>(.*)</${element}>`, "s").exec(html);
    const hash = createHash("sha256").update(inside).digest("base64");
    assert.ok(policy.includes(`${element}-src 'sha256-${hash}'`), policy);
  }
  assert.doesNotMatch(policy, /unsafe/);
});

test("the stream says what has changed, and ends when the server closes", async (t) => {
  const side = await sideWith(t);
  const { body } = await fetch(`${side.url}/status/events`);
  const pieces = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const next = async () => {
    for (;;) {
      const found = /^event: status\ndata: (.*)\n\n/.exec(text);
      if (found) {
        text = text.slice(found[0].length);
        return JSON.parse(found[1]);
      }
      const { value, done } = await pieces.read();
      if (done) return "end";
      text += value;
    }
  };
  assert.equal((await next()).exchanges.length, 0);
  // An exchange that brings nothing is told as well.
  await exchange(side, { watermarks: {} });
  assert.equal((await next()).exchanges.length, 1);
  assert.equal(side.server.stats().eventStreams, 1);
  await side.server.close();
  assert.equal(await next(), "end");
});
