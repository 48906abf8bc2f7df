"use strict";

const { createHandlerFactory } = require("./http-handler.js");
const { createAdvance, marshal } = require("./marshal.js");
const { sqliteDelta } = require("./sqlite-delta/index.js");

const NAME = "@starkeep/sync-engine";

/** The platform in the words of the packages that carry the binaries. */
function platform() {
  const base = `${process.platform}-${process.arch}`;
  if (process.platform === "win32") return `${base}-msvc`;
  if (process.platform !== "linux") return base;
  return `${base}-${usesGlibc() ? "gnu" : "musl"}`;
}

function usesGlibc() {
  const report = process.report?.getReport();
  const header = typeof report === "string" ? JSON.parse(report).header : report?.header;
  return Boolean(header?.glibcVersionRuntime);
}

function loadBinary() {
  const triple = platform();
  const places = [`./sync-engine.${triple}.node`, `${NAME}-${triple}`];
  const failures = [];
  for (const place of places) {
    try {
      return require(place);
    } catch (error) {
      failures.push(error);
    }
  }
  const error = new Error(
    `${NAME} has no binary for ${triple} that loads here. It looked for ${places.join(" and ")}.\n` +
      `If the package ${places[1]} is missing from node_modules, the package manager left out optional ` +
      "dependencies: delete node_modules and the lock file and install again, without --omit=optional. " +
      "In a checkout, run `npm run setup`.\n" +
      failures.map((failure) => `  ${failure.message.split("\n")[0]}`).join("\n"),
  );
  error.code = "BINARY_NOT_FOUND";
  error.cause = failures.at(-1);
  throw error;
}

const binary = loadBinary();

/** What stands in for the peer package's error class where that package is not installed. */
const OwnStarkeepError = class StarkeepError extends Error {
  constructor(message, code, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StarkeepError";
    this.code = code;
  }
};

/**
 * The package as one of its entries shows it, with the error classes of the peer package that this
 * entry could load.
 */
exports.face = function face(peer) {
  const StarkeepError =
    typeof peer?.StarkeepError === "function" ? peer.StarkeepError : OwnStarkeepError;
  class SyncError extends StarkeepError {
    constructor(message, cause) {
      super(message, "SYNC_ERROR", cause);
      this.name = "SyncError";
    }
  }
  const own = binary.face({ SyncError, StarkeepError, ...marshal() });
  const { isLater, deltaHelpers, createHttpSyncHandler, ...functions } = own;
  return {
    SyncError,
    advanceWatermark: createAdvance(isLater),
    createHttpSyncHandler: createHandlerFactory(createHttpSyncHandler),
    ...functions,
    ...sqliteDelta(deltaHelpers, StarkeepError),
  };
};
