"use strict";

const { exportsWith } = require("./js/entry.js");

function peer() {
  try {
    return require("@starkeep/protocol-primitives");
  } catch {
    // Not installed, or only as ESM: the package has an equal error class of its own.
    return undefined;
  }
}

module.exports = exportsWith(peer());
