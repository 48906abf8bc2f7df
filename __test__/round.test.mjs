// One round of exchange(): what is read, asked, written and answered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, compare, entryOf } from "./support/hlc.mjs";
import {
  APP,
  NOTES,
  QUIET,
  drain,
  ids,
  lastTurn,
  makeCloud,
  makeNode,
  makeWorld,
  throwing,
  write,
} from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";

for (const coverage of [true, false]) {
  const mode = coverage ? "with coverage" : "without coverage";

  test(`a round ships what is here and takes in what is there, ${mode}`, async () => {
    const {
      cloud,
      nodes: [a],
    } = makeWorld(["a"], { coverage });
    write(a, "SR", "mine");
    write(a, "AR", "mine", { key: "k1" });
    write(a, "AW", "mine");
    write(cloud, "SR", "theirs", { stamp: at(-5, "z"), key: "k2" });
    write(cloud, "AW", "theirs", { stamp: at(-4, "z") });
    const result = await a.engine.exchange();
    assert.deepEqual(result, { applied: 1, shipped: 3, hasMore: false });
    for (const side of [a, cloud]) {
      assert.deepEqual(ids(side, "SR"), ["mine", "theirs"]);
      assert.deepEqual(ids(side, "AW"), ["mine", "theirs"]);
      assert.deepEqual(side.objects.keys().sort(), ["k1", "k2"]);
    }
    assert.deepEqual(await a.engine.exchange(), QUIET);
  });

  test(`own and peer watermarks stand at what went through, ${mode}`, async () => {
    const {
      cloud,
      nodes: [a],
    } = makeWorld(["a"], { coverage });
    const mine = write(a, "SR", "mine");
    write(cloud, "SR", "theirs", { stamp: at(-5, "z") });
    await drain(a);
    assert.deepEqual(a.state.own(), { a: mine, z: at(-5, "z") });
    assert.deepEqual(a.state.peer(), { a: mine, z: at(-5, "z") });
  });

  test(`what was shipped comes back in the answer and is not counted, ${mode}`, async () => {
    const {
      nodes: [a],
    } = makeWorld(["a"], { coverage });
    const stamp = write(a, "SR", "1");
    const puts = a.via.db.calls.put;
    assert.deepEqual(await a.engine.exchange(), { applied: 0, shipped: 1, hasMore: false });
    assert.deepEqual(
      lastTurn(a).answer.records.map((r) => r.id),
      ["1"],
    );
    assert.equal(a.via.db.calls.put, puts, "and is not written again");
    assert.deepEqual(entryOf(a.state.own(), "a"), stamp);
    assert.deepEqual(a.events, []);
  });
}

test("a node without a state store starts from nothing each round", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud, { engine: { syncState: undefined } });
  write(a, "SR", "1");
  await drain(a);
  await drain(a);
  assert.deepEqual(
    a.talk.map((turn) => turn.request.watermarks),
    [{}, {}],
  );
  assert.deepEqual(
    a.talk.map((turn) => turn.request.records?.length),
    [1, 1],
  );
});

test("the request carries own watermarks, the limit, and no empty lists", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud, { engine: { pageLimit: 7 } });
  await a.state.setWatermarks({ q: at(-1, "q") });
  await a.engine.exchange();
  const { request } = lastTurn(a);
  assert.deepEqual(request.watermarks, { q: at(-1, "q") });
  assert.equal(request.limit, 7);
  assert.equal(request.records, undefined);
  assert.equal(request.appSyncableRows, undefined);
  write(a, "AW", "1");
  await a.engine.exchange();
  assert.equal(lastTurn(a).request.records, undefined);
  assert.equal(lastTurn(a).request.appSyncableRows.length, 1);
});

test("the page limit is 1000 and the scan page 500 where nobody says otherwise", async () => {
  const cloud = makeCloud({ coverage: false });
  const a = makeNode("a", cloud);
  for (let i = 0; i < 501; i += 1) write(a, "SR", String(i).padStart(4, "0"));
  await a.engine.exchange();
  assert.equal(lastTurn(a).request.limit, 1000);
  const queries = a.via.db.log.filter(({ name }) => name === "query").map(({ args }) => args[0]);
  assert.equal(queries[0].limit, 500);
  assert.equal(queries[0].cursor, undefined);
  assert.equal(queries[1].limit, 500);
  assert.equal(queries[1].cursor, "0499");
  const scan = a.via.applier.log.find(({ name }) => name === "scanSince");
  assert.equal(scan.args[0], APP);
  assert.equal(scan.args[3].limit, 500);
});

test("scans go on by the cursor that the adapter gave", async () => {
  const cloud = makeCloud({ coverage: false });
  const a = makeNode("a", cloud, { engine: { scanPageSize: 2 } });
  for (let i = 0; i < 5; i += 1) {
    write(a, "SR", `${i}`);
    write(a, "AW", `${i}`);
  }
  assert.equal((await a.engine.exchange()).shipped, 10);
  const queries = a.via.db.log.filter(({ name }) => name === "query").map(({ args }) => args[0]);
  assert.deepEqual(
    queries.map((q) => [q.limit, q.cursor]),
    [
      [2, undefined],
      [2, "1"],
      [2, "3"],
    ],
  );
  const scans = a.via.applier.log.filter(
    ({ name, args }) => name === "scanSince" && args[1] === NOTES,
  );
  const cursors = scans.map(({ args }) => args[3].cursor ?? null);
  assert.equal(cursors[0], null);
  assert.equal(new Set(cursors).size, cursors.length, "no page is asked for twice");
});

test("what is sent stands in HLC order", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  for (const [id, offset] of [
    ["1", 50],
    ["2", 10],
    ["3", 30],
    ["4", 20],
    ["5", 40],
  ]) {
    write(a, "SR", id, { stamp: at(offset - 100, "a") });
    write(a, "AW", id, { stamp: at(offset - 99, "a") });
  }
  await a.engine.exchange();
  const { records, appSyncableRows } = lastTurn(a).request;
  assert.deepEqual(
    records.map((r) => r.id),
    ["2", "4", "3", "5", "1"],
  );
  assert.deepEqual(
    appSyncableRows.map((r) => r.row.id),
    ["2", "4", "3", "5", "1"],
  );
});

test("inbound items of one node are taken in in HLC order, all kinds in one line", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  const order = [
    ["SR", 3],
    ["AW", 1],
    ["AR", 2],
    ["SR", 5],
    ["AW", 4],
  ];
  for (const [kind, offset] of order)
    write(cloud, kind, `${offset}`, { stamp: at(offset - 50, "z") });
  await a.engine.exchange();
  assert.deepEqual(
    a.clock.received.map((h) => h.wallTime - at(-50, "").wallTime),
    [1, 2, 3, 4, 5],
  );
});

test("the clock receives what is newly applied, and not what was here already", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "new", { stamp: at(-1, "z") });
  write(cloud, "SR", "old", { stamp: at(-3, "z") });
  write(a, "SR", "old", { stamp: at(-2, "a") });
  await a.engine.exchange();
  assert.deepEqual(a.clock.received, [at(-1, "z")]);
});

test("what a node writes after a round is newer than all that it took in", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  const remote = write(cloud, "SR", "1", { stamp: at(30_000, "z") });
  await a.engine.exchange();
  assert.equal(compare(a.clock.now(), remote), 1);
});

test("one event names every record newly applied in the round", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "SR", "1", { stamp: at(-3, "z") });
  write(cloud, "SR", "2", { stamp: at(-2, "y"), key: "lost", lost: true });
  write(cloud, "AW", "row", { stamp: at(-1, "z") });
  const { applied } = await a.engine.exchange();
  assert.equal(applied, 1, "the record without its blob is not counted");
  assert.equal(a.events.length, 1);
  const [{ eventType, recordIds, timestamp }] = a.events;
  assert.equal(eventType, "local-data-synced");
  assert.deepEqual([...recordIds].sort(), ["1", "2"]);
  assert.equal(timestamp.nodeId, "a");
  assert.equal(compare(timestamp, at(-1, "z")), 1);
});

test("a round that applied no record says nothing to the listeners", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  write(cloud, "AW", "row", { stamp: at(-1, "z") });
  write(a, "SR", "mine");
  assert.deepEqual(await a.engine.exchange(), { applied: 0, shipped: 1, hasMore: false });
  await a.engine.exchange();
  assert.deepEqual(a.events, []);
});

test("a listener that throws fails neither the round nor the other listeners", async () => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"]);
  const heard = [];
  a.restart();
  a.engine.changeNotifier.subscribe(() => {
    throw new Error("listener");
  });
  a.engine.changeNotifier.subscribe(() => heard.push("after"));
  write(cloud, "SR", "1", { stamp: at(-1, "z") });
  assert.equal((await a.engine.exchange()).applied, 1);
  assert.deepEqual(heard, ["after"]);
  assert.deepEqual(a.state.own(), { z: at(-1, "z") });
});

test("a transport that throws ends the round, and no watermark moves", async () => {
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  write(a, "SR", "1");
  const error = new Error("offline");
  a.via.transport.plan.exchange = throwing(error, 1);
  await assert.rejects(
    async () => a.engine.exchange(),
    (thrown) => thrown === error,
  );
  assert.deepEqual([a.state.own(), a.state.peer()], [{}, {}]);
  assert.equal((await a.engine.exchange()).shipped, 1);
});

test("a table whose scan throws is warned of and left out, and the rest goes on", async (t) => {
  const {
    cloud,
    nodes: [a],
  } = makeWorld(["a"], { coverage: false });
  write(a, "AW", "note");
  write(a, "AR", "file");
  write(a, "SR", "record");
  a.via.applier.plan.scanSince = {
    error: new Error("no such table"),
    throws: (_call, [, table]) => table === NOTES,
  };
  const said = await warningsOf(t, async () =>
    assert.equal((await a.engine.exchange()).shipped, 2),
  );
  assert.ok(
    said.some((words) => words.includes(NOTES)),
    `a warning names the table: ${said}`,
  );
  assert.deepEqual(
    [ids(cloud, "SR"), ids(cloud, "AR"), ids(cloud, "AW")],
    [["record"], ["file"], []],
  );
});

test("app rows that arrive where there is no source for them are not acknowledged", async () => {
  const cloud = makeCloud();
  write(cloud, "AW", "1", { stamp: at(-2, "z") });
  write(cloud, "SR", "2", { stamp: at(-1, "y") });
  const a = makeNode("a", cloud, { engine: { appSyncableSource: undefined } });
  const result = await a.engine.exchange();
  assert.equal(result.applied, 1);
  assert.deepEqual(a.state.own(), { y: at(-1, "y") });
  assert.equal(result.held.length, 1);
});

test("nothing of the app rows is scanned or sent where there is no source for them", async () => {
  const a = makeNode("a", makeCloud(), { engine: { appSyncableSource: undefined } });
  write(a, "AW", "1");
  assert.deepEqual(await a.engine.exchange(), QUIET);
  assert.equal(a.via.applier.calls.scanSince, 0);
});

test("the result lists nothing held in a quiet round, and does not show the list", async () => {
  const {
    nodes: [a],
  } = makeWorld(["a"]);
  const result = await a.engine.exchange();
  assert.deepEqual(result.held, []);
  assert.deepEqual(Object.keys(result).sort(), ["applied", "hasMore", "shipped"]);
});
