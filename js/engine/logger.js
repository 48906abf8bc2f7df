"use strict";

/** From which level on lines are said. */
const LEVELS = ["debug", "info", "warn", "error", "silent"];

/** A line is not said again within this time: what waits is met in every round. */
const NOT_AGAIN_MS = 60 * 60 * 1000;
/** The most lines that are remembered for that. */
const REMEMBERED = 1000;

/** An error in one line; with its stack where everything is said. */
function errorText(error, isDebug) {
  try {
    const { code, message, stack } = error ?? {};
    if (isDebug && typeof stack === "string") return `\n${stack}`;
    const text = String(message ?? error);
    return typeof code === "string" ? ` ${code} ${text}` : ` ${text}`;
  } catch {
    return " an error that cannot be shown";
  }
}

/**
 * Says lines through an app's logger, which has the shape of `console` and of pino: `debug`, `info`, `warn`, `error`.
 * What the logger throws is lost: it is no reason to end a round.
 */
function createLogger(logger, level = "info", now = Date.now) {
  const least = LEVELS.indexOf(level);
  const said = new Map();

  function isAgain(line) {
    const at = now();
    const before = said.get(line);
    if (before !== undefined && Math.abs(at - before) < NOT_AGAIN_MS) return true;
    said.delete(line);
    said.set(line, at);
    if (said.size > REMEMBERED) said.delete(said.keys().next().value);
    return false;
  }

  function say(name, line) {
    if (LEVELS.indexOf(name) < least) return;
    try {
      logger[name](line);
    } catch {
      // There is no other place to tell it.
    }
  }

  return {
    debug: (line) => say("debug", line),
    info: (line) => say("info", line),
    error: (line, error) => say("error", `${line}:${errorText(error, level === "debug")}`),
    warn(line, error) {
      const whole = error === undefined ? line : `${line}:${errorText(error, level === "debug")}`;
      if (!isAgain(whole)) say("warn", whole);
    },
  };
}

module.exports = { LEVELS, createLogger };
