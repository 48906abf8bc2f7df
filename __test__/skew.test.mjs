// A clock that runs far ahead is kept out, and everything else goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./support/hlc.mjs";
import {
  APP,
  NOTES,
  assertSettled,
  drain,
  entry,
  ids,
  makeCloud,
  makeNode,
  makeWorld,
  record,
  write,
} from "./support/index.mjs";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ahead = (by, nodeId = "fast") => ({ wallTime: Date.now() + by, counter: 0, nodeId });

/** A cloud that takes what it is given, so that only the node under test is on guard. */
const careless = () => makeCloud({ options: { maxClockSkewMs: null } });

for (const kind of ["SR", "AW"]) {
  test(`${kind}: an item more than a day ahead is refused before anything is written or received`, async () => {
    const cloud = careless();
    write(cloud, kind, "fine", { stamp: at(1, "z") });
    write(cloud, kind, "far", { stamp: ahead(DAY + HOUR) });
    const a = makeNode("a", cloud);
    const result = await a.engine.exchange();
    assert.deepEqual(ids(a, kind), ["fine"]);
    assert.deepEqual(a.clock.received, [at(1, "z")]);
    assert.deepEqual(a.state.own(), { z: at(1, "z") });
    assert.equal(result.held.length, 1);
    const [{ nodeId, direction, code, reason }] = result.held;
    assert.deepEqual([nodeId, direction, typeof code], ["fast", "inbound", "string"]);
    assert.match(reason, /clock|ahead|future|skew/i);
  });

  test(`${kind}: an item just within the day is taken in`, async () => {
    const cloud = careless();
    const stamp = write(cloud, kind, "soon", { stamp: ahead(DAY - 60_000) });
    const a = makeNode("a", cloud);
    assert.deepEqual((await a.engine.exchange()).held, []);
    assert.deepEqual(ids(a, kind), ["soon"]);
    assert.deepEqual(a.state.own(), { fast: stamp });
  });
}

test("the bound is the one that the app set, and an item exactly at it is taken in", async () => {
  for (const [by, taken] of [
    [5 * HOUR, true],
    [5 * HOUR + 60_000, false],
  ]) {
    const cloud = careless();
    write(cloud, "SR", "1", { stamp: ahead(by) });
    const a = makeNode("a", cloud, { engine: { maxClockSkewMs: 5 * HOUR } });
    const { held, applied } = await a.engine.exchange();
    assert.deepEqual([held.length, applied], taken ? [0, 1] : [1, 0]);
  }
});

test("a bound of zero still takes what is not ahead at all", async () => {
  const cloud = careless();
  write(cloud, "SR", "past", { stamp: { wallTime: Date.now() - 1000, counter: 9, nodeId: "z" } });
  write(cloud, "SR", "future", { stamp: ahead(60_000) });
  const a = makeNode("a", cloud, { engine: { maxClockSkewMs: 0 } });
  await a.engine.exchange();
  assert.deepEqual(ids(a), ["past"]);
});

test("with null there is no bound", async () => {
  const world = makeWorld(["a", "b"], {
    engine: { maxClockSkewMs: null },
    cloud: { maxClockSkewMs: null },
  });
  const [a, b] = world.nodes;
  write(a, "SR", "1", { stamp: ahead(5000 * DAY) });
  await drain(a);
  await drain(b);
  assertSettled(world);
});

test("the blob of a refused item is not fetched", async () => {
  const cloud = careless();
  write(cloud, "SR", "1", { stamp: ahead(2 * DAY), key: "k" });
  const a = makeNode("a", cloud);
  await a.engine.exchange();
  assert.deepEqual([a.via.remote.calls.get, a.via.objects.calls.put], [0, 0]);
});

test("the refused item is never given another time, and comes in once its time has come near", async () => {
  const cloud = careless();
  const stamp = write(cloud, "SR", "1", { stamp: ahead(2 * DAY) });
  const a = makeNode("a", cloud);
  await drain(a);
  assert.deepEqual(ids(a), []);
  const patient = makeNode("a", cloud, { engine: { maxClockSkewMs: 3 * DAY } });
  await drain(patient);
  assert.deepEqual(patient.db.all()[0].updatedAt, stamp);
});

test("items of the node from before its clock jumped are taken in, up to the first that is too far", async () => {
  const cloud = careless();
  write(cloud, "SR", "early", { stamp: at(1, "fast") });
  write(cloud, "SR", "far", { stamp: ahead(2 * DAY) });
  write(cloud, "SR", "farther", { stamp: ahead(3 * DAY) });
  const a = makeNode("a", cloud);
  const [{ held }] = await drain(a);
  assert.deepEqual(ids(a), ["early"]);
  assert.deepEqual(a.state.own(), { fast: at(1, "fast") });
  assert.deepEqual(
    held.map((one) => one.item.id),
    ["far"],
  );
});

for (const coverage of [true, false]) {
  test(`the answering side refuses too, ${coverage ? "and its report shows it" : "and throws for want of a report"}`, async () => {
    const cloud = makeCloud({ coverage });
    const request = {
      watermarks: {},
      records: [
        record("far", ahead(2 * DAY)),
        record("fine", at(1, "z")),
        record("early", at(1, "fast")),
      ],
      appSyncableRows: [entry(APP, NOTES, ahead(3 * DAY), { id: "behind" })],
    };
    const outcome = await cloud.transport.exchange(request).catch((error) => ({ error }));
    assert.deepEqual(ids(cloud), ["early", "fine"]);
    assert.deepEqual(ids(cloud, "AW"), []);
    assert.deepEqual(cloud.clock.received.map((h) => h.nodeId).sort(), ["fast", "z"]);
    if (coverage)
      assert.deepEqual(outcome.responderWatermarks, { z: at(1, "z"), fast: at(1, "fast") });
    else assert.ok(outcome.error instanceof Error);
  });
}

test("the bound of the answering side is the one that the app set", async () => {
  const cloud = makeCloud({ options: { maxClockSkewMs: HOUR } });
  await cloud.transport.exchange({
    watermarks: {},
    records: [record("1", ahead(2 * HOUR)), record("2", ahead(HOUR, "z"))],
  });
  assert.deepEqual(ids(cloud), ["2"]);
});

test("the guard goes by the system, not by the clock of the app", async () => {
  const cloud = careless();
  write(cloud, "SR", "1", { stamp: ahead(HOUR) });
  const slow = makeNode("a", cloud, { start: 1_000 });
  assert.equal((await slow.engine.exchange()).applied, 1);
});
