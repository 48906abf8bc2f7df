"use strict";

/**
 * Moves values across the border where doing it in JavaScript is several times cheaper than property by
 * property from the native side. Nothing is decided here.
 */

/** So many node ids are remembered between two calls; a hostile peer's are not remembered for ever. */
const REMEMBERED_NODES = 1024;
/** Buffers for longer lists are not kept. */
const KEPT_LENGTH = 65_536;
/** Numbers before the first timestamp: the generation of the names. */
const HEADER = 1;
/** Numbers of a timestamp: wall time, counter, and the index of the node's name. */
const STRIDE = 3;

/**
 * `pack(items, field)` answers `[numbers, names]`: the timestamps under `field`, or that the items are
 * themselves; `NaN` where there is none. Indexes into `names` hold until the generation changes.
 */
function createPacker() {
  const indexes = new Map();
  let names = [];
  let generation = 0;
  let kept = new Float64Array(0);

  function indexOf(name) {
    let index = indexes.get(name);
    if (index === undefined) {
      index = names.push(name) - 1;
      indexes.set(name, index);
    }
    return index;
  }

  function bufferFor(length) {
    const size = HEADER + STRIDE * length;
    if (length > KEPT_LENGTH) return new Float64Array(size);
    if (kept.length < size) kept = new Float64Array(size * 2);
    return kept;
  }

  return function pack(items, field) {
    const numbers = bufferFor(items.length);
    if (indexes.size > REMEMBERED_NODES) {
      indexes.clear();
      names = [];
      generation += 1;
    }
    numbers[0] = generation;
    let at = HEADER;
    for (let i = 0; i < items.length; i += 1) {
      const stamp = field === undefined ? items[i] : items[i]?.[field];
      const wallTime = stamp?.wallTime;
      const counter = stamp?.counter;
      const nodeId = stamp?.nodeId;
      const whole =
        typeof wallTime === "number" && typeof counter === "number" && typeof nodeId === "string";
      numbers[at] = whole ? wallTime : Number.NaN;
      numbers[at + 1] = whole ? counter : Number.NaN;
      numbers[at + 2] = whole ? indexOf(nodeId) : 0;
      at += STRIDE;
    }
    return [numbers, names];
  };
}

function makeHlc(wallTime, counter, nodeId) {
  return { wallTime, counter, nodeId };
}

function entriesOf(map) {
  return [Object.keys(map), Object.values(map)];
}

/** Own, whatever name it is: `__proto__` is a name like any other. */
function setOwn(map, name, value) {
  Object.defineProperty(map, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

function setEntry(map, name, wallTime, counter, nodeId) {
  setOwn(map, name, { wallTime, counter, nodeId });
}

/** Listeners that come while they are called are called too, those that go are not. */
function callEach(listeners, event, threw) {
  for (const listener of listeners) {
    try {
      listener(event);
    } catch (error) {
      threw(error);
    }
  }
}

/** `advanceWatermark` around the comparison, which is the native side's. */
function createAdvance(isLater) {
  return function advanceWatermark(watermarks, hlc) {
    const { wallTime, counter, nodeId } = hlc;
    const stands = Object.hasOwn(watermarks, nodeId) ? watermarks[nodeId] : undefined;
    if (isLater(wallTime, counter, nodeId, stands?.wallTime, stands?.counter, stands?.nodeId)) {
      setOwn(watermarks, nodeId, hlc);
    }
  };
}

/** An app that compares a quiet round's result with the three fields of old finds them alone. */
function makeResult(applied, shipped, hasMore, held) {
  return Object.defineProperty({ applied, shipped, hasMore }, "held", {
    value: held,
    enumerable: held.length > 0,
    configurable: true,
    writable: true,
  });
}

/** Answered instead of a value: the promise is watched, or there was nothing to call. */
const WAITING = Object.freeze({ waiting: true });
const NOT_CALLABLE = Object.freeze({ callable: false });

/**
 * Calls of adapters. Where the answer is a promise, `settle(id, fulfilled, value)` is called when it
 * settles, from a reaction that was attached here, in the asynchronous context of the call.
 *
 * Promise and its `then` are taken as they were when the package was loaded.
 */
function createCaller(settle, lost) {
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
    return [(value) => settle(id, true, value), (reason) => settle(id, false, reason)];
  }

  function watch(id, promise) {
    apply(then, promise, (reactions[id] ??= react(id)));
    return WAITING;
  }

  /** From here on the wait lasts as long as its promise: one that nobody holds never settles. */
  function loosen(id) {
    if (reactions[id] === undefined) return;
    const mark = { id };
    loose.set(id, mark);
    collected.register(reactions[id][0], mark);
    reactions[id] = undefined;
  }

  function take(id, answer) {
    if (answer === null || (typeof answer !== "object" && typeof answer !== "function")) {
      return answer;
    }
    if (answer instanceof Promise) return watch(id, answer);
    return typeof answer.then === "function" ? watch(id, resolve(answer)) : answer;
  }

  return {
    callMethod(id, object, name, ...args) {
      const method = object?.[name];
      return typeof method === "function" ? take(id, apply(method, object, args)) : NOT_CALLABLE;
    },
    take,
    loosen,
    // What follows it never settles, and holds nothing.
    never: Object.freeze({ then() {} }),
    waiting: WAITING,
    notCallable: NOT_CALLABLE,
  };
}

exports.createAdvance = createAdvance;
exports.marshal = () => ({
  packHlcs: createPacker(),
  makeHlc,
  makeResult,
  entriesOf,
  setEntry,
  callEach,
  createCaller,
});
