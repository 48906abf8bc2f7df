"use strict";

const { load } = require("../where.js");

/** The diagnostics channels of rounds, reconciliations and objects on their way; none where the runtime has none. */
const channels = (() => {
  try {
    const { tracingChannel } = load("node:diagnostics_channel");
    const named = (what) => tracingChannel(`starkeep:sync.${what}`);
    return {
      exchange: named("exchange"),
      reconcile: named("reconcile"),
      transfer: named("transfer"),
    };
  } catch {
    return {};
  }
})();

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];

const isHeard = (channel) =>
  channel !== undefined && EVENTS.some((name) => channel[name]?.hasSubscribers);

/**
 * Tells of the objects of one round or reconciliation, whose context is `parent`: each has a context of its own, which
 * all of its events have in common, as those of `tracePromise` do.
 */
function createTransfers(parent) {
  const { start, end, asyncStart, asyncEnd, error } = channels.transfer;
  const open = new Map();

  function begin(transfer, { key, direction }) {
    const context = { operation: "transfer", key, direction, parent };
    open.set(transfer, context);
    start.runStores(context, () => end.publish(context));
  }

  function settle(context, outcome) {
    Object.assign(context, outcome);
    if (Object.hasOwn(context, "error")) error.publish(context);
    asyncStart.publish(context);
    asyncEnd.publish(context);
  }

  return {
    /** Hears of an object from the native half: once when it sets out, once when that is over. */
    hear({ transfer, ...told }) {
      const context = open.get(transfer);
      if (context === undefined) return begin(transfer, told);
      open.delete(transfer);
      settle(context, told);
    },
    /** The objects that are still on their way go no further, for this reason. */
    breakOff(reason) {
      for (const context of open.values()) settle(context, { error: reason });
      open.clear();
    },
  };
}

/**
 * Does the work, and tells of it on its channel, with `about` in its context. The work is given what hears of objects on
 * their way, if anything listens to them.
 */
exports.traced = function traced(what, about, work) {
  const context = { operation: what, ...about };
  const transfers = isHeard(channels.transfer) ? createTransfers(context) : undefined;
  if (!isHeard(channels[what])) return work(transfers);
  return channels[what].tracePromise(() => work(transfers), context);
};
