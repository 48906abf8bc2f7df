"use strict";

/**
 * A round or a reconciliation that can be called off, and of which a listener hears, around the native half, which knows
 * no signals: it is told to stop, and then answers nothing. `threw` is told what a listener throws; `transfers` hears of
 * objects on their way.
 */
exports.createWatched = (begin, threw) => {
  /** What hears how far it is. */
  const progressOf = (onProgress) => (progress) => {
    try {
      const heard = onProgress(progress);
      if (typeof heard?.then === "function") heard.then(undefined, threw);
    } catch (error) {
      threw(error);
    }
  };

  /** The function that hears of all that the native half tells, if there is any. */
  function listenerOf(onProgress, transfers) {
    const progressed = typeof onProgress === "function" ? progressOf(onProgress) : undefined;
    if (transfers === undefined) return progressed;
    return (told) => (told.transfer === undefined ? progressed?.(told) : transfers.hear(told));
  }

  async function watched(options, transfers) {
    const { signal, onProgress } = options;
    if (signal?.aborted === true) throw signal.reason;
    const listener = listenerOf(onProgress, transfers);
    const { promise, stop } = begin({ ...options, transfers: transfers !== undefined }, listener);
    if ((signal ?? undefined) === undefined) return promise;
    let [onAbort, alive] = [undefined, undefined];
    const abandoned = new Promise((resolve) => {
      onAbort = () => {
        // What waits for its turn has done nothing yet, and will do nothing.
        if (!stop()) return resolve(null);
        // The native side wakes this thread, which keeps no process alive.
        alive = setInterval(() => {}, 60_000);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      const done = await Promise.race([promise, abandoned]);
      if (done === null) throw signal.reason;
      return done;
    } finally {
      clearInterval(alive);
      signal.removeEventListener("abort", onAbort);
    }
  }

  return async function told(options, transfers) {
    try {
      return await watched(options, transfers);
    } catch (error) {
      transfers?.breakOff(error);
      throw error;
    }
  };
};
