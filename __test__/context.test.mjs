// What an adapter sees of `AsyncLocalStorage` is what the call of exchange() was made in.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { makeCloud, makeNode, write } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";

const context = new AsyncLocalStorage();

/** The adapter, telling `seen` in which context each of its functions is called. */
function watched(adapter, seen, label) {
  const wrapped = { ...adapter };
  for (const name of Object.keys(adapter).filter((key) => typeof adapter[key] === "function")) {
    wrapped[name] = (...args) => {
      seen.push({ call: `${label}.${name}`, store: context.getStore() });
      return adapter[name](...args);
    };
  }
  return wrapped;
}

/** A node with something to send and to fetch, each of its adapters watched. */
function watchedNode(name, seen, { cloud = makeCloud(), engine = {} } = {}) {
  const node = makeNode(name, cloud);
  for (const kind of ["SR", "AR", "AW"]) {
    write(node, kind, `${name}-up`, { key: kind === "AW" ? "" : `${name}-up-${kind}` });
    write(cloud, kind, `${name}-down`, {
      stamp: at(9, `far-${name}`),
      key: kind === "AW" ? "" : `${name}-down-${kind}`,
    });
  }
  const options = {
    localDatabaseAdapter: watched(node.db, seen, "db"),
    localObjectStorage: watched(node.objects, seen, "objects"),
    remoteObjectStorage: watched(cloud.objects, seen, "remote"),
    transport: watched(cloud.transport, seen, "transport"),
    clock: watched(node.clock, seen, "clock"),
    syncState: watched(node.state, seen, "state"),
    appSyncableSource: {
      namespaces: watched(node.rows.namespaces, seen, "namespaces"),
      applier: watched(node.rows.applier, seen, "applier"),
    },
    ...engine,
  };
  const made = sync.createSyncEngine(options);
  made.changeNotifier.subscribe(() => seen.push({ call: "listener", store: context.getStore() }));
  return { node, engine: made, cloud };
}

function assertAllIn(seen, store, ...calls) {
  for (const call of calls)
    assert.ok(
      seen.some((one) => one.call === call),
      `${call} was called`,
    );
  const strays = seen.filter((one) => one.store !== store);
  assert.deepEqual(strays, [], `everything ran in ${store}`);
}

const CALLS = [
  "db.put",
  "db.get",
  "objects.put",
  "objects.get",
  "remote.get",
  "remote.put",
  "transport.exchange",
  "clock.receive",
  "state.setWatermarks",
  "namespaces.list",
  "applier.apply",
  "applier.scanSince",
  "listener",
];

test("every adapter of a round runs in the context of the call", async () => {
  const seen = [];
  const { engine } = watchedNode("a", seen);
  await context.run("mine", () => engine.exchange());
  assertAllIn(seen, "mine", ...CALLS);
});

test("the context of the engine's making plays no part", async () => {
  const seen = [];
  const { engine } = context.run("making", () => watchedNode("a", seen));
  seen.length = 0;
  await context.run("calling", () => engine.exchange());
  assertAllIn(seen, "calling", "transport.exchange");
});

test("a round that waited for its turn runs in the context of its own call", async () => {
  const seen = [];
  const { engine, node } = watchedNode("a", seen);
  let afterFirst = 0;
  const first = context
    .run("first", () => engine.exchange())
    .then(() => {
      afterFirst = seen.length;
      write(node, "SR", "between");
    });
  const second = context.run("second", () => engine.exchange());
  await Promise.all([first, second]);
  const stores = seen.map((one) => one.store);
  const turn = stores.indexOf("second");
  assert.ok(turn > 0 && afterFirst > 0);
  assert.ok(stores.slice(0, turn).every((store) => store === "first"));
  assert.ok(stores.slice(turn).every((store) => store === "second"));
});

test("three rounds in line each keep their own context", async () => {
  const seen = [];
  const { engine } = watchedNode("a", seen);
  await Promise.all(["x", "y", "z"].map((name) => context.run(name, () => engine.exchange())));
  const asked = seen.filter((one) => one.call === "transport.exchange").map((one) => one.store);
  assert.deepEqual(asked, ["x", "y", "z"]);
});

test("a round called from within the adapter of another engine keeps both contexts apart", async () => {
  const seen = { inner: [], outer: [] };
  const inner = watchedNode("inner", seen.inner);
  const cloud = makeCloud();
  const transport = {
    async exchange(request) {
      await context.run("inside", () => inner.engine.exchange());
      seen.outer.push({ call: "after", store: context.getStore() });
      return cloud.transport.exchange(request);
    },
  };
  const outer = watchedNode("outer", seen.outer, { cloud, engine: { transport } });
  seen.inner.length = 0;
  await context.run("outside", () => outer.engine.exchange());
  assertAllIn(seen.inner, "inside", ...CALLS);
  assertAllIn(seen.outer, "outside", "after", "applier.apply", "state.setWatermarks");
});

test("a round called from within an adapter inherits the context of the adapter", async () => {
  const seen = [];
  const inner = watchedNode("inner", seen);
  const cloud = makeCloud();
  const transport = {
    async exchange(request) {
      await inner.engine.exchange();
      return cloud.transport.exchange(request);
    },
  };
  const outer = watchedNode("outer", [], { cloud, engine: { transport } });
  seen.length = 0;
  await context.run("outside", () => outer.engine.exchange());
  assertAllIn(seen, "outside", ...CALLS);
});

test("the answering side runs its adapters in the context of the request", async () => {
  const seen = [];
  const cloud = makeCloud();
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: watched(cloud.db, seen, "db"),
    objectStorage: cloud.objects,
    clock: watched(cloud.clock, seen, "clock"),
    appSyncableSource: {
      namespaces: cloud.rows.namespaces,
      applier: watched(cloud.rows.applier, seen, "applier"),
    },
  });
  const node = makeNode("a", cloud, { engine: { transport } });
  for (const kind of ["SR", "AR", "AW"]) write(node, kind, "1");
  await context.run("asked", () => node.engine.exchange());
  assertAllIn(seen, "asked", "db.put", "applier.apply", "clock.receive");
});

test("the context is kept across work of native stores", async (t) => {
  const seen = [];
  const storage = sync.createFsObjectStorage({ root: folderFor(t) });
  await storage.init();
  const remote = sync.createFsObjectStorage({ root: folderFor(t) });
  await remote.init();
  const { engine, node, cloud } = watchedNode("a", seen, {
    engine: { localObjectStorage: storage, remoteObjectStorage: remote },
  });
  for (const key of node.objects.keys()) await storage.put(key, new Uint8Array(key.length));
  for (const key of cloud.objects.keys()) await remote.put(key, new Uint8Array(key.length));
  const result = await context.run("native", () => engine.exchange());
  assert.equal(result.applied, 1);
  assertAllIn(seen, "native", "db.put", "transport.exchange", "state.setWatermarks", "listener");
  assert.equal(
    await context.run("after", async () => (await storage.list("")) && context.getStore()),
    "after",
  );
});

test("a call of a native store comes back in the context in which it was made", async (t) => {
  const storage = sync.createFsObjectStorage({ root: folderFor(t) });
  await storage.init();
  const stores = await Promise.all(
    ["one", "two", "three"].map((name) =>
      context.run(name, async () => {
        await storage.put(name, new Uint8Array(10));
        await storage.has(name);
        return context.getStore();
      }),
    ),
  );
  assert.deepEqual(stores, ["one", "two", "three"]);
});
