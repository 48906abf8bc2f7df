// One round at a time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./support/hlc.mjs";
import { QUIET, makeCloud, makeNode, throwing, write } from "./support/index.mjs";
import { gauged, newGauge } from "./support/faulty.mjs";

test("rounds that are called together never overlap", async () => {
  const cloud = makeCloud();
  const gauge = newGauge();
  const a = makeNode("a", cloud, {
    engine: { transport: gauged(cloud.transport, gauge, ["exchange"]) },
  });
  write(a, "SR", "1");
  const results = await Promise.all(Array.from({ length: 5 }, () => a.engine.exchange()));
  assert.equal(gauge.peak, 1);
  assert.deepEqual(results[0], { applied: 0, shipped: 1, hasMore: false });
  for (const result of results.slice(1)) assert.deepEqual(result, QUIET);
});

test("a waiting round begins only after the running one has written its watermarks", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(a, "SR", "1");
  await Promise.all([a.engine.exchange(), a.engine.exchange()]);
  const calls = a.via.state.log.map(({ name }) => name);
  const second = calls.lastIndexOf("getWatermarks");
  assert.ok(calls.slice(0, second).includes("setWatermarks"));
  assert.ok(calls.slice(0, second).includes("setPeerWatermarks"));
});

test("a round that fails lets the waiting one go ahead", async () => {
  const a = makeNode("a", makeCloud());
  const error = new Error("first");
  a.via.transport.plan.exchange = throwing(error, 1);
  write(a, "SR", "1");
  const [first, second] = await Promise.allSettled([a.engine.exchange(), a.engine.exchange()]);
  assert.equal(first.reason, error);
  assert.deepEqual(second.value, { applied: 0, shipped: 1, hasMore: false });
});

test("rounds of two engines do run side by side", async () => {
  const cloud = makeCloud();
  let arrived = 0;
  let open;
  const both = new Promise((resolve) => (open = resolve));
  const transport = {
    async exchange(request) {
      arrived += 1;
      if (arrived === 2) open();
      await both;
      return cloud.transport.exchange(request);
    },
  };
  const nodes = ["a", "b"].map((name) => makeNode(name, cloud, { engine: { transport } }));
  const results = await Promise.all(nodes.map((node) => node.engine.exchange()));
  assert.deepEqual(results, [QUIET, QUIET]);
});

test("a round asked for by a listener of the same engine comes after the present one", async () => {
  const cloud = makeCloud();
  const gauge = newGauge();
  const a = makeNode("a", cloud, {
    engine: { transport: gauged(cloud.transport, gauge, ["exchange"]) },
  });
  let next;
  a.engine.changeNotifier.subscribe(() => (next ??= a.engine.exchange()));
  write(cloud, "SR", "1", { stamp: at(-1, "z") });
  assert.equal((await a.engine.exchange()).applied, 1);
  assert.deepEqual(await next, QUIET);
  assert.equal(gauge.peak, 1);
});

test("a round asked for by an adapter of the same engine comes after the present one", async () => {
  const cloud = makeCloud();
  let next;
  let running = 0;
  const transport = {
    async exchange(request) {
      running += 1;
      assert.equal(running, 1);
      next ??= a.engine.exchange();
      const answer = await cloud.transport.exchange(request);
      running -= 1;
      return answer;
    },
  };
  const a = makeNode("a", cloud, { engine: { transport } });
  assert.deepEqual(await a.engine.exchange(), QUIET);
  assert.deepEqual(await next, QUIET);
});

test("requests that reach one cloud together are all answered whole", async () => {
  const cloud = makeCloud();
  const nodes = ["a", "b", "c", "d"].map((name) => makeNode(name, cloud));
  for (const node of nodes) for (let i = 0; i < 20; i += 1) write(node, "SR", `${node.name}${i}`);
  await Promise.all(nodes.map((node) => node.engine.exchange()));
  assert.equal(cloud.db.all().length, 80);
});

test("exchange answers a promise, and nothing of the round happens after it is settled", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(a, "SR", "1", { key: "k" });
  const promise = a.engine.exchange();
  assert.ok(promise instanceof Promise);
  await promise;
  const calls = () => Object.values(a.via).map((one) => ({ ...one.calls }));
  const before = calls();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(calls(), before);
});
