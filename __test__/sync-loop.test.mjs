// When the rounds of a loop begin: by the interval, when something asks, and one after the other.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { MORE, QUIET, change, flush, held, loopFor, scripted } from "./support/loops.mjs";

test("a loop begins by itself, and then again whenever the interval is over", async (t) => {
  const engine = scripted();
  const { clock, loop } = loopFor(t, engine, { intervalMs: 1000 });
  assert.equal(engine.rounds, 0, "nothing runs within the call that makes it");
  assert.equal(loop.status().state, "idle");
  await flush();
  assert.equal(engine.rounds, 1);
  await clock.advance(999);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
  await clock.advance(10_000);
  assert.equal(engine.rounds, 12);
});

test("the interval is half a minute where nothing is said", async (t) => {
  const engine = scripted();
  const { clock, of } = loopFor(t, engine);
  await flush();
  assert.equal(of().nextRoundMs, clock.now() + 30_000);
  await clock.advance(29_999);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
});

test("the interval begins when a round has ended", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const { clock } = loopFor(t, engine, { intervalMs: 1000 });
  await clock.advance(5000);
  assert.equal(engine.rounds, 1);
  await rounds.end();
  await clock.advance(999);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
});

for (const intervalMs of [null, Infinity]) {
  test(`with ${intervalMs} as its interval a loop waits until it is asked`, async (t) => {
    const engine = scripted();
    const { loop, clock, of } = loopFor(t, engine, { intervalMs });
    await clock.advance(1e9);
    assert.equal(engine.rounds, 1);
    assert.deepEqual([of().state, of().nextRoundMs, clock.waiting()], ["waiting", null, 0]);
    loop.nudge();
    await flush();
    assert.equal(engine.rounds, 2);
  });
}

test("an interval may be longer than a timer can be", async (t) => {
  const engine = scripted();
  const days = 60 * 24 * 3_600_000;
  const { clock } = loopFor(t, engine, { intervalMs: days });
  await clock.advance(days - 1);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
});

test("a machine whose time is set back goes on as before", async (t) => {
  const engine = scripted();
  const { clock, loop } = loopFor(t, engine, { intervalMs: 1000 });
  await flush();
  clock.set(1);
  await clock.advance(1000);
  assert.equal(engine.rounds, 2);
  clock.set(1);
  await loop.pause();
  loop.resume();
  await clock.advance(1000);
  assert.equal(engine.rounds, 4);
});

test("a round that has more to do is followed by the next at once", async (t) => {
  const engine = scripted((round) => (round < 5 ? MORE : QUIET));
  const { named, of } = loopFor(t, engine);
  await flush();
  assert.equal(engine.rounds, 5);
  assert.equal(engine.most, 1);
  assert.equal(named("round-ended").length, 5);
  assert.deepEqual(
    named("state-changed").map(({ state }) => state),
    ["running", "waiting"],
  );
  assert.equal(of().lastResult.hasMore, false);
});

test("nudge begins a round at once, and however often while one runs, one more after it", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const { loop } = loopFor(t, engine);
  await flush();
  for (let i = 0; i < 5; i += 1) loop.nudge();
  await flush();
  assert.equal(engine.rounds, 1);
  await rounds.end();
  assert.equal(engine.rounds, 2);
  await rounds.end();
  assert.equal(engine.rounds, 2);
  loop.nudge();
  loop.nudge();
  await flush();
  assert.equal(engine.rounds, 3);
  assert.equal(engine.most, 1);
});

test("a round that was asked for begins the interval anew", async (t) => {
  const engine = scripted();
  const { loop, clock } = loopFor(t, engine, { intervalMs: 1000 });
  await clock.advance(600);
  loop.nudge();
  await clock.advance(999);
  assert.equal(engine.rounds, 2);
  await clock.advance(1);
  assert.equal(engine.rounds, 3);
});

test("changes cause one round, once they are quiet", async (t) => {
  const engine = scripted();
  const changes = sync.createChangeNotifier();
  const { clock, of } = loopFor(t, engine, { changes, debounceMs: 300 });
  await flush();
  for (let i = 0; i < 5; i += 1) {
    changes.emit(change());
    assert.equal(of().nextRoundMs, clock.now() + 300);
    await clock.advance(200);
  }
  assert.equal(engine.rounds, 1);
  await clock.advance(99);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
  await clock.advance(20_000);
  assert.equal(engine.rounds, 2);
});

test("a steady stream of changes is waited for ten times the debounce at most", async (t) => {
  const engine = scripted();
  const changes = sync.createChangeNotifier();
  const { clock } = loopFor(t, engine, { changes, debounceMs: 300, intervalMs: null });
  await flush();
  const begins = clock.now();
  const at = [];
  for (let i = 0; i < 100; i += 1) {
    const before = engine.rounds;
    changes.emit(change());
    await clock.advance(100);
    if (engine.rounds > before) at.push(clock.now() - begins);
  }
  assert.deepEqual(at, [3000, 6000, 9000]);
});

test("without a debounce a change causes a round at once", async (t) => {
  const engine = scripted();
  const changes = sync.createChangeNotifier();
  const { clock } = loopFor(t, engine, { changes, debounceMs: 0 });
  await flush();
  changes.emit(change());
  await clock.advance(0);
  assert.equal(engine.rounds, 2);
});

test("a change while a round runs causes one more, and one before a round is in it", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const changes = sync.createChangeNotifier();
  const { loop, clock } = loopFor(t, engine, { changes, intervalMs: null });
  await flush();
  changes.emit(change());
  await clock.advance(5000);
  assert.equal(engine.rounds, 1);
  await rounds.end();
  assert.equal(engine.rounds, 2);
  await rounds.end();
  changes.emit(change());
  loop.nudge();
  await flush();
  assert.equal(engine.rounds, 3);
  await rounds.end();
  await clock.advance(5000);
  assert.equal(engine.rounds, 3);
});

test("news of an app's own cause a round as changes do, and other events cause none", async (t) => {
  const engine = scripted();
  const [one, other] = [sync.createChangeNotifier(), sync.createChangeNotifier()];
  const { clock } = loopFor(t, engine, { changes: [one, other], intervalMs: null });
  await flush();
  other.emit(change({ eventType: "local-data-synced" }));
  one.emit(undefined);
  await clock.advance(5000);
  assert.equal(engine.rounds, 1);
  other.emit(change({ eventType: "remote-update-available" }));
  await clock.advance(5000);
  assert.equal(engine.rounds, 2);
});

test("a change is of the channel of its app, of that of its engine, or of all", async (t) => {
  const [drive, photos, notes] = [scripted(), scripted(), scripted()];
  notes.changeNotifier = sync.createChangeNotifier();
  const changes = sync.createChangeNotifier();
  const counts = () => [drive.rounds, photos.rounds, notes.rounds];
  const { clock } = loopFor(t, { drive, photos, notes }, { changes, intervalMs: null });
  await flush();
  assert.deepEqual(counts(), [1, 1, 1]);
  changes.emit(change({ originAppId: "photos" }));
  await clock.advance(300);
  assert.deepEqual(counts(), [1, 2, 1]);
  notes.changeNotifier.emit(change());
  await clock.advance(300);
  assert.deepEqual(counts(), [1, 2, 2]);
  changes.emit(change());
  await clock.advance(300);
  assert.deepEqual(counts(), [2, 3, 3]);
  changes.emit(change({ originAppId: "an app without a channel" }));
  await clock.advance(300);
  assert.deepEqual(counts(), [3, 4, 4]);
});

test("channels run beside each other, and a nudge may be for one", async (t) => {
  const rounds = held();
  const [slow, quick] = [scripted(rounds.answer), scripted()];
  const engines = new Map(Object.entries({ slow, quick }));
  const { loop, clock } = loopFor(t, engines, { intervalMs: 1000 });
  await clock.advance(3000);
  assert.deepEqual([slow.rounds, quick.rounds], [1, 4]);
  loop.nudge("quick");
  await flush();
  assert.deepEqual([slow.rounds, quick.rounds], [1, 5]);
  await rounds.end();
  assert.deepEqual([slow.rounds, quick.rounds], [1, 5]);
});

test("engines are given alone, by name, or in an array", async (t) => {
  class Engine {
    exchange() {
      return Promise.resolve(QUIET);
    }
  }
  const one = new Engine();
  const names = (engines) => Object.keys(loopFor(t, engines).loop.status().channels);
  assert.deepEqual(names(one), ["default"]);
  assert.deepEqual(names({ drive: one, exchange: one }), ["drive", "exchange"]);
  assert.deepEqual(names(new Map([["__proto__", one]])), ["__proto__"]);
  assert.deepEqual(names([one, one]), ["0", "1"]);
  assert.deepEqual([names({}), names([]), names(new Map())], [[], [], []]);
});

test("held items are no failure: the interval goes on, and they are told", async (t) => {
  const item = { nodeId: "a", direction: "outbound", kind: "record", id: "1" };
  const told = { ...item, timestamp: sync.ZERO_HLC, key: null, code: "IO_ERROR", reason: "lost" };
  const engine = scripted(() => ({ ...QUIET, held: [{ ...told, error: 1n, item: 1n }] }));
  const { clock, of, named } = loopFor(t, engine, { intervalMs: 1000 });
  await clock.advance(2000);
  assert.equal(engine.rounds, 3);
  assert.equal(named("round-failed").length, 0);
  const { lastResult } = JSON.parse(JSON.stringify(of()));
  assert.deepEqual(lastResult, { ...QUIET, held: [told] });
});
