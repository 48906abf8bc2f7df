// Exchanges again and again.
import { setTimeout } from "node:timers/promises";

const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 300_000;
/** What no further try will mend. */
const FOR_GOOD = ["INVALID_ARGUMENT", "STORE_REPLACED", "STORE_CLOSED", "NOT_A_DATABASE", "USAGE"];

/**
 * Calls `round` until `signal` is aborted, with `intervalMs` between; after failures the pause begins at a second and
 * doubles, to at most five minutes. `onFailure` hears of a failure, and when the next try is.
 */
export async function repeat(round, { intervalMs, signal, onFailure, pause = setTimeout }) {
  let backoff = FIRST_BACKOFF_MS;
  while (!signal.aborted) {
    let wait = intervalMs;
    try {
      await round();
      backoff = FIRST_BACKOFF_MS;
    } catch (error) {
      if (signal.aborted) return;
      if (FOR_GOOD.includes(error?.code)) throw error;
      // Many that lost the same peer do not all come back at once.
      wait = Math.round(backoff * (0.75 + Math.random() / 2));
      backoff = Math.min(backoff * 2, LONGEST_BACKOFF_MS);
      await onFailure(error, wait);
    }
    await pause(wait, undefined, { signal }).catch(() => {});
  }
}
