"use strict";

/** The one code that has a class of its own. */
const SYNC_ERROR = "SYNC_ERROR";

/** What stands in for the peer package's error class where that package is not installed. */
const OwnStarkeepError = class StarkeepError extends Error {
  constructor(message, code, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StarkeepError";
    this.code = code;
  }
};

/**
 * An error class to begin with, and the function that puts the peer package's class above it once that
 * package is loaded, and answers that class, or else the one to begin with.
 */
function lateErrors() {
  let adopted;
  class StarkeepError extends OwnStarkeepError {
    /** The peer's own errors are as much instances of it as they would be of the peer's class. */
    static [Symbol.hasInstance](value) {
      if (this === StarkeepError && adopted !== undefined) return value instanceof adopted;
      return Function.prototype[Symbol.hasInstance].call(this, value);
    }
  }
  function adopt(peer) {
    if (typeof peer?.StarkeepError !== "function") return StarkeepError;
    adopted = peer.StarkeepError;
    Object.setPrototypeOf(StarkeepError, adopted);
    Object.setPrototypeOf(StarkeepError.prototype, adopted.prototype);
    return adopted;
  }
  return { StarkeepError, adopt };
}

/** On every error of this package, of whichever entry, copy or realm. */
const BRAND = Symbol.for("@starkeep/sync-engine.error");

/** Sets a property that is not listed, for errors are compared by those that are. */
const hide = (object, name, value) =>
  Object.defineProperty(object, name, { value, configurable: true, writable: true });

/** Characters that are not seen, or that change how others are: a name of elsewhere must not begin a line of a log. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const oneLine = (text) =>
  text.replace(UNSEEN, (unseen) => `\\u{${unseen.codePointAt(0).toString(16)}}`);

/**
 * How this package reports an error, in one line: the operation that failed stands before its message, and is a
 * property, like what it says `more`.
 */
const createFault = (SyncError, StarkeepError) =>
  function fault(code, operation, what, cause, more) {
    const message = oneLine(operation === "" ? what : `${operation}: ${what}`);
    const error =
      code === SYNC_ERROR ? new SyncError(message, cause) : new StarkeepError(message, code, cause);
    hide(error, BRAND, true);
    if (operation !== "") hide(error, "operation", operation);
    for (const name in more) hide(error, name, more[name]);
    return error;
  };

/** The error classes of one entry, with the peer package's above them where it could be loaded. */
function errorsWith(peer) {
  const StarkeepError =
    typeof peer?.StarkeepError === "function" ? peer.StarkeepError : OwnStarkeepError;
  class SyncError extends StarkeepError {
    constructor(message, cause) {
      super(message, SYNC_ERROR, cause);
      this.name = "SyncError";
    }
  }
  hide(SyncError.prototype, BRAND, true);
  return { StarkeepError, SyncError, fault: createFault(SyncError, StarkeepError) };
}

const FIRST_FRAME = /\n {4}at /;

/** `error` with the stack of the call that it ends: where it was made itself, no code of the app's is. */
function traced(error, { stack: called }) {
  const { stack } = error;
  // An app may have stacks of its own kind, or none.
  if (typeof stack !== "string" || typeof called !== "string") return error;
  const [frames, own] = [called, stack].map((text) => text.search(FIRST_FRAME));
  if (frames === -1) return error;
  const head = own === -1 ? stack : stack.slice(0, own);
  return hide(error, "stack", head + called.slice(frames));
}

/** Whether one of the classes that `value` is an instance of has this name. */
function isOfClass(value, name) {
  for (let at = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.getOwnPropertyDescriptor(at, "constructor")?.value?.name === name) return true;
  }
  return false;
}

/** Whether it is an error of this package or its peer's, of whichever entry, copy or realm. */
function isStarkeepError(value) {
  if (typeof value !== "object" || value === null || typeof value.code !== "string") return false;
  return value[BRAND] === true || isOfClass(value, "StarkeepError");
}

module.exports = { errorsWith, hide, isStarkeepError, lateErrors, traced };
