"use strict";

/** The oldest major version of Node.js that the package runs on. */
const OLDEST_NODE = 20;

/** Throws where this Node.js is older than that. Node.js 16 must be able to read this file. */
function checkNode() {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= OLDEST_NODE) return;
  const error = new Error(
    `@starkeep/sync-engine needs Node.js ${OLDEST_NODE} or newer, this is ${node}.`,
  );
  error.code = "UNSUPPORTED_NODE";
  throw error;
}

module.exports = { OLDEST_NODE, checkNode };
