"use strict";

/** What an engine knows of its rounds: what `status()` answers. */

/** By what an item that waits is known from one round to the next. */
const keyOf = ({ direction, kind, id, nodeId, timestamp }) =>
  JSON.stringify([direction, kind, id, nodeId, timestamp.wallTime, timestamp.counter]);

/** Of an item that is held, what a person wants to know, and a page can show. */
function waitingOf(held, { sinceMs, attempts }) {
  const { direction, kind, id, nodeId, timestamp, key, code, reason } = held;
  return { direction, kind, id, nodeId, timestamp, key, code, reason, sinceMs, attempts };
}

exports.createStanding = function createStanding(now) {
  const running = { exchange: 0, reconcile: 0 };
  const whenQuiet = [];
  let waiting = new Map();
  let lastSuccessMs = null;
  let lastError = null;
  let lastResult = null;

  /** Which items wait now. One that waited before has been tried once more. */
  function noteHeld(held) {
    const before = waiting;
    waiting = new Map();
    for (const item of held) {
      const key = keyOf(item);
      const known = before.get(key) ?? { sinceMs: now(), attempts: 0 };
      const attempts = known.attempts + 1;
      waiting.set(key, { item, sinceMs: known.sinceMs, attempts });
    }
  }

  const isQuiet = () => running.exchange + running.reconcile === 0;

  function noteEnd(what) {
    running[what] -= 1;
    if (isQuiet()) for (const resolve of whenQuiet.splice(0)) resolve();
  }

  return {
    /** Follows a round or a reconciliation to its end; `what` is the name of its function. */
    follow(what, promise, isCalledOff) {
      running[what] += 1;
      return promise.then(
        (result) => {
          noteEnd(what);
          lastSuccessMs = now();
          lastError = null;
          lastResult = result;
          if (result.held.length > 0 || waiting.size > 0) noteHeld(result.held);
          return result;
        },
        (error) => {
          noteEnd(what);
          if (!isCalledOff()) lastError = failure(error, now());
          throw error;
        },
      );
    },
    /** Resolves once nothing runs. */
    quiet: () =>
      isQuiet() ? Promise.resolve() : new Promise((resolve) => whenQuiet.push(resolve)),
    read() {
      const { inSync, hasMore } = lastResult ?? {};
      const state =
        running.reconcile > 0 ? "reconciling" : running.exchange > 0 ? "exchanging" : "idle";
      return {
        state,
        lastSuccessMs,
        lastError,
        waiting: [...waiting.values()].map(({ item, ...rest }) => waitingOf(item, rest)),
        inSync: inSync ?? null,
        hasMore: hasMore ?? null,
      };
    },
  };
};

/** What an app threw may be anything. */
function failure(error, atMs) {
  try {
    const code = typeof error?.code === "string" ? error.code : "APP_ERROR";
    return { atMs, code, message: String(error?.message ?? error), error };
  } catch {
    return { atMs, code: "APP_ERROR", message: "an error that cannot be shown", error };
  }
}
