"use strict";

const { setOwn } = require("./set-own.js");

const TIMESTAMP = "a timestamp { wallTime, counter, nodeId }";
const WATERMARKS = "an object of timestamps by nodeId";

const ZERO_HLC = Object.freeze({ wallTime: 0, counter: 0, nodeId: "" });

const isObject = (value) => typeof value === "object" && value !== null;

/**
 * The helpers on watermarks, around the comparison, which is the native side's: `isLater` is given the parts of two
 * timestamps, and answers null where the first is none; `selectUnseen` and `newestOf` answer the indexes of items, or the
 * index of one without a timestamp.
 */
exports.createWatermarks = function createWatermarks({
  isLater,
  selectUnseen,
  newestOf,
  mustBe,
  describe,
}) {
  const isLaterThan = ({ wallTime, counter, nodeId }, stands) =>
    isLater(wallTime, counter, nodeId, stands?.wallTime, stands?.counter, stands?.nodeId);

  function needMap(place, map) {
    if (!isObject(map)) throw mustBe(place, WATERMARKS, map, true);
  }

  /** What was found, unless that is the index of an item of `argument` without a timestamp. */
  function unlessFaulty(found, argument, items, field) {
    if (typeof found !== "number") return found;
    const item = items[found];
    if (!isObject(item)) throw mustBe(`${argument}[${found}])`, "an object", item, true);
    throw mustBe(`${argument}[${found}].${field})`, TIMESTAMP, item[field]);
  }

  /** Per node the newest timestamp that the items have under `field`. */
  const compute = (argument, what, field) =>
    function compute(items) {
      if (typeof items?.[Symbol.iterator] !== "function")
        throw mustBe(`${argument})`, `an iterable of ${what}`, items);
      const all = [...items];
      const newest = {};
      for (const index of unlessFaulty(newestOf(all, field), argument, all, field))
        setOwn(newest, all[index][field].nodeId, all[index][field]);
      return newest;
    };

  return {
    ZERO_HLC,
    advanceWatermark(watermarks, hlc) {
      const { wallTime, counter, nodeId } = hlc;
      const stands = Object.hasOwn(watermarks, nodeId) ? watermarks[nodeId] : undefined;
      const later = isLaterThan({ wallTime, counter, nodeId }, stands);
      if (later === null) {
        const [wall, count, node] = [wallTime, counter, nodeId].map((part) => describe(part));
        const got = `{ wallTime: ${wall}, counter: ${count}, nodeId: ${node} }`;
        throw mustBe.got("advanceWatermark(hlc)", TIMESTAMP, got);
      }
      if (later) setOwn(watermarks, nodeId, hlc);
    },
    mergeWatermarks(into, incoming) {
      const merged = {};
      for (const [argument, map] of Object.entries({ into, incoming })) {
        needMap(`mergeWatermarks(${argument})`, map);
        for (const [node, stamp] of Object.entries(map)) {
          const stands = Object.hasOwn(merged, node) ? merged[node] : undefined;
          if (isLaterThan(stamp ?? {}, stands)) setOwn(merged, node, stamp);
        }
      }
      return merged;
    },
    watermarkFor(watermarks, nodeId) {
      needMap("watermarkFor(watermarks)", watermarks);
      return (Object.hasOwn(watermarks, nodeId) ? watermarks[nodeId] : undefined) ?? ZERO_HLC;
    },
    selectUnseen(records, watermarks) {
      const argument = "selectUnseen(records";
      if (!Array.isArray(records))
        throw mustBe(`${argument})`, "an array of records", records, true);
      const unseen = selectUnseen(records, watermarks);
      return unlessFaulty(unseen, argument, records, "updatedAt").map((index) => records[index]);
    },
    computeRecordWatermarks: compute("computeRecordWatermarks(records", "records", "updatedAt"),
    computeAppSyncableWatermarks: compute(
      "computeAppSyncableWatermarks(rows",
      "app rows",
      "timestamp",
    ),
  };
};
