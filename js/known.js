"use strict";

/** The `state` of `createHLCClock`: stores behind whose timestamps a clock begins. */

const { isPromise } = require("./describe.js");
const { readerAtOnce } = require("./sqlite/state.js");

const WHAT = "a store of this package, a SyncStateStore that answers at once, or an array of such";

/** What the store knows: the store itself if it is this package's own, or `{ clock, watermarks }`. */
exports.knownTo = function knownTo(must, option, store) {
  must(typeof store === "object" && store !== null && !isPromise(store), option, WHAT, store, true);
  if (must.isStore(store)) return store;
  const ask = (name) => {
    const atOnce = readerAtOnce(store, name);
    if (atOnce !== undefined) return atOnce();
    const method = `get${name}`;
    const read = store[method];
    must(typeof read === "function", option, WHAT, store, true);
    const answer = Reflect.apply(read, store, []);
    if (!isPromise(answer)) return answer;
    throw must.invalid(
      `createHLCClock(${option})`,
      `cannot be waited for: its ${method} answers a promise; await it before, and pass what ` +
        "getHlcClockState answers as `initialState`",
    );
  };
  const clock = must.clockState(must, option, ask("HlcClockState"));
  return { clock, watermarks: [ask("Watermarks"), ask("PeerWatermarks")] };
};
