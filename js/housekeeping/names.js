"use strict";

/** Which objects the records and app rows name. */

const { isWellFormed } = require("../well-formed.js");
const { FILES, createPages } = require("./pages.js");

const isNullish = (value) => value === undefined || value === null;

/**
 * A key as it is compared: some file systems take keys that differ in capitals, or in how an accent is written, for one
 * and the same, and then the name that an object is listed under is not the name that its item has.
 */
const folded = (key) => key.normalize("NFC").toLowerCase();

/**
 * The stores of a run as what names objects. `since` is when a tombstone is too old to keep its object; `nativeOf` tells
 * a store of this package, whose filters are known to be right.
 */
exports.createNames = function createNames({ records, appRows, since, check }, helpers, fault) {
  const { nativeOf } = helpers;
  const pages = createPages(helpers, fault, check);
  const isRecent = (stamp) => {
    const wall = stamp?.wallTime;
    return typeof wall !== "number" || wall > since;
  };

  function textOf(key, of) {
    if (typeof key === "string" || isNullish(key)) return key ?? "";
    const what = `${of()} names its object by what is no text; mend it first`;
    throw pages.malformed("findUnreferencedObjects", what);
  }

  /** The key that the record keeps, or an empty one. A tombstone keeps its own for a while. */
  function keyOfRecord(record) {
    const { deletedAt, updatedAt } = record;
    const isKept = isNullish(deletedAt) || isRecent(deletedAt) || isRecent(updatedAt);
    if (!isKept) return "";
    return textOf(record.objectStorageKey, () => `the record ${JSON.stringify(record.id)}`);
  }

  /** The same of an app's row, of whichever table: another than that of files may name objects too. */
  function keyOfRow(entry) {
    if (entry.op === "delete" && !isRecent(entry.timestamp)) return "";
    const key = entry.row?.object_storage_key;
    if (entry.table !== FILES) return typeof key === "string" ? key : "";
    return textOf(key, () => `a file record of ${JSON.stringify(entry.appId)}`);
  }

  const sources = [
    ...(records ?? []).map((adapter) => ({
      what: "records",
      isExact: nativeOf(adapter) !== undefined,
      pages: (filters) => pages.recordsOf(adapter, filters),
      keyOf: keyOfRecord,
      holds: false,
    })),
    ...(appRows ?? []).map((source) => ({
      what: "appRows",
      isExact: false,
      pages: () => pages.rowsOf(source),
      keyOf: keyOfRow,
      holds: false,
    })),
  ];

  /** Takes out of `open`, a map of anything by folded key, what is named. Stops once there is nothing left in it. */
  async function strike(open, keys) {
    const isText = keys?.every(isWellFormed);
    for (const source of sources) {
      const filters =
        source.isExact && isText
          ? [{ field: "objectStorageKey", operator: "in", value: keys }]
          : undefined;
      for await (const items of source.pages(filters)) {
        source.holds ||= items.length > 0;
        for (const item of items) open.delete(folded(source.keyOf(item)));
        if (open.size === 0) return;
      }
    }
  }

  const byName = (keys) => {
    const open = new Map();
    for (const key of keys) {
      const name = folded(key);
      if (!open.has(name)) open.set(name, [key]);
      else open.get(name).push(key);
    }
    return open;
  };

  return {
    keysOf: pages.keysOf,

    /** Those of the keys that nothing names, by a pass over all records and rows. */
    async unnamedOf(keys) {
      const open = byName(keys);
      await strike(open);
      return [...open.values()].flat();
    },

    /** The same for a few keys, asked once more: of a store that finds records by key, only for those. */
    async stillUnnamedOf(keys) {
      if (keys.length === 0) return new Set();
      const open = byName(keys);
      await strike(open, keys);
      return new Set([...open.values()].flat());
    },

    /** A store that holds nothing at all, not even a tombstone, by what it is called. */
    emptyOne: () => sources.find(({ holds }) => !holds)?.what,
  };
};
