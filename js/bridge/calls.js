"use strict";

/** After this many later ones a wait counts as one that lasts. */
const LASTING = 1024;

/** What is returned instead of a promise that is waited for. A symbol of the app's own comes as an object. */
const WAITS = Symbol("waits");

/**
 * Waits for the answers of adapters. Where one is a promise, `settle(id, fulfilled, value)` is called when it
 * settles, from a reaction that was attached here, in the asynchronous context of the call. Of a wait that lasts the
 * promise alone holds the reactions: one that nothing holds never settles, and `lost(id)` is called.
 *
 * Promise and its `then` are taken as they were when the package was loaded.
 */
function createWaits(settle, lost) {
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const resolve = Promise.resolve.bind(Promise);
  /** The latest waits that have not settled, each where the one stood that began so many earlier. */
  const latest = new Array(LASTING);
  const collected = new FinalizationRegistry(lost);

  /** Holds the reaction of a wait until it settles, or lasts. */
  function hold(wait) {
    const place = wait.id % LASTING;
    const lasting = latest[place];
    if (lasting !== undefined) collected.register(lasting.reaction, lasting.id);
    latest[place] = wait;
  }

  function letGo(wait) {
    const place = wait.id % LASTING;
    if (latest[place] === wait) latest[place] = undefined;
  }

  /** The answer; or, where it is a promise, or like one, that the wait of this number is for it. */
  function waitFor(id, answer) {
    if (typeof answer === "symbol") return Object(answer);
    if ((typeof answer !== "object" && typeof answer !== "function") || answer === null)
      return answer;
    const isPromise = answer instanceof Promise;
    if (!isPromise && typeof answer.then !== "function") return answer;
    const wait = { id, reaction: undefined };
    const fulfilled = (value) => {
      letGo(wait);
      settle(id, true, value);
    };
    const rejected = (reason) => {
      letGo(wait);
      settle(id, false, reason);
    };
    apply(then, isPromise ? answer : resolve(answer), [fulfilled, rejected]);
    wait.reaction = fulfilled;
    hold(wait);
    return WAITS;
  }

  return { waitFor };
}

exports.createWaits = createWaits;
