// What tests of a loop are made of: a clock whose time passes only when it is told to, and engines that do as they are told.
import assert from "node:assert/strict";
import * as sync from "@starkeep/sync-engine";

export const QUIET = Object.freeze({ applied: 0, shipped: 0, hasMore: false });
export const MORE = Object.freeze({ ...QUIET, hasMore: true });

/** Lets everything go on that waits for nothing but promises. */
export const flush = () => new Promise((resolve) => setImmediate(resolve));

/** A clock for a loop. `chance` is what it answers as a random number. */
export function fakeClock() {
  const timers = new Map();
  let nowMs = 1_000_000;
  let count = 0;
  const earliest = (untilMs) =>
    [...timers]
      .filter(([, { atMs }]) => atMs <= untilMs)
      .sort(([one, { atMs: a }], [other, { atMs: b }]) => a - b || one - other)[0];
  return {
    chance: 0,
    now: () => nowMs,
    random() {
      return this.chance;
    },
    setTimeout(fire, delayMs) {
      assert.ok(delayMs >= 0 && delayMs < 2 ** 31, `a timer can wait for ${delayMs} ms`);
      timers.set((count += 1), { atMs: nowMs + delayMs, fire });
      return count;
    },
    clearTimeout: (number) => void timers.delete(number),
    /** How many timers wait. */
    waiting: () => timers.size,
    /** Sets the time of the machine, of which timers know nothing. */
    set(toMs) {
      for (const timer of timers.values()) timer.atMs += toMs - nowMs;
      nowMs = toMs;
    },
    async advance(byMs) {
      const untilMs = nowMs + byMs;
      await flush();
      for (let next = earliest(untilMs); next !== undefined; next = earliest(untilMs)) {
        const [number, { atMs, fire }] = next;
        timers.delete(number);
        nowMs = atMs;
        fire();
        await flush();
      }
      nowMs = untilMs;
    },
  };
}

/** An engine whose rounds are `answer(number, options)`, from 1; it counts them. */
export function scripted(answer = () => QUIET) {
  let running = 0;
  const engine = {
    rounds: 0,
    /** The most that ran at one time. */
    most: 0,
    signals: [],
    async exchange(options) {
      assert.equal(this, engine, "an engine is called with its own this");
      engine.rounds += 1;
      engine.signals.push(options.signal);
      running += 1;
      engine.most = Math.max(engine.most, running);
      try {
        return await answer(engine.rounds, options);
      } finally {
        running -= 1;
      }
    },
  };
  return engine;
}

/** Rounds that end when they are told to: `answer` is for `scripted`. */
export function held() {
  const waiting = [];
  return {
    answer: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })),
    async end(result = QUIET) {
      waiting.shift().resolve(result);
      await flush();
    },
    async fail(error) {
      waiting.shift().reject(error);
      await flush();
    },
  };
}

/** An engine whose round ends, with the reason, when it is called off. */
export const abortable = () =>
  scripted(
    (round, { signal }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );

/** A loop on a clock of its own that ends with the test, and what it told. */
export function loopFor(t, engines, options = {}) {
  const clock = fakeClock();
  const events = [];
  const onEvent = (event) => events.push(event);
  const onError = () => undefined;
  const loop = sync.createSyncLoop(engines, { clock, onEvent, onError, ...options });
  t.after(() => void loop.stop({ abort: true }));
  const named = (type) => events.filter(({ eventType }) => eventType === type);
  return { loop, clock, events, named, of: (name = "default") => loop.status().channels[name] };
}

/** What an app's notifier tells of a change. */
export const change = (more = {}) => ({
  eventType: "local-change-recorded",
  recordIds: ["1"],
  timestamp: sync.ZERO_HLC,
  ...more,
});
