// What could not be taken in or sent: it is named, nothing passes it, and it stops no one else.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, compare, entryOf } from "./support/hlc.mjs";
import {
  assertSettled,
  bytes,
  drain,
  ids,
  lastTurn,
  makeCloud,
  makeNode,
  makeWorld,
  record,
  throwing,
  throwingFor,
  write,
} from "./support/index.mjs";
import { inProcess, sideOf } from "./support/reconciling.mjs";

const refuse = (error, id) => throwingFor(error, (item) => (item.id ?? item.row?.id) === id);

test("a held item is named with all that is known of it, on the way up", async () => {
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  const error = new Error("quota is used up");
  write(a, "SR", "1", { key: "k" });
  a.via.remote.plan.put = throwing(error);
  const result = await a.engine.exchange();
  assert.ok(Object.keys(result).includes("held"));
  assert.equal(result.held.length, 1);
  const [one] = result.held;
  assert.equal(one.nodeId, "a");
  assert.equal(one.direction, "outbound");
  assert.equal(one.kind, "record");
  assert.equal(one.item, a.db.all()[0]);
  assert.equal(one.key, "k");
  assert.equal(typeof one.code, "string");
  assert.match(one.reason, /\w/);
  assert.equal(one.error, error);
});

test("a held app row is named with the entry itself, on the way down", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "AR", "1", { stamp: at(1, "z"), key: "lost", lost: true });
  const result = await a.engine.exchange();
  const [one] = result.held;
  assert.deepEqual(
    [one.nodeId, one.direction, one.kind, one.key],
    ["z", "inbound", "appRow", "lost"],
  );
  assert.equal(one.item, lastTurn(a).answer.appSyncableRows[0]);
  assert.match(one.reason, /\w/);
  assert.equal(typeof one.code, "string");
});

test("an item that is held for something else than a blob has no key", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  const error = new Error("unique index");
  write(cloud, "SR", "1", { stamp: at(1, "z") });
  write(cloud, "SR", "2", { stamp: at(1, "y") });
  a.via.db.plan.put = refuse(error, "1");
  const { held } = await a.engine.exchange();
  assert.deepEqual([held.length, held[0].key, held[0].error], [1, null, error]);
});

test("only what stopped a node is listed, not what waits behind it", async () => {
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  for (let i = 0; i < 4; i += 1) write(a, "SR", `${i}`, { key: `k${i}`, lost: i < 2 });
  const { held, shipped } = await a.engine.exchange();
  assert.deepEqual([held.map((one) => one.item.id), shipped], [["0"], 0]);
});

test("what is held is listed in every round until it goes through", async () => {
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  write(a, "SR", "1", { key: "k", lost: true });
  for (let i = 0; i < 3; i += 1) assert.equal((await a.engine.exchange()).held.length, 1);
  await a.objects.put("k", bytes("k"));
  assert.deepEqual(await a.engine.exchange(), { applied: 0, shipped: 1, hasMore: false });
});

for (const coverage of [true, false]) {
  const mode = coverage ? "with coverage" : "without coverage";

  test(`a held item is not passed by later items of its node that come back from the peer, ${mode}`, async () => {
    const world = makeWorld(["a"], { coverage });
    const [a] = world.nodes;
    write(a, "SR", "1", { key: "k1", lost: true });
    write(a, "SR", "2", { key: "k2" });
    const later = write(world.cloud, "SR", "3", { stamp: at(50, "a") });
    const result = await a.engine.exchange();
    assert.deepEqual([result.shipped, result.applied], [0, 1]);
    assert.deepEqual(entryOf(a.state.own(), "a"), later);
    const peer = entryOf(a.state.peer(), "a");
    assert.ok(
      peer === undefined || compare(peer, at(0, "a")) < 0,
      "the peer watermark stays before what is held",
    );
    await a.objects.put("k1", bytes("k1"));
    await drain(a);
    await drain(a);
    assert.deepEqual(ids(world.cloud), ["1", "2", "3"]);
    assertSettled(world);
  });

  test(`a held item is not passed while others of its node were shipped before, ${mode}`, async () => {
    const {
      cloud,
      nodes: [a],
    } = makeWorld(["a"], { coverage });
    write(a, "SR", "1");
    const held = write(a, "SR", "2", { key: "k", lost: true });
    write(cloud, "AW", "row", { stamp: at(70, "a") });
    assert.equal((await a.engine.exchange()).shipped, 1);
    const peer = entryOf(a.state.peer(), "a");
    assert.ok(peer === undefined || compare(peer, held) < 0);
  });

  test(`a put that throws holds its node and lets the others go on, ${mode}`, async () => {
    const world = makeWorld(["a"], { coverage });
    const [a] = world.nodes;
    for (let i = 0; i < 3; i += 1) write(world.cloud, "SR", `z${i}`, { stamp: at(i, "z") });
    write(world.cloud, "SR", "y", { stamp: at(9, "y") });
    a.via.db.plan.put = refuse(new Error("unique index"), "z1");
    const result = await a.engine.exchange();
    assert.deepEqual([result.applied, result.held.length], [3, 1]);
    assert.deepEqual(ids(a), ["y", "z0", "z2"]);
    assert.deepEqual(a.state.own(), { y: at(9, "y"), z: at(0, "z") });
    a.via.db.plan.put = {};
    await drain(a);
    assertSettled(world);
    assert.deepEqual(a.state.own().z, at(2, "z"));
  });

  test(`a get that throws holds its node and lets the others go on, ${mode}`, async () => {
    const world = makeWorld(["a"], { coverage });
    const [a] = world.nodes;
    write(world.cloud, "SR", "z", { stamp: at(1, "z") });
    write(world.cloud, "SR", "y", { stamp: at(9, "y") });
    a.via.db.plan.get = throwingFor(new Error("busy"), (id) => id === "z");
    const result = await a.engine.exchange();
    assert.deepEqual([result.applied, result.held.length], [1, 1]);
    assert.deepEqual(a.state.own(), { y: at(9, "y") });
    a.via.db.plan.get = {};
    await drain(a);
    assertSettled(world);
  });

  test(`a failed apply does not advance the watermark, and is made good, ${mode}`, async () => {
    const world = makeWorld(["a"], { coverage });
    const [a] = world.nodes;
    for (let i = 0; i < 3; i += 1) write(world.cloud, "AW", `z${i}`, { stamp: at(i, "z") });
    write(world.cloud, "SR", "record", { stamp: at(3, "z") });
    a.via.applier.plan.apply = refuse(new Error("constraint"), "z1");
    const result = await a.engine.exchange();
    assert.deepEqual(
      result.held.map((one) => [one.kind, one.nodeId]),
      [["appRow", "z"]],
    );
    assert.deepEqual(ids(a, "AW"), ["z0", "z2"]);
    assert.deepEqual(ids(a), ["record"], "later items of the node are applied all the same");
    assert.deepEqual(a.state.own(), { z: at(0, "z") });
    a.via.applier.plan.apply = {};
    await drain(a);
    assertSettled(world);
    assert.deepEqual(a.state.own(), { z: at(3, "z") });
  });

  test(`a round in which something threw and nothing was taken in throws that error, ${mode}`, async () => {
    const {
      cloud,
      nodes: [a],
    } = makeWorld(["a"], { coverage });
    const error = new Error("disk is full");
    write(cloud, "SR", "1", { stamp: at(1, "z") });
    write(cloud, "SR", "2", { stamp: at(1, "y") });
    for (const method of ["put", "get"]) {
      a.via.db.plan[method] = throwing(error);
      await assert.rejects(
        async () => a.engine.exchange(),
        (thrown) => thrown === error,
      );
      assert.deepEqual(a.state.own(), {});
      a.via.db.plan[method] = {};
    }
    assert.equal((await drain(a))[0].applied, 2);
  });
}

test("a record that can never be put does not keep later records from coming", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "bad", { stamp: at(1, "z") });
  a.via.db.plan.put = refuse(new Error("unique index"), "bad");
  for (let i = 0; i < 3; i += 1) {
    write(cloud, "SR", `good${i}`, { stamp: at(10 + i, "z") });
    await drain(a);
  }
  assert.deepEqual(ids(a), ["good0", "good1", "good2"]);
});

test("a blob that throws on the way down fails no round, even where it is all there was", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(1, "z"), key: "k" });
  a.via.remote.plan.get = throwing(new Error("storage"));
  const result = await a.engine.exchange();
  assert.deepEqual([result.applied, result.held.length], [0, 1]);
  assert.deepEqual(ids(a), ["1"]);
});

test("a blob that throws on the way up fails no round, even where it is all there was", async () => {
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  write(a, "SR", "1", { key: "k" });
  a.via.remote.plan.has = throwing(new Error("storage"));
  const result = await a.engine.exchange();
  assert.deepEqual([result.shipped, result.held.length, result.hasMore], [0, 1, false]);
});

const strict = { engine: { strictOrder: true } };

test("in strict order a failed apply stops its node until it lands", async () => {
  for (const kind of ["SR", "AW"]) {
    const world = makeWorld(["a"], strict);
    const [a] = world.nodes;
    for (let i = 0; i < 4; i += 1)
      write(world.cloud, i === 1 ? kind : "SR", `z${i}`, { stamp: at(i, "z") });
    write(world.cloud, "SR", "y", { stamp: at(9, "y") });
    const adapter = kind === "SR" ? a.via.db : a.via.applier;
    const method = kind === "SR" ? "put" : "apply";
    adapter.plan[method] = refuse(new Error("refused"), "z1");
    const [result] = await drain(a);
    assert.deepEqual(ids(a), ["y", "z0"]);
    assert.equal(result.applied, 2);
    assert.deepEqual(a.state.own(), { y: at(9, "y"), z: at(0, "z") });
    adapter.plan[method] = {};
    await drain(a);
    assertSettled(world);
  }
});

test("in strict order the node stays stopped over all pages of a sweep", async () => {
  const world = makeWorld(["a"], { engine: { strictOrder: true, pageLimit: 2 } });
  const [a] = world.nodes;
  for (let i = 0; i < 7; i += 1) write(world.cloud, "SR", `z${i}`, { stamp: at(i, "z") });
  write(world.cloud, "SR", "y", { stamp: at(9, "y") });
  a.via.db.plan.put = refuse(new Error("refused"), "z1");
  await drain(a);
  assert.deepEqual(ids(a), ["y", "z0"]);
  a.via.db.plan.put = {};
  await drain(a);
  assertSettled(world);
});

test("in strict order a missing blob stops no row", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"], strict);
  write(cloud, "SR", "1", { stamp: at(1, "z"), key: "lost", lost: true });
  write(cloud, "SR", "2", { stamp: at(2, "z") });
  const result = await a.engine.exchange();
  assert.deepEqual(ids(a), ["1", "2"]);
  assert.equal(result.held.length, 1);
  assert.deepEqual(a.state.own(), {});
});

test("a chain in strict order hides no gap from the nodes behind it", async () => {
  const source = makeCloud();
  const relay = makeNode("relay", source, strict);
  const behind = {
    ...makeCloud(),
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: relay.db,
      objectStorage: relay.objects,
      clock: relay.clock,
      appSyncableSource: { namespaces: relay.rows.namespaces, applier: relay.rows.applier },
    }),
  };
  const leaf = makeNode("leaf", behind);
  for (let i = 0; i < 4; i += 1) write(source, "SR", `${i}`, { stamp: at(i, "z") });
  relay.via.db.plan.put = refuse(new Error("refused"), "1");
  await drain(relay);
  await drain(leaf);
  assert.deepEqual(ids(leaf), ["0"]);
  relay.via.db.plan.put = {};
  await drain(relay);
  await drain(leaf);
  assert.deepEqual(ids(leaf), ["0", "1", "2", "3"]);
});

test("an item that is refused for good is told apart from one that came through", async () => {
  const answer = {
    records: [record("1", at(1, "z")), record("2", at(2, "y"))],
    appSyncableRows: [],
    hasMore: false,
  };
  const a = makeNode("a", makeCloud(), { engine: { transport: { exchange: async () => answer } } });
  a.via.db.plan.put = refuse("a string, not an error", "1");
  const { held } = await a.engine.exchange();
  assert.equal(held[0].item, answer.records[0]);
  assert.equal(typeof held[0].reason, "string");
});

test("an object whose fetching an ended process broke off is not said to be missing", async (t) => {
  const [side, hub] = [await sideOf(t, "a"), await sideOf(t, "hub")];
  for (const id of ["1", "2", "3"]) {
    await hub.objects.put(`k${id}`, bytes(id));
    await hub.db.put(record(id, hub.clock.now(), { objectStorageKey: `k${id}` }));
  }
  const engineOf = (get, more) =>
    sync.createSyncEngine({
      localDatabaseAdapter: side.db,
      localObjectStorage: side.objects,
      remoteObjectStorage: { has: async () => true, get, put: (...put) => hub.objects.put(...put) },
      transport: inProcess(hub),
      clock: side.clock,
      syncState: side.state,
      logLevel: "silent",
      ...more,
    });
  const controller = new AbortController();
  const ended = engineOf(() => new Promise(() => controller.abort(new Error("ended"))));
  await assert.rejects(ended.exchange({ signal: controller.signal }), /ended/);
  const next = engineOf((key) => hub.objects.get(key), { pageLimit: 1 });
  const { held, hasMore } = await next.exchange();
  assert.ok(hasMore);
  assert.deepEqual(
    held.map(({ code, direction }) => [code, direction]),
    [
      ["SYNC_ERROR", "inbound"],
      ["SYNC_ERROR", "inbound"],
    ],
  );
  assert.deepEqual((await next.drain()).held, []);
  for (const id of ["1", "2", "3"]) assert.ok(await side.objects.get(`k${id}`));
});
