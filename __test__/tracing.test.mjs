// What those that trace hear of the objects that travel, in the shape of a traced promise.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { tracingChannel } from "node:diagnostics_channel";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import {
  blobFields,
  bytes,
  clockFor,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/index.mjs";
import { engineOf, sideOf, writeFile, writeNotes } from "./support/reconciling.mjs";

const { traced } = createRequire(import.meta.url)("../js/engine/tracing.js");

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];

/** Subscribes until the test ends. Answers all events so far, as `[name, context]`. */
function hear(t, what, events = EVENTS) {
  const heard = [];
  const channel = tracingChannel(`starkeep:sync.${what}`);
  const handlers = Object.fromEntries(
    events.map((name) => [name, (context) => heard.push([name, context])]),
  );
  channel.subscribe(handlers);
  t.after(() => channel.unsubscribe(handlers));
  return heard;
}

/** Of each transfer its context and the names of its events, in the order in which they set out. */
function transfersOf(heard) {
  const names = new Map();
  for (const [name, context] of heard) names.set(context, [...(names.get(context) ?? []), name]);
  return [...names].map(([context, events]) => ({ context, events }));
}

const byKey = (a, b) => (a.context.key < b.context.key ? -1 : 1);

const memorySide = (nodeId) => ({
  nodeId,
  db: memoryDatabase({ nodeWatermarks: true }),
  objects: memoryObjects(),
  state: memoryState(),
  clock: clockFor(nodeId),
});

/** Engines of a side against a hub. */
const inOneProcess = (make) => async (t) => {
  const [a, b, hub] = await Promise.all(["a", "b", "hub"].map((name) => make(t, name)));
  return { a, b, hub, engine: (side, options) => engineOf(side, hub, options) };
};
const overHttp = (how) => async (t) => {
  const { a, b, hub } = await inOneProcess(sideOf)(t);
  const server = sync.createHttpSyncServer({
    databaseAdapter: hub.db,
    objectStorageAdapter: hub.objects,
    clock: hub.clock,
  });
  const { port } = await server.listen();
  t.after(() => server.close());
  const baseUrl = `http://127.0.0.1:${port}`;
  const engine = (side, options) =>
    engineOf(side, hub, {
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, ...how }),
      transport: sync.createHttpSyncTransport({ baseUrl, ...how }),
      ...options,
    });
  return { a, b, hub, engine, baseUrl };
};

const WAYS = {
  "native stores": inOneProcess(sideOf),
  "adapters of an app": inOneProcess(async (_, name) => memorySide(name)),
  "HTTP on native connections": overHttp({}),
  "HTTP by fetch": overHttp({ fetch: (...args) => fetch(...args) }),
};

for (const [way, placesOf] of Object.entries(WAYS)) {
  describe(`over ${way}`, () => {
    test("each object that travels is one transfer, up and down, and belongs to its round", async (t) => {
      const { a, b, engine } = await placesOf(t);
      const rounds = hear(t, "exchange", ["start"]);
      const heard = hear(t, "transfer");
      await writeFile(a, 1, "four");
      await writeFile(a, 2, "x".repeat(100_000));
      const up = await engine(a).exchange();
      const sent = transfersOf(heard.splice(0)).sort(byKey);
      assert.deepEqual(
        sent.map(({ context: { operation, key, direction, bytes } }) => [
          [operation, key, direction, bytes],
        ]),
        [[["transfer", "files/1", "outbound", 4]], [["transfer", "files/2", "outbound", 100_000]]],
      );
      for (const { context, events } of sent) {
        assert.deepEqual(events, ["start", "end", "asyncStart", "asyncEnd"]);
        assert.ok(context.durationMs >= 0);
        assert.equal(Object.hasOwn(context, "error"), false);
        assert.equal(context.parent, rounds[0][1]);
        assert.equal(context.parent.result, up);
      }
      rounds.length = 0;
      await engine(b).exchange();
      const received = transfersOf(heard.splice(0)).sort(byKey);
      assert.deepEqual(
        received.map(({ context }) => [context.key, context.direction, context.bytes]),
        [
          ["files/1", "inbound", 4],
          ["files/2", "inbound", 100_000],
        ],
      );
      assert.ok(received.every(({ context }) => context.parent === rounds[0][1]));
      await engine(b).exchange();
      assert.deepEqual(heard, [], "an object that is there does not travel");
    });

    test("an object that is missing is a transfer that failed", async (t) => {
      const { a, engine } = await placesOf(t);
      const heard = hear(t, "transfer");
      t.mock.method(console, "warn", () => {});
      await a.objects.delete(await writeFile(a, 1));
      await engine(a).exchange();
      const [{ context, events }] = transfersOf(heard);
      assert.deepEqual(events, ["start", "end", "error", "asyncStart", "asyncEnd"]);
      assert.deepEqual(
        [context.key, context.bytes, context.error.code],
        ["files/1", 0, "BLOB_MISSING"],
      );
    });

    test("what follows on a store that was bound is seen in the round, and in its transfers", async (t) => {
      const { a, engine } = await placesOf(t);
      const storage = new AsyncLocalStorage();
      const { start } = tracingChannel("starkeep:sync.exchange");
      start.bindStore(storage, ({ operation }) => `in ${operation}`);
      t.after(() => start.unbindStore(storage));
      const seen = [];
      const transfers = tracingChannel("starkeep:sync.transfer");
      const handlers = {
        start: () => seen.push(storage.getStore()),
        asyncEnd: () => seen.push(storage.getStore()),
      };
      transfers.subscribe(handlers);
      t.after(() => transfers.unsubscribe(handlers));
      await writeFile(a, 1);
      await engine(a).exchange();
      assert.deepEqual(seen, ["in exchange", "in exchange"]);
    });

    test("progress is told beside transfers, and only progress", async (t) => {
      const { a, engine } = await placesOf(t);
      const heard = hear(t, "transfer", ["asyncEnd"]);
      await writeFile(a, 1, "words");
      const told = [];
      await engine(a).exchange({ onProgress: (progress) => told.push(progress) });
      assert.ok(told.length > 0 && told.every(({ phase }) => typeof phase === "string"));
      assert.equal(heard.length, 1);
    });
  });
}

test("the error of a transfer is the very one that a storage of the app threw", async (t) => {
  const [a, hub] = [memorySide("a"), memorySide("hub")];
  const thrown = new Error("the bucket is gone");
  hub.objects.put = () => Promise.reject(thrown);
  t.mock.method(console, "warn", () => {});
  const heard = hear(t, "transfer", ["error"]);
  await writeFile(a, 1);
  await engineOf(a, hub).exchange();
  assert.equal(heard.length, 1);
  assert.equal(heard[0][1].error, thrown);
});

test("a storage that cannot be asked whether it has the object is a transfer that failed", async (t) => {
  const [a, hub] = [memorySide("a"), memorySide("hub")];
  const thrown = new Error("who knows");
  hub.objects.has = () => Promise.reject(thrown);
  t.mock.method(console, "warn", () => {});
  const heard = hear(t, "transfer");
  await writeFile(a, 1);
  await engineOf(a, hub).exchange();
  const [{ context, events }] = transfersOf(heard);
  assert.deepEqual(events, ["start", "end", "error", "asyncStart", "asyncEnd"]);
  assert.deepEqual([context.error, context.bytes], [thrown, 0]);
});

test("a transfer that is called off ends in the reason of the signal", async (t) => {
  const [a, hub] = [memorySide("a"), memorySide("hub")];
  const heard = hear(t, "transfer");
  const controller = new AbortController();
  const reason = new Error("enough");
  hub.objects.put = () => {
    controller.abort(reason);
    return new Promise(() => {});
  };
  await writeFile(a, 1);
  await assert.rejects(engineOf(a, hub).exchange({ signal: controller.signal }), reason);
  const [{ context, events }] = transfersOf(heard);
  assert.deepEqual(events, ["start", "end", "error", "asyncStart", "asyncEnd"]);
  assert.equal(context.error, reason);
  assert.equal(context.durationMs, undefined, "nothing is known of what was broken off");
});

test("objects that a reconciliation brings over belong to it", async (t) => {
  const [a, hub] = await Promise.all(["a", "hub"].map((name) => sideOf(t, name)));
  const engine = engineOf(a, hub);
  const key = await writeFile(a, 1, "words");
  await writeNotes(a, 5, 7);
  await engine.drain();
  await hub.objects.delete(key);
  const heard = hear(t, "transfer", ["asyncEnd"]);
  const { objects } = await engine.reconcile({ objects: true });
  assert.equal(objects.sent, 1);
  const told = heard.map(([, { key, direction, bytes, parent }]) => [
    ...[key, direction, bytes, parent.operation],
  ]);
  assert.deepEqual(told, [[key, "outbound", 5, "reconcile"]]);
});

test("the context of a round names its engine, and the peer without what grants access", async (t) => {
  const { a, engine, baseUrl } = await WAYS["HTTP on native connections"](t);
  const heard = hear(t, "exchange", ["asyncEnd"]);
  const secret = baseUrl.replace("//", "//user:secret@");
  const transport = sync.createHttpSyncTransport({ baseUrl: `${secret}/?token=secret` });
  const [over, inside] = [engine(a), engineOf(a, memorySide("hub"))];
  await over.exchange();
  await inside.exchange();
  await engine(a, { transport })
    .exchange()
    .catch(() => {});
  assert.deepEqual(
    heard.map(([, context]) => context.peer),
    [baseUrl, undefined, baseUrl],
  );
  assert.equal(heard[0][1].engine, over);
  assert.equal(heard[1][1].engine, inside);
});

test("where nothing listens the work is done as it is, and is told of no transfers", async (t) => {
  const given = [];
  const work = async (transfers) => given.push(transfers);
  await traced("exchange", {}, work);
  assert.deepEqual(given, [undefined]);
  const unheard = hear(t, "exchange");
  await traced("exchange", {}, work);
  assert.deepEqual(given, [undefined, undefined]);
  assert.ok(unheard.length > 0);
});

test("what listens only from the middle of a round on hears of the next one", async (t) => {
  const [a, hub] = [memorySide("a"), memorySide("hub")];
  await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }, blobFields("k1", 5)));
  await a.objects.put("k1", bytes("words"));
  const { put } = hub.objects;
  let heard;
  hub.objects.put = (...args) => {
    heard ??= hear(t, "transfer");
    return put(...args);
  };
  const engine = engineOf(a, hub);
  await engine.exchange();
  assert.deepEqual(heard, []);
  await a.db.put(record("r2", { wallTime: 2, counter: 0, nodeId: "a" }, blobFields("k2", 5)));
  await a.objects.put("k2", bytes("words"));
  await engine.exchange();
  assert.deepEqual(
    transfersOf(heard).map(({ context }) => context.key),
    ["k2"],
  );
});
