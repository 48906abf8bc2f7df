// Who wins, where two sides wrote.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EPOCH, at, text } from "./support/hlc.mjs";
import { KINDS } from "./support/model.mjs";
import {
  assertSettled,
  contents,
  drain,
  ids,
  makeNode,
  makeWorld,
  remove,
  settle,
  write,
} from "./support/index.mjs";

const stampAt = (side, kind, id) => text(contents(side, kind).get(id).stamp);

for (const kind of KINDS) {
  test(`${kind}: the later of two updates wins everywhere, whoever syncs first`, async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const world = makeWorld(["a", "b"]);
      const [a, b] = world.nodes;
      write(a, kind, "1");
      await settle(world.nodes);
      write(a, kind, "1", { stamp: at(20, "a") });
      const winner = write(b, kind, "1", { stamp: at(30, "b") });
      for (const i of order) await drain(world.nodes[i]);
      await settle(world.nodes);
      for (const side of [world.cloud, a, b]) assert.equal(stampAt(side, kind, "1"), text(winner));
    }
  });

  test(`${kind}: a tie of wall time and counter goes to the greater nodeId`, async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const world = makeWorld(["\u{1F600}", "\uFF5E"]);
      write(world.nodes[0], kind, "1", { stamp: at(5, "\u{1F600}", 3) });
      write(world.nodes[1], kind, "1", { stamp: at(5, "\uFF5E", 3) });
      for (const i of order) await drain(world.nodes[i]);
      await settle(world.nodes);
      for (const side of [world.cloud, ...world.nodes])
        assert.equal(stampAt(side, kind, "1"), text(at(5, "\uFF5E", 3)));
    }
  });

  test(`${kind}: the counter decides before the nodeId`, async () => {
    const world = makeWorld(["a", "z"]);
    write(world.nodes[0], kind, "1", { stamp: at(5, "a", 1) });
    write(world.nodes[1], kind, "1", { stamp: at(5, "z", 0) });
    await settle(world.nodes);
    for (const side of [world.cloud, ...world.nodes])
      assert.equal(stampAt(side, kind, "1"), text(at(5, "a", 1)));
  });

  test(`${kind}: a later delete beats an update, and a later update beats a delete`, async () => {
    for (const [updated, deleted] of [
      [10, 20],
      [20, 10],
    ]) {
      const world = makeWorld(["a", "b"]);
      const [a, b] = world.nodes;
      write(a, kind, "1");
      await settle(world.nodes);
      write(a, kind, "1", { stamp: at(updated, "a") });
      remove(b, kind, "1", { stamp: at(deleted, "b") });
      await settle(world.nodes);
      assertSettled(world);
      for (const side of [world.cloud, a, b]) {
        assert.equal(contents(side, kind).get("1").dead, deleted > updated);
      }
    }
  });

  test(`${kind}: an item that was deleted can be written again`, async () => {
    const world = makeWorld(["a", "b"]);
    const [a, b] = world.nodes;
    write(a, kind, "1");
    await settle(world.nodes);
    remove(b, kind, "1", { stamp: at(10, "b") });
    await settle(world.nodes);
    write(a, kind, "1", { stamp: at(20, "a") });
    await settle(world.nodes);
    assertSettled(world);
    assert.equal(contents(b, kind).get("1").dead, false);
  });

  test(`${kind}: a losing version changes nothing where the winner is, and is not counted`, async () => {
    const world = makeWorld(["a", "b"]);
    const [a, b] = world.nodes;
    write(a, kind, "1", { stamp: at(10, "a") });
    await drain(a);
    write(b, kind, "1", { stamp: at(20, "b") });
    const [result] = await drain(b);
    assert.equal(result.applied, 0);
    assert.deepEqual(result.held, []);
    assert.equal(stampAt(b, kind, "1"), text(at(20, "b")));
    assert.equal(stampAt(world.cloud, kind, "1"), text(at(20, "b")));
  });
}

test("a losing record leaves the local copy untouched, and the clock unmoved", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(10, "z") });
  write(a, "SR", "1", { stamp: at(20, "a") });
  const mine = a.db.all()[0];
  await a.engine.exchange();
  assert.equal(a.db.all()[0], mine);
  assert.deepEqual(a.clock.received, []);
  assert.equal(a.via.db.calls.put, 0);
});

test("an item with the same timestamp as the local copy is left alone", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(10, "z") });
  write(a, "SR", "1", { stamp: at(10, "z") });
  const mine = a.db.all()[0];
  assert.equal((await a.engine.exchange()).applied, 0);
  assert.equal(a.db.all()[0], mine);
});

for (const coverage of [true, false]) {
  for (const pageLimit of [1, 2]) {
    const name = `pages of ${pageLimit} ${coverage ? "with" : "without"} coverage`;

    test(`items with the very same timestamp all get through, both ways, in ${name}`, async () => {
      const world = makeWorld(["a", "b"], { coverage, engine: { pageLimit } });
      const [a, b] = world.nodes;
      const tie = at(1, "a", 4);
      write(a, "SR", "before", { stamp: at(0, "a") });
      for (const id of ["1", "2", "3"]) write(a, "SR", id, { stamp: tie });
      write(a, "AW", "row", { stamp: tie });
      write(a, "SR", "after", { stamp: at(2, "a") });
      await drain(a);
      assert.deepEqual(ids(world.cloud), ["1", "2", "3", "after", "before"]);
      await drain(b);
      assert.deepEqual(ids(b), ["1", "2", "3", "after", "before"]);
      assert.deepEqual(ids(b, "AW"), ["row"]);
    });
  }
}

test("a counter past 65,535 is greater than every smaller one", async () => {
  const world = makeWorld(["a", "b"]);
  const [a, b] = world.nodes;
  write(a, "SR", "1", { stamp: { wallTime: EPOCH, counter: 65_536, nodeId: "a" } });
  write(b, "SR", "1", { stamp: { wallTime: EPOCH, counter: 9_999, nodeId: "b" } });
  write(a, "SR", "x", { stamp: { wallTime: EPOCH, counter: 65_535, nodeId: "a" } });
  await settle(world.nodes);
  assertSettled(world);
  assert.equal(contents(b, "SR").get("1").stamp.counter, 65_536);
  assert.equal(a.state.own().a.counter, 65_536);
});

test("three nodes that all wrote the same items agree in the end", async () => {
  const world = makeWorld(["a", "b", "c"], { engine: { pageLimit: 2 } });
  for (const [i, node] of world.nodes.entries()) {
    for (const kind of KINDS) {
      for (const id of ["1", "2", "3"])
        write(node, kind, id, { stamp: at((i * 7 + Number(id) * 5) % 11, node.name) });
    }
  }
  await settle(world.nodes, 3);
  assertSettled(world);
});

test("a node that joins late gets everything, tombstones included", async () => {
  const world = makeWorld(["a"]);
  const [a] = world.nodes;
  for (const kind of KINDS) {
    write(a, kind, "live", { key: kind === "AW" ? "" : `k-${kind}` });
    write(a, kind, "dead");
    remove(a, kind, "dead");
  }
  await drain(a);
  const late = makeNode("late", world.cloud);
  await drain(late);
  assertSettled({ cloud: world.cloud, nodes: [a, late] });
  for (const kind of KINDS) assert.deepEqual(ids(late, kind), ["dead", "live"]);
});
