"use strict";

/** What the options of housekeeping must be, by the kinds of `js/options/kinds.js`. */

const SEEN = "what an earlier call answered as `seen`";

const isNullish = (value) => value === undefined || value === null;
const isObject = (value) => typeof value === "object" && value !== null;
const isSince = (pair) =>
  Array.isArray(pair) && typeof pair[0] === "string" && Number.isFinite(pair[1]);

/** One store, several of them, or `null` for none. */
const stores = (kind) => (must, option, value) => {
  if (isNullish(value)) return value;
  if (!Array.isArray(value)) return [kind(must, option, value)];
  must(value.length > 0, option, "a store, an array of stores, or null", value);
  return value.map((one, index) => kind(must, `${option}[${index}]`, one));
};

exports.housekeeping = function housekeeping({ called, rows, optional, flag, callback, ...more }) {
  const records = stores(called("query"));
  const scanned = stores((must, option, value) => {
    must(isObject(value), option, "{ namespaces, applier }", value, true);
    const source = rows(must, option, value);
    called("scanSince")(must, `${option}.applier`, source.applier);
    return source;
  });
  return {
    storage: called("list", "has", "delete"),
    records(must, option, value, { appRows }) {
      must(value !== undefined, option, "a DatabaseAdapter, an array of them, or null", value);
      if (value === null && isNullish(appRows))
        throw must.invalid(
          `findUnreferencedObjects(${option})`,
          "must be given unless `appRows` are: without both, no object would be named",
        );
      return records(must, option, value);
    },
    appRows(must, option, value, { remove }) {
      if (value === undefined && remove === true)
        throw must.invalid(
          `findUnreferencedObjects(${option})`,
          "must be given with `remove`; pass null if no row of an app names an object of the storage",
        );
      return scanned(must, option, value);
    },
    graceMs: optional(
      "a number of milliseconds from 0",
      (value) => typeof value === "number" && value >= 0,
    ),
    remove: flag,
    prefix: more.text,
    seen: optional(
      SEEN,
      (value) =>
        isObject(value) &&
        value.version === 1 &&
        Array.isArray(value.keys) &&
        value.keys.every(isSince),
      true,
    ),
    maxKeys: more.count,
    signal: more.signal,
    onFound: callback,
    now: callback,
  };
};
