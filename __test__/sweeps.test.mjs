// Rounds form sweeps: what is held uses up no later page, and is tried again in the next sweep.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, compare, entryOf } from "./support/hlc.mjs";
import {
  assertSettled,
  bytes,
  drain,
  ids,
  makeWorld,
  throwingFor,
  write,
} from "./support/index.mjs";

const LIMIT = 3;
const paged = (options = {}) => makeWorld(["a"], { ...options, engine: { pageLimit: LIMIT } });
const refuse = (...refused) =>
  throwingFor(new Error("refused"), (item) => refused.includes(item.id ?? item.row?.id));

/** A lost blob of node `h`, more than a page of its items behind it, and after them those of node `o`. */
function stuck(side, kind = "SR") {
  write(side, kind, "h0", { stamp: at(0, "h"), key: "lost", lost: true });
  for (let i = 1; i <= 2 * LIMIT; i += 1) write(side, "SR", `h${i}`, { stamp: at(i, "h") });
  for (let i = 0; i < LIMIT; i += 1)
    write(side, i % 2 ? "SR" : "AW", `o${i}`, { stamp: at(100 + i, "o") });
}

const others = (side) =>
  [...ids(side, "SR"), ...ids(side, "AW")].filter((id) => id.startsWith("o")).sort();

for (const coverage of [true, false]) {
  for (const kind of ["SR", "AR"]) {
    const mode = `${kind}, ${coverage ? "with coverage" : "without coverage"}`;

    test(`a lost blob with pages of items behind it starves nobody on the way up: ${mode}`, async () => {
      const world = paged({ coverage });
      const [a] = world.nodes;
      stuck(a, kind);
      const results = await drain(a, 20);
      assert.deepEqual(others(world.cloud), ["o0", "o1", "o2"]);
      assert.ok(
        ids(world.cloud).every((id) => !id.startsWith("h")),
        "nothing of the held node passes",
      );
      for (const result of results)
        assert.deepEqual(
          result.held.map((one) => one.key),
          ["lost"],
        );
      const peer = entryOf(a.state.peer(), "h");
      assert.ok(peer === undefined || compare(peer, at(0, "h")) < 0);
      await a.objects.put("lost", bytes("lost"));
      await drain(a, 20);
      assertSettled(world);
    });

    test(`a lost blob with pages of items behind it starves nobody on the way down: ${mode}`, async () => {
      const world = paged({ coverage });
      const [a] = world.nodes;
      stuck(world.cloud, kind);
      const results = await drain(a, 20);
      assert.deepEqual(others(a), ["o0", "o1", "o2"]);
      assert.equal(
        ids(a, "SR").filter((id) => id.startsWith("h")).length,
        2 * LIMIT + (kind === "SR" ? 1 : 0),
      );
      for (const result of results)
        assert.deepEqual(
          result.held.map((one) => one.key),
          ["lost"],
        );
      assert.equal(entryOf(a.state.own(), "h"), undefined);
      assert.deepEqual(a.state.own().o, at(102, "o"));
      await world.cloud.objects.put("lost", bytes("lost"));
      await drain(a, 20);
      assertSettled(world);
      assert.deepEqual(a.state.own().h, at(2 * LIMIT, "h"));
    });
  }

  test(`a record that cannot be put starves nobody, ${coverage ? "with" : "without"} coverage`, async () => {
    const world = paged({ coverage });
    const [a] = world.nodes;
    for (let i = 0; i < 2 * LIMIT; i += 1) write(world.cloud, "SR", `h${i}`, { stamp: at(i, "h") });
    for (let i = 0; i < LIMIT; i += 1)
      write(world.cloud, "SR", `o${i}`, { stamp: at(100 + i, "o") });
    a.via.db.plan.put = refuse("h0");
    await drain(a, 20);
    assert.deepEqual(ids(a), ["h1", "h2", "h3", "h4", "h5", "o0", "o1", "o2"]);
    assert.equal(entryOf(a.state.own(), "h"), undefined);
    a.via.db.plan.put = {};
    await drain(a, 20);
    assertSettled(world);
  });
}

test("within a sweep nothing is offered twice, in either direction", async () => {
  const world = paged();
  const [a] = world.nodes;
  stuck(a);
  for (let i = 0; i <= 2 * LIMIT; i += 1)
    write(world.cloud, "SR", `z${i}`, {
      stamp: at(i, "z"),
      key: i === 0 ? "away" : "",
      lost: true,
    });
  await drain(a, 20);
  const sent = a.talk.flatMap(({ request }) => [
    ...(request.records ?? []),
    ...(request.appSyncableRows ?? []),
  ]);
  assert.equal(new Set(sent.map((one) => one.id ?? one.row.id)).size, sent.length);
  const got = a.talk.flatMap(({ answer }) => answer.records.map((r) => r.id));
  assert.equal(new Set(got).size, got.length);
});

test("the requests of a sweep advertise what was received though held, and nothing of it is persisted", async () => {
  const world = paged();
  const [a] = world.nodes;
  for (let i = 0; i <= 2 * LIMIT; i += 1)
    write(world.cloud, "SR", `h${i}`, {
      stamp: at(i, "h"),
      key: i === 1 ? "lost" : "",
      lost: true,
    });
  await a.engine.exchange();
  assert.deepEqual(a.state.own(), { h: at(0, "h") });
  await a.engine.exchange();
  assert.deepEqual(a.talk[1].request.watermarks, { h: at(LIMIT - 1, "h") });
  assert.deepEqual(a.state.own(), { h: at(0, "h") });
  assert.equal((await a.engine.exchange()).hasMore, false);
  assert.deepEqual(a.talk[2].request.watermarks, { h: at(2 * LIMIT - 1, "h") });
});

test("the sweep after the last one starts from the persisted watermarks", async () => {
  const world = paged();
  const [a] = world.nodes;
  stuck(world.cloud);
  await drain(a, 20);
  const rounds = a.talk.length;
  await a.engine.exchange();
  assert.deepEqual(a.talk[rounds].request.watermarks, { o: at(102, "o") });
  assert.equal(a.talk[rounds].answer.records[0].id, "h0", "what was held is offered again");
});

for (const [way, where] of [
  ["up", (world) => world.nodes[0]],
  ["down", (world) => world.cloud],
]) {
  test(`a round that says there is nothing to do has tried what is held, on the way ${way}`, async () => {
    const world = paged();
    const [a] = world.nodes;
    stuck(where(world));
    const source = way === "up" ? a.via.objects : a.via.remote;
    const tries = () =>
      source.log.filter(({ name, args }) => name === "get" && args[0] === "lost").length;
    for (let i = 0; i < 3; i += 1) {
      let before;
      let result;
      do {
        before = tries();
        result = await a.engine.exchange();
      } while (result.hasMore || result.applied > 0 || result.shipped > 0);
      assert.ok(tries() > before, "it was tried in that very round");
      assert.deepEqual(
        result.held.map(({ key, id }) => [key, id]),
        [["lost", "h0"]],
      );
    }
  });
}

for (const coverage of [true, false]) {
  test(`an upload that fails once is made good by the next round, ${coverage ? "with" : "without"} coverage`, async () => {
    const world = makeWorld(["a"], { coverage, engine: { pageLimit: 5 } });
    const [a] = world.nodes;
    for (let i = 1; i <= 6; i += 1) write(a, "SR", `${i}`, { key: `key-${i}` });
    a.via.remote.plan.put = {
      error: new Error("a moment's trouble"),
      throws: (call, [key]) => key === "key-3" && call <= 5,
    };
    const first = await a.engine.exchange();
    assert.deepEqual([first.shipped, first.hasMore], [2, true]);
    a.via.remote.plan.put = {};
    const second = await a.engine.exchange();
    assert.equal(second.shipped, 4);
    assert.equal(ids(world.cloud).length, 6);
    assert.deepEqual(second.held, []);
  });
}

test("an engine that restarts in the middle of a sweep starts from the persisted watermarks", async () => {
  for (const way of ["up", "down"]) {
    const world = paged();
    const [a] = world.nodes;
    stuck(way === "up" ? a : world.cloud);
    await a.engine.exchange();
    await a.engine.exchange();
    const persisted = a.state.own();
    a.restart();
    const rounds = a.talk.length;
    await a.engine.exchange();
    assert.deepEqual(a.talk[rounds].request.watermarks, persisted);
    await drain(a, 20);
    const there = way === "up" ? world.cloud : a;
    assert.deepEqual(others(there), ["o0", "o1", "o2"]);
    for (const side of [a, world.cloud]) await side.objects.put("lost", bytes("lost"));
    await drain(a, 20);
    assertSettled(world);
  }
});

test("what the peer does not take in uses up no later page", async () => {
  const world = paged({ coverage: true });
  const [a] = world.nodes;
  for (let i = 0; i < 2 * LIMIT; i += 1) write(a, "SR", `h${i}`, { stamp: at(i, "h") });
  for (let i = 0; i < LIMIT; i += 1) write(a, "SR", `o${i}`, { stamp: at(100 + i, "o") });
  world.cloud.via.db.plan.put = refuse("h0");
  await drain(a, 20);
  assert.deepEqual(others(world.cloud), ["o0", "o1", "o2"]);
  assert.equal(entryOf(a.state.peer(), "h"), undefined);
  world.cloud.via.db.plan.put = {};
  for (let i = 0; i < 3; i += 1) await drain(a, 20);
  assertSettled(world);
});

test("rows of an app that the peer does not know starve nobody", async () => {
  const world = paged({ coverage: true });
  const [a] = world.nodes;
  a.rows.register("newer", [{ name: "things", pkColumns: ["id"] }]);
  for (let i = 0; i < 2 * LIMIT; i += 1) {
    const row = {
      id: `${i}`,
      deleted_at: null,
      updated_at: `${at(i, "").wallTime.toString(16).padStart(12, "0")}:0000:h`,
    };
    a.rows.apply({ timestamp: at(i, "h"), appId: "newer", table: "things", op: "insert", row });
  }
  for (let i = 0; i < LIMIT; i += 1) write(a, "SR", `o${i}`, { stamp: at(100 + i, "o") });
  await drain(a, 20);
  assert.deepEqual(others(world.cloud), ["o0", "o1", "o2"]);
  world.cloud.rows.register("newer", [{ name: "things", pkColumns: ["id"] }]);
  for (let i = 0; i < 3; i += 1) await drain(a, 20);
  assert.equal(world.cloud.rows.rows("newer", "things").length, 2 * LIMIT);
});

test("what is held stays listed in all later rounds of its sweep", async () => {
  const world = paged();
  const [a] = world.nodes;
  stuck(world.cloud);
  write(world.cloud, "SR", "q", { stamp: at(500, "q"), key: "away", lost: true });
  const results = await drain(a, 20);
  const keys = results.map((result) => result.held.map((one) => one.key).sort());
  assert.deepEqual(keys[0], ["lost"]);
  assert.deepEqual(keys[keys.length - 1], ["away", "lost"]);
  assert.ok(keys.every((known) => known.includes("lost")));
});

test("the watermark moves over the held item and what was taken in behind it, once it lands", async () => {
  const world = paged();
  const [a] = world.nodes;
  stuck(world.cloud);
  await drain(a, 20);
  await world.cloud.objects.put("lost", bytes("lost"));
  const puts = a.via.db.calls.put;
  await drain(a, 20);
  assert.equal(a.via.db.calls.put, puts, "what was here already is not put again");
  assert.deepEqual(a.state.own(), { h: at(2 * LIMIT, "h"), o: at(102, "o") });
});

test("an item that is updated while its older version is held goes its own way", async () => {
  const world = paged();
  const [a] = world.nodes;
  stuck(a);
  await a.engine.exchange();
  write(a, "SR", "h0", { stamp: at(300, "a") });
  await drain(a, 20);
  await drain(a, 20);
  assertSettled(world);
});

test("a round that throws in the middle of a sweep loses nothing", async () => {
  const world = paged();
  const [a] = world.nodes;
  stuck(world.cloud);
  for (let i = 0; i < 8; i += 1) write(a, "SR", `m${i}`, { stamp: at(i, "a") });
  a.via.transport.plan.exchange = { error: new Error("offline"), throws: (call) => call === 2 };
  await a.engine.exchange();
  await assert.rejects(async () => a.engine.exchange());
  await world.cloud.objects.put("lost", bytes("lost"));
  await drain(a, 20);
  await drain(a, 20);
  assertSettled(world);
});
