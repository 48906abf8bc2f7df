import ours from "./errors.js";

const { StarkeepError, adopt } = ours.lateErrors();

/** What this entry's errors are instances of. */
export const errors = { StarkeepError };

async function peer() {
  try {
    // A bundler takes it for optional only inside of a `try`.
    return await import("@starkeep/protocol-primitives");
  } catch {
    return undefined;
  }
}

/**
 * The peer package's class once it stands above it, or that class itself where the package turned out not to
 * be installed.
 */
export const ready = peer().then(adopt);
