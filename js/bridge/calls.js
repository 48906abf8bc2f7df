"use strict";

const {
  ANSWERED,
  FIRST,
  FULFILLED,
  METHOD,
  NOT_CALLABLE,
  REJECTED,
  STATE,
  WAIT,
  WAITING,
} = require("./layout.js");

/**
 * Calls of adapters. Where the answer is a promise, `settle(value)` is called when it settles, from a
 * reaction that was attached here, in the asynchronous context of the call.
 *
 * Promise and its `then` are taken as they were when the package was loaded.
 */
function createCaller({ shared, keys, settle, lost }, { makeHlc, makeWatermarks }) {
  const { apply } = Reflect;
  const { then } = Promise.prototype;
  const resolve = Promise.resolve.bind(Promise);
  const reactions = [];
  /** Of the waits whose reactions hang on their promise alone: the mark that goes with them. */
  const loose = new Map();
  const collected = new FinalizationRegistry((mark) => {
    if (loose.get(mark.id) !== mark) return;
    loose.delete(mark.id);
    lost(mark.id);
  });

  function react(id) {
    loose.delete(id);
    const settled = (state) => (value) => {
      shared[WAIT] = id;
      shared[STATE] = state;
      settle(value);
    };
    return [settled(FULFILLED), settled(REJECTED)];
  }

  function watch(id, promise) {
    apply(then, promise, (reactions[id] ??= react(id)));
    shared[STATE] = WAITING;
    return undefined;
  }

  /** From here on the wait lasts as long as its promise: one that nothing holds never settles. */
  function loosen(id) {
    if (reactions[id] === undefined) return;
    const mark = { id };
    loose.set(id, mark);
    collected.register(reactions[id][0], mark);
    reactions[id] = undefined;
  }

  function takeOf(id, answer) {
    if (answer !== null && (typeof answer === "object" || typeof answer === "function")) {
      if (answer instanceof Promise) return watch(id, answer);
      if (typeof answer.then === "function") return watch(id, resolve(answer));
    }
    shared[STATE] = ANSWERED;
    return answer;
  }

  function callMethod(object, ...args) {
    const id = shared[WAIT];
    const method = object?.[keys[shared[METHOD]]];
    if (typeof method !== "function") {
      shared[STATE] = NOT_CALLABLE;
      return undefined;
    }
    return takeOf(id, apply(method, object, args));
  }

  return {
    callMethod,
    callWithHlc: (object) => callMethod(object, makeHlc()),
    callWithWatermarks: (object) => callMethod(object, makeWatermarks()),
    callWithQuery: (object, cursor) => callMethod(object, { limit: shared[FIRST], cursor }),
    take: (answer) => takeOf(shared[WAIT], answer),
    loosen,
    // What follows it never settles, and holds nothing.
    never: Object.freeze({ then() {} }),
  };
}

/** Listeners that come while they are called are called too, those that go are not. */
const createEmit = (listeners, threw) =>
  function emit(event) {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        threw(error);
      }
    }
  };

/** Through whatever the notifier's `emit` is now. */
function emitApplied(notifier, recordIds, timestamp) {
  notifier.emit({ eventType: "local-data-synced", recordIds, timestamp });
}

module.exports = { createCaller, createEmit, emitApplied };
