// What an app passes in is used as it stands: its functions with their own `this`, and what they throw.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import {
  clockFor,
  ids,
  makeCloud,
  makeNode,
  memoryState,
  needingThis,
  record,
  throwing,
  write,
} from "./support/index.mjs";

test("the functions of an engine, a notifier and a clock work without their object", async () => {
  const cloud = makeCloud();
  const node = makeNode("a", cloud);
  const { exchange, changeNotifier } = node.engine;
  const { subscribe, emit } = changeNotifier;
  let heard = 0;
  subscribe(() => (heard += 1));
  emit({ eventType: "remote-update-available", recordIds: [], timestamp: at(1, "a") });
  assert.equal(heard, 1);
  write(node, "SR", "1");
  assert.equal((await exchange()).shipped, 1);
  const { now, receive } = sync.createHLCClock({ nodeId: "c" });
  assert.equal(receive(now()).nodeId, "c");
});

test("a transport that was spread with a function of the app is used as it stands", async () => {
  const cloud = makeCloud();
  write(cloud, "SR", "real", { stamp: at(1, "z") });
  let asked = 0;
  const mine = async (request) => {
    asked += 1;
    const answer = await cloud.transport.exchange(request);
    return { ...answer, records: [...answer.records, record("mine", at(2, "y"))] };
  };
  const node = makeNode("a", cloud, {
    engine: { transport: { ...cloud.transport, exchange: mine } },
  });
  await node.engine.exchange();
  assert.equal(asked, 1);
  assert.deepEqual(ids(node), ["mine", "real"]);
});

test("a function put on a transport afterwards is honoured too", async () => {
  const cloud = makeCloud();
  const node = makeNode("a", cloud, { engine: { transport: cloud.transport } });
  const error = new Error("replaced");
  cloud.transport.exchange = async () => {
    throw error;
  };
  await assert.rejects(
    async () => node.engine.exchange(),
    (thrown) => thrown === error,
  );
});

test("a clock that was spread with a function of the app is used as it stands", async () => {
  const cloud = makeCloud();
  write(cloud, "SR", "1", { stamp: at(1, "z") });
  const received = [];
  const native = sync.createHLCClock({ nodeId: "a" });
  const clock = {
    ...native,
    receive(remote) {
      received.push(remote);
      return native.receive(remote);
    },
  };
  await makeNode("a", cloud, { engine: { clock } }).engine.exchange();
  assert.deepEqual(received, [at(1, "z")]);
});

test("adapters are called with their own this, wherever they are called from", async () => {
  const cloud = makeCloud();
  const node = makeNode("a", cloud);
  const clock = needingThis(clockFor("a"));
  const strict = makeNode("a", cloud, {
    engine: {
      localDatabaseAdapter: needingThis(node.db),
      localObjectStorage: needingThis(node.objects),
      remoteObjectStorage: needingThis(cloud.objects),
      transport: needingThis(cloud.transport),
      clock,
      syncState: needingThis(memoryState()),
      appSyncableSource: {
        namespaces: needingThis(node.rows.namespaces),
        applier: needingThis(node.rows.applier),
      },
    },
  });
  for (const kind of ["SR", "AR", "AW"]) {
    write(node, kind, "up", { key: kind === "AW" ? "" : `up-${kind}` });
    write(cloud, kind, "down", { stamp: at(9, "z"), key: kind === "AW" ? "" : `down-${kind}` });
  }
  const result = await strict.engine.exchange();
  assert.deepEqual({ ...result }, { applied: 1, shipped: 3, hasMore: false });
  assert.ok(node.objects.keys().includes("down-SR") && cloud.objects.keys().includes("up-AR"));
});

test("the answering side calls its adapters with their own this", async () => {
  const cloud = makeCloud();
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: needingThis(cloud.db),
    objectStorage: needingThis(cloud.objects),
    clock: needingThis(cloud.clock),
    appSyncableSource: {
      namespaces: needingThis(cloud.rows.namespaces),
      applier: needingThis(cloud.rows.applier),
    },
  });
  const node = makeNode("a", cloud, { engine: { transport } });
  for (const kind of ["SR", "AR", "AW"]) write(node, kind, "up");
  assert.deepEqual(
    { ...(await node.engine.exchange()) },
    { applied: 0, shipped: 3, hasMore: false },
  );
});

test("an error of the app crosses as the same object, also where it is none", async () => {
  for (const thrown of [
    new Error("e"),
    Object.freeze({ code: 7 }),
    "a string",
    0,
    null,
    undefined,
    Symbol("s"),
    10n,
  ]) {
    const node = makeNode("a", makeCloud());
    node.via.transport.plan.exchange = throwing(thrown, 1);
    const outcome = await node.engine.exchange().then(
      () => "resolved",
      (error) => ({ error }),
    );
    assert.ok(Object.is(outcome.error, thrown), `threw ${String(thrown)}`);
    assert.deepEqual(
      await node.engine.exchange(),
      { applied: 0, shipped: 0, hasMore: false },
      "and the engine goes on",
    );
  }
});

for (const [adapter, method] of [
  ["state", "getWatermarks"],
  ["state", "getPeerWatermarks"],
  ["state", "setWatermarks"],
  ["db", "query"],
]) {
  test(`what ${method} of the app throws, at once or later, ends the round with that object`, async () => {
    for (const plain of [true, false]) {
      const error = new Error(method);
      const node = makeNode("a", makeCloud({ coverage: false }));
      write(node, "SR", "1");
      node.via[adapter].plan[method] = { ...throwing(error, 1), plain };
      await assert.rejects(
        async () => node.engine.exchange(),
        (thrown) => thrown === error,
      );
      assert.equal((await node.engine.exchange()).hasMore, false);
    }
  });
}
