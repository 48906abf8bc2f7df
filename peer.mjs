import native from "./native.js";

const { StarkeepError, adopt } = native.lateErrors();

/** What this entry's errors are instances of. */
export const errors = { StarkeepError };

/**
 * Settles once the peer package's class stands above it, or the package turned out not to be installed.
 */
export const ready = import("@starkeep/protocol-primitives").catch(() => undefined).then(adopt);
