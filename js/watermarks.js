"use strict";

const { setOwn } = require("./set-own.js");

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

/**
 * `computeRecordWatermarks` and `computeAppSyncableWatermarks` around the comparison, which is the native
 * side's: `newestOf(array)` answers an object of the timestamps that the items have.
 */
const createCompute = (newestOf, notIterable) =>
  function compute(items) {
    if (typeof items?.[Symbol.iterator] !== "function") throw notIterable(items);
    return newestOf([...items]);
  };

module.exports = { createAdvance, createCompute };
