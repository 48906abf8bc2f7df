// A round of which every store is this package's own leaves the JS thread alone, and is a round like any
// other: what only the app can do is done on its thread.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import * as sync from "@starkeep/sync-engine";
import { closeOf } from "./support/answering.mjs";
import { EPOCH, at, clockFor, compare } from "./support/hlc.mjs";
import { peerAt } from "./support/http-peers.mjs";
import { blobFields, bytes, record } from "./support/memory.mjs";
import { openNode } from "./support/native-node.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";

const [HUB, WATCHER] = ["native-hub.mjs", "native-watcher.mjs"].map((name) =>
  fileURLToPath(new URL(`support/${name}`, import.meta.url)),
);

async function nodeIn(t, folder, name) {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const node = { name, path, ...openNode(path, name) };
  t.after(() => node.close());
  return node;
}

async function write({ db, objects }, id, stamp, key = "") {
  const one = record(id, stamp, key === "" ? {} : blobFields(key));
  await db.put(one);
  if (key !== "") await objects.put(key, bytes(`bytes of ${key}`));
  return one;
}

/** A hub over HTTP on this thread, and a device of `options` that syncs with it. */
async function overHttp(t, { engine = {}, http = {} } = {}) {
  const folder = folderFor(t);
  const [device, hub] = [await nodeIn(t, folder, "device"), await nodeIn(t, folder, "hub")];
  const server = sync.createHttpSyncServer({
    databaseAdapter: hub.db,
    objectStorageAdapter: hub.objects,
    clock: hub.clock,
  });
  const { port } = await server.listen(0);
  t.after(() => server.close());
  const baseUrl = `http://127.0.0.1:${port}`;
  return { device, hub, baseUrl, engine: engineOf(device, baseUrl, { engine, http }) };
}

const engineOf = (device, baseUrl, { engine = {}, http = {} } = {}) =>
  sync.createSyncEngine({
    localDatabaseAdapter: device.db,
    localObjectStorage: device.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, ...http }),
    transport: sync.createHttpSyncTransport({ baseUrl, ...http }),
    clock: device.clock,
    syncState: device.state,
    ...engine,
  });

/** Rounds until there is no more; what they did together. */
async function drain(engine) {
  const all = { applied: 0, shipped: 0, held: [] };
  for (let rounds = 0; rounds < 100; rounds += 1) {
    const { applied, shipped, hasMore, held = [] } = await engine.exchange();
    all.applied += applied;
    all.shipped += shipped;
    all.held = held;
    if (!hasMore) return all;
  }
  assert.fail("a hundred rounds and still more");
}

async function assertEqual(one, other) {
  const held = await Promise.all(
    [one, other].map(async ({ db, objects }) => {
      const records = (await db.query({ limit: 1000 })).records;
      const keys = (await objects.list("")).keys ?? [];
      return { records: records.sort((a, b) => (a.id < b.id ? -1 : 1)), keys: [...keys].sort() };
    }),
  );
  assert.deepEqual(held[0], held[1]);
  assert.ok(held[0].records.length > 0);
}

describe("while the JS thread is blocked", () => {
  for (const way of ["over HTTP", "in this process"]) {
    test(`a round goes from begin to end, ${way}`, async (t) => {
      const folder = folderFor(t);
      const [device, hub] = [await nodeIn(t, folder, "device"), await nodeIn(t, folder, "hub")];
      const expected = [];
      for (let i = 0; i < 20; i += 1) {
        expected.push(await write(device, `up-${i}`, at(i, "device"), i % 2 ? `up/${i}` : ""));
        expected.push(await write(hub, `down-${i}`, at(i, "hub"), i % 2 ? `down/${i}` : ""));
      }
      const serving = spawn(process.execPath, [HUB, hub.path], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const ended = once(serving, "exit");
      const [port] = await once(serving.stdout, "data");
      const baseUrl = `http://127.0.0.1:${Number(port)}`;
      const here = {
        remoteObjectStorage: hub.objects,
        transport: sync.createInProcessSyncTransport({
          databaseAdapter: hub.db,
          clock: hub.clock,
        }),
      };
      const engine = engineOf(device, baseUrl, { engine: way === "over HTTP" ? {} : here });

      const round = engine.exchange();
      execFileSync(process.execPath, [WATCHER, JSON.stringify(expected), device.path, hub.path], {
        stdio: "inherit",
      });

      const { shipped, applied } = await round;
      assert.deepEqual({ shipped, applied }, { shipped: 20, applied: 20 });
      serving.stdin.end();
      assert.deepEqual(await ended, [0, null]);
      await assertEqual(device, hub);
    });
  }
});

describe("what only the app can do", () => {
  test("its clock hears the greatest timestamp of a page, and stamps after it", async (t) => {
    const heard = [];
    const app = clockFor("device");
    const clock = {
      ...app,
      receive: (stamp) => {
        heard.push(stamp);
        return app.receive(stamp);
      },
    };
    const { device, hub, engine } = await overHttp(t, { engine: { clock } });
    for (let i = 0; i < 10; i += 1) await write(hub, `down-${i}`, at(i * 1000, "hub"));
    assert.equal((await drain(engine)).applied, 10);
    assert.deepEqual(heard, [at(9000, "hub")]);
    assert.ok(compare(clock.now(), at(9000, "hub")) > 0);
    await assertEqual(device, hub);
  });

  test("what its clock throws holds the page, as the very object, until it hears again", async (t) => {
    const thrown = new Error("no time");
    let broken = true;
    const app = clockFor("device");
    const receive = (stamp) => {
      if (broken) throw thrown;
      return app.receive(stamp);
    };
    const { device, hub, engine } = await overHttp(t, { engine: { clock: { ...app, receive } } });
    await write(hub, "down", at(0, "hub"));
    await assert.rejects(engine.exchange(), (error) => error === thrown);
    assert.equal(await device.db.get("down"), null);
    broken = false;
    assert.equal((await drain(engine)).applied, 1);
    await assertEqual(device, hub);
  });

  test("headers are asked for in the context of exchange(), and sent", async (t) => {
    const context = new AsyncLocalStorage();
    const seen = new Set();
    const asked = new Set();
    const { baseUrl } = await peerAt(t, ({ method, path, headers }, res) => {
      seen.add(`${method} ${path} ${headers.authorization} ${headers["x-signed"]}`);
      res.setHeader("Starkeep-Sync", "1");
      if (path.startsWith("/files/")) return res.writeHead(method === "PUT" ? 201 : 404).end();
      res.setHeader("Content-Type", "application/json");
      return res.end(JSON.stringify({ records: [], appSyncableRows: [], hasMore: false }));
    });
    const device = await nodeIn(t, folderFor(t), "device");
    const http = {
      getAuthHeader: async () => {
        await null;
        asked.add(context.getStore());
        return "Bearer token";
      },
      signRequest: (method, path, body) => {
        asked.add(context.getStore());
        return { "x-signed": `${method} ${path} ${typeof body}` };
      },
    };
    await write(device, "photo", at(0, "device"), "photos/1");
    const engine = engineOf(device, baseUrl, { http });
    assert.equal((await context.run("mine", () => engine.exchange())).shipped, 1);
    assert.deepEqual([...asked], ["mine"]);
    const file = "/files/photos%2F1";
    assert.deepEqual(
      [...seen].sort(),
      [
        `HEAD ${file} Bearer token HEAD ${file} string`,
        `POST /sync/exchange Bearer token POST /sync/exchange string`,
        `PUT ${file} Bearer token PUT ${file} undefined`,
      ].sort(),
    );
  });

  test("what getAuthHeader throws rejects the round as the very object, and nothing is lost", async (t) => {
    const thrown = new Error("logged out");
    let broken = true;
    const getAuthHeader = () => {
      if (broken) throw thrown;
      return "Bearer token";
    };
    const { device, hub, engine } = await overHttp(t, { http: { getAuthHeader } });
    await write(device, "note", at(0, "device"));
    await assert.rejects(engine.exchange(), (error) => error === thrown);
    await write(device, "photo", at(1, "device"), "photos/1");
    broken = false;
    assert.equal((await drain(engine)).shipped, 2);
    await assertEqual(device, hub);
  });

  test("a held item carries the very object that was thrown", async (t) => {
    const thrown = new Error("no token for files");
    const { device, baseUrl } = await overHttp(t);
    const remoteObjectStorage = sync.createHttpObjectStorage({
      baseUrl,
      getAuthHeader: () => {
        throw thrown;
      },
    });
    await write(device, "photo", at(0, "device"), "photos/1");
    const { held } = await drain(engineOf(device, baseUrl, { engine: { remoteObjectStorage } }));
    assert.equal(held.length, 1);
    assert.equal(held[0].item.id, "photo");
    assert.equal(held[0].error, thrown);
  });

  test("listeners hear of what was applied before the round's promise settles", async (t) => {
    const { hub, engine } = await overHttp(t);
    for (const id of ["a", "b"]) await write(hub, id, at(id === "a" ? 0 : 1, "hub"));
    const order = [];
    engine.changeNotifier.subscribe((event) => order.push(event));
    await drain(engine).then(() => order.push("settled"));
    assert.equal(order.at(-1), "settled");
    assert.deepEqual(JSON.stringify(order).match(/"[ab]"/g), ['"a"', '"b"']);
  });

  test("warnings are said on its console", async (t) => {
    const { hub, engine } = await overHttp(t);
    await write(hub, "down", { ...at(0, "hub"), wallTime: 4e12 });
    const said = await warningsOf(t, () => drain(engine));
    assert.equal(said.length, 1);
    assert.match(said[0], /the record "down" of node "hub" waits on its way in/);
  });

  test("its Date.now() decides what lies in the future", async (t) => {
    const { device, hub, engine } = await overHttp(t);
    await write(hub, "down", at(0, "hub"));
    const clock = t.mock.method(Date, "now", () => EPOCH - 48 * 60 * 60 * 1000);
    const { held } = await drain(engine);
    assert.equal(held[0].code, "CLOCK_AHEAD");
    assert.equal(await device.db.get("down"), null);
    clock.mock.restore();
    assert.equal((await drain(engine)).applied, 1);
  });
});

test("a sweep that goes on another way than it was begun loses nothing", async (t) => {
  const { device, hub, engine } = await overHttp(t, { engine: { pageLimit: 2 } });
  for (let i = 0; i < 12; i += 1) {
    await write(device, `up-${i}`, at(i, "device"), `up/${i}`);
    await write(hub, `down-${i}`, at(i, "hub"), `down/${i}`);
  }
  const has = device.objects.has;
  let rounds = 0;
  for (let more = true; more && rounds < 40; rounds += 1) {
    // With a function of the app's in its place, the storage is one of the app's.
    device.objects.has = rounds % 2 === 0 ? has : (key) => has(key);
    more = (await engine.exchange()).hasMore;
  }
  assert.ok(rounds < 40);
  await assertEqual(device, hub);
});

test("rounds of two engines take turns at the answering side that they share", async (t) => {
  const folder = folderFor(t);
  const nodes = await Promise.all(["a", "b", "hub"].map((name) => nodeIn(t, folder, name)));
  const [a, b, hub] = nodes;
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: hub.db,
    clock: hub.clock,
  });
  const engines = [a, b].map((device) =>
    engineOf(device, "http://127.0.0.1:1", {
      engine: { transport, remoteObjectStorage: hub.objects, pageLimit: 3 },
    }),
  );
  for (let i = 0; i < 20; i += 1) {
    await write(a, `a-${i}`, at(i, "a"), `a/${i}`);
    await write(b, `b-${i}`, at(i, "b"), `b/${i}`);
  }
  for (let pass = 0; pass < 2; pass += 1) await Promise.all(engines.map(drain));
  await assertEqual(a, hub);
  await assertEqual(b, hub);
});

/** The node once nobody has its files: the round of a worker lets go of them a moment after its connection. */
async function nodeOnceFree(t, folder, name) {
  for (let patience = 500; ; patience -= 1) {
    try {
      return await nodeIn(t, folder, name);
    } catch (error) {
      if (error.code !== "PATH_IN_USE" || patience === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

test("a worker that ends in the middle of a round leaves stores that the next round goes on with", async (t) => {
  const folder = folderFor(t);
  const hub = await nodeIn(t, folder, "hub");
  const before = await nodeIn(t, folder, "device");
  for (let i = 0; i < 5; i += 1) await write(before, `up-${i}`, at(i, "device"), `up/${i}`);
  await before.close();
  // Takes the request in, and never answers.
  const silent = createServer((socket) => socket.on("error", () => {}).resume());
  const asked = once(silent, "connection");
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const baseUrl = `http://127.0.0.1:${/** @type {any} */ (silent.address()).port}`;
  const worker = new Worker(new URL("support/native-device.mjs", import.meta.url), {
    workerData: { folder: before.path, baseUrl },
  });
  const [socket] = await asked;
  const hungUp = closeOf(socket);
  await worker.terminate();
  await hungUp;
  silent.close();

  const device = await nodeOnceFree(t, folder, "device");
  const engine = engineOf(device, baseUrl, {
    engine: {
      remoteObjectStorage: hub.objects,
      transport: sync.createInProcessSyncTransport({ databaseAdapter: hub.db, clock: hub.clock }),
    },
  });
  assert.equal((await drain(engine)).shipped, 5);
  await assertEqual(device, hub);
});
