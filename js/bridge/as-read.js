"use strict";

const { setOwn } = require("../set-own.js");

/** Deeper than a record, its columns and their timestamps, values are taken as `JSON.stringify` takes them. */
const READ_DEPTH = 3;

/**
 * The value as an app reads it: of an object of a class also what the class's getters answer. Whatever has a
 * `toJSON` speaks for itself.
 */
function asRead(value, depth = READ_DEPTH) {
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value) || typeof value.toJSON === "function") return value;
  const base = Object.getPrototypeOf(value);
  const isPlain = base === null || Object.getPrototypeOf(base) === null;
  // Bytes, maps, boxed values and the like are written as `JSON.stringify` writes them.
  if (!isPlain && Object.prototype.toString.call(value) !== "[object Object]") return value;
  let read = isPlain ? undefined : readWithGetters(value, base);
  for (const name of Object.keys(value)) {
    const own = value[name];
    const asIs = asRead(own, depth - 1);
    if (asIs === own && read === undefined) continue;
    read ??= { ...value };
    setOwn(read, name, asIs);
  }
  return read ?? value;
}

function readWithGetters(value, base) {
  const read = {};
  for (let level = base; level !== null; level = Object.getPrototypeOf(level)) {
    if (Object.getPrototypeOf(level) === null) break;
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(level)))
      if (property.get !== undefined && !(name in read))
        setOwn(read, name, asRead(value[name], READ_DEPTH - 1));
  }
  return read;
}

exports.asRead = asRead;
