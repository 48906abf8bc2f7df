"use strict";

const { isWellFormed } = require("./well-formed.js");

const isHost = (value) => typeof value === "string" && isWellFormed(value);
const isPort = (value) => Number.isInteger(value) && value >= 0 && value <= 65535;

/** `createHttpSyncServer` around the native half, which takes a place to listen at that was read. */
exports.createServerFactory = (createNative, { mustBe }) =>
  function createHttpSyncServer(options) {
    const { listen, ...server } = createNative(options);
    return {
      async listen(port, host) {
        const [at, on] = [port ?? 0, host ?? "127.0.0.1"];
        if (!isHost(on)) throw mustBe("listen(host)", "a string", host);
        if (!isPort(at)) throw mustBe("listen(port)", "an integer from 0 to 65535", port);
        return listen(at, on);
      },
      ...server,
    };
  };
