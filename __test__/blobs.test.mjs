// Items with blobs: what is shipped and acknowledged only once the bytes are where they belong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, entryOf } from "./support/hlc.mjs";
import {
  APP,
  FILES,
  assertSettled,
  bytes,
  drain,
  entry,
  ids,
  makeCloud,
  makeNode,
  makeWorld,
  record,
  settle,
  throwing,
  throwingFor,
  write,
} from "./support/index.mjs";

const ERROR = new Error("storage");

/** How a transfer of `key` can go wrong once, by direction: which adapter, and its plan. */
const always = (key) => throwingFor(ERROR, (asked) => asked === key);
const once = (key) => {
  let done = false;
  return throwingFor(ERROR, (asked) => asked === key && !done && (done = true));
};
const missing = (key) => ({
  answers: (_call, [asked]) => (asked === key ? { value: null } : undefined),
});

const WAYS = {
  up: { get: "objects", put: "remote", has: "remote" },
  down: { get: "remote", put: "objects", has: "objects" },
};

/** Five items of one node, three kinds in turn; `first`, `middle` and `last` of those with a blob. */
const PLACES = { first: 0, middle: 2, last: 4 };
const KIND_AT = ["SR", "AR", "SR", "AW", "AR"];
const keyAt = (i) => (KIND_AT[i] === "AW" ? "" : `k${i}`);

function fill(side, nodeId) {
  for (let i = 0; i < 5; i += 1)
    write(side, KIND_AT[i], `${nodeId}${i}`, { stamp: at(i, nodeId), key: keyAt(i) });
}

const held = (result) => result.held.map((one) => [one.nodeId, one.direction, one.key]);

for (const [place, index] of Object.entries(PLACES)) {
  for (const method of ["get", "put", "has", "missing"]) {
    const call = method === "missing" ? "get" : method;
    const title = `${method === "missing" ? "a blob that is missing" : `${method} throwing`} for the ${place} item`;

    test(`${title} stops its node on the way up, and no other`, async () => {
      const world = makeWorld(["a"]);
      const [a] = world.nodes;
      fill(a, "a");
      fill(a, "b");
      const adapter = a.via[WAYS.up[call]];
      const key = keyAt(index);
      // Both nodes' items share their keys, so the item of `b` gets one of its own.
      write(a, KIND_AT[index], `b${index}`, { stamp: at(9, "b"), key: "own" });
      adapter.plan[call] = method === "missing" ? missing(key) : always(key);
      const [result] = await drain(a);
      assert.equal(result.shipped, index + 5);
      assert.deepEqual(held(result), [["a", "outbound", key]]);
      assert.deepEqual(Object.keys(a.state.peer()).sort(), index === 0 ? ["b"] : ["a", "b"]);
      if (index > 0) assert.deepEqual(a.state.peer().a, at(index - 1, "a"));
      adapter.plan[call] = {};
      await settle([a]);
      assertSettled(world);
    });

    test(`${title} holds its node's watermark on the way down, and no other`, async () => {
      const world = makeWorld(["a"]);
      const [a] = world.nodes;
      fill(world.cloud, "y");
      write(world.cloud, "SR", "z0", { stamp: at(7, "z"), key: "own" });
      const adapter = a.via[WAYS.down[call]];
      const key = keyAt(index);
      adapter.plan[call] = method === "missing" ? missing(key) : always(key);
      const [result] = await drain(a);
      assert.deepEqual(held(result), [["y", "inbound", key]]);
      assert.deepEqual([...ids(a, "SR"), ...ids(a, "AR"), ...ids(a, "AW")].sort(), [
        "y0",
        "y1",
        "y2",
        "y3",
        "y4",
        "z0",
      ]);
      assert.deepEqual(entryOf(a.state.own(), "y"), index === 0 ? undefined : at(index - 1, "y"));
      assert.deepEqual(a.state.own().z, at(7, "z"));
      adapter.plan[call] = {};
      assert.deepEqual((await drain(a))[0].held, []);
      assert.deepEqual(a.state.own().y, at(4, "y"));
      assertSettled(world);
    });
  }
}

for (const coverage of [true, false]) {
  test(`a transfer that fails once is made good in the next round, ${coverage ? "with" : "without"} coverage`, async () => {
    for (const [way, adapters] of Object.entries(WAYS)) {
      for (const [call, adapter] of Object.entries(adapters)) {
        const world = makeWorld(["a"], { coverage });
        const [a] = world.nodes;
        fill(way === "up" ? a : world.cloud, "n");
        a.via[adapter].plan[call] = once("k2");
        const first = await drain(a);
        assert.equal(first[0].held.length, 1, `${call} ${way}`);
        const second = await drain(a);
        assert.deepEqual(second[0].held, []);
        assertSettled(world);
      }
    }
  });
}

test("a blob is at the remote storage before its record is sent", async () => {
  const cloud = makeCloud();
  const there = [];
  const transport = {
    async exchange(request) {
      there.push(
        ...(request.records ?? []).map((r) => cloud.objects.keys().includes(r.objectStorageKey)),
      );
      there.push(
        ...(request.appSyncableRows ?? []).map((r) =>
          cloud.objects.keys().includes(r.row.object_storage_key),
        ),
      );
      return cloud.transport.exchange(request);
    },
  };
  const a = makeNode("a", cloud, { engine: { transport } });
  write(a, "SR", "1", { key: "k1" });
  write(a, "AR", "2", { key: "k2" });
  await a.engine.exchange();
  assert.deepEqual(there, [true, true]);
});

test("a record is put before its blob is fetched", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(1, "z"), key: "k" });
  let known;
  a.via.remote.plan.get = { answers: () => void (known = ids(a)) };
  await a.engine.exchange();
  assert.deepEqual(known, ["1"]);
});

test("an item whose blob is at the other end already moves no bytes", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(a, "SR", "1", { key: "k" });
  await cloud.objects.put("k", bytes("k"));
  assert.equal((await a.engine.exchange()).shipped, 1);
  assert.equal(a.via.objects.calls.get, 0);
  assert.equal(a.via.remote.calls.put, 0);
});

test("an update that needs no new blob goes out though the bytes are not here", async () => {
  const world = makeWorld(["a", "b"]);
  const [a, b] = world.nodes;
  write(a, "SR", "1", { key: "k" });
  await drain(a);
  b.via.objects.plan.put = throwing(ERROR);
  await drain(b);
  assert.deepEqual(b.objects.keys(), []);
  write(b, "SR", "1", { key: "k", lost: true });
  assert.equal((await b.engine.exchange()).shipped, 1);
  b.via.objects.plan.put = {};
  await settle(world.nodes);
  assertSettled(world);
});

test("the blob of a record that is already here is fetched later, and not counted as applied", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(1, "z"), key: "late", lost: true });
  assert.equal((await a.engine.exchange()).applied, 0);
  assert.equal(a.events.length, 1);
  await cloud.objects.put("late", bytes("late"));
  const result = await a.engine.exchange();
  assert.deepEqual(result, { applied: 0, shipped: 0, hasMore: false });
  assert.deepEqual(a.objects.keys(), ["late"]);
  assert.deepEqual(a.state.own(), { z: at(1, "z") });
  assert.equal(a.events.length, 1);
  assert.equal(a.via.db.calls.put, 1);
});

test("the blob of a copy that is not older than what came is fetched too", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(1, "z"), key: "k" });
  await a.db.put(record("1", at(1, "z"), { objectStorageKey: "k" }));
  const { applied } = await a.engine.exchange();
  assert.equal(applied, 0);
  assert.deepEqual(a.objects.keys(), ["k"]);
});

test("blobs carry the content type of their record both ways", async () => {
  const {
    cloud,
    nodes: [a, b],
  } = makeWorld(["a", "b"]);
  write(a, "SR", "1", { key: "k", fields: { mimeType: "image/png" } });
  write(a, "AR", "2", { key: "l", fields: { mime_type: "image/gif" } });
  await drain(a);
  await drain(b);
  for (const side of [cloud, b]) {
    assert.equal((await side.objects.get("k")).contentType, "image/png");
    assert.equal((await side.objects.get("l")).contentType, "image/gif");
  }
});

test("an app row with a size in text, or a type that is no text, moves its blob all the same", async () => {
  const {
    cloud,
    nodes: [a, b],
  } = makeWorld(["a", "b"]);
  write(a, "AR", "1", { key: "k", fields: { size_bytes: "1", mime_type: null } });
  write(a, "AR", "2", { key: "l", fields: { size_bytes: "many", mime_type: 7 } });
  assert.equal((await drain(a))[0].shipped, 2);
  await drain(b);
  assert.deepEqual(
    [cloud.objects.keys().sort(), b.objects.keys().sort()],
    [
      ["k", "l"],
      ["k", "l"],
    ],
  );
  assert.equal((await b.objects.get("l")).contentType, undefined);
});

for (const [what, row] of Object.entries({
  "a key that is empty": { object_storage_key: "" },
  "a key that is no text": { object_storage_key: 5 },
  "no key at all": {},
})) {
  test(`an app row with ${what} has no blob`, async () => {
    const {
      cloud,
      nodes: [a],
    } = makeWorld(["a"]);
    a.rows.apply(entry(APP, FILES, at(1, "a"), { id: "1", ...row }));
    assert.equal((await a.engine.exchange()).shipped, 1);
    assert.equal(a.via.remote.calls.has, 0);
    assert.deepEqual(ids(cloud, "AR"), ["1"]);
  });
}

test("a key in a row of any other table is no blob", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(a, "AW", "1", { fields: { object_storage_key: "nowhere" } });
  assert.equal((await a.engine.exchange()).shipped, 1);
  assert.deepEqual(ids(cloud, "AW"), ["1"]);
});

test("a quiet round asks the storages nothing", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  for (let i = 0; i < 5; i += 1) write(a, "SR", `${i}`, { key: `k${i}` });
  write(cloud, "SR", "z", { stamp: at(1, "z"), key: "z" });
  await settle([a], 2);
  const counts = () =>
    [a.via.objects, a.via.remote].map(({ calls }) => calls.has + calls.get + calls.put);
  const before = counts();
  await a.engine.exchange();
  assert.deepEqual(counts(), before);
});

test("the answering side never touches a blob", async () => {
  const touched = new Proxy(
    {},
    { get: (_target, name) => assert.fail(`${String(name)} of the object storage was asked for`) },
  );
  const cloud = makeCloud({ options: { objectStorage: touched } });
  const a = makeNode("a", cloud);
  write(a, "SR", "1", { key: "k" });
  write(a, "AR", "2", { key: "l" });
  assert.equal((await a.engine.exchange()).shipped, 2);
});
