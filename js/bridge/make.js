"use strict";

const { setOwn } = require("../set-own.js");
const { COUNT, ENTRY_STRIDE, FIRST } = require("./layout.js");

/** Timestamps and watermarks, from numbers to objects. */
function createWriters({ shared, names: { names } }) {
  const hlcAt = (at) => ({
    wallTime: shared[at],
    counter: shared[at + 1],
    nodeId: names[shared[at + 2]],
  });

  function makeWatermarks(into = {}) {
    const end = FIRST + shared[COUNT] * ENTRY_STRIDE;
    for (let at = FIRST; at < end; at += ENTRY_STRIDE)
      setOwn(into, names[shared[at]], hlcAt(at + 1));
    return into;
  }

  return { makeHlc: () => hlcAt(FIRST), makeWatermarks };
}

/** What a round ends with. */
function createResults(shared) {
  return {
    /** An app that compares a quiet round's result with the three fields of old finds them alone. */
    makeResult(held = []) {
      const result = {
        applied: shared[FIRST],
        shipped: shared[FIRST + 1],
        hasMore: shared[FIRST + 2] === 1,
      };
      return Object.defineProperty(result, "held", {
        value: held,
        enumerable: held.length > 0,
        configurable: true,
        writable: true,
      });
    },
  };
}

module.exports = { createResults, createWriters };
