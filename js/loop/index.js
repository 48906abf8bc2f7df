"use strict";

/**
 * `createSyncLoop`: when to exchange. What runs here is the language's and of every runtime (timers, AbortController),
 * and all else is handed in.
 */

const { createChannels } = require("./channels.js");
const { createEngines } = require("./engines.js");
const { createNews } = require("./news.js");
const { SYSTEM, createBackoff, createTimers } = require("./timers.js");

/** Changes that a round is made for: something to send, and something to fetch. */
const CHANGES = new Set(["local-change-recorded", "remote-update-available"]);
const isChange = (event) => CHANGES.has(event?.eventType);

/** What channels and the stream of news have in common. */
function commonOf(options, { warn, emit, apart, mustBe }) {
  const { clock = SYSTEM, onError, backoff } = options;
  const { intervalMs = 30_000, debounceMs = 300 } = options;
  const now = () => clock.now();
  const after = createTimers(clock, options.unref);
  /** Without `onError` the first failure of a streak is told on the console. */
  function ask(error, at) {
    if (onError !== undefined) return onError(error, at);
    const what =
      at.channel === null ? "the stream of news" : `a round of ${JSON.stringify(at.channel)}`;
    if (at.attempt === 1) warn(`${what} failed, and there is no \`onError\` to hear of it`, error);
    return undefined;
  }
  const threw = (error) => warn("onError of a sync loop threw; the backoff is kept to", error);
  const delayOf = createBackoff(backoff, () => clock.random?.() ?? Math.random());
  const streak = { after, now, delayOf, ask, threw };
  return { after, now, emit, apart, mustBe, intervalMs, debounceMs, isChange, streak };
}

/** The state of all: what the loop is told to be, else the busiest of its channels; one is idle until its first round. */
function overall(gate, states) {
  if (gate !== "on") return gate;
  return ["running", "backoff", "idle"].find((state) => states.includes(state)) ?? "waiting";
}

/**
 * `read` reads options, `createNotifier` makes what tells listeners, and `createApart` what calls a function outside of
 * the asynchronous context that it is called in.
 */
exports.createLoops = ({ mustBe, warn, createNotifier, createApart, read }, fault) => {
  const reading = createEngines({ mustBe });

  return function createSyncLoop(engines, given) {
    const options = read("createSyncLoop", given === undefined ? {} : given);
    const first = reading.channelsOf(engines);
    const { emit, subscribe } = createNotifier();
    if (options.onEvent !== undefined) subscribe(options.onEvent);
    const common = commonOf(options, { warn, emit, apart: createApart(), mustBe });
    let gate = "idle";
    const channels = createChannels(reading, fault, common, () => gate);
    const { events } = options;
    const heard = (item) => channels.tell("nudge", item?.channel);
    const news = events === undefined ? undefined : createNews(events, common, heard);
    const unsubscribes = options.changes.map((changes) =>
      changes.subscribe((event) => {
        if (isChange(event)) channels.tell("changed", event.originAppId);
      }),
    );

    function mustRun(operation) {
      if (gate !== "stopped") return;
      throw fault("LOOP_STOPPED", operation, "the loop was stopped; make a new one");
    }

    function open(operation) {
      mustRun(operation);
      gate = "on";
      channels.each((channel) => channel.open());
      news?.open();
    }

    async function stop(how = {}) {
      const { abort } = read("stop", how);
      if (gate !== "stopped") {
        gate = "stopped";
        news?.end();
        for (const unsubscribe of unsubscribes)
          if (typeof unsubscribe === "function") unsubscribe();
      }
      await channels.endAll(abort);
    }

    for (const [name, engine] of first) channels.join(name, engine);
    if (options.autoStart !== false) open("createSyncLoop");

    return {
      start: () => open("loop.start"),
      resume: () => open("loop.resume"),
      async pause() {
        mustRun("loop.pause");
        gate = "paused";
        news?.pause();
        await Promise.all(channels.each((channel) => channel.pause()));
      },
      stop,
      nudge(name) {
        mustRun("loop.nudge");
        channels.call("nudge", name);
      },
      kick(name) {
        mustRun("loop.kick");
        channels.call("kick", name);
        if (name === undefined) news?.kick();
      },
      add(name, engine) {
        mustRun("loop.add");
        channels.add(name, engine);
      },
      async remove(name, how = {}) {
        mustRun("loop.remove");
        const { abort } = read("remove", how);
        await channels.remove(name, abort);
      },
      status() {
        const all = channels.status();
        const states = Object.values(all).map(({ state }) => state);
        return { state: overall(gate, states), channels: all };
      },
      subscribe(listener) {
        mustRun("loop.subscribe");
        return subscribe(listener);
      },
    };
  };
};
