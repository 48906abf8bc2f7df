"use strict";

const { fetching } = require("./fetching.js");
const { createHandlerFactory } = require("./http-handler.js");
const { createAdvance, createBorder, createCompute } = require("./marshal.js");
const { PUBLISHED, platform } = require("./platform.js");
const { sqliteDelta } = require("./sqlite-delta/index.js");

const NAME = "@starkeep/sync-engine";

/** `require` as it is beside this file, or beside the bundle that this file is a part of. */
function requireFrom() {
  const node = process.getBuiltinModule?.("node:module");
  if (node === undefined) return require;
  // A bundle of ES modules has neither `require` nor a name of its own.
  return node.createRequire(typeof __filename === "string" ? __filename : process.argv[1]);
}

const load = requireFrom();
const packageOf = (triple) => `${NAME}-${triple}`;

function isInstalled(name) {
  try {
    load.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** What the user can do about it. */
function adviceFor(triple) {
  if (!PUBLISHED.includes(triple)) {
    return (
      `There is none for this platform, only for ${PUBLISHED.join(", ")}. ` +
      "With a Rust toolchain it can be built from a checkout of the sources: `npm run setup`."
    );
  }
  if (isInstalled(packageOf(triple))) {
    return (
      "The package is installed, but its binary does not load here, for the reason below. " +
      "On Linux with glibc it needs glibc 2.28 or newer."
    );
  }
  const others = PUBLISHED.map(packageOf).filter(isInstalled);
  if (others.length > 0) {
    return (
      `What is installed is ${others.join(", ")}: node_modules comes from another system or another ` +
      "build of Node.js. Install again on the system that runs the app."
    );
  }
  return (
    "It is an optional dependency, and the package manager left it out: delete node_modules and the " +
    "lock file (npm keeps to a lock file that was written on another system) and install again, " +
    "without --omit=optional or --no-optional. In a checkout, run `npm run setup`."
  );
}

function loadBinary() {
  const triple = platform();
  const failures = [];
  for (const place of [`./sync-engine.${triple}.node`, packageOf(triple)]) {
    try {
      return load(place);
    } catch (error) {
      failures.push(error);
    }
  }
  const reasons = failures.map(({ message }) => `  ${String(message).split("\n")[0]}`);
  const error = new Error(
    `${NAME} has no binary that loads on ${triple} (Node.js ${process.versions.node}). ` +
      `It looked for the package ${packageOf(triple)}.\n${adviceFor(triple)}\n${reasons.join("\n")}`,
    { cause: failures.at(-1) },
  );
  error.code = "BINARY_NOT_FOUND";
  throw error;
}

const binary = loadBinary();

/** Where this code runs, not where the binary was loaded: a test runner may have a console for each file. */
const warn = (...words) => globalThis.console?.warn?.(...words);

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
exports.lateErrors = function lateErrors() {
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
};

/** On every error of this package, of whichever entry, copy or realm. */
const BRAND = Symbol.for("@starkeep/sync-engine.error");

/** Sets a property that is not listed, for errors are compared by those that are. */
const hide = (object, name, value) =>
  Object.defineProperty(object, name, { value, configurable: true, writable: true });

/**
 * How this package reports an error: the operation that failed stands before its message, and is a
 * property, like what it says `more`.
 */
const createFault = (SyncError, StarkeepError) =>
  function fault(code, operation, what, cause, more) {
    const message = operation === "" ? what : `${operation}: ${what}`;
    const error =
      code === SYNC_ERROR ? new SyncError(message, cause) : new StarkeepError(message, code, cause);
    hide(error, BRAND, true);
    if (operation !== "") hide(error, "operation", operation);
    for (const name in more) hide(error, name, more[name]);
    return error;
  };

/**
 * Which transactions the code that runs now was begun in. Their callbacks run in an asynchronous context that
 * knows their numbers. There is one only while a transaction is open: on older Node.js it makes every promise
 * a little slower.
 */
function createTransactions() {
  let storage;
  const open = new Set();
  const inside = () => storage?.getStore();

  return {
    runInTransaction(number, callback, transaction) {
      storage ??= new (load("node:async_hooks").AsyncLocalStorage)();
      open.add(number);
      return storage.run([...(inside() ?? []), number], callback, transaction);
    },
    endTransaction(number) {
      if (open.delete(number) && open.size === 0) storage.disable();
    },
    /** In that one, or in any where none is named. */
    isInTransaction(number) {
      const numbers = inside();
      return numbers !== undefined && (number === undefined || numbers.includes(number));
    },
  };
}

const transactions = createTransactions();
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

/** The package as one of its entries shows it, with the error classes that this entry could load. */
exports.face = function face(peer) {
  const StarkeepError =
    typeof peer?.StarkeepError === "function" ? peer.StarkeepError : OwnStarkeepError;
  class SyncError extends StarkeepError {
    constructor(message, cause) {
      super(message, SYNC_ERROR, cause);
      this.name = "SyncError";
    }
  }
  hide(SyncError.prototype, BRAND, true);
  const fault = createFault(SyncError, StarkeepError);
  const own = binary.face({ fault, traced, warn, ...fetching, ...transactions, createBorder });
  const { isLater, deltaHelpers, createHttpSyncHandler, ...functions } = own;
  const { computeRecordWatermarks, computeAppSyncableWatermarks } = functions;
  const { mustBe } = deltaHelpers;
  return {
    StarkeepError,
    SyncError,
    isStarkeepError,
    advanceWatermark: createAdvance(isLater),
    createHttpSyncHandler: createHandlerFactory(createHttpSyncHandler),
    ...functions,
    computeRecordWatermarks: createCompute(computeRecordWatermarks, (records) =>
      mustBe("computeRecordWatermarks(records)", "an iterable of records", records),
    ),
    computeAppSyncableWatermarks: createCompute(computeAppSyncableWatermarks, (rows) =>
      mustBe("computeAppSyncableWatermarks(rows)", "an iterable of app rows", rows),
    ),
    ...sqliteDelta(deltaHelpers, fault),
  };
};
