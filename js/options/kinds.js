"use strict";

/**
 * Kinds of options: each is given `must`, which throws where something does not hold, the option's name, its value,
 * and all options of the function; it answers the value for the native side. One that is not given is `undefined`.
 */

const { isTexts } = require("../authorize.js");
const { isPromise } = require("../describe.js");
const { isWellFormed } = require("../well-formed.js");

const isNullish = (value) => value === undefined || value === null;
const isObject = (value) =>
  (typeof value === "object" && value !== null) || typeof value === "function";
const isFrom = (least, value, most = Number.MAX_SAFE_INTEGER) =>
  Number.isSafeInteger(value) && value >= least && value <= most;

const optional = (what, fits, hides) => (must, option, value) => {
  if (isNullish(value)) return undefined;
  must(fits(value), option, what, value, hides);
  return value;
};

/** As `optional`, but that `null` says something. */
const orNull = (what, fits) => (must, option, value) =>
  value === null ? null : optional(`${what}, or null`, fits)(must, option, value);

const flag = optional("true or false", (value) => typeof value === "boolean");
const count = optional("a positive integer", (value) => value === Infinity || isFrom(1, value));
const tries = optional("an integer from 0", (value) => isFrom(0, value, 2 ** 32 - 1));
const isTime = (value) => typeof value === "number" && value > 0;
const time = optional("a positive number of milliseconds", isTime);
const timeOrNull = orNull("a positive number of milliseconds", isTime);
const skew = orNull(
  "a number of milliseconds from 0",
  (value) => typeof value === "number" && value >= 0,
);
const callback = optional("a function", (value) => typeof value === "function", true);
const text = optional(
  "a string",
  (value) => typeof value === "string" && isWellFormed(value),
  true,
);
const texts = optional("an array of strings", isTexts);
const any = (must, option, value) => value;

/** A text that must be given, and not be empty. */
const place = (what) => (must, option, value) => {
  text(must, option, value);
  must(!isNullish(value) && value !== "", option, what, value);
  return value;
};

/** An object that is called later. Whether it is there, and has what is called, is found out then. */
const calledLater = (must, option, value) => {
  const can = isNullish(value) || (isObject(value) && !isPromise(value));
  must(can, option, "an adapter", value, true);
  return value;
};

/** Whether the object has the function, as far as can be seen: a getter may throw now and not later. */
function mayCall(object, name) {
  try {
    return typeof object[name] === "function";
  } catch {
    return true;
  }
}

/** An object whose functions of these names every exchange calls: one that is missing is told at once. */
const called =
  (...names) =>
  (must, option, value) => {
    calledLater(must, option, value);
    must(!isNullish(value), option, "an adapter", value, true);
    for (const name of names)
      if (!mayCall(value, name)) must(false, `${option}.${name}`, "a function", value[name], true);
    return value;
  };

const ifGiven = (kind) => (must, option, value) =>
  isNullish(value) ? undefined : kind(must, option, value);

/** Of the functions that 0.1 does not have. */
const refusing = (known) => ({ known, refuses: true });
/** Of those that it has: a name is warned of once. */
const warning = (known) => ({ known, refuses: false });

module.exports = {
  any,
  callback,
  called,
  calledLater,
  count,
  flag,
  ifGiven,
  isFrom,
  isNullish,
  isObject,
  mayCall,
  optional,
  place,
  refusing,
  skew,
  text,
  texts,
  time,
  timeOrNull,
  tries,
  warning,
};
