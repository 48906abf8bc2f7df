"use strict";

const { isWellFormed } = require("./well-formed.js");

const isHost = (value) => typeof value === "string" && isWellFormed(value);
const isPort = (value) => Number.isInteger(value) && value >= 0 && value <= 65535;

/**
 * The options of the native half, whose channels tell `emit` what came in. A server without `channels` is one channel
 * at the root.
 */
function hearing(options, emit) {
  const heard = (channel) => (arrived) => emit({ channel, ...arrived });
  if (options.channels === undefined) return { ...options, heard: heard("/") };
  const channels = options.channels.map(([prefix, channel]) => [
    prefix,
    { ...channel, heard: heard(prefix || "/") },
  ]);
  return { ...options, channels };
}

/**
 * `createHttpSyncServer` around the native half, which takes a place to listen at that was read. `createNotifier` makes
 * what tells listeners.
 */
exports.createServerFactory = (createNative, { mustBe, createNotifier }) =>
  function createHttpSyncServer(options) {
    const notifier = createNotifier();
    const { listen, ...server } = createNative(hearing(options, notifier.emit));
    return {
      async listen(port, host) {
        const [at, on] = [port ?? 0, host ?? "127.0.0.1"];
        if (!isHost(on)) throw mustBe("listen(host)", "a string", host);
        if (!isPort(at)) throw mustBe("listen(port)", "an integer from 0 to 65535", port);
        await listen(at, on);
        return server.address();
      },
      onExchange: notifier.subscribe,
      ...server,
    };
  };
