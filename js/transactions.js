"use strict";

const { load } = require("./where.js");

/**
 * Which transactions the code that runs now was begun in. Their callbacks run in an asynchronous context that
 * knows their numbers. There is one only while a transaction is open: on older Node.js it makes every promise
 * a little slower.
 */
function createTransactions() {
  let storage;
  const open = new Set();
  const inside = () => storage?.getStore();

  return {
    runInTransaction(number, callback, transaction) {
      storage ??= new (load("node:async_hooks").AsyncLocalStorage)();
      open.add(number);
      return storage.run([...(inside() ?? []), number], callback, transaction);
    },
    endTransaction(number) {
      if (open.delete(number) && open.size === 0) storage.disable();
    },
    /** In that one, or in any where none is named. */
    isInTransaction(number) {
      const numbers = inside();
      return numbers !== undefined && (number === undefined || numbers.includes(number));
    },
  };
}

/**
 * Calls functions in the asynchronous context that holds now: what a call within a transaction gives rise to later is no
 * part of the transaction.
 */
function createApart() {
  const { AsyncResource } = load("node:async_hooks");
  const now = new AsyncResource("StarkeepSyncLoop");
  return (work) => now.runInAsyncScope(work);
}

module.exports = { createApart, createTransactions };
