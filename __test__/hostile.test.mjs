// Names that JavaScript, SQL or text encodings might trip over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, entryOf, text } from "./support/hlc.mjs";
import {
  APP,
  KINDS,
  NOTES,
  assertSettled,
  drain,
  ids,
  makeCloud,
  makeNode,
  makeWorld,
  settle,
  write,
} from "./support/index.mjs";

const NAMES = {
  __proto__: "__proto__",
  constructor: "constructor",
  prototype: "prototype",
  toString: "toString",
  hasOwnProperty: "hasOwnProperty",
  valueOf: "valueOf",
  then: "then",
  "the empty name": "",
  "a very long name": "n".repeat(10_000),
  "an emoji": "🪐👩‍🚀",
  "a lone high surrogate": "x\uD83D",
  "a lone low surrogate": "\uDE00x",
  "a name with a NUL": "a\0b",
  "a name with colons": "a:b:c",
  "a name like a number": "17",
  "a name with quotes": `o'"; DROP TABLE x; --`,
};
// An object literal takes `__proto__: …` for something else.
const LIST = [["__proto__", "__proto__"], ...Object.entries(NAMES)];

for (const [title, name] of LIST) {
  for (const coverage of [true, false]) {
    const mode = coverage ? "with coverage" : "without coverage";

    test(`a node called ${title} syncs like any other, ${mode}`, async () => {
      const world = makeWorld([name, "other"], { coverage, engine: { pageLimit: 2 } });
      const [odd, other] = world.nodes;
      for (const kind of KINDS) write(odd, kind, "1", { key: kind === "AW" ? "" : `k-${kind}` });
      const last = write(odd, "SR", "2");
      write(other, "SR", "3");
      await settle(world.nodes);
      assertSettled(world);
      for (const node of world.nodes) {
        assert.deepEqual(entryOf(node.state.own(), name), last);
        assert.deepEqual(entryOf(node.state.peer(), name), last);
        assert.deepEqual(Object.keys(node.state.own()).sort(), [name, "other"].sort());
      }
      const quiet = await odd.engine.exchange();
      assert.deepEqual(quiet, { applied: 0, shipped: 0, hasMore: false });
    });
  }

  test(`a node called ${title} can be held like any other`, async () => {
    const world = makeWorld(["a"]);
    const [a] = world.nodes;
    write(a, "SR", "1", { stamp: at(1, name), key: "lost", lost: true });
    write(a, "SR", "2", { stamp: at(1, "fine") });
    const result = await a.engine.exchange();
    assert.deepEqual(
      result.held.map((one) => one.nodeId),
      [name],
    );
    assert.deepEqual(ids(world.cloud), ["2"]);
    assert.equal(entryOf(a.state.peer(), name), undefined);
  });

  test(`an app called ${title}, with table and columns of that name, syncs like any other`, async () => {
    const world = makeWorld(["a", "b"]);
    const [a, b] = world.nodes;
    const tables = [{ name, pkColumns: [name] }];
    for (const side of [...world.nodes, world.cloud]) side.rows.register(name, tables);
    const stamp = at(1, "a");
    const row = Object.fromEntries([
      [name, "key"],
      ["updated_at", text(stamp)],
      ["deleted_at", null],
    ]);
    a.rows.apply({ timestamp: stamp, appId: name, table: name, op: "insert", row });
    await settle(world.nodes);
    for (const side of [world.cloud, b]) {
      const [got] = side.rows.rows(name, name);
      assert.equal(Object.getOwnPropertyDescriptor(got, name).value, "key");
      assert.equal(Object.getPrototypeOf(got), Object.prototype);
    }
  });
}

test("two nodes whose names differ only in a lone surrogate are two nodes", async () => {
  const world = makeWorld(["n\uD800", "n\uD801"], { engine: { pageLimit: 1 } });
  for (const node of world.nodes)
    for (const id of ["1", "2"]) write(node, "SR", `${id}-${node.name.charCodeAt(1)}`);
  await settle(world.nodes);
  assertSettled(world);
  assert.equal(Object.keys(world.nodes[0].state.own()).length, 2);
});

test("ids and keys with any text go through", async () => {
  const world = makeWorld(["a", "b"]);
  const [a] = world.nodes;
  for (const [i, [, name]] of LIST.entries()) {
    write(a, "SR", name, { stamp: at(i, "a"), key: `key ${name}` });
    write(a, "AW", name, { stamp: at(i + 50, "a") });
  }
  await settle(world.nodes);
  assertSettled(world);
});

test("items of one page come in the order in which JavaScript compares their nodes", async () => {
  const cloud = makeCloud();
  const order = ["A", "a", "\u{1F600}", "\uFF5E"];
  for (const name of [...order].reverse()) write(cloud, "SR", name, { stamp: at(1, name) });
  const asked = [];
  const a = makeNode("n", cloud, { engine: { pageLimit: 1 } });
  await drain(a);
  for (const { answer } of a.talk) asked.push(...answer.records.map((r) => r.id));
  assert.deepEqual(asked, order);
});

test("nothing of this touched the prototype of all objects", () => {
  assert.equal({}.wallTime, undefined);
  assert.equal({}.nodeId, undefined);
  assert.deepEqual(Object.keys(Object.prototype), []);
});

test("an app row whose columns are called like parts of the protocol stays an app row", async () => {
  const world = makeWorld(["a", "b"]);
  const [a, b] = world.nodes;
  const fields = {
    timestamp: 1,
    appId: "x",
    table: "y",
    op: "delete",
    watermarks: {},
    updatedAt: 7,
    objectStorageKey: "k",
  };
  write(a, "AW", "1", { fields });
  await settle(world.nodes);
  const [row] = b.rows.rows(APP, NOTES);
  for (const [column, value] of Object.entries(fields)) assert.deepEqual(row[column], value);
});
