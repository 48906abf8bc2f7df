// What a loop tells, and what it says about what it is told wrongly.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import * as sync from "@starkeep/sync-engine";
import { MORE, QUIET, flush, loopFor, scripted } from "./support/loops.mjs";
import { warningsOf } from "./support/native.mjs";

test("events tell every round and every change of a state, in their order", async (t) => {
  const results = [{ ...MORE, shipped: 1 }, QUIET];
  const { events, clock } = loopFor(
    t,
    scripted((round) => results[round - 1]),
  );
  await flush();
  const [channel, attempt] = ["default", 1];
  const state = (now, previous, nextRoundMs) => ({
    eventType: "state-changed",
    channel,
    state: now,
    previous,
    nextRoundMs,
  });
  assert.deepEqual(events, [
    state("running", "idle", null),
    { eventType: "round-began", channel, attempt },
    { eventType: "round-ended", channel, result: results[0] },
    { eventType: "round-began", channel, attempt },
    { eventType: "round-ended", channel, result: results[1] },
    state("waiting", "running", clock.now() + 30_000),
  ]);
  assert.equal(events[2].result, results[0]);
});

test("a listener that throws is a warning, silences no other, and stops nothing", async (t) => {
  const engine = scripted();
  const said = await warningsOf(t, async () => {
    const { loop, clock, named } = loopFor(t, engine, { intervalMs: 1000 });
    loop.subscribe(() => {
      throw new Error("of a listener");
    });
    let heard = 0;
    const unsubscribe = loop.subscribe(() => (heard += 1));
    await clock.advance(1000);
    assert.ok(heard > 0 && named("round-ended").length === 2);
    const before = heard;
    unsubscribe();
    await clock.advance(1000);
    assert.equal(heard, before);
  });
  assert.equal(engine.rounds, 3);
  assert.ok(
    said.every((words) => /a listener of a sync loop threw/.test(words)) && said.length > 0,
  );
});

test("after stop everything but stop and status is an error that says so", async (t) => {
  const { loop } = loopFor(t, scripted());
  const unsubscribe = loop.subscribe(() => {});
  await loop.stop();
  const stopped = (name) => ({
    code: "LOOP_STOPPED",
    operation: `loop.${name}`,
    message: `loop.${name}: the loop was stopped; make a new one`,
  });
  const calls = {
    start: [],
    resume: [],
    nudge: ["default"],
    kick: [],
    add: ["more", scripted()],
    subscribe: [() => {}],
  };
  for (const [name, args] of Object.entries(calls))
    assert.throws(() => loop[name](...args), stopped(name));
  for (const [name, args] of Object.entries({ pause: [], remove: ["default"] }))
    await assert.rejects(loop[name](...args), stopped(name));
  await loop.stop();
  unsubscribe();
  assert.equal(loop.status().state, "stopped");
});

const refusal = (message) => ({ code: "INVALID_ARGUMENT", message });

test("what is no engine is told where the loop is made", () => {
  const wrongs = [
    [
      undefined,
      /createSyncLoop\(engines\): must be an engine, or engines by channel.*got undefined/,
    ],
    ["engine", /createSyncLoop\(engines\): must be an engine/],
    [Promise.resolve(scripted()), /got a Promise: await it first/],
    [new (class Engine {})(), /createSyncLoop\(engines\): must be an engine/],
    [
      { drive: {} },
      /createSyncLoop\(engines\["drive"\]\): must be an engine, which has a function/,
    ],
    [[scripted(), null], /createSyncLoop\(engines\["1"\]\): must be an engine.*got null/],
    [
      new Map([[1, scripted()]]),
      /must be the name of a channel, a string that is not empty, got 1/,
    ],
    [{ "": scripted() }, /the name of a channel/],
    [
      { drive: { ...scripted(), changeNotifier: {} } },
      /engines\["drive"\]\.changeNotifier\): must be a ChangeNotifier/,
    ],
    [
      { ...scripted(), changeNotifier: 5 },
      /createSyncLoop\(engines\.changeNotifier\): must be a ChangeNotifier, got a number/,
    ],
  ];
  for (const [engines, message] of wrongs)
    assert.throws(() => sync.createSyncLoop(engines), refusal(message));
});

test("options of a wrong kind are told where the loop is made", () => {
  const wrongs = {
    intervalMs: [0, -1, Number.NaN, "1s"],
    debounceMs: [-1, Infinity, Number.NaN, "1s"],
    onError: [5],
    onEvent: ["log"],
    changes: [5, {}, [{}], [undefined]],
    events: [5, {}, []],
    clock: [5, {}, { now() {}, setTimeout() {} }],
    autoStart: [0],
    unref: ["yes"],
    backoff: [5],
  };
  for (const [option, values] of Object.entries(wrongs)) {
    for (const value of values)
      assert.throws(
        () => sync.createSyncLoop({}, { [option]: value }),
        refusal(new RegExp(`^createSyncLoop\\(${option}[.)].*must be `)),
        `${option}: ${String(value)}`,
      );
  }
  const backoffs = { firstMs: [0, Infinity], mostMs: [0, 5], factor: [0.5], jitter: [-1, 2] };
  for (const [option, values] of Object.entries(backoffs)) {
    for (const value of values)
      assert.throws(
        () => sync.createSyncLoop({}, { backoff: { firstMs: 10, [option]: value } }),
        refusal(new RegExp(`^createSyncLoop\\(backoff\\)\\(${option}\\): must be `)),
        `${option}: ${value}`,
      );
  }
  const clock = { now() {}, setTimeout() {}, clearTimeout() {}, random: 5 };
  assert.throws(
    () => sync.createSyncLoop({}, { clock }),
    refusal(/clock\.random\): must be a function/),
  );
  assert.throws(() => sync.createSyncLoop({}, null), refusal(/with an options object, got null/));
  const nearly = { backoff: { first: 5 } };
  assert.throws(
    () => sync.createSyncLoop({}, nearly),
    refusal(/`first`; did you mean `firstMs`\?/),
  );
});

test("options that are undefined are as good as left out, and a loop without engines is one", async (t) => {
  const options = {
    intervalMs: undefined,
    backoff: undefined,
    changes: undefined,
    events: undefined,
  };
  const engine = scripted();
  const { loop, clock } = loopFor(
    t,
    {},
    { ...options, debounceMs: undefined, autoStart: undefined },
  );
  assert.deepEqual(loop.status(), { state: "waiting", channels: {} });
  loop.add("late", engine);
  await clock.advance(30_000);
  assert.equal(engine.rounds, 2);
});

test("calls with what they do not take say so", async (t) => {
  const { loop } = loopFor(t, scripted());
  const name = /must be the name of a channel/;
  for (const call of ["nudge", "kick"]) {
    assert.throws(() => loop[call](null), refusal(name));
    assert.throws(() => loop[call]({ type: "click" }), refusal(name));
    assert.throws(() => loop[call]("defualt"), refusal(/no channel "defualt": there is "default"/));
  }
  await assert.rejects(loop.remove(), refusal(name));
  await assert.rejects(loop.remove("default", { abrt: true }), refusal(/did you mean `abort`/));
  await assert.rejects(loop.stop({ abort: 1 }), refusal(/stop\(abort\): must be true or false/));
  assert.throws(() => loop.add("", scripted()), refusal(name));
  assert.throws(() => loop.add("more", {}), refusal(/loop\.add\(engine\): must be an engine/));
  assert.throws(() => loop.add("default", scripted()), refusal(/remove it before, or choose/));
  assert.throws(
    () => loop.subscribe("log"),
    refusal(/loop\.subscribe\(listener\): must be a function/),
  );
  assert.deepEqual(Object.keys(loop.status().channels), ["default"]);
});

/** The files of a loop as they are, in a world that has the language and what is given. */
function loadAlone(world) {
  const root = new URL("../js/loop/", import.meta.url);
  const context = createContext(world);
  const loaded = new Map();
  const load = (url) => {
    if (loaded.has(url.href)) return loaded.get(url.href);
    const module = { exports: {} };
    loaded.set(url.href, module.exports);
    const code = `(function (module, exports, require) {${readFileSync(url, "utf8")}\n})`;
    const require = (path) => load(new URL(path, url));
    runInContext(code, context)(module, module.exports, require);
    loaded.set(url.href, module.exports);
    return module.exports;
  };
  return Object.fromEntries(readdirSync(root).map((name) => [name, load(new URL(name, root))]));
}

test("a loop runs where there is nothing of Node.js", async () => {
  const { AbortController, setTimeout, clearTimeout } = globalThis;
  const alone = loadAlone({ AbortController, setTimeout, clearTimeout });
  const createSyncLoop = alone["index.js"].createLoops({
    createNotifier: sync.createChangeNotifier,
    createApart: () => (work) => work(),
    read: (name, options) => ({ changes: [], ...options }),
  });
  const told = [];
  const onEvent = (event) => told.push(event.eventType);
  const engine = scripted();
  const loop = createSyncLoop(engine, { intervalMs: 1, onEvent });
  while (engine.rounds < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  await loop.stop();
  assert.ok(told.filter((eventType) => eventType === "round-ended").length >= 3);
  assert.deepEqual([loop.status().state, engine.most], ["stopped", 1]);
});
