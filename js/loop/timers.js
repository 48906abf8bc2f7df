"use strict";

/** A timer holds its delay in 31 bits, and one that is longer fires at once. */
const LONGEST = 2 ** 31 - 1;

/** What a loop takes of its surroundings where the app gives it no clock. */
const SYSTEM = {
  now: () => Date.now(),
  setTimeout: (fire, delayMs) => globalThis.setTimeout(fire, delayMs),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

/**
 * `after(delayMs, fire)` calls `fire` once, unless it is cancelled. The timers alone decide when: `dueMs` is only to be
 * shown, as a machine's time may be set back.
 */
function createTimers(clock = SYSTEM, unref = false) {
  return function after(delayMs, fire) {
    let leftMs = delayMs;
    let timer;
    function step() {
      const stepMs = Math.min(leftMs, LONGEST);
      leftMs -= stepMs;
      timer = clock.setTimeout(leftMs > 0 ? step : fire, stepMs);
      if (unref) timer?.unref?.();
    }
    step();
    return {
      delayMs,
      dueMs: clock.now() + delayMs,
      cancel: () => clock.clearTimeout(timer),
    };
  };
}

/** A steady stream of calls is heard after this many times the quiet that is waited for, at most. */
const PATIENCE = 10;

/** Calls `fire` once it was quiet for `quietMs` after a `touch`, or at the latest after ten times that. */
function createDebounce(after, quietMs, fire) {
  let soon;
  let latest;
  function cancel() {
    soon?.cancel();
    latest?.cancel();
    soon = latest = undefined;
  }
  function end() {
    cancel();
    fire();
  }
  return {
    cancel,
    touch() {
      soon?.cancel();
      soon = after(quietMs, end);
      latest ??= after(quietMs * PATIENCE, end);
    },
    dueMs: () => (soon === undefined ? Infinity : Math.min(soon.dueMs, latest.dueMs)),
  };
}

/**
 * When a channel that has nothing to do asks again: `intervalMs` after it was done, or once changes were quiet. Both
 * begin anew with a round, as what was recorded before a round is in it.
 */
function createTimetable(after, { intervalMs, debounceMs }, ask) {
  const debounce = createDebounce(after, debounceMs, ask);
  let interval;
  return {
    changed: debounce.touch,
    done() {
      if (intervalMs !== null && intervalMs !== Infinity) interval = after(intervalMs, ask);
    },
    clear() {
      debounce.cancel();
      interval?.cancel();
      interval = undefined;
    },
    /** When it asks, as far as is known. */
    dueMs() {
      const dueMs = Math.min(interval?.dueMs ?? Infinity, debounce.dueMs());
      return dueMs === Infinity ? null : dueMs;
    },
  };
}

/**
 * How long to wait after a number of failures in a row. The jitter only shortens: devices that failed together do not come
 * back together, and none waits longer than `mostMs`.
 */
function createBackoff(given = {}, random = Math.random) {
  const { firstMs = 1_000, factor = 2, jitter = 0.5 } = given;
  const { mostMs = Math.max(300_000, firstMs) } = given;
  return function delayOf(attempt) {
    const wholeMs = Math.min(mostMs, firstMs * factor ** (attempt - 1));
    return Math.max(1, Math.round(wholeMs * (1 - jitter * random())));
  };
}

module.exports = { SYSTEM, createBackoff, createTimers, createTimetable };
