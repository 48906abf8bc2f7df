"use strict";

const { load } = require("../where.js");

/** The diagnostics channels of rounds and reconciliations; none where the runtime has none. */
const channels = (() => {
  try {
    const { tracingChannel } = load("node:diagnostics_channel");
    const named = (what) => tracingChannel(`starkeep:sync.${what}`);
    return { exchange: named("exchange"), reconcile: named("reconcile") };
  } catch {
    return {};
  }
})();

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];

/** Does the work, and tells those of it that listen to its channel. */
exports.traced = function traced(what, work) {
  const channel = channels[what];
  if (channel === undefined || !EVENTS.some((name) => channel[name]?.hasSubscribers)) return work();
  return channel.tracePromise(work, { operation: what });
};
