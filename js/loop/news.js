"use strict";

const { createStreak } = require("./streak.js");

/** Lets go of what is read. What is read last may never come, so nothing is waited for. */
function letGo(iterator) {
  try {
    Promise.resolve(iterator?.return?.()).catch(() => {});
  } catch {
    // It was given up already.
  }
}

/**
 * Reads news of the server, and hands each to `heard`. A function is called again when its stream ends or fails; another
 * iterable is read once. `loop` is as it is for a channel.
 */
exports.createNews = function createNews(source, loop, heard) {
  const { emit, apart, mustBe } = loop;
  const isFunction = typeof source === "function";
  let isOn = false;
  /** Whether there is nothing more to read: an iterable has ended. */
  let isSpent = false;
  /** The stream that is read: its AbortController, and its iterator once it has one. */
  let current;
  const streak = createStreak({
    ...loop.streak,
    ask: (error, attempt) => loop.streak.ask(error, { channel: null, attempt }),
    again: listen,
    waits: () => {},
  });

  function listen() {
    if (!isOn || isSpent || current !== undefined) return;
    current = { controller: new AbortController(), iterator: undefined, hasBegun: false };
    const mine = current;
    Promise.resolve().then(() => apart(() => read(mine)));
  }

  async function read(mine) {
    if (mine !== current) return;
    try {
      const stream = isFunction ? await source(mine.controller.signal) : source;
      if (typeof stream?.[Symbol.asyncIterator] !== "function")
        throw mustBe("the answer of createSyncLoop(events)", "an AsyncIterable", stream, true);
      mine.iterator = stream[Symbol.asyncIterator]();
      await readAll(mine);
    } catch (error) {
      ended(mine, error, true);
      return;
    }
    ended(mine, null, false);
  }

  async function readAll(mine) {
    while (mine === current) {
      const { done, value } = await mine.iterator.next();
      if (mine !== current || done) break;
      streak.succeeded();
      if (!mine.hasBegun) emit({ eventType: "news-began" });
      mine.hasBegun = true;
      heard(value);
    }
    if (mine !== current) letGo(mine.iterator);
  }

  function ended(mine, error, hasFailed) {
    if (mine !== current) return;
    current = undefined;
    isSpent = !isFunction;
    const attempt = streak.count(error);
    emit({ eventType: "news-ended", error, attempt });
    if (hasFailed) streak.settle(attempt, !isFunction);
    else if (isFunction) streak.wait();
  }

  function close() {
    const closing = current;
    current = undefined;
    closing?.controller.abort();
    letGo(closing?.iterator);
  }

  return {
    open() {
      isOn = true;
      streak.goOn();
      if (!streak.isWaiting()) listen();
    },
    /** An iterable that is read once goes on being read. */
    pause() {
      if (!isFunction) return;
      isOn = false;
      streak.hold();
      close();
    },
    kick() {
      streak.reset();
      listen();
    },
    end() {
      isOn = false;
      streak.end();
      close();
    },
  };
};
