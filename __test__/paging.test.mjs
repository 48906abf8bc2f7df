// Pages smaller than the backlog: nothing is stranded, and hasMore is exact.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, compare } from "./support/hlc.mjs";
import {
  APP,
  QUIET,
  assertSettled,
  contents,
  drain,
  ids,
  lastTurn,
  makeCloud,
  makeNode,
  makeWorld,
  settle,
  write,
} from "./support/index.mjs";

const stampsOf = ({ records = [], appSyncableRows = [] }) =>
  [...records.map((r) => r.updatedAt), ...appSyncableRows.map((r) => r.timestamp)].sort(compare);

/** Items of `kinds` on a side: created in order, then the early ones updated, so that id order is not HLC order. */
function backlog(side, nodeId, kinds, count = 4) {
  let tick = 0;
  const stamp = () => at((tick += 1), nodeId);
  for (let i = 0; i < count; i += 1)
    for (const kind of kinds) write(side, kind, `${i}`, { stamp: stamp() });
  for (let i = 0; i < count / 2; i += 1)
    for (const kind of kinds) write(side, kind, `${i}`, { stamp: stamp() });
}

const MIXES = [["SR"], ["AW"], ["AR", "AW"], ["SR", "AW"], ["SR", "AR", "AW"]];

for (const coverage of [true, false]) {
  for (const kinds of MIXES) {
    for (const pageLimit of [1, 2, 3]) {
      const title = `${kinds.join("+")}, pages of ${pageLimit}, ${coverage ? "with" : "without"} coverage`;

      test(`items whose update time is not their id order all leave a node: ${title}`, async () => {
        const world = makeWorld(["a"], { coverage, engine: { pageLimit } });
        backlog(world.nodes[0], "a", kinds);
        await drain(world.nodes[0]);
        assertSettled(world);
      });

      test(`items whose update time is not their id order all reach a node: ${title}`, async () => {
        const world = makeWorld(["a"], { coverage, engine: { pageLimit } });
        backlog(world.cloud, "z", kinds);
        await drain(world.nodes[0]);
        assertSettled(world);
      });

      test(`backlogs on both sides pass each other: ${title}`, async () => {
        const world = makeWorld(["a", "b"], { coverage, engine: { pageLimit, scanPageSize: 2 } });
        backlog(world.nodes[0], "a", kinds);
        backlog(world.nodes[1], "b", kinds);
        backlog(world.cloud, "z", kinds, 3);
        await settle(world.nodes, 4);
        assertSettled(world);
      });
    }
  }
}

test("a page is the smallest timestamps of all that is unseen, over records and tables", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud, { engine: { pageLimit: 3 } });
  backlog(a, "a", ["SR", "AR", "AW"]);
  const all = ["SR", "AR", "AW"]
    .flatMap((kind) => [...contents(a, kind).values()].map((v) => v.stamp))
    .sort(compare);
  for (let page = 0; page < 4; page += 1) {
    await a.engine.exchange();
    assert.deepEqual(stampsOf(lastTurn(a).request), all.slice(page * 3, page * 3 + 3));
  }
});

test("the answering side too gives the smallest timestamps first, over several nodes", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud, { engine: { pageLimit: 2 } });
  const offsets = [
    ["x", 5],
    ["y", 1],
    ["x", 3],
    ["y", 4],
    ["x", 2],
  ];
  for (const [i, [nodeId, offset]] of offsets.entries())
    write(cloud, i % 2 ? "SR" : "AW", `${i}`, { stamp: at(offset, nodeId) });
  const seen = [];
  for (const { hasMore } of await drain(a)) assert.equal(typeof hasMore, "boolean");
  for (const turn of a.talk)
    seen.push(stampsOf(turn.answer).map((s) => s.wallTime - at(0, "").wallTime));
  assert.deepEqual(seen, [[1, 2], [3, 4], [5]]);
});

test("a created A, then B, then an updated A: with pages of one, B is not passed over", async () => {
  for (const side of ["node", "cloud"]) {
    const world = makeWorld(["a"], { coverage: false, engine: { pageLimit: 1 } });
    const home = side === "node" ? world.nodes[0] : world.cloud;
    write(home, "SR", "A", { stamp: at(1, "n") });
    write(home, "SR", "B", { stamp: at(2, "n") });
    write(home, "SR", "A", { stamp: at(3, "n") });
    const results = await drain(world.nodes[0]);
    assert.deepEqual(
      results.map((r) => r.hasMore),
      [true, false],
    );
    assert.deepEqual(
      [ids(world.cloud), ids(world.nodes[0])],
      [
        ["A", "B"],
        ["A", "B"],
      ],
    );
  }
});

for (const coverage of [true, false]) {
  const mode = coverage ? "with coverage" : "without coverage";

  for (const [count, more] of [
    [0, false],
    [4, false],
    [5, false],
    [6, true],
  ]) {
    test(`with ${count} items to fetch and a limit of 5, hasMore is ${more}, ${mode}`, async () => {
      const cloud = makeCloud({ coverage });
      const a = makeNode("a", cloud, { engine: { pageLimit: 5 } });
      for (let i = 0; i < count; i += 1)
        write(cloud, i % 2 ? "SR" : "AW", `${i}`, { stamp: at(i, "z") });
      assert.equal((await a.engine.exchange()).hasMore, more);
      assert.equal(lastTurn(a).answer.hasMore, more);
    });

    test(`with ${count} items to send and a limit of 5, hasMore is ${more}, ${mode}`, async () => {
      const cloud = makeCloud({ coverage });
      const a = makeNode("a", cloud, { engine: { pageLimit: 5, scanPageSize: 2 } });
      for (let i = 0; i < count; i += 1) write(a, i % 2 ? "SR" : "AW", `${i}`);
      const result = await a.engine.exchange();
      assert.deepEqual([result.shipped, result.hasMore], [Math.min(count, 5), more]);
      assert.equal(lastTurn(a).answer.hasMore, false);
    });
  }
}

test("items that the request has seen do not make hasMore true", async () => {
  const cloud = makeCloud();
  for (let i = 0; i < 10; i += 1) write(cloud, "SR", `${i}`, { stamp: at(i, "z") });
  const answer = await cloud.transport.exchange({ watermarks: { z: at(7, "z") }, limit: 2 });
  assert.deepEqual(
    answer.records.map((r) => r.id),
    ["8", "9"],
  );
  assert.equal(answer.hasMore, false);
});

test("the answering side gives at most 1000 items where the request names no limit", async () => {
  const cloud = makeCloud();
  for (let i = 0; i < 1001; i += 1) write(cloud, "SR", `${i}`, { stamp: at(i, "z") });
  const answer = await cloud.transport.exchange({ watermarks: {} });
  assert.equal(answer.records.length, 1000);
  assert.equal(answer.hasMore, true);
});

test("nothing is sent twice while a backlog drains, and rounds are as many as pages", async () => {
  for (const coverage of [true, false]) {
    const cloud = makeCloud({ coverage });
    const a = makeNode("a", cloud, { engine: { pageLimit: 10 } });
    for (let i = 0; i < 95; i += 1) write(a, "SR", `${i}`.padStart(3, "0"));
    const results = await drain(a);
    assert.equal(results.length, 10);
    const sent = a.talk.flatMap((turn) => turn.request.records ?? []).map((r) => r.id);
    assert.equal(sent.length, 95);
    assert.equal(new Set(sent).size, 95);
  }
});

/** The pages of an adapter that has an order of its own, under a cursor of its own. */
const inOrder = (adapter, order) => ({
  query({ limit = 100, cursor = 0 } = {}) {
    const records = adapter
      .all()
      .sort(order)
      .slice(cursor, cursor + limit);
    const hasMore = cursor + limit < adapter.all().length;
    return { records, hasMore, nextCursor: hasMore ? cursor + limit : null };
  },
});
const reversed = (a, b) => (a.id < b.id ? 1 : -1);
const shuffled = (a, b) => (a.id.at(-1) + a.id < b.id.at(-1) + b.id ? -1 : 1);

for (const [title, order] of Object.entries({
  "by falling ids": reversed,
  "by no order": shuffled,
})) {
  test(`a backlog drains whole where the adapter pages ${title}, and records change meanwhile`, async () => {
    const cloud = makeCloud();
    const a = makeNode("a", cloud, { engine: { pageLimit: 7, scanPageSize: 10 } });
    Object.assign(a.db, inOrder(a.db, order));
    const id = (i) => `${i}`.padStart(3, "0");
    for (let i = 0; i < 60; i += 1) write(a, "SR", id(i), { stamp: at(i, "a") });
    await a.engine.exchange();
    for (const i of [3, 20, 40, 59]) write(a, "SR", id(i), { stamp: at(100 + i, "a") });
    await drain(a);
    await drain(a);
    assert.deepEqual(contents(cloud), contents(a));
  });
}

/** The method with `hasMore` told as a driver of a database may tell it: as a number. */
const numbering = (adapter, name) => {
  const method = adapter[name];
  adapter[name] = async (...args) => {
    const page = await method(...args);
    return { ...page, hasMore: Number(page.hasMore) };
  };
};

test("an adapter whose hasMore is a number is read to its end", async () => {
  const world = makeWorld(["a"], { coverage: false, engine: { scanPageSize: 2 } });
  const [a] = world.nodes;
  numbering(a.db, "query");
  numbering(a.rows.applier, "scanSince");
  backlog(a, "a", ["SR", "AW"]);
  await drain(a);
  assertSettled(world);
});

test("an item written while a backlog drains goes along", async () => {
  const world = makeWorld(["a", "b"], { engine: { pageLimit: 2 } });
  const [a, b] = world.nodes;
  for (let i = 0; i < 6; i += 1) write(a, "SR", `${i}`);
  await a.engine.exchange();
  write(a, "SR", "0", { stamp: at(50, "a") });
  write(a, "AW", "late", { stamp: at(51, "a") });
  await settle([a, b]);
  assertSettled(world);
});

test("rows of several apps and tables share one page", async () => {
  const world = makeWorld(["a"], { engine: { pageLimit: 2 } });
  const [a] = world.nodes;
  const tables = [
    { name: "zz", pkColumns: ["id"] },
    { name: "aa", pkColumns: ["id"] },
  ];
  for (const side of [a, world.cloud]) side.rows.register("other", tables);
  const put = (appId, table, offset) =>
    a.rows.apply({
      timestamp: at(offset, "a"),
      appId,
      table,
      op: "insert",
      row: {
        id: `${offset}`,
        updated_at: `${(at(0, "").wallTime + offset).toString(16).padStart(12, "0")}:0000:a`,
        deleted_at: null,
      },
    });
  put("other", "aa", 6);
  put("other", "zz", 1);
  put(APP, "notes", 4);
  put("other", "zz", 3);
  put("other", "aa", 2);
  put(APP, "notes", 5);
  await drain(a);
  const sent = a.talk.map((turn) =>
    (turn.request.appSyncableRows ?? []).map((row) => Number(row.row.id)),
  );
  assert.deepEqual(sent, [
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  assert.equal(world.cloud.rows.rows("other", "aa").length, 2);
});

for (const kind of ["SR", "AW"]) {
  for (const coverage of [true, false]) {
    test(`${kind}: an item that loses at the peer does not keep its node's later items from going, ${coverage ? "with" : "without"} coverage`, async () => {
      const world = makeWorld(["a"], { coverage, engine: { pageLimit: 1 } });
      const [a] = world.nodes;
      for (const [i, id] of ["1", "2", "3"].entries()) {
        write(a, kind, id, { stamp: at(i, "a") });
        if (id !== "3") write(world.cloud, kind, id, { stamp: at(50 + i, "z") });
      }
      await settle([a], 3);
      assertSettled(world);
      assert.deepEqual(await a.engine.exchange(), QUIET);
    });
  }
}
