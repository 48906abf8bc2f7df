import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { EPOCH, at, compare, parse, text } from "./support/hlc.mjs";

test("ZERO_HLC is the timestamp of nothing", () => {
  assert.deepEqual(sync.ZERO_HLC, { wallTime: 0, counter: 0, nodeId: "" });
});

const ASCENDING = [
  at(0, "a"),
  at(0, "b"),
  at(0, "a", 1),
  at(0, "a", 65_536),
  at(1, ""),
  at(1, "A"),
  at(1, "a"),
  at(1, "é"),
  at(1, "\u{1F600}"),
  at(1, "\uFF5E"),
];

test("compareHLC orders by wall time, then counter, then nodeId as JavaScript compares strings", () => {
  for (const [i, a] of ASCENDING.entries()) {
    for (const [j, b] of ASCENDING.entries()) {
      assert.equal(
        Math.sign(sync.compareHLC(a, b)),
        Math.sign(i - j),
        `${text(a)} with ${text(b)}`,
      );
      assert.equal(Math.sign(sync.compareHLC(a, b)), compare(a, b));
    }
  }
});

test("serializeHLC writes padded hex, and deserializeHLC reads it back", () => {
  assert.equal(
    sync.serializeHLC({ wallTime: 255, counter: 16, nodeId: "n" }),
    "0000000000ff:0010:n",
  );
  for (const stamp of [
    ...ASCENDING,
    at(5, "with:colons:in it"),
    at(5, "__proto__"),
    { wallTime: 0, counter: 0, nodeId: "" },
  ]) {
    assert.equal(sync.serializeHLC(stamp), text(stamp));
    assert.deepEqual(sync.deserializeHLC(text(stamp)), stamp);
    assert.deepEqual(parse(sync.serializeHLC(stamp)), stamp);
  }
});

for (const bad of [
  "",
  "x",
  "0000000000ff",
  "0000000000ff:0010",
  "zzzzzzzzzzzz:0000:a",
  "-00000000001:0000:a",
]) {
  test(`deserializeHLC refuses ${JSON.stringify(bad)}`, () => {
    assert.throws(() => sync.deserializeHLC(bad));
  });
}

test("a clock never answers the same or an earlier timestamp", () => {
  let wall = EPOCH;
  const clock = sync.createHLCClock({ nodeId: "n", wallClockFunction: () => wall });
  const told = [clock.now(), clock.send(), clock.now()];
  wall -= 1000;
  told.push(clock.now());
  wall += 5000;
  told.push(clock.send());
  for (let i = 1; i < told.length; i += 1) assert.equal(compare(told[i - 1], told[i]), -1);
  assert.deepEqual(told[told.length - 1], { wallTime: wall, counter: 0, nodeId: "n" });
  assert.ok(told.every((stamp) => stamp.nodeId === "n"));
});

test("what a clock received is behind everything that it tells afterwards", () => {
  const clock = sync.createHLCClock({ nodeId: "n", wallClockFunction: () => EPOCH });
  const remote = at(60_000, "other", 7);
  const merged = clock.receive(remote);
  assert.equal(compare(merged, remote), 1);
  assert.equal(merged.nodeId, "n");
  assert.equal(compare(clock.now(), merged), 1);
});

test("a clock goes on from the state that it is given", () => {
  const initialState = { wallTime: EPOCH + 500, counter: 41 };
  const clock = sync.createHLCClock({ nodeId: "n", wallClockFunction: () => EPOCH, initialState });
  assert.equal(compare(clock.now(), { ...initialState, nodeId: "n" }), 1);
});

test("a clock tells each of its ticks", () => {
  const ticks = [];
  const onTick = (state) => ticks.push(state);
  const clock = sync.createHLCClock({ nodeId: "n", wallClockFunction: () => EPOCH, onTick });
  const told = [clock.now(), clock.send(), clock.receive(at(10, "m"))];
  assert.equal(ticks.length, 3);
  for (const [i, { wallTime, counter }] of told.entries()) {
    assert.equal(ticks[i].wallTime, wallTime);
    assert.equal(ticks[i].counter, counter);
  }
});

test("a clock without a wall clock function goes by the system", () => {
  const before = Date.now();
  const { wallTime } = sync.createHLCClock({ nodeId: "n" }).now();
  assert.ok(wallTime >= before && wallTime <= Date.now());
});

test("an error of the wall clock function comes out as the same object", () => {
  const error = new Error("no clock");
  const clock = sync.createHLCClock({
    nodeId: "n",
    wallClockFunction: () => {
      throw error;
    },
  });
  assert.throws(
    () => clock.now(),
    (thrown) => thrown === error,
  );
});

test("two clocks of one process share nothing", () => {
  const a = sync.createHLCClock({ nodeId: "a", wallClockFunction: () => EPOCH });
  const b = sync.createHLCClock({ nodeId: "b", wallClockFunction: () => EPOCH });
  a.receive(at(1000, "far"));
  assert.deepEqual(b.now(), at(0, "b"));
});
