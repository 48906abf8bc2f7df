// Reconciliations over HTTP: the route, how much travels, and servers that do not know the route.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { serveWith } from "./support/answering.mjs";
import { warningsOf } from "./support/native.mjs";
import {
  byHand,
  countOf,
  engineOf,
  idOf,
  needsHand,
  sideOf,
  writeFile,
  writeNotes,
} from "./support/reconciling.mjs";
import { drain } from "./support/rounds.mjs";

const answering = (side, more) => ({
  databaseAdapter: side.db,
  objectStorageAdapter: side.objects,
  clock: side.clock,
  ...more,
});

/** Both fronts of an answering side, with options; each answers its URL. */
const FRONTS = {
  async server(t, side, more) {
    const server = sync.createHttpSyncServer(answering(side, more));
    const { port } = await server.listen();
    t.after(() => server.close());
    return `http://127.0.0.1:${port}`;
  },
  async handler(t, side, more) {
    const handler = sync.createHttpSyncHandler(answering(side, more));
    const { url } = await serveWith(t, async (req, res) => {
      if (!(await handler(req, res))) res.writeHead(404).end("not here");
    });
    return url;
  },
};

/** Both ways of a client. */
const CLIENTS = { native: {}, fetch: { fetch: (...args) => fetch(...args) } };

const engineAt = (side, baseUrl, how = {}) =>
  sync.createSyncEngine({
    localDatabaseAdapter: side.db,
    localObjectStorage: side.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, ...how }),
    transport: sync.createHttpSyncTransport({ baseUrl, ...how }),
    clock: side.clock,
    syncState: side.state,
  });

/** A proxy that counts the bytes of both directions, and names the paths that were posted to. */
async function countingProxy(t, target) {
  const counted = { bytes: 0, posts: [] };
  const { port } = new URL(target);
  const proxy = createTcpServer((socket) => {
    const up = connect(Number(port), "127.0.0.1");
    for (const [from, to] of [
      [socket, up],
      [up, socket],
    ]) {
      from.on("data", (piece) => {
        counted.bytes += piece.length;
        const path = /^POST (\S+)/.exec(piece.toString("latin1"))?.[1];
        if (path !== undefined && from === socket) counted.posts.push(path);
        to.write(piece);
      });
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  return Object.assign(counted, { url: `http://127.0.0.1:${proxy.address().port}` });
}

const ITEMS = 100_000;

/** Two sides with the same 100,000 records, of which one has lost ten by hand. */
async function largePair(t) {
  const first = await sideOf(t, "a");
  for (let from = 0; from < ITEMS; from += 10_000) await writeNotes(first, from, from + 10_000);
  const cloud = await sideOf(t, "cloud");
  const engine = engineOf(first, cloud, { pageLimit: 5000 });
  assert.equal((await drain(engine)).inSync, true);
  for (let n = 0; n < 10; n++) {
    const side = n % 2 === 0 ? first : cloud;
    byHand(side, `DELETE FROM shared_records WHERE id = '${idOf(n * 9_973)}'`);
  }
  return { a: first, cloud };
}

test(
  "of 100,000 items ten that differ are found with at most 10 requests and 200 KiB",
  needsHand,
  async (t) => {
    const { a, cloud } = await largePair(t);
    for (const [front, serve] of Object.entries(FRONTS)) {
      const proxy = await countingProxy(t, await serve(t, cloud));
      const done = await engineAt(a, proxy.url).reconcile();
      t.diagnostic(
        `${front}: ${done.differing} differ, ${done.requests} requests, ${proxy.bytes} bytes in both directions`,
      );
      assert.equal(done.inSync, true);
      assert.equal(proxy.posts.length, done.requests);
      assert.ok(done.requests <= 10, `${done.requests} requests`);
      assert.ok(proxy.bytes <= 200 * 1024, `${proxy.bytes} bytes`);
      assert.deepEqual([await countOf(a), await countOf(cloud)], [ITEMS, ITEMS]);
      if (front === "handler") break;
      assert.equal(done.differing, 10);
      for (let n = 0; n < 10; n++) {
        const side = n % 2 === 0 ? a : cloud;
        byHand(side, `DELETE FROM shared_records WHERE id = '${idOf(n * 9_001)}'`);
      }
    }
  },
);

for (const [front, serve] of Object.entries(FRONTS)) {
  for (const [client, how] of Object.entries(CLIENTS)) {
    describe(`${front}, ${client} client`, () => {
      test(
        "what compares goes to /sync/reconcile, everything else to /sync/exchange",
        needsHand,
        async (t) => {
          const [a, cloud] = [await sideOf(t, "a"), await sideOf(t, "cloud")];
          const proxy = await countingProxy(t, await serve(t, cloud));
          const engine = engineAt(a, proxy.url, how);
          const key = await writeFile(a, 0);
          await writeNotes(a, 1, 300);
          await drain(engine);
          assert.deepEqual(new Set(proxy.posts), new Set(["/sync/exchange"]));
          byHand(cloud, `DELETE FROM shared_records WHERE id = '${idOf(7)}'`);
          await cloud.objects.delete(key);
          const done = await engine.reconcile({ objects: true });
          assert.deepEqual(
            [done.differing, done.shipped, done.inSync, done.objects.sent],
            [1, 1, true, 1],
          );
          assert.ok(proxy.posts.includes("/sync/reconcile"));
          assert.equal(await countOf(cloud), 300);
        },
      );

      test("authorize is told the route", async (t) => {
        const [a, cloud] = [await sideOf(t, "a"), await sideOf(t, "cloud")];
        const asked = [];
        const authorize = (request, { route, key }) => {
          asked.push([route, key]);
          return route !== "reconcile";
        };
        const engine = engineAt(a, await serve(t, cloud, { authorize }), how);
        await writeNotes(a, 0, 3);
        await drain(engine);
        await assert.rejects(engine.reconcile(), { code: "SYNC_ERROR", status: 401 });
        assert.deepEqual(asked.at(-1), ["reconcile", null]);
        assert.equal((await engine.exchange()).inSync, true);
      });

      test("it can be called off while the peer does not answer", async (t) => {
        const [a, cloud] = [await sideOf(t, "a"), await sideOf(t, "cloud")];
        const target = await serve(t, cloud);
        const controller = new AbortController();
        const hung = await hangingAt(t, target, "/sync/reconcile", () => controller.abort());
        const engine = engineAt(a, hung, how);
        await writeNotes(a, 0, 3);
        await drain(engine);
        await assert.rejects(engine.reconcile({ signal: controller.signal }), {
          name: "AbortError",
        });
        assert.equal((await engine.exchange()).inSync, true);
      });

      test(
        "a server that does not know the route: reconcile says so, rounds only warn",
        needsHand,
        async (t) => {
          const [a, cloud] = [await sideOf(t, "a"), await sideOf(t, "cloud")];
          const target = await serve(t, cloud);
          const url = await without(t, target, "/sync/reconcile");
          const engine = engineAt(a, url, how);
          await writeNotes(a, 0, 30);
          await drain(engine);
          byHand(cloud, `DELETE FROM shared_records WHERE id = '${idOf(7)}'`);
          await assert.rejects(engine.reconcile(), {
            code: "SYNC_ERROR",
            message: /does not answer POST \/sync\/reconcile/,
          });
          let quiet;
          const said = await warningsOf(t, async () => {
            quiet = await engine.exchange();
          });
          assert.deepEqual([quiet.inSync, quiet.hasMore], [false, false]);
          assert.ok(
            said.some((words) => words.includes("/sync/reconcile")),
            said.join("\n"),
          );
        },
      );

      test("two sides that both hold something meet without the route, and lose nothing", async (t) => {
        const [a, cloud] = [await sideOf(t, "a"), await sideOf(t, "cloud")];
        await writeNotes(a, 0, 30);
        await writeNotes(cloud, 30, 50);
        const engine = engineAt(a, await without(t, await serve(t, cloud), "/sync/reconcile"), how);
        let quiet;
        const said = await warningsOf(t, async () => {
          quiet = await drain(engine);
        });
        assert.equal(quiet.inSync, true);
        assert.deepEqual([await countOf(a), await countOf(cloud)], [50, 50]);
        assert.ok(
          said.some((words) => words.includes("/sync/reconcile")),
          said.join("\n"),
        );
      });
    });
  }
}

/** Passes requests on, but for those of a path: `answer(req, res)` has them. */
async function passing(t, target, path, answer) {
  const server = createServer(async (req, res) => {
    if (req.url === path) return answer(req, res);
    const pieces = await collected(req);
    const { host, connection, "content-length": length, ...headers } = req.headers;
    const response = await fetch(target + req.url, {
      method: req.method,
      headers,
      body: pieces.length === 0 ? undefined : Buffer.concat(pieces),
    });
    const {
      "content-encoding": coding,
      "content-length": size,
      ...back
    } = Object.fromEntries(response.headers);
    res.writeHead(response.status, back);
    res.end(Buffer.from(await response.arrayBuffer()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function collected(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

/** A server that does not know a path. */
const without = (t, target, path) =>
  passing(t, target, path, (req, res) => {
    req.resume();
    res.writeHead(404, { "content-type": "text/plain" }).end("no such page");
  });

/** A server that never answers a path. */
const hangingAt = (t, target, path, asked) =>
  passing(t, target, path, (req) => {
    req.resume();
    asked();
  });
