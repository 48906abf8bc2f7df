"use strict";

/**
 * Waits for the answers of adapters. Where one is a promise, `settle(id, fulfilled, value)` is called when it
 * settles, from a reaction that was attached here, in the asynchronous context of the call.
 *
 * Promise and its `then` are taken as they were when the package was loaded.
 */
function createWaits(settle, lost) {
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const resolve = Promise.resolve.bind(Promise);
  /** Of each wait a reaction, until its promise has settled, or has to hold the reaction by itself. */
  const reactions = new Map();
  const collected = new FinalizationRegistry(lost);

  return {
    /** Whether the answer is a promise, or like one: then the wait of this number is for it. */
    waitFor(id, answer) {
      const isPromise = answer instanceof Promise;
      if (!isPromise && typeof answer.then !== "function") return false;
      const fulfilled = (value) => {
        reactions.delete(id);
        settle(id, true, value);
      };
      const rejected = (reason) => {
        reactions.delete(id);
        settle(id, false, reason);
      };
      apply(then, isPromise ? answer : resolve(answer), [fulfilled, rejected]);
      reactions.set(id, fulfilled);
      return true;
    },
    /** From here on the wait lasts as long as its promise: one that nothing holds never settles. */
    loosen(id) {
      const reaction = reactions.get(id);
      if (reaction === undefined) return;
      reactions.delete(id);
      collected.register(reaction, id);
    },
  };
}

exports.createWaits = createWaits;
