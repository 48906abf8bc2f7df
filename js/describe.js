"use strict";

const { load } = require("./where.js");

/** Longer strings are not shown whole. */
const SHOWN = 40;

/** What kind of value it is. Runs no code of the app's. */
function describeKind(value) {
  if (value === undefined || value === null || typeof value === "boolean") return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  if (isPromise(value)) return "a Promise";
  return Array.isArray(value) ? "an array" : "an object";
}

/**
 * What a value is, in a few words, for the messages of errors: the value, if it is short, or what kind of value it is.
 * One that `hides` may be a secret, such as a header.
 */
function describe(value, hides) {
  if (hides) return describeKind(value);
  if (typeof value === "number") return String(value).replace("e+", "e");
  if (typeof value === "string" && value.length <= SHOWN) return JSON.stringify(value);
  return describeKind(value);
}

/** Whether the value is a promise of the language, of whichever global object. */
function isPromise(value) {
  return load("node:util").types.isPromise(value);
}

/** The error of an argument that is not `what` it must be. */
function createMustBe(fault) {
  const got = (place, what, words) =>
    fault("INVALID_ARGUMENT", place, `must be ${what}, got ${words}`);
  const mustBe = (place, what, value, hides) =>
    got(place, what, `${describe(value, hides)}${isPromise(value) ? ": await it first" : ""}`);
  return Object.assign(mustBe, { got });
}

module.exports = { createMustBe, describe, isPromise };
