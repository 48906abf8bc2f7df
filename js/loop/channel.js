"use strict";

const { createStreak } = require("./streak.js");
const { createTimetable } = require("./timers.js");

/** Of an item that is held, what can be written as JSON. */
const HELD = ["nodeId", "direction", "kind", "id", "timestamp", "key", "code", "reason"];

function summaryOf({ applied, shipped, hasMore, inSync, held = [] }) {
  const summary = { applied, shipped, hasMore };
  if (inSync !== undefined) summary.inSync = inSync;
  const told = (item) => Object.fromEntries(HELD.map((name) => [name, item[name] ?? null]));
  return Object.freeze({ ...summary, held: Object.freeze([...held].map(told)) });
}

/**
 * One channel: an engine, and when its next round is. A round begins in a microtask of its own, so that no listener is
 * called within the call that asked for it, and through `apart`, which leaves the asynchronous context of that call: it
 * may be the one of a transaction.
 */
exports.createChannel = function createChannel(name, engine, loop) {
  const { now, emit, apart, mustBe } = loop;
  /** What the loop allows: "idle" before its start, "on", "paused", or "stopped". */
  let gate = "idle";
  let state = "idle";
  let toldDueMs = null;
  let isAsked = false;
  /** Since the last round began: one that fails now says nothing about what was kicked for. */
  let isKicked = false;
  let isQueued = false;
  /** The AbortController of the round that runs. */
  let running;
  let lastSuccessMs = null;
  let lastResult = null;
  const quiet = [];
  const timetable = createTimetable(loop.after, loop, ask);
  const streak = createStreak({
    ...loop.streak,
    ask: (error, attempt) => loop.streak.ask(error, { channel: name, attempt }),
    again: ask,
    waits: () => gate === "on" && running === undefined && become("backoff"),
  });
  const unsubscribe = engine.changeNotifier?.subscribe((event) => {
    if (loop.isChange(event)) changed();
  });

  const isReady = () => gate === "on" && running === undefined && isAsked && !streak.isWaiting();

  function consider() {
    if (isQueued || !isReady()) return;
    isQueued = true;
    Promise.resolve().then(() => {
      isQueued = false;
      if (isReady()) apart(round);
    });
  }

  function ask() {
    isAsked = true;
    consider();
  }

  function changed() {
    if (gate === "on") timetable.changed();
    else isAsked = true;
  }

  function nextRoundMs() {
    if (gate !== "on" || running !== undefined) return null;
    if (streak.isWaiting()) return streak.dueMs();
    return isAsked ? now() : timetable.dueMs();
  }

  /** A backoff is told twice where the app takes its time to say that there is to be one. */
  function become(next) {
    const dueMs = next === "backoff" ? streak.dueMs() : null;
    if (next === state && dueMs === toldDueMs) return;
    const previous = state;
    [state, toldDueMs] = [next, dueMs];
    const event = { eventType: "state-changed", channel: name, state, previous };
    emit({ ...event, nextRoundMs: nextRoundMs() });
  }

  async function exchange(signal) {
    if (signal.aborted) throw signal.reason;
    const result = await engine.exchange({ signal });
    if (typeof result?.hasMore === "boolean") return result;
    const what = "{ applied, shipped, hasMore }";
    throw mustBe(`the result of exchange() of the channel ${JSON.stringify(name)}`, what, result);
  }

  async function round() {
    timetable.clear();
    isAsked = isKicked = false;
    running = new AbortController();
    const { signal } = running;
    become("running");
    emit({ eventType: "round-began", channel: name, attempt: streak.attempts() + 1 });
    let result;
    try {
      result = await exchange(signal);
      lastResult = summaryOf(result);
    } catch (error) {
      running = undefined;
      failed(error, signal.aborted);
      return rest();
    }
    running = undefined;
    succeeded(result);
    return rest();
  }

  function succeeded(result) {
    lastSuccessMs = now();
    streak.succeeded();
    if (result.hasMore) isAsked = true;
    emit({ eventType: "round-ended", channel: name, result });
  }

  function failed(error, aborted) {
    const attempt = aborted ? streak.attempts() + 1 : streak.count(error);
    emit({ eventType: "round-failed", channel: name, error, attempt, aborted });
    if (aborted) return;
    streak.settle(attempt, isKicked);
    if (!isKicked) return;
    streak.reset();
    isAsked = true;
  }

  /** What follows a round. From one that has more to the next the channel goes on running. */
  function rest() {
    if (gate !== "on") become(gate);
    else if (streak.isWaiting()) become("backoff");
    else if (isAsked) consider();
    else {
      timetable.done();
      become("waiting");
    }
    for (const resolve of quiet.splice(0)) resolve();
  }

  const untilQuiet = () =>
    running === undefined ? Promise.resolve() : new Promise((resolve) => quiet.push(resolve));

  return {
    changed,
    nudge: ask,
    kick() {
      isKicked = true;
      streak.reset();
      ask();
    },
    open() {
      if (gate === "on") return;
      gate = "on";
      streak.goOn();
      ask();
      if (running === undefined && streak.isWaiting()) become("backoff");
    },
    /** Resolves once no round runs. */
    pause() {
      gate = "paused";
      timetable.clear();
      streak.hold();
      if (running === undefined) become("paused");
      return untilQuiet();
    },
    /** For good. Resolves once no round runs. */
    end(abort) {
      if (gate !== "stopped") {
        gate = "stopped";
        timetable.clear();
        streak.end();
        if (typeof unsubscribe === "function") unsubscribe();
        if (running === undefined) become("stopped");
      }
      if (abort) running?.abort();
      return untilQuiet();
    },
    status: () => ({
      state,
      lastSuccessMs,
      lastError: streak.lastError(),
      attempts: streak.attempts(),
      nextRoundMs: nextRoundMs(),
      lastResult,
    }),
  };
};
