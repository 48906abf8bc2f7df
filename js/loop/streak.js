"use strict";

/**
 * Failures in a row of one thing that is tried again and again: the rounds of a channel, or the stream of news. The app
 * hears of each (`ask`), and `again` is called at once or after a backoff. `waits` is called when a backoff begins.
 */
exports.createStreak = function createStreak({ after, now, delayOf, ask, threw, again, waits }) {
  let attempts = 0;
  let lastError = null;
  /** "retry" is heeded once in a streak: credentials that were renewed and are refused again want a backoff. */
  let hasRetried = false;
  /** Stands for the answer of `onError` that is waited for. One that comes when another stands here is too late. */
  let deciding;
  let timer;
  /** The backoff while the loop is paused: how long it is, and until when. It goes on meanwhile, without a timer. */
  let held;
  let isHeld = false;
  let isOver = false;

  function clear() {
    timer?.cancel();
    deciding = timer = held = undefined;
  }

  function wait(delayMs) {
    if (isOver) return;
    if (isHeld) held = { delayMs, dueMs: now() + delayMs };
    else
      timer = after(delayMs, () => {
        timer = undefined;
        again();
      });
    waits();
  }

  function decide(answer) {
    deciding = undefined;
    if (answer !== "retry" || hasRetried) return wait(delayOf(attempts));
    hasRetried = true;
    return again();
  }

  return {
    attempts: () => attempts,
    lastError: () => lastError,
    /** Whether it is not to be tried now. */
    isWaiting: () => deciding !== undefined || timer !== undefined || held !== undefined,
    /** When it is tried again, if that is known. */
    dueMs: () => timer?.dueMs ?? null,
    count(error) {
      attempts += 1;
      lastError = error;
      return attempts;
    },
    /** Asks the app what to do about the failure that was counted last; or only tells it, if that is decided. */
    settle(attempt, isDecided = false) {
      const mine = {};
      deciding = isDecided ? undefined : mine;
      const answered = (answer) => {
        if (mine === deciding) decide(answer);
      };
      try {
        const answer = ask(lastError, attempt);
        if (typeof answer?.then !== "function") return answered(answer);
        Promise.resolve(answer).then(answered, (error) => {
          threw(error);
          answered();
        });
      } catch (error) {
        threw(error);
        answered();
      }
    },
    /** As `settle`, of an end that is no error. */
    wait: () => wait(delayOf(attempts)),
    succeeded() {
      attempts = 0;
      lastError = null;
      hasRetried = false;
    },
    /** Begins anew, without what is waited for. */
    reset() {
      clear();
      attempts = 0;
      hasRetried = false;
    },
    hold() {
      isHeld = true;
      timer?.cancel();
      held ??= timer;
      timer = undefined;
    },
    goOn() {
      isHeld = false;
      if (held === undefined) return;
      const { delayMs, dueMs } = held;
      held = undefined;
      wait(Math.min(Math.max(dueMs - now(), 0), delayMs));
    },
    end() {
      isOver = true;
      clear();
    },
  };
};
