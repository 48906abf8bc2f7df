"use strict";

/**
 * A round or a reconciliation that can be called off, and of which a listener hears, around the native half, which knows
 * no signals: it is told to stop, and then answers nothing. `threw` is told what a listener throws.
 */
exports.createWatched = (begin, threw) =>
  async function watched(options) {
    const { signal, onProgress } = options;
    if (signal?.aborted === true) throw signal.reason;
    const listener =
      typeof onProgress === "function"
        ? (progress) => {
            try {
              const heard = onProgress(progress);
              if (typeof heard?.then === "function") heard.then(undefined, threw);
            } catch (error) {
              threw(error);
            }
          }
        : undefined;
    const { promise, stop } = begin(options, listener);
    if ((signal ?? undefined) === undefined) return promise;
    let [onAbort, alive] = [undefined, undefined];
    const abandoned = new Promise((resolve) => {
      onAbort = () => {
        // What waits for its turn has done nothing yet, and will do nothing.
        if (!stop()) return resolve(undefined);
        // The native side wakes this thread, which keeps no process alive.
        alive = setInterval(() => {}, 60_000);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      const done = await Promise.race([promise, abandoned]);
      if (done === undefined) throw signal.reason;
      return done;
    } finally {
      clearInterval(alive);
      signal.removeEventListener("abort", onAbort);
    }
  };
