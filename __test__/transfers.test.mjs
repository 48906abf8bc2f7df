// Blobs side by side: one transfer for a key, several keys at a time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./support/hlc.mjs";
import {
  assertSettled,
  drain,
  ids,
  makeCloud,
  makeNode,
  makeWorld,
  throwingFor,
  write,
} from "./support/index.mjs";
import { gauged, newGauge } from "./support/faulty.mjs";

const countOf = (adapter, name, key) =>
  adapter.log.filter((one) => one.name === name && one.args[0] === key).length;

for (const kinds of [
  ["SR", "SR"],
  ["SR", "AR"],
  ["AR", "AR"],
]) {
  test(`${kinds.join(" and ")} with one key share one transfer up`, async () => {
    const {
      nodes: [a],
    } = makeWorld(["a"]);
    for (const [i, kind] of kinds.entries()) write(a, kind, `${i}`, { key: "k" });
    write(a, "SR", "elsewhere", { stamp: at(1, "x"), key: "k" });
    assert.equal((await a.engine.exchange()).shipped, 3);
    assert.deepEqual(
      [countOf(a.via.objects, "get", "k"), countOf(a.via.remote, "put", "k")],
      [1, 1],
    );
  });

  test(`${kinds.join(" and ")} with one key share one transfer down`, async () => {
    const {
      cloud,
      nodes: [a],
    } = makeWorld(["a"]);
    for (const [i, kind] of kinds.entries())
      write(cloud, kind, `${i}`, { stamp: at(i, "z"), key: "k" });
    write(cloud, "SR", "elsewhere", { stamp: at(1, "x"), key: "k" });
    const result = await a.engine.exchange();
    assert.deepEqual(result.held, []);
    assert.deepEqual(
      [countOf(a.via.remote, "get", "k"), countOf(a.via.objects, "put", "k")],
      [1, 1],
    );
    assert.equal(result.applied, kinds.filter((kind) => kind === "SR").length + 1);
  });
}

test("a shared key that cannot be moved stops every node that needs it, and is tried once a round", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  for (const nodeId of ["x", "y"])
    write(a, "SR", nodeId, { stamp: at(1, nodeId), key: "lost", lost: true });
  write(a, "SR", "w", { stamp: at(1, "w"), key: "fine" });
  const result = await a.engine.exchange();
  assert.equal(result.shipped, 1);
  assert.deepEqual(result.held.map((one) => one.nodeId).sort(), ["x", "y"]);
  assert.equal(countOf(a.via.objects, "get", "lost"), 1);
  assert.deepEqual(ids(cloud), ["w"]);
});

test("a key that is wanted up and down in one round is whole on both sides", async () => {
  const world = makeWorld(["a"]);
  const [a] = world.nodes;
  write(a, "SR", "mine", { key: "k" });
  write(world.cloud, "SR", "theirs", { stamp: at(1, "z"), key: "k", lost: true });
  await drain(a);
  assertSettled(world);
});

/** A node over storages that count how many of their calls are under way. */
function gaugedWorld(options) {
  const gauge = newGauge();
  const coat = (objects) => gauged(objects, gauge, ["has", "get", "put"]);
  const cloud = makeCloud();
  const engine = (node) => ({
    localObjectStorage: coat(node.objects),
    remoteObjectStorage: coat(cloud.objects),
    ...options,
  });
  return { cloud, nodes: [makeNode("a", cloud, { engine })], gauge };
}

for (const [title, engine, limit] of [
  ["eight at a time where nobody says otherwise", {}, 8],
  ["three at a time with blobConcurrency 3", { blobConcurrency: 3 }, 3],
  ["one at a time with blobConcurrency 1", { blobConcurrency: 1 }, 1],
]) {
  for (const way of ["up", "down"]) {
    test(`blobs move ${title}, ${way}`, async () => {
      const { cloud, nodes, gauge } = gaugedWorld(engine);
      const [a] = nodes;
      const side = way === "up" ? a : cloud;
      for (let i = 0; i < 24; i += 1)
        write(side, i % 2 ? "SR" : "AR", `${i}`, { stamp: at(i, "n"), key: `k${i}` });
      await drain(a);
      assert.equal(gauge.peak, limit);
      assert.equal(gauge.now, 0, "no call outlives the round");
      assertSettled({ cloud, nodes });
    });
  }
}

test("blobs of one node, too, move side by side", async () => {
  const {
    cloud,
    nodes: [a],
    gauge,
  } = gaugedWorld({ blobConcurrency: 4 });
  for (let i = 0; i < 8; i += 1) write(a, "SR", `${i}`, { key: `k${i}` });
  await drain(a);
  assert.equal(gauge.peak, 4);
  assert.equal(cloud.objects.keys().length, 8);
});

test("an early blob that fails late holds what came after it, though that arrived first", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  const slow = new Promise((resolve, reject) => setTimeout(() => reject(new Error("late")), 25));
  slow.catch(() => {});
  for (const [i, key] of ["k0", "slow", "k2", "k3"].entries()) write(a, "SR", `${i}`, { key });
  a.via.objects.plan.get = {
    answers: (_call, [key]) => (key === "slow" ? { value: slow } : undefined),
  };
  const result = await a.engine.exchange();
  assert.equal(result.shipped, 1);
  assert.deepEqual(ids(cloud), ["0"]);
  assert.deepEqual(a.state.peer(), { a: at(0, "a") });
  a.via.objects.plan.get = {};
  await drain(a);
  assert.deepEqual(ids(cloud), ["0", "1", "2", "3"]);
});

test("an early blob that fails late on the way down holds the watermark before it", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  for (const [i, key] of ["k0", "slow", "k2", "k3"].entries())
    write(cloud, "SR", `${i}`, { stamp: at(i, "z"), key });
  const slow = new Promise((resolve, reject) => setTimeout(() => reject(new Error("late")), 25));
  slow.catch(() => {});
  a.via.remote.plan.get = {
    answers: (_call, [key]) => (key === "slow" ? { value: slow } : undefined),
  };
  const result = await a.engine.exchange();
  assert.equal(result.applied, 3);
  assert.deepEqual(a.state.own(), { z: at(0, "z") });
  assert.deepEqual(ids(a), ["0", "1", "2", "3"]);
});

test("many failing blobs leave nothing running and reject nothing unheard", async () => {
  const unheard = [];
  const listen = (reason) => unheard.push(reason);
  process.on("unhandledRejection", listen);
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  for (let i = 0; i < 30; i += 1) write(a, "SR", `${i}`, { stamp: at(1, `n${i}`), key: `k${i}` });
  a.via.remote.plan.put = throwingFor(new Error("full"), () => true);
  const result = await a.engine.exchange();
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off("unhandledRejection", listen);
  assert.equal(result.held.length, 30);
  assert.equal(result.shipped, 0);
  assert.deepEqual(unheard, []);
});

test("a blobConcurrency that is no positive whole number is refused", () => {
  const cloud = makeCloud();
  for (const blobConcurrency of [0, -1, 1.5, NaN]) {
    assert.throws(() => makeNode("a", cloud, { engine: { blobConcurrency } }), /blobConcurrency/);
  }
});
