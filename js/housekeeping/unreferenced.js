"use strict";

/** `findUnreferencedObjects()`: objects that nothing names any more. */

const { isStarkeepError } = require("../errors.js");
const { createNames } = require("./names.js");

const PLACE = "findUnreferencedObjects";

/** Seven days: longer than an upload whose record has not come yet should take. */
const GRACE_MS = 7 * 24 * 3_600_000;

/** How many keys are held at a time. */
const MOST_KEYS = 50_000;
/** How many are removed before the items are asked once more. */
const BATCH = 200;
/** How many calls of a storage are under way at a time. */
const AT_ONCE = 8;
/** The most objects, and the most keys otherwise, that the answer lists. */
const MOST_FOUND = 10_000;
const MOST_TOLD = 1000;

/** Windows of listed keys. Each comes once the page after it is read, so that no cursor is a key that was removed. */
async function* windowsOf(pages, most) {
  let keys = [];
  for await (const page of pages) {
    if (keys.length > 0 && keys.length + page.length > most) {
      yield keys;
      keys = [];
    }
    for (const key of page) keys.push(key);
  }
  if (keys.length > 0) yield keys;
}

function* slicesOf(items, most) {
  for (let at = 0; at < items.length; at += most) yield items.slice(at, at + most);
}

const add = (list, item, most) => {
  if (list.length < most) list.push(item);
};

/** One run. What it has come to is in `report`. */
function createRun(options, helpers, fault) {
  const { storage, graceMs = GRACE_MS, remove = false, prefix = "", signal, onFound } = options;
  const { now = Date.now, maxKeys = MOST_KEYS } = options;
  const at = now();
  if (!Number.isFinite(at)) throw helpers.mustBe(`${PLACE}(now)`, "a function of a number", at);
  const check = () => {
    if (signal?.aborted === true) throw signal.reason;
  };
  const names = createNames({ ...options, since: at - graceMs, check }, helpers, fault);
  const known = new Map(options.seen?.keys);
  const seen = [];
  const report = { checked: 0, referenced: 0, young: 0, ageUnknown: 0, kept: 0, found: 0 };
  Object.assign(report, { unreferenced: [], bytes: 0, removed: 0, failed: [], missing: [] });
  report.seen = { version: 1, keys: seen };
  /** What the last batch removed, and was not asked about since. */
  let gone = [];

  function fails(key, error) {
    const code = isStarkeepError(error) ? error.code : "APP_ERROR";
    const reason = typeof error?.message === "string" ? error.message : helpers.describe(error);
    add(report.failed, { key, code, reason }, MOST_TOLD);
  }

  /** An object whose age is not known is known by when it was seen first. */
  const remember = ({ key, since }) => {
    if (since !== undefined) seen.push([key, since]);
  };

  /** What is to be known of an object; nothing where it is gone. */
  async function look(key) {
    const found = { key, since: undefined };
    try {
      const stat = typeof storage.stat === "function" ? await storage.stat(key) : undefined;
      if (stat === null) return undefined;
      if (Number.isFinite(stat?.size)) found.sizeBytes = stat.size;
      if (Number.isFinite(stat?.modifiedMs)) found.modifiedMs = stat.modifiedMs;
    } catch (error) {
      fails(key, error);
      found.isBroken = true;
    }
    if (found.modifiedMs !== undefined) return found;
    const since = known.get(key);
    // Of a clock that was set back since nothing is known: it is seen for the first time.
    found.isSeen = since <= at && !found.isBroken;
    found.since = since <= at ? since : at;
    return found;
  }

  /** Whether an object that nothing names may go. */
  function isOld({ modifiedMs, since, isSeen }) {
    return modifiedMs === undefined ? isSeen && at - since >= graceMs : at - modifiedMs >= graceMs;
  }

  /** Those of the keys that may go; counts the others. */
  async function oldOf(keys) {
    const old = [];
    for (const slice of slicesOf(keys, AT_ONCE)) {
      check();
      for (const found of await Promise.all(slice.map(look))) {
        if (found === undefined) continue;
        report.checked += 1;
        if (isOld(found)) {
          old.push(found);
          continue;
        }
        report[found.modifiedMs === undefined ? "ageUnknown" : "young"] += 1;
        remember(found);
      }
    }
    return old;
  }

  const tellOf = ({ key, sizeBytes, modifiedMs }) => ({
    key,
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(modifiedMs !== undefined && { modifiedMs }),
  });

  /** Whether the app lets it go: a listener that throws has not, say, copied it. */
  async function isLeft(found) {
    check();
    try {
      if ((await onFound?.(tellOf(found))) !== false) return true;
    } catch (error) {
      fails(found.key, error);
    }
    report.kept += 1;
    remember(found);
    return false;
  }

  function count(found) {
    report.found += 1;
    add(report.unreferenced, tellOf(found), MOST_FOUND);
  }

  /** Whether it was put anew since it was looked at: its item may be on its way. */
  async function isNew({ key, modifiedMs }) {
    if (modifiedMs === undefined) return false;
    const again = await look(key);
    return again !== undefined && again.modifiedMs !== modifiedMs;
  }

  async function removeOne(found) {
    if (await isNew(found)) {
      report.young += 1;
      return;
    }
    count(found);
    try {
      await storage.delete(found.key);
    } catch (error) {
      fails(found.key, error);
      remember(found);
      return;
    }
    report.removed += 1;
    report.bytes += found.sizeBytes ?? 0;
    gone.push(found.key);
  }

  /** Names what an item came to name while it was removed, unless it was brought again since. */
  async function lookBack(unnamed) {
    for (const key of gone)
      if (!unnamed.has(key) && !(await storage.has(key))) add(report.missing, key, MOST_TOLD);
    gone = [];
  }

  /** Removes a batch: what an item that was written meanwhile names stays. */
  async function removeAll(batch) {
    const unnamed = await names.stillUnnamedOf([...batch.map(({ key }) => key), ...gone]);
    await lookBack(unnamed);
    const left = batch.filter(({ key }) => unnamed.has(key));
    report.referenced += batch.length - left.length;
    for (const slice of slicesOf(left, AT_ONCE)) {
      check();
      await Promise.all(slice.map(removeOne));
    }
  }

  /** Nothing is named by a store that was opened in the wrong place, and everything would go. */
  function refuseEmpty() {
    const empty = names.emptyOne();
    if (empty === undefined) return;
    const what = "holds nothing, not even a tombstone, so that nothing is removed";
    throw fault("INVALID_ARGUMENT", `${PLACE}(${empty})`, `${what}; leave it out if that is right`);
  }

  async function window(keys) {
    const unnamed = await names.unnamedOf(keys);
    report.referenced += keys.length - unnamed.length;
    report.checked += keys.length - unnamed.length;
    const old = await oldOf(unnamed);
    if (remove && old.length > 0) refuseEmpty();
    for (const batch of slicesOf(old, BATCH)) {
      const left = [];
      for (const found of batch) if (await isLeft(found)) left.push(found);
      if (remove) {
        await removeAll(left);
        continue;
      }
      for (const found of left) {
        count(found);
        report.bytes += found.sizeBytes ?? 0;
        remember(found);
      }
    }
  }

  return async function run() {
    check();
    for await (const keys of windowsOf(names.keysOf(storage, prefix, maxKeys), maxKeys))
      await window(keys);
    await lookBack(await names.stillUnnamedOf(gone));
    return report;
  };
}

/** The function, given options that were read. */
exports.createHousekeeping = (helpers, fault) => async (options) =>
  createRun(options, helpers, fault)();
