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
 * `pack(items, field)` answers `[numbers, names]`: the timestamps under `field`, `NaN` where an item has
 * none. Indexes into `names` hold until the generation changes.
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
      const stamp = items[i]?.[field];
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

/** An app that compares a quiet round's result with the three fields of old finds them alone. */
function makeResult(applied, shipped, hasMore, held) {
  return Object.defineProperty({ applied, shipped, hasMore }, "held", {
    value: held,
    enumerable: held.length > 0,
    configurable: true,
    writable: true,
  });
}

exports.marshal = () => ({ packHlcs: createPacker(), makeHlc, makeResult });
