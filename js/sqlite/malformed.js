"use strict";

/**
 * What stands in an app's database and is no item as it stands.
 *
 * A text that is no UTF-8 is read as one with U+FFFD in it, so a value that has one is looked at by its bytes.
 * What cannot be read is named with its column, and left as it is.
 */

const TIME = "a timestamp in text form (000000000000:0000:node)";
const TEXT = "a text that is not empty";
const UTF_8 = "a text in UTF-8";
const OPERATION = "read what is unseen";

/** How many characters, or bytes, of a value a message shows. */
const TOLD = 40;
const MAY_BE_BROKEN = "\uFFFD";

/** A value in words. */
function told(value) {
  if (ArrayBuffer.isView(value)) return `a BLOB of ${value.byteLength} bytes`;
  if (typeof value !== "string") return `${value}`;
  return value.length > TOLD ? `${JSON.stringify(value.slice(0, TOLD))}…` : JSON.stringify(value);
}

function toldBytes(bytes) {
  const hex = [...bytes.subarray(0, TOLD)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `the bytes ${hex.join(" ")}, which are no UTF-8`;
}

/** Which column of which row must be what, and what stands there. */
const reasonOf = (row, column, wanted, got) =>
  `the column ${column} of ${row} must be ${wanted}, got ${got}; mend it in the database`;

/** Whether a value that was read may be a text that is no UTF-8; its bytes say whether it is. */
const mayBeBroken = (value) => typeof value === "string" && value.includes(MAY_BE_BROKEN);
const isBroken = (value, bytes) =>
  mayBeBroken(value) && ArrayBuffer.isView(bytes) && !Buffer.from(value).equals(bytes);

/**
 * The object with a field that nothing can be read from but why: whatever would send it on, or store it, is
 * told so instead, and nothing is stored that is not what stands here.
 */
function unreadable(object, field, error) {
  return Object.defineProperty(object, field, {
    enumerable: true,
    configurable: true,
    get() {
      throw error;
    },
  });
}

module.exports = {
  TIME,
  TEXT,
  UTF_8,
  OPERATION,
  told,
  toldBytes,
  reasonOf,
  mayBeBroken,
  isBroken,
  unreadable,
};
