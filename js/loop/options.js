"use strict";

/**
 * The options of `createSyncLoop`, by the kinds of `js/options/kinds.js`. They may be left out, and their defaults are
 * where they are used.
 */
exports.loopOptions = ({ optional, flag, callback, timeOrNull }) => {
  const BACKOFF = "createSyncLoop(backoff)";
  const CLOCK = ["now", "setTimeout", "clearTimeout"];
  const isTime = (value) => Number.isFinite(value) && value > 0;
  const finite = optional("a positive number of milliseconds", isTime);
  const isObject = (value) => typeof value === "object" && value !== null;

  const backoff = {
    firstMs: finite,
    mostMs: (must, option, value, { firstMs }) => {
      finite(must, option, value);
      const fits = !isTime(value) || !isTime(firstMs) || value >= firstMs;
      must(fits, option, "a number of milliseconds from `firstMs`", value);
      return value ?? undefined;
    },
    factor: optional("a number from 1", (value) => Number.isFinite(value) && value >= 1),
    jitter: optional("a number from 0 to 1", (value) => value >= 0 && value <= 1),
  };

  const loop = {
    intervalMs: timeOrNull,
    debounceMs: optional(
      "a number of milliseconds from 0",
      (value) => Number.isFinite(value) && value >= 0,
    ),
    backoff: (must, option, value) =>
      value === undefined || value === null ? undefined : must.read(BACKOFF, value),
    onError: callback,
    onEvent: callback,
    changes: (must, option, value) => {
      const one = value === undefined || value === null ? [] : [value];
      const all = Array.isArray(value) ? value : one;
      for (const each of all)
        must(
          isObject(each) && typeof each.subscribe === "function",
          option,
          "a ChangeNotifier, or an array of such",
          each,
          true,
        );
      return all;
    },
    events: optional(
      "an AsyncIterable, or a function that answers one",
      (value) => typeof value === "function" || typeof value[Symbol.asyncIterator] === "function",
      true,
    ),
    clock: (must, option, value) => {
      if (value === undefined || value === null) return undefined;
      must(isObject(value), option, "{ now, setTimeout, clearTimeout }", value, true);
      for (const name of CLOCK) {
        const is = typeof value[name] === "function";
        must(is, `${option}.${name}`, "a function", value[name], true);
      }
      callback(must, `${option}.random`, value.random);
      return value;
    },
    autoStart: flag,
    unref: flag,
  };

  return { loop, backoff: [BACKOFF, backoff], ending: { abort: flag } };
};
