"use strict";

const { setOwn } = require("../set-own.js");

/** Timestamps, made here in one call: to set their properties from the native side takes one for each. */
const stampOf = (wallTime, counter, nodeId) => ({ wallTime, counter, nodeId });

/** Puts a timestamp into a version vector. */
function setStamp(watermarks, node, wallTime, counter, nodeId) {
  setOwn(watermarks, node, stampOf(wallTime, counter, nodeId));
}

module.exports = { setStamp, stampOf };
