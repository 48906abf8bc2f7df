"use strict";

/**
 * Moves values across the bridge where doing it in JavaScript is several times cheaper than property by
 * property from the native side. Nothing is decided here.
 *
 * A call into the other side costs more than what most of them say. So numbers and short texts lie on a
 * shared, memory that both sides read and write; `layout.js` and `src/node/value/shared_buffer.rs` have the same
 * places. What is laid there is for the call that follows at once: no code of an app's runs in between.
 */

const { asRead } = require("./as-read.js");
const { createCaller, createEmit, emitApplied } = require("./calls.js");
const { COUNT, SHARED_LENGTH, LETTERS_LENGTH, PAGE_LENGTH } = require("./layout.js");
const { createResults, createWriters } = require("./make.js");
const { createNames } = require("./names.js");
const { createReconcile } = require("../reconcile.js");
const { createAnswers, createReaders } = require("./pack.js");

/** As it was when the package was loaded. */
const { stringify } = JSON;

/** `native` are the functions, the names of properties and the kept values of the native side. */
function createBridge(native) {
  const shared = new Float64Array(SHARED_LENGTH);
  const page = new Float64Array(PAGE_LENGTH);
  const letters = new Uint16Array(LETTERS_LENGTH);
  const names = createNames(shared);
  const writers = createWriters({ shared, names });
  return {
    shared,
    page,
    letters,
    nodeNames: names.names,
    numberOfName(name) {
      shared[COUNT] = names.indexOf(name);
    },
    createEmit,
    createReconcile,
    emitApplied,
    textOf: (value) => stringify(asRead(value)),
    ...createReaders({ ...native, shared, page, letters, names }),
    ...createAnswers(shared),
    ...createResults(shared),
    ...createCaller({ ...native, shared }, writers),
    ...writers,
  };
}

exports.createBridge = createBridge;
