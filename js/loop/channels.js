"use strict";

const { setOwn } = require("../set-own.js");
const { createChannel } = require("./channel.js");

/** The channels of a loop by name. `gateNow` answers what the loop allows them. */
exports.createChannels = function createChannels({ checkEngine, checkName }, fault, loop, gateNow) {
  /** One that is removed stays until its last round has ended. */
  const channels = new Map();
  const leaving = new Set();

  const present = () => [...channels].filter(([name]) => !leaving.has(name));
  const refuse = (place, what) => fault("INVALID_ARGUMENT", place, what);
  const shown = (name) => JSON.stringify(name);

  function mustKnow(place, name) {
    checkName(place, name);
    if (channels.has(name) && !leaving.has(name)) return channels.get(name);
    const names = present().map(([known]) => shown(known));
    const known = names.length === 0 ? "the loop has none" : `there is ${names.join(", ")}`;
    throw refuse(place, `no channel ${shown(name)}: ${known}`);
  }

  function join(name, engine) {
    const channel = createChannel(name, engine, loop);
    channels.set(name, channel);
    if (gateNow() === "on") channel.open();
    else if (gateNow() === "paused") channel.pause();
  }

  const each = (work) => present().map(([, channel]) => work(channel));

  return {
    each,
    join,
    add(name, engine) {
      checkName("loop.add(channel)", name);
      checkEngine("loop.add", "engine", engine);
      if (!channels.has(name)) return join(name, engine);
      const what = leaving.has(name)
        ? "its last round has not ended; await remove() before"
        : "remove it before, or choose another name";
      throw refuse("loop.add(channel)", `there is a channel ${shown(name)} already: ${what}`);
    },
    async remove(name, abort) {
      const channel = leaving.has(name)
        ? channels.get(name)
        : mustKnow("loop.remove(channel)", name);
      leaving.add(name);
      await channel.end(abort);
      leaving.delete(name);
      channels.delete(name);
    },
    /** `method` of the channel of this name, or of all where none is given. */
    call(method, name) {
      if (name === undefined) each((channel) => channel[method]());
      else mustKnow(`loop.${method}(channel)`, name)[method]();
    },
    /** The same, of a name that something else than a call says: of all if no channel has it. */
    tell(method, name) {
      const isKnown = typeof name === "string" && channels.has(name) && !leaving.has(name);
      if (isKnown) channels.get(name)[method]();
      else each((channel) => channel[method]());
    },
    /** Those that are removed, too. */
    endAll: (abort) => Promise.all([...channels.values()].map((channel) => channel.end(abort))),
    status() {
      const all = {};
      for (const [name, channel] of channels) setOwn(all, name, channel.status());
      return all;
    },
  };
};
