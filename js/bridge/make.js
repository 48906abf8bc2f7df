"use strict";

const { setOwn } = require("../set-own.js");
const { COUNT, ENTRY_STRIDE, FIRST } = require("./layout.js");

/** Timestamps and watermarks, from numbers to objects. */
function createWriters({ desk, names: { names } }) {
  const hlcAt = (at) => ({
    wallTime: desk[at],
    counter: desk[at + 1],
    nodeId: names[desk[at + 2]],
  });

  function makeWatermarks(into = {}) {
    const end = FIRST + desk[COUNT] * ENTRY_STRIDE;
    for (let at = FIRST; at < end; at += ENTRY_STRIDE) setOwn(into, names[desk[at]], hlcAt(at + 1));
    return into;
  }

  return { makeHlc: () => hlcAt(FIRST), makeWatermarks };
}

/** What a round ends with. */
function createResults(desk) {
  return {
    /** An app that compares a quiet round's result with the three fields of old finds them alone. */
    makeResult(held = []) {
      const result = {
        applied: desk[FIRST],
        shipped: desk[FIRST + 1],
        hasMore: desk[FIRST + 2] === 1,
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
