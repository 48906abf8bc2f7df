"use strict";

/** `password` of the stores in PostgreSQL: a string, or a function that is asked with each new connection. */

const { isWellFormed } = require("./well-formed.js");
const { load } = require("./where.js");

const isPassword = (value) => typeof value === "string" && value !== "" && isWellFormed(value);

/** Stores that are given one function share their connections: it is known by this. */
const known = new WeakMap();

exports.password = function password(must, option, value, options) {
  if (value === undefined || value === null) return undefined;
  const read = (given) => {
    must(isPassword(given), option, "a string, or a function that answers one", given, true);
    return given;
  };
  if (typeof value !== "function") return read(value);
  if (!known.has(value)) known.set(value, load("node:crypto").randomUUID());
  const ask = async () => read(await Reflect.apply(value, options, []));
  return Object.assign(ask, { known: known.get(value) });
};
