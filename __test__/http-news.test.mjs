// What a server tells of its work: the app hears what came in, callers hear that something did, and the numbers are right.
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { STORES, exchange, raw, recordOf, sideFor, storesFor } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";

const page = (...ids) => ({
  watermarks: {},
  records: ids.map((id, n) => recordOf(id, at(n + 1, "a"))),
});

/** Listens to the events of a server; `next` is the name of the next one. */
async function listenTo(t, url, headers = {}) {
  const abort = new AbortController();
  t.after(() => abort.abort());
  const response = await fetch(`${url}/events`, { headers, signal: abort.signal });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  const pieces = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = "";
  return {
    async next() {
      for (;;) {
        const found = /^event: (\w+)\ndata: (.*)\n\n/.exec(text);
        if (found) {
          text = text.slice(found[0].length);
          assert.deepEqual(JSON.parse(found[2]), {});
          return found[1];
        }
        const { value, done } = await pieces.next();
        if (done) return "end";
        text += value;
      }
    },
    end: () => abort.abort(),
  };
}

for (const kind of STORES) {
  describe(`a server over ${kind}`, () => {
    test("the app hears what an exchange brought, and nothing of one that brought nothing new", async (t) => {
      const side = await sideFor(t, { front: "server", kind });
      const heard = [];
      const end = side.server.onExchange((arrived) => heard.push(arrived));
      await exchange(side, page("one", "two"));
      await exchange(side, page("one", "two"));
      await exchange(side, { watermarks: {} });
      const events = await listenTo(t, side.url);
      assert.equal(await events.next(), "ready");
      await exchange(side, page("three"));
      assert.equal(await events.next(), "change");
      const brought = heard.map(({ channel, records, tables, refused, remoteAddress }) => [
        channel,
        [...records].sort(),
        tables,
        refused,
        remoteAddress,
      ]);
      assert.deepEqual(brought, [
        ["/", ["one", "two"], [], 0, "127.0.0.1"],
        ["/", ["three"], [], 0, "127.0.0.1"],
      ]);
      end();
      await exchange(side, page("four"));
      assert.equal(await events.next(), "change");
      assert.equal(heard.length, 2);
    });

    test("a listener that throws is a warning, and the exchange is answered", async (t) => {
      const said = t.mock.method(console, "warn", () => {});
      const side = await sideFor(t, { front: "server", kind });
      const events = await listenTo(t, side.url);
      await events.next();
      side.server.onExchange(() => {
        throw new Error("of the app");
      });
      const heard = new Promise((resolve) => {
        side.server.onExchange(resolve);
      });
      assert.equal((await exchange(side, page("one"))).status, 200);
      assert.deepEqual((await heard).records, ["one"]);
      assert.ok(said.mock.calls.some(({ arguments: [text] }) => /onExchange threw/.test(text)));
      assert.throws(() => side.server.onExchange("no function"), { code: "INVALID_ARGUMENT" });
    });

    test("what callers hear of ends when the server closes, and goes through authorize", async (t) => {
      const asked = [];
      const authorize = ({ route, headers }) => {
        asked.push(route);
        return headers.authorization === "Bearer let-in";
      };
      const side = await sideFor(t, { front: "server", kind, options: { authorize } });
      const stranger = await fetch(`${side.url}/events`);
      assert.equal(stranger.status, 401);
      const events = await listenTo(t, side.url, { authorization: "Bearer let-in" });
      assert.equal(await events.next(), "ready");
      assert.deepEqual(asked, ["events", "events"]);
      await side.server.close();
      assert.equal(await events.next(), "end");
    });
  });
}

test("one who listens is told only of apps that it may see", async (t) => {
  const grants = { notes: { apps: ["notes"] }, all: true };
  const authorize = ({ headers }) => grants[headers.authorization ?? "all"];
  const side = await sideFor(t, { front: "server", kind: "native", options: { authorize } });
  const events = await listenTo(t, side.url, { authorization: "notes" });
  assert.equal(await events.next(), "ready");
  await exchange(side, page("a record, which all may see"));
  assert.equal(await events.next(), "change");
});

test("channels are heard of by their prefix", async (t) => {
  const channels = { "/one": storesFor(t, "native"), "/two": storesFor(t, "adapters") };
  const server = sync.createHttpSyncServer({ channels });
  t.after(() => server.close());
  const { port } = await server.listen();
  const side = { url: `http://127.0.0.1:${port}` };
  const heard = [];
  server.onExchange(({ channel, records }) => heard.push(`${channel} ${records}`));
  const events = await listenTo(t, `${side.url}/two`);
  await events.next();
  await exchange(side, page("x"), { path: "/one/sync/exchange" });
  await exchange(side, page("y"), { path: "/two/sync/exchange" });
  assert.equal(await events.next(), "change");
  assert.deepEqual(heard, ["/one x", "/two y"]);
});

const countOf = ({ requests }, route, status) =>
  requests.find((each) => each.route === route && each.status === status)?.count ?? 0;

test("the numbers say what was asked, what came and what went", async (t) => {
  const side = await sideFor(t, { front: "server", kind: "native" });
  assert.deepEqual(side.server.stats().requests, []);
  await exchange(side, page("one", "two"));
  await exchange(side, "no JSON");
  await fetch(`${side.url}/health`);
  await fetch(`${side.url}/elsewhere`);
  await fetch(`${side.url}/files/key`, { method: "PUT", body: Buffer.alloc(5000) });
  const bytes = await (await fetch(`${side.url}/files/key`)).arrayBuffer();
  assert.equal(bytes.byteLength, 5000);
  const stats = side.server.stats();
  assert.equal(countOf(stats, "exchange", 200), 1);
  assert.equal(countOf(stats, "exchange", 400), 1);
  assert.equal(countOf(stats, "health", 200), 1);
  assert.equal(countOf(stats, "unknown", 404), 1);
  assert.equal(countOf(stats, "file", 200), 2);
  assert.equal(stats.itemsReceived, 2);
  assert.equal(stats.itemsSent, 2);
  assert.ok(stats.bytesReceived > 5000 && stats.bytesSent > 5000);
  assert.ok(stats.connections >= 1 && stats.connectionsOpen >= 1);
  const events = await listenTo(t, side.url);
  await events.next();
  assert.equal(side.server.stats().eventStreams, 1);
});

test("/metrics is there only where it was asked for, in the form of OpenMetrics", async (t) => {
  const without = await sideFor(t, { front: "server", kind: "native" });
  assert.equal((await fetch(`${without.url}/metrics`)).status, 404);
  const side = await sideFor(t, {
    front: "server",
    kind: "native",
    options: { metrics: "loopback", authorize: () => false },
  });
  await fetch(`${side.url}/files/key`);
  const response = await fetch(`${side.url}/metrics`);
  assert.equal(response.status, 200);
  assert.match(
    response.headers.get("content-type"),
    /^application\/openmetrics-text; version=1\.0\.0/,
  );
  const text = await response.text();
  assert.match(text, /^starkeep_sync_requests_total\{route="file",status="401"\} 1$/m);
  assert.match(text, /^starkeep_sync_connections_open [1-9]\d*$/m);
  assert.ok(text.endsWith("# EOF\n"));
  const seen = new Set();
  for (const line of text.trimEnd().split("\n").slice(0, -1)) {
    const meta = /^# (TYPE|HELP) (\w+) /.exec(line);
    if (meta) seen.add(meta[2]);
    else assert.ok(seen.has(line.split(/[ {]/)[0].replace(/_total$/, "")), line);
  }
  const rebound = "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
  assert.match(await raw(side.port, rebound), /^HTTP\/1\.1 401 /);
  assert.equal((await fetch(`${side.url}/metrics`, { method: "POST" })).status, 401);
});

const outside = Object.values(networkInterfaces())
  .flat()
  .find(({ internal, family }) => !internal && family === "IPv4")?.address;

test(
  "/metrics for loopback is for no other address of the machine",
  { skip: outside === undefined && "this machine has no address but loopback" },
  async (t) => {
    const statuses = [];
    for (const metrics of ["loopback", "everyone"]) {
      const server = sync.createHttpSyncServer({ ...storesFor(t, "native"), metrics });
      t.after(() => server.close());
      const { port } = await server.listen(0, "0.0.0.0");
      statuses.push((await fetch(`http://${outside}:${port}/metrics`)).status);
    }
    assert.deepEqual(statuses, [404, 200]);
  },
);
