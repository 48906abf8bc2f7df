"use strict";

const { asRead } = require("./as-read.js");
const { marksOf } = require("./stamps.js");

/** As it was when the package was loaded. */
const { stringify } = JSON;

const isNullish = (value) => value === undefined || value === null;

/** What is wrong with a field. */
const wrong = (name, what) => ({ wrong: `${name} must be ${what}` });

const json = (value) => stringify(asRead(value));

/** A number of items or of bytes; no limit is the greatest number. Which numbers are counts is decided where it is read. */
function count(value, name) {
  if (value === Infinity) return String(Number.MAX_SAFE_INTEGER);
  return Number.isFinite(value) ? String(value) : wrong(name, "a positive integer");
}

function flag(value, name) {
  return typeof value === "boolean" ? String(value) : wrong(name, "true or false");
}

function marks(value, name) {
  const written = marksOf(value);
  return typeof written === "string" ? written : { wrong: `${name}: ${written[0]}` };
}

/** What only explains: where it cannot be written, it is passed over. */
function words(list) {
  try {
    return Array.isArray(list) ? json(list) : undefined;
  } catch {
    return undefined;
  }
}

/** That there are items, which are not written. */
function items(list, name) {
  return Array.isArray(list) ? "[]" : wrong(name, "an array");
}

/** How each field is written. */
const ITEMS = [
  ["records", items],
  ["appSyncableRows", items],
];
const REQUEST = [
  ...ITEMS,
  ["watermarks", marks],
  ["shippedAfter", marks],
  ["limit", count],
  ["maxAnswerBytes", count],
  ["log", json],
];
const ANSWER = [
  ...ITEMS,
  ["hasMore", flag],
  ["responderWatermarks", marks],
  ["refused", words],
  ["withheld", words],
  ["log", json],
];

/** All that a message says besides its items, as JSON, then its records and its app rows; or a text of what is wrong. */
function headOf(message, fields) {
  const [written, values] = [[], []];
  for (const [name, write] of fields) {
    const value = message[name];
    values.push(value);
    const text = isNullish(value) ? undefined : write(value, name);
    if (text?.wrong !== undefined) return text.wrong;
    if (text !== undefined) written.push(`"${name}":${text}`);
  }
  return [`{${written.join(",")}}`, values[0], values[1]];
}

exports.requestHead = (request) => headOf(request, REQUEST);
exports.answerHead = (answer) => headOf(answer, ANSWER);
