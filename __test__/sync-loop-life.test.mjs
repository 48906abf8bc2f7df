// A loop begins, is paused, goes on and ends, and channels come and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import {
  MORE,
  QUIET,
  abortable,
  change,
  flush,
  held,
  loopFor,
  scripted,
} from "./support/loops.mjs";

/** Whether the promise has settled once all that waits for promises alone went on. */
async function isSettled(promise) {
  let settled = false;
  promise.then(() => (settled = true));
  await flush();
  return settled;
}

test("with autoStart false a loop waits for start, which may be called again", async (t) => {
  const engine = scripted();
  const { loop, clock, of } = loopFor(t, engine, { autoStart: false, intervalMs: 1000 });
  loop.nudge();
  loop.kick();
  await clock.advance(5000);
  assert.deepEqual([engine.rounds, of().state, loop.status().state], [0, "idle", "idle"]);
  loop.start();
  loop.start();
  await flush();
  assert.deepEqual([engine.rounds, of().state, loop.status().state], [1, "waiting", "waiting"]);
  loop.start();
  await flush();
  assert.equal(engine.rounds, 1);
});

test("pause waits for the round that runs, begins no other, and leaves no timer", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const changes = sync.createChangeNotifier();
  const { loop, clock, of } = loopFor(t, engine, { changes, intervalMs: 1000 });
  await flush();
  const paused = loop.pause();
  assert.equal(await isSettled(paused), false);
  assert.deepEqual([of().state, loop.status().state], ["running", "paused"]);
  await rounds.end(MORE);
  assert.equal(await isSettled(paused), true);
  loop.nudge();
  changes.emit(change());
  await clock.advance(10_000);
  assert.deepEqual([engine.rounds, of().state, of().nextRoundMs], [1, "paused", null]);
  assert.equal(clock.waiting(), 0);
  loop.resume();
  await flush();
  assert.deepEqual([engine.rounds, of().state], [2, "running"]);
  await rounds.end();
  assert.deepEqual([engine.rounds, of().state], [2, "waiting"]);
});

test("a round that runs over a pause is followed by one", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const { loop } = loopFor(t, engine);
  await flush();
  const paused = loop.pause();
  loop.resume();
  await flush();
  assert.equal(engine.rounds, 1);
  await rounds.end();
  await paused;
  assert.deepEqual([engine.rounds, engine.most], [2, 1]);
});

test("what is left of a backoff is waited for after a pause, unless it is kicked", async (t) => {
  const engine = scripted(() => Promise.reject(new Error("planned")));
  const { loop, clock, of } = loopFor(t, engine, { backoff: { firstMs: 1000, mostMs: 1000 } });
  await clock.advance(400);
  await loop.pause();
  assert.deepEqual([of().state, clock.waiting()], ["paused", 0]);
  await clock.advance(100);
  loop.resume();
  assert.deepEqual([of().state, of().nextRoundMs], ["backoff", clock.now() + 500]);
  await clock.advance(499);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
  await loop.pause();
  await clock.advance(100_000);
  loop.resume();
  await clock.advance(0);
  assert.equal(engine.rounds, 3, "nothing was left");
  await loop.pause();
  loop.kick();
  await clock.advance(100_000);
  assert.equal(engine.rounds, 3);
  loop.resume();
  await flush();
  assert.equal(engine.rounds, 4);
});

test("onError may take its time over a pause", async (t) => {
  const answers = [];
  const onError = () => new Promise((resolve) => answers.push(resolve));
  const engine = scripted((round) => (round < 3 ? Promise.reject(new Error("no")) : QUIET));
  const { loop, clock } = loopFor(t, engine, { onError });
  await flush();
  await loop.pause();
  answers[0]("retry");
  await clock.advance(1e6);
  assert.equal(engine.rounds, 1);
  loop.resume();
  await flush();
  await loop.pause();
  answers[1]();
  await flush();
  assert.deepEqual([engine.rounds, clock.waiting()], [2, 0]);
  loop.resume();
  await clock.advance(2000);
  assert.equal(engine.rounds, 3);
});

test("neither pause nor stop leaves a timer, whatever a channel waits for", async (t) => {
  for (const end of ["pause", "stop"]) {
    const changes = sync.createChangeNotifier();
    const broken = scripted(() => Promise.reject(new Error("planned")));
    const { loop, clock } = loopFor(t, { broken, whole: scripted() }, { changes });
    await flush();
    changes.emit(change());
    // A backoff, an interval, and two timers of a debounce for each.
    assert.equal(clock.waiting(), 6);
    await loop[end]();
    assert.equal(clock.waiting(), 0, end);
  }
});

test("stop waits for what runs, and begins nothing more", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const { loop, clock, of } = loopFor(t, engine);
  await flush();
  loop.nudge();
  const stopped = loop.stop();
  assert.equal(await isSettled(stopped), false);
  assert.deepEqual([of().state, loop.status().state], ["running", "stopped"]);
  assert.equal(engine.signals[0].aborted, false);
  await rounds.end(MORE);
  assert.equal(await isSettled(stopped), true);
  await clock.advance(1e6);
  assert.deepEqual([engine.rounds, of().state, clock.waiting()], [1, "stopped", 0]);
  assert.equal(of().lastResult.hasMore, true);
  await loop.stop();
});

test("stop with abort calls off what runs, which is no failure", async (t) => {
  const heard = [];
  const onError = (error) => void heard.push(error);
  const engine = abortable();
  const { loop, of, named } = loopFor(t, { one: engine, other: scripted() }, { onError });
  await flush();
  const stopped = loop.stop();
  assert.equal(await isSettled(stopped), false);
  await loop.stop({ abort: true });
  await stopped;
  assert.deepEqual(
    [of("one").state, of("one").lastError, of("one").attempts],
    ["stopped", null, 0],
  );
  assert.deepEqual(heard, []);
  const [failed] = named("round-failed");
  assert.deepEqual([failed.aborted, failed.error], [true, engine.signals[0].reason]);
});

test("an engine that heeds no signal is waited for", async (t) => {
  const rounds = held();
  const { loop, named } = loopFor(t, scripted(rounds.answer));
  await flush();
  const stopped = loop.stop({ abort: true });
  assert.equal(await isSettled(stopped), false);
  await rounds.end();
  await stopped;
  assert.equal(named("round-ended").length, 1);
});

test("each round has a signal of its own", async (t) => {
  const engine = scripted((round) => (round < 2 ? MORE : QUIET));
  loopFor(t, engine);
  await flush();
  assert.equal(new Set(engine.signals).size, 2);
});

for (const answer of ["retry", undefined]) {
  test(`a failure while the loop stops is told, and ${answer} makes no round of it`, async (t) => {
    const rounds = held();
    const heard = [];
    const onError = (error) => {
      heard.push(error);
      return answer;
    };
    const engine = scripted(rounds.answer);
    const { loop, clock } = loopFor(t, engine, { onError });
    await flush();
    const stopped = loop.stop();
    const error = new Error("late");
    await rounds.fail(error);
    await stopped;
    assert.deepEqual([heard, clock.waiting()], [[error], 0]);
    await clock.advance(1e6);
    assert.equal(engine.rounds, 1);
  });
}

test("onError and listeners may stop the loop and wait for it", async (t) => {
  for (const place of ["round-failed", "onError"]) {
    const stops = [];
    const onError = async () => {
      if (place === "onError") stops.push(await loop.stop());
      return "retry";
    };
    const engine = scripted(() => Promise.reject(new Error("fatal")));
    const { loop } = loopFor(t, engine, { onError });
    loop.subscribe(async ({ eventType }) => {
      if (eventType === place) stops.push(await loop.stop());
    });
    await flush();
    assert.deepEqual([stops.length, engine.rounds], [1, 1], place);
  }
});

test("a round that is called off by a listener of its beginning never reaches the engine", async (t) => {
  const engine = scripted();
  const { loop, named } = loopFor(t, engine);
  loop.subscribe(({ eventType }) => {
    if (eventType === "round-began") void loop.stop({ abort: true });
  });
  await flush();
  assert.equal(engine.rounds, 0);
  assert.deepEqual([named("round-began").length, named("round-failed")[0].aborted], [1, true]);
});

test("a stopped loop hears no changes", async (t) => {
  const listeners = new Set();
  const notifier = {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const own = { subscribe: notifier.subscribe };
  const engine = Object.assign(scripted(), { changeNotifier: own });
  const { loop } = loopFor(t, { engine }, { changes: [notifier] });
  loop.add("more", Object.assign(scripted(), { changeNotifier: own }));
  assert.equal(listeners.size, 3);
  await loop.remove("more");
  assert.equal(listeners.size, 2);
  await loop.stop();
  assert.equal(listeners.size, 0);
});

test("a channel that is added runs at once, or when the loop does", async (t) => {
  const [one, two, three] = [scripted(), scripted(), scripted()];
  const { loop, of } = loopFor(t, one, { autoStart: false });
  loop.add("two", two);
  await flush();
  assert.equal(two.rounds, 0);
  loop.start();
  await flush();
  assert.deepEqual([one.rounds, two.rounds], [1, 1]);
  await loop.pause();
  loop.add("three", three);
  await flush();
  assert.deepEqual([three.rounds, of("three").state], [0, "paused"]);
  loop.resume();
  await flush();
  loop.add("four", one);
  await flush();
  assert.deepEqual([one.rounds, two.rounds, three.rounds], [3, 2, 1]);
});

test("remove waits for the channel's round, and its name is free then", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const { loop, clock, of } = loopFor(t, { one: engine, other: scripted() });
  await flush();
  const [removed, again] = [loop.remove("one"), loop.remove("one")];
  assert.equal(await isSettled(removed), false);
  assert.throws(() => loop.add("one", scripted()), {
    code: "INVALID_ARGUMENT",
    message: /channel "one" already: its last round has not ended; await remove\(\) before/,
  });
  assert.throws(() => loop.nudge("one"), { message: /no channel "one": there is "other"/ });
  loop.nudge();
  await rounds.end(MORE);
  await Promise.all([removed, again]);
  assert.equal(of("one"), undefined);
  await clock.advance(60_000);
  assert.equal(engine.rounds, 1);
  loop.add("one", engine);
  await flush();
  assert.equal(engine.rounds, 2);
  await rounds.end();
  await assert.rejects(loop.remove("nothing"), { message: /there is "other", "one"/ });
});

test("remove with abort calls off the channel's round alone", async (t) => {
  const [one, other] = [abortable(), abortable()];
  const { loop, named } = loopFor(t, { one, other });
  await flush();
  await loop.remove("one", { abort: true });
  assert.deepEqual(Object.keys(loop.status().channels), ["other"]);
  assert.deepEqual([one.signals[0].aborted, other.signals[0].aborted], [true, false]);
  assert.deepEqual(
    named("state-changed").map(({ channel, state }) => `${channel} ${state}`),
    ["one running", "other running", "one stopped"],
  );
});

test("the state of the loop is that of its busiest channel", async (t) => {
  const rounds = held();
  const [broken, slow] = [scripted(() => Promise.reject(new Error("no"))), scripted(rounds.answer)];
  const { loop, of } = loopFor(t, { broken, slow, quick: scripted() });
  await flush();
  const states = ["broken", "slow", "quick"].map((name) => of(name).state);
  assert.deepEqual(states, ["backoff", "running", "waiting"]);
  assert.equal(loop.status().state, "running");
  await rounds.end();
  assert.equal(loop.status().state, "backoff");
  await loop.remove("broken");
  assert.equal(loop.status().state, "waiting");
});

test("timers let the process end only if they are told to", async (t) => {
  const unrefs = [];
  for (const unref of [undefined, false, true]) {
    const { clock, loop } = loopFor(t, scripted(), { autoStart: false, unref });
    const { setTimeout } = clock;
    clock.setTimeout = (...args) => {
      setTimeout(...args);
      return { unref: () => unrefs.push(unref) };
    };
    loop.start();
    await flush();
  }
  assert.deepEqual(unrefs, [true]);
});
