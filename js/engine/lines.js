"use strict";

const { bytesText } = require("../bytes-text.js");

/** What a round or a reconciliation came to, in one line. */
function lineOf(what, result) {
  const parts = [`shipped ${result.shipped}`, `applied ${result.applied}`];
  if (what === "reconcile") parts.push(`${result.differing} differed`);
  else {
    const { rowsApplied, conflicts, bytesSent, bytesReceived, durationMs } = result;
    if (rowsApplied > 0) parts.push(`${rowsApplied} rows applied`);
    if (conflicts > 0) parts.push(`${conflicts} conflicts`);
    const [sent, received] = [bytesSent, bytesReceived].map((bytes) => bytesText(bytes, "bytes"));
    parts.push(`sent ${sent}`, `received ${received}`, `${durationMs} ms`);
  }
  if (result.held.length > 0) parts.push(`${result.held.length} wait`);
  return `${what}: ${parts.join(", ")}`;
}

/** One line for each round: of a quiet one only where everything is said. */
exports.logged = (logger, what, promise, isCalledOff) =>
  promise.then(
    (result) => {
      const isQuiet = result.shipped === 0 && result.applied === 0 && !(result.rowsApplied > 0);
      logger[isQuiet ? "debug" : "info"](lineOf(what, result));
      return result;
    },
    (error) => {
      if (isCalledOff()) logger.info(`${what}: called off`);
      else logger.error(`${what} failed`, error);
      throw error;
    },
  );
