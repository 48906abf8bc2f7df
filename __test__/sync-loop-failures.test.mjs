// What a loop does about rounds that fail: a backoff, and what the app says.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { MORE, QUIET, change, flush, held, loopFor, scripted } from "./support/loops.mjs";
import { warningsOf } from "./support/native.mjs";

const FAULT = new Error("planned");
const failing = () => scripted(() => Promise.reject(FAULT));
/** What passes between the rounds of an engine that always fails. */
async function waits(t, options, count, chance = 0) {
  const engine = failing();
  const { clock } = loopFor(t, engine, options);
  clock.chance = chance;
  await flush();
  const waited = [];
  for (let round = 1; round <= count; round += 1) {
    let ms = 0;
    for (; engine.rounds === round; ms += 1) await clock.advance(1);
    waited.push(ms);
  }
  return waited;
}

test("a backoff doubles with each failure in a row, up to its most", async (t) => {
  const backoff = { firstMs: 10, mostMs: 100 };
  assert.deepEqual(await waits(t, { backoff }, 6), [10, 20, 40, 80, 100, 100]);
  const faster = { firstMs: 10, mostMs: 1000, factor: 5 };
  assert.deepEqual(await waits(t, { backoff: faster }, 3), [10, 50, 250]);
});

test("the jitter takes away at most its part of a backoff, and adds nothing", async (t) => {
  const backoff = { firstMs: 100, mostMs: 200 };
  assert.deepEqual(await waits(t, { backoff }, 3, 0), [100, 200, 200]);
  assert.deepEqual(await waits(t, { backoff }, 3, 0.5), [75, 150, 150]);
  assert.deepEqual(await waits(t, { backoff }, 3, 1 - 1e-9), [50, 100, 100]);
  const whole = { ...backoff, jitter: 1 };
  assert.deepEqual(await waits(t, { backoff: whole }, 2, 1 - 1e-9), [1, 1]);
  const none = { ...backoff, jitter: 0 };
  assert.deepEqual(await waits(t, { backoff: none }, 2, 1 - 1e-9), [100, 200]);
});

test("the backoff is from a second to five minutes where nothing is said", async (t) => {
  const { clock, of } = loopFor(t, failing());
  await flush();
  const waited = [];
  for (let i = 0; i < 10; i += 1) {
    const ms = of().nextRoundMs - clock.now();
    waited.push(ms / 1000);
    await clock.advance(ms);
  }
  assert.deepEqual(waited, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
});

test("failures of hundreds of rounds wait for the most, and no longer", async (t) => {
  const engine = failing();
  const { clock, of } = loopFor(t, engine, { backoff: { firstMs: 1, mostMs: 2, factor: 100 } });
  await clock.advance(2000);
  assert.ok(of().attempts > 500);
  assert.equal(of().nextRoundMs, clock.now() + 1 + ((of().nextRoundMs - clock.now() - 1) % 2));
});

test("a round that succeeds ends the failures in a row", async (t) => {
  const engine = scripted((round) => (round === 3 ? QUIET : Promise.reject(FAULT)));
  const { clock, of, named } = loopFor(t, engine, { intervalMs: 5000, backoff: { firstMs: 10 } });
  await clock.advance(29);
  assert.deepEqual([engine.rounds, of().attempts, of().lastError], [2, 2, FAULT]);
  await clock.advance(1);
  assert.deepEqual([engine.rounds, of().attempts, of().lastError], [3, 0, null]);
  assert.equal(of().lastSuccessMs, clock.now());
  await clock.advance(5000);
  assert.equal(of().nextRoundMs, clock.now() + 10);
  assert.deepEqual(
    named("round-failed").map(({ attempt, error, aborted }) => [attempt, error, aborted]),
    [1, 2, 1].map((attempt) => [attempt, FAULT, false]),
  );
  assert.deepEqual(
    named("round-began").map(({ attempt }) => attempt),
    [1, 2, 3, 1],
  );
});

test("one channel's failures leave the others alone", async (t) => {
  const [broken, whole] = [failing(), scripted()];
  const { clock } = loopFor(t, { broken, whole }, { intervalMs: 100, backoff: { firstMs: 1e6 } });
  await clock.advance(1000);
  assert.deepEqual([broken.rounds, whole.rounds], [1, 11]);
});

test("neither nudges nor changes cut a backoff short, and its end serves them", async (t) => {
  const engine = scripted((round) => (round === 1 ? Promise.reject(FAULT) : QUIET));
  const changes = sync.createChangeNotifier();
  const { loop, clock, of } = loopFor(t, engine, { changes, intervalMs: null });
  await flush();
  loop.nudge();
  changes.emit(change());
  await clock.advance(999);
  assert.deepEqual([engine.rounds, of().state], [1, "backoff"]);
  await clock.advance(1);
  assert.deepEqual([engine.rounds, of().state], [2, "waiting"]);
  await clock.advance(1e6);
  assert.equal(engine.rounds, 2);
});

test("kick ends the backoff, runs now, and counts failures anew", async (t) => {
  const engine = failing();
  const { loop, clock, of } = loopFor(t, engine, { backoff: { firstMs: 100, mostMs: 1e6 } });
  await clock.advance(100 + 200 + 400);
  assert.deepEqual([engine.rounds, of().attempts], [4, 4]);
  loop.kick();
  await flush();
  assert.deepEqual([engine.rounds, of().attempts], [5, 1]);
  assert.equal(of().nextRoundMs, clock.now() + 100);
  loop.kick("default");
  await flush();
  assert.deepEqual([engine.rounds, clock.waiting()], [6, 1]);
});

test("a round that runs while it is kicked and fails is followed by one at once", async (t) => {
  const rounds = held();
  const heard = [];
  const onError = (error, failure) => void heard.push(failure);
  const engine = scripted(rounds.answer);
  const { loop, of, named } = loopFor(t, engine, { onError });
  await flush();
  loop.kick();
  await rounds.fail(FAULT);
  assert.equal(engine.rounds, 2);
  assert.deepEqual(heard, [{ channel: "default", attempt: 1 }]);
  await rounds.fail(FAULT);
  assert.deepEqual([engine.rounds, of().state], [2, "backoff"]);
  assert.deepEqual(
    named("state-changed").map(({ state }) => state),
    ["running", "backoff"],
  );
});

test("kick in a listener of a failure, and in onError, is as good as elsewhere", async (t) => {
  for (const place of ["onEvent", "onError"]) {
    const engine = scripted((round) => (round === 1 ? Promise.reject(FAULT) : QUIET));
    const kicks = (told) => {
      if (place === "onError" || told.eventType === "round-failed") loop.kick();
    };
    const { loop, clock } = loopFor(t, engine, { intervalMs: null, [place]: kicks });
    await flush();
    assert.deepEqual([engine.rounds, clock.waiting()], [2, 0], place);
  }
});

for (const [kind, says] of Object.entries({
  "at once": (answer) => answer,
  "with a promise": async (answer) => answer,
})) {
  test(`"retry" that onError answers ${kind} is a round at once, once for failures in a row`, async (t) => {
    const heard = [];
    const onError = (error, failure) => {
      heard.push([error, failure]);
      return says("retry");
    };
    const engine = scripted((round) => (round === 4 ? QUIET : Promise.reject(FAULT)));
    const { clock, of } = loopFor(t, engine, { onError, intervalMs: 50, backoff: { firstMs: 10 } });
    await flush();
    assert.deepEqual([engine.rounds, of().attempts], [2, 2]);
    assert.equal(of().nextRoundMs, clock.now() + 20);
    await clock.advance(20);
    assert.equal(engine.rounds, 3);
    await clock.advance(40);
    assert.deepEqual([engine.rounds, of().state], [4, "waiting"]);
    await clock.advance(50);
    assert.equal(engine.rounds, 6, "after a success it is heeded once more");
    assert.deepEqual(
      heard.map(([error, { channel, attempt }]) => [error, channel, attempt]),
      [1, 2, 3, 1, 2].map((attempt) => [FAULT, "default", attempt]),
    );
  });
}

test("no round begins while onError has not answered, but for a kick", async (t) => {
  const answers = [];
  const onError = () => new Promise((resolve) => answers.push(resolve));
  const engine = scripted((round) => (round < 3 ? Promise.reject(FAULT) : QUIET));
  const { loop, clock, of } = loopFor(t, engine, { onError, intervalMs: null });
  await clock.advance(1e6);
  loop.nudge();
  await clock.advance(1e6);
  assert.deepEqual([engine.rounds, of().state, of().nextRoundMs], [1, "backoff", null]);
  answers[0]("retry");
  await flush();
  assert.equal(engine.rounds, 2);
  loop.kick();
  await flush();
  assert.deepEqual([engine.rounds, of().state], [3, "waiting"]);
  answers[1]("retry");
  await clock.advance(1e6);
  assert.equal(engine.rounds, 3, "the answer is too late");
});

test("what onError throws or rejects with is a warning, and the backoff is kept to", async (t) => {
  for (const onError of [
    () => {
      throw new Error("of onError");
    },
    async () => {
      throw new Error("of onError");
    },
  ]) {
    const engine = failing();
    const { clock, of } = loopFor(t, engine, { onError });
    const said = await warningsOf(t, flush);
    assert.equal(said.length, 1);
    assert.match(said[0], /\[starkeep sync\] onError of a sync loop threw.*of onError/);
    assert.equal(of().nextRoundMs, clock.now() + 1000);
    await clock.advance(0);
  }
});

test("without onError the first failure in a row is a warning", async (t) => {
  const engine = failing();
  const said = await warningsOf(t, async () => {
    const { clock } = loopFor(t, engine, { onError: undefined });
    await clock.advance(7000);
  });
  assert.equal(engine.rounds, 4);
  assert.equal(said.length, 1);
  assert.match(said[0], /\[starkeep sync\] a round of "default" failed.*`onError`.*planned/);
});

test("what is thrown at once, and an answer that is none, are failures", async (t) => {
  const heard = [];
  const onError = (error, { channel }) => void heard.push([channel, error]);
  const engines = {
    throws: {
      exchange() {
        throw FAULT;
      },
    },
    nothing: scripted(() => undefined),
    text: scripted(() => "done"),
    thrown: scripted(() => Promise.reject(undefined)),
  };
  loopFor(t, engines, { onError });
  await flush();
  const by = Object.fromEntries(heard);
  assert.deepEqual(Object.keys(by).sort(), ["nothing", "text", "thrown", "throws"]);
  assert.equal(by.throws, FAULT);
  assert.equal(by.thrown, undefined);
  assert.equal(by.nothing.code, "INVALID_ARGUMENT");
  assert.match(
    by.text.message,
    /exchange\(\) of the channel "text": must be \{ applied.*got "done"/,
  );
});

test("a failure after rounds that had more to do waits as any other", async (t) => {
  const engine = scripted((round) => (round < 3 ? MORE : Promise.reject(FAULT)));
  const { clock, of } = loopFor(t, engine);
  await flush();
  assert.deepEqual([engine.rounds, of().attempts, of().state], [3, 1, "backoff"]);
  assert.equal(of().nextRoundMs, clock.now() + 1000);
});
