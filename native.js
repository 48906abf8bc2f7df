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
 * package is loaded.
 */
exports.lateErrors = function lateErrors() {
  class StarkeepError extends OwnStarkeepError {}
  function adopt(peer) {
    if (typeof peer?.StarkeepError !== "function") return;
    Object.setPrototypeOf(StarkeepError, peer.StarkeepError);
    Object.setPrototypeOf(StarkeepError.prototype, peer.StarkeepError.prototype);
  }
  return { StarkeepError, adopt };
};

/**
 * How this package reports an error: the operation that failed stands before its message, and is a
 * property that is not listed, for errors are compared by those that are.
 */
const createFault = (SyncError, StarkeepError) =>
  function fault(code, operation, what, cause) {
    const message = operation === "" ? what : `${operation}: ${what}`;
    const error =
      code === SYNC_ERROR ? new SyncError(message, cause) : new StarkeepError(message, code, cause);
    if (operation === "") return error;
    return Object.defineProperty(error, "operation", {
      value: operation,
      configurable: true,
      writable: true,
    });
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
  const fault = createFault(SyncError, StarkeepError);
  const own = binary.face({ fault, warn, ...fetching, ...transactions, createBorder });
  const { isLater, deltaHelpers, createHttpSyncHandler, ...functions } = own;
  const { computeRecordWatermarks, computeAppSyncableWatermarks } = functions;
  const { mustBe } = deltaHelpers;
  return {
    SyncError,
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
