// Backlogs that change while they are read, and callers that read one side in turns.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./support/hlc.mjs";
import {
  KINDS,
  assertSettled,
  drain,
  ids,
  makeCloud,
  makeNode,
  makeWorld,
  record,
  remove,
  settle,
  write,
} from "./support/index.mjs";

for (const coverage of [true, false]) {
  const mode = coverage ? "with coverage" : "without coverage";

  test(`a record that is replaced between two pages takes none of the others with it, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    for (const [i, id] of ["0", "3", "1", "2"].entries())
      write(cloud, "SR", id, { stamp: at(i, "a") });
    const ask = async (watermarks, records) => {
      const answer = await cloud.transport.exchange({ watermarks, records, limit: 1 });
      return [answer.records.map((r) => r.id), answer.hasMore];
    };
    assert.deepEqual(await ask({}, undefined), [["0"], true]);
    assert.deepEqual(await ask({ a: at(0, "a") }, [record("3", at(1, "b"))]), [["3"], true]);
    assert.deepEqual(await ask({ a: at(0, "a"), b: at(1, "b") }, undefined), [["1"], true]);
    assert.deepEqual(await ask({ a: at(2, "a"), b: at(1, "b") }, undefined), [["2"], false]);
  });

  test(`a record that is updated behind the last page comes once more, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    const a = makeNode("n", cloud, { engine: { pageLimit: 2 } });
    for (let i = 0; i < 6; i += 1) write(cloud, "SR", `${i}`, { stamp: at(i, "a") });
    await a.engine.exchange();
    write(cloud, "SR", "0", { stamp: at(50, "a") });
    write(cloud, "SR", "3", { stamp: at(51, "b") });
    remove(cloud, "SR", "5", { stamp: at(52, "a") });
    await drain(a);
    assertSettled({ cloud, nodes: [a] });
  });

  test(`items that another node brings while a backlog drains are not missed, however early their time, ${mode}`, async () => {
    const world = makeWorld(["n", "slow"], { coverage, engine: { pageLimit: 2 } });
    const [n, slow] = world.nodes;
    for (let i = 10; i < 16; i += 1) write(world.cloud, "SR", `${i}`, { stamp: at(i, "a") });
    await n.engine.exchange();
    write(slow, "SR", "early", { stamp: at(1, "slow") });
    write(slow, "AW", "early", { stamp: at(2, "slow") });
    await slow.engine.exchange();
    for (let sweep = 0; sweep < 2; sweep += 1) await drain(n);
    assertSettled({ cloud: world.cloud, nodes: [n] });
  });

  test(`records that another node brings while a backlog drains are not missed, ${mode}`, async () => {
    const world = makeWorld(["n", "slow"], { coverage, engine: { pageLimit: 2 } });
    const [n, slow] = world.nodes;
    for (let i = 10; i < 16; i += 1)
      write(world.cloud, "SR", `${i}`, { stamp: at(i, i % 2 ? "slow" : "a") });
    await n.engine.exchange();
    write(slow, "SR", "first", { stamp: at(1, "b") });
    write(slow, "SR", "second", { stamp: at(12, "b") });
    await slow.engine.exchange();
    await n.engine.exchange();
    write(slow, "AR", "third", { stamp: at(13, "b") });
    await slow.engine.exchange();
    for (let sweep = 0; sweep < 2; sweep += 1) await drain(n);
    assertSettled({ cloud: world.cloud, nodes: [n] });
  });

  test(`callers that drain one cloud in turns each get everything, ${mode}`, async () => {
    const world = makeWorld(["a", "b", "c"], {
      coverage,
      engine: { pageLimit: 2, scanPageSize: 2 },
    });
    for (let i = 0; i < 9; i += 1)
      write(world.cloud, KINDS[i % 3], `z${i}`, {
        stamp: at(i, "z"),
        key: i % 3 === 2 ? "" : `k${i}`,
      });
    for (const [n, node] of world.nodes.entries())
      for (let i = 0; i < 5; i += 1)
        write(node, "SR", `${i}`, { stamp: at((i * 3 + n * 2) % 7, node.name) });
    for (let turn = 0; turn < 12; turn += 1)
      for (const node of world.nodes) await node.engine.exchange();
    await settle(world.nodes, 4);
    assertSettled(world);
  });

  test(`a caller that asks again from an earlier point is answered from there, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    for (let i = 0; i < 6; i += 1) write(cloud, "SR", `${i}`, { stamp: at(i, "z") });
    const ask = async (watermarks) =>
      (await cloud.transport.exchange({ watermarks, limit: 2 })).records.map((r) => r.id);
    assert.deepEqual(await ask({}), ["0", "1"]);
    assert.deepEqual(await ask({ z: at(1, "z") }), ["2", "3"]);
    assert.deepEqual(await ask({}), ["0", "1"]);
    assert.deepEqual(await ask({ z: at(4, "z") }), ["5"]);
    assert.deepEqual(await ask({ z: at(0, "z") }), ["1", "2"]);
  });

  for (const way of ["up", "down"]) {
    test(`what an update takes off a page makes no room for rows that are later than the rest, ${way}, ${mode}`, async () => {
      const world = makeWorld(["a"], { coverage, engine: { pageLimit: 2, scanPageSize: 1 } });
      const [a] = world.nodes;
      const side = way === "up" ? a : world.cloud;
      for (let i = 0; i < 5; i += 1) write(side, "SR", `${i}`, { stamp: at(i, "n") });
      write(side, "AW", "late", { stamp: at(5, "n") });
      await a.engine.exchange();
      write(side, "SR", "3", { stamp: at(7, "n") });
      await a.engine.exchange();
      for (let sweep = 0; sweep < 2; sweep += 1) await drain(a);
      assertSettled(world);
    });
  }

  test(`local writes between the rounds of a node are sent in their turn, ${mode}`, async () => {
    const world = makeWorld(["a"], { coverage, engine: { pageLimit: 2, scanPageSize: 1 } });
    const [a] = world.nodes;
    for (let i = 0; i < 6; i += 1) write(a, "SR", `${i}`, { stamp: at(i, "a") });
    await a.engine.exchange();
    write(a, "SR", "4", { stamp: at(30, "a") });
    write(a, "SR", "2", { stamp: at(5, "imported") });
    write(a, "SR", "new", { stamp: at(31, "a") });
    await a.engine.exchange();
    remove(a, "SR", "3", { stamp: at(32, "a") });
    await drain(a);
    assertSettled(world);
    assert.deepEqual(ids(world.cloud), ["0", "1", "2", "3", "4", "5", "new"]);
  });
}
