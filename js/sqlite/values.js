"use strict";

/** Between SQL and JavaScript: names, and values of columns. */

/** A name within SQL. SQLite ends a statement at a NUL, so no name has one. */
exports.quote = (name) => `"${name.replaceAll('"', '""')}"`;

/** What an unknown column takes for a value of JSON: numbers that are whole as such. */
exports.toColumn = function toColumn(value) {
  switch (typeof value) {
    case "string":
    case "bigint":
      return value;
    case "number":
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case "boolean":
      return value ? 1n : 0n;
    case "object":
      if (value === null || ArrayBuffer.isView(value)) return value;
      return JSON.stringify(value);
    default:
      return null;
  }
};

const BYTES = "$bytes";
const INTEGER = "$integer";
const REAL = "$real";

/**
 * A column's value for the wire, which is JSON: bytes as `{ $bytes: base64 }`, an integer that no number
 * holds exactly as `{ $integer: digits }`, an infinity as `{ $real: "Infinity" }`.
 */
exports.toWire = function toWire(value) {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : { [INTEGER]: `${value}` };
  }
  if (typeof value === "number" && !Number.isFinite(value)) return { [REAL]: `${value}` };
  if (!ArrayBuffer.isView(value)) return value;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { [BYTES]: bytes.toString("base64") };
};

/** The reverse of `toWire`. */
exports.fromWire = function fromWire(value) {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    const [name, ...more] = Object.keys(value);
    const text = more.length === 0 ? value[name] : undefined;
    if (typeof text === "string") {
      if (name === BYTES) return Uint8Array.from(Buffer.from(text, "base64"));
      if (name === INTEGER && /^-?\d{1,19}$/.test(text)) return BigInt(text);
      if (name === REAL && /^-?Infinity$/.test(text)) return Number(text);
    }
  }
  return exports.toColumn(value);
};
