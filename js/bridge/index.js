"use strict";

/** What the native side has done in JavaScript, because it is cheaper or plainer there. Nothing is decided here. */

const { addNew } = require("./adding.js");
const { asRead } = require("./as-read.js");
const { createWaits } = require("./calls.js");
const { abilitiesOf, aroundOf, heldOf, tablesOf } = require("./items.js");
const { answerHead, requestHead } = require("./messages.js");
const { pageOf } = require("./pages.js");
const { marksOf, stampsOf } = require("./stamps.js");

/** As they were when the package was loaded. */
const { parse, stringify } = JSON;

exports.bridge = {
  parse,
  textOf: (value) => stringify(asRead(value)),
  /** The JSON of options that are texts, numbers, flags or null: an adapter is not looked into. */
  dataOf(options) {
    const isData = ([, value]) => value === null || typeof value !== "object";
    return stringify(Object.fromEntries(Object.entries(options).filter(isData)));
  },
  stampsOf,
  /** A timestamp, made in one call: to set its properties from the native side takes one for each. */
  stampOf: (wallTime, counter, nodeId) => ({ wallTime, counter, nodeId }),
  abilitiesOf,
  addNew,
  aroundOf,
  pageOf,
  heldOf,
  answerHead,
  requestHead,
  tablesOf,
  marksOf,
  createWaits,
  /** The app's clock of the system, also where the app has replaced it. */
  now: () => Date.now(),
  /** What follows it never settles, and holds nothing. */
  never: Object.freeze({ then() {} }),
};
