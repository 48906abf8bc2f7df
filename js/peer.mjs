import ours from "./errors.js";

const { StarkeepError, adopt } = ours.lateErrors();

/** What this entry's errors are instances of. */
export const errors = { StarkeepError };

/**
 * The peer package's class once it stands above it, or that class itself where the package turned out not to
 * be installed.
 */
export const ready = import("@starkeep/protocol-primitives").catch(() => undefined).then(adopt);
