// Lost watermarks, wiped peers, restored stores.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./support/hlc.mjs";
import { KINDS } from "./support/model.mjs";
import { QUIET, assertSettled, drain, makeWorld, remove, settle, write } from "./support/index.mjs";

/** Both nodes and the cloud, with something of everything, in step. */
async function inStep(options) {
  const world = makeWorld(["a", "b"], options);
  for (const node of world.nodes) {
    for (const kind of KINDS) {
      for (let i = 0; i < 3; i += 1)
        write(node, kind, `${node.name}${i}`, {
          key: kind === "AW" ? "" : `${node.name}${kind}${i}`,
        });
      remove(node, kind, `${node.name}2`);
    }
  }
  await settle(world.nodes);
  assertSettled(world);
  return world;
}

for (const coverage of [true, false]) {
  for (const pageLimit of [2, 1000]) {
    for (const lost of [["own"], ["peer"], ["own", "peer"]]) {
      const title = `${lost.join(" and ")} watermarks, pages of ${pageLimit}, ${coverage ? "with" : "without"} coverage`;

      test(`a node that lost its ${title} changes nothing and catches up`, async () => {
        const world = await inStep({ coverage, engine: { pageLimit } });
        const [a, b] = world.nodes;
        const before = a.state.own();
        a.state.lose(...lost);
        a.restart();
        const results = await drain(a);
        assert.ok(results.every((result) => result.applied === 0 && result.held.length === 0));
        assertSettled(world);
        assert.deepEqual(a.state.own(), before);
        assert.deepEqual(await a.engine.exchange(), QUIET);
        write(b, "SR", "new", { stamp: at(500, "b") });
        await settle(world.nodes);
        assertSettled(world);
      });
    }
  }
}

for (const pageLimit of [2, 1000]) {
  test(`a cloud that was wiped is noticed and served again, in pages of ${pageLimit}`, async () => {
    const world = await inStep({ coverage: true, engine: { pageLimit } });
    world.cloud.db.wipe();
    world.cloud.rows.wipe();
    world.cloud.objects.wipe();
    const [a] = world.nodes;
    await a.engine.exchange();
    assert.deepEqual(
      a.state.peer(),
      {},
      "the report of the empty cloud replaced what was known of it",
    );
    for (let i = 0; i < 3; i += 1) await drain(a);
    assertSettled({ cloud: world.cloud, nodes: [a] });
  });
}

test("a cloud that was set back to an earlier day is brought forward again", async () => {
  const world = makeWorld(["a"]);
  const [a] = world.nodes;
  write(a, "SR", "1");
  await drain(a);
  const backup = world.cloud.db.all();
  write(a, "SR", "2");
  write(a, "SR", "1");
  await drain(a);
  world.cloud.db.wipe();
  for (const kept of backup) await world.cloud.db.put(kept);
  for (let i = 0; i < 3; i += 1) await drain(a);
  assertSettled(world);
});

test("a node whose stores were wiped gets everything back, once its watermarks are gone too", async () => {
  const world = await inStep();
  const [a] = world.nodes;
  for (const store of [a.db, a.rows, a.objects]) store.wipe();
  a.state.lose("own", "peer");
  a.restart();
  await drain(a);
  assertSettled(world);
});

test("a blob that the remote storage lost is brought there again with the next version only", async () => {
  const world = await inStep();
  const [a] = world.nodes;
  await world.cloud.objects.delete("aSR0");
  assert.deepEqual(await a.engine.exchange(), QUIET, "nothing looks after blobs that went through");
  write(a, "SR", "a0", { stamp: at(900, "a"), key: "aSR0" });
  await settle(world.nodes);
  assertSettled(world);
});

test("an answer that got lost is asked for again, and nothing is applied twice", async () => {
  for (const coverage of [true, false]) {
    const world = makeWorld(["a"], { coverage });
    const [a] = world.nodes;
    write(a, "SR", "mine");
    write(world.cloud, "SR", "theirs", { stamp: at(1, "z") });
    const { cloud } = world;
    const error = new Error("connection reset");
    a.via.transport.plan.exchange = {
      answers: (call, [request]) =>
        call > 1
          ? undefined
          : { value: cloud.transport.exchange(request).then(() => Promise.reject(error)) },
    };
    await assert.rejects(
      async () => a.engine.exchange(),
      (thrown) => thrown === error,
    );
    assert.deepEqual([a.state.own(), a.state.peer()], [{}, {}]);
    assert.equal((await drain(a))[0].applied, 1);
    assert.equal(cloud.via.db.log.filter(({ name }) => name === "put").length, 1);
    assertSettled(world);
  }
});

test("a state store that fails after the items were taken in makes the next round repeat, not lose", async () => {
  const world = makeWorld(["a"]);
  const [a] = world.nodes;
  write(a, "SR", "mine");
  write(world.cloud, "SR", "theirs", { stamp: at(1, "z") });
  for (const method of ["setWatermarks", "setPeerWatermarks"]) {
    a.via.state.plan[method] = { error: new Error(method), throws: () => true };
    await assert.rejects(async () => a.engine.exchange(), { message: method });
    a.via.state.plan[method] = {};
  }
  await drain(a);
  assertSettled(world);
  assert.deepEqual(a.state.own(), { a: at(0, "a"), z: at(1, "z") });
});
