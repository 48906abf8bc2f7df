"use strict";

/** After this many later ones a wait counts as one that lasts. */
const LASTING = 1024;

/**
 * Calls adapters, and waits for their answers. Where one is a promise, `settle(id, fulfilled, value)` is called when it
 * settles, from a reaction that was attached here, in the asynchronous context of the call. Of a wait that lasts the
 * promise alone holds the reactions: one that nothing holds never settles, and `lost(id)` is called.
 *
 * Promise and its `then` are taken as they were when the package was loaded.
 */
function createWaits(settle, lost) {
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const resolve = Promise.resolve.bind(Promise);
  /** Of each wait that does not last yet a reaction, by its number, in the order in which they began. */
  const reactions = new Map();
  const collected = new FinalizationRegistry(lost);
  let nextCheck = 0;

  /** Those that last are looked for seldom. */
  function loosenLasting(now) {
    if (now < nextCheck) return;
    nextCheck = now + Math.max(LASTING, reactions.size);
    for (const [id, reaction] of reactions) {
      if (id >= now - LASTING) break;
      reactions.delete(id);
      collected.register(reaction, id);
    }
  }

  /** Whether the answer is a promise, or like one: then the wait of this number is for it. */
  function waitFor(id, answer) {
    if ((typeof answer !== "object" || answer === null) && typeof answer !== "function")
      return false;
    const isPromise = answer instanceof Promise;
    if (!isPromise && typeof answer.then !== "function") return false;
    loosenLasting(id);
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
  }

  /**
   * Calls a method. Answers nothing where the wait of this number is for what it answered, else the answer in an
   * array; `false` where there is no such function.
   */
  function callMethod(id, object, name, ...args) {
    const method = object?.[name];
    if (typeof method !== "function") return false;
    const answer = apply(method, object, args);
    return waitFor(id, answer) ? undefined : [answer];
  }

  return { waitFor, callMethod };
}

exports.createWaits = createWaits;
