"use strict";

const isObject = (value) =>
  (typeof value === "object" && value !== null) || typeof value === "function";

const ENGINE = "an engine, which has a function `exchange`";
const ENGINES = "an engine, or engines by channel (an object, a Map or an array)";

/** The name of the channel of an engine that is given by itself. */
const ALONE = "default";

/** Whether names are looked for in it: what is of a class, and has nothing in it, is an engine that lacks something. */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype.constructor?.name === "Object";
}

/** Reads what engines are given. */
exports.createEngines = ({ mustBe }) => {
  function checkEngine(operation, argument, engine) {
    if (!isObject(engine) || typeof engine.exchange !== "function")
      throw mustBe(`${operation}(${argument})`, ENGINE, engine, true);
    const { changeNotifier } = engine;
    if (changeNotifier === undefined || changeNotifier === null) return;
    const place = `${operation}(${argument}.changeNotifier)`;
    if (typeof changeNotifier.subscribe !== "function")
      throw mustBe(place, "a ChangeNotifier", changeNotifier, true);
  }

  function checkName(place, name) {
    if (typeof name !== "string" || name === "")
      throw mustBe(place, "the name of a channel, a string that is not empty", name);
  }

  /** Pairs of a channel's name and its engine. */
  function channelsOf(engines) {
    const place = "createSyncLoop(engines)";
    if (isObject(engines) && typeof engines.exchange === "function") return [[ALONE, engines]];
    if (!isObject(engines) || typeof engines.then === "function")
      throw mustBe(place, ENGINES, engines, true);
    if (Array.isArray(engines)) return engines.map((engine, index) => [`${index}`, engine]);
    if (engines[Symbol.toStringTag] === "Map") return [...engines];
    if (!isPlain(engines)) throw mustBe(place, ENGINES, engines, true);
    return Object.entries(engines);
  }

  return {
    checkEngine,
    checkName,
    channelsOf(engines) {
      const channels = channelsOf(engines);
      for (const [name, engine] of channels) {
        checkName("createSyncLoop(engines)", name);
        const argument = engine === engines ? "engines" : `engines[${JSON.stringify(name)}]`;
        checkEngine("createSyncLoop", argument, engine);
      }
      return channels;
    },
  };
};
