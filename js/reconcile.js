"use strict";

/**
 * `reconcile` of an engine around its native half, which knows no signals: it is told to stop, and then answers
 * nothing. `threw` is told what a listener throws.
 */
exports.createReconcile = (native, threw) =>
  async function reconcile(options = {}) {
    const { signal, onProgress } = options ?? {};
    if (signal?.aborted === true) throw signal.reason;
    const listener =
      typeof onProgress === "function"
        ? (phase, done, of) => {
            try {
              const heard = onProgress(of === undefined ? { phase, done } : { phase, done, of });
              if (typeof heard?.then === "function") heard.then(undefined, threw);
            } catch (error) {
              threw(error);
            }
          }
        : undefined;
    const { promise, stop } = native(options, listener);
    if ((signal ?? undefined) === undefined) return promise;
    let onAbort;
    const abandoned = new Promise((resolve) => {
      onAbort = () => {
        // What waits for its turn has done nothing yet, and will do nothing.
        if (!stop()) resolve(undefined);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      const done = await Promise.race([promise, abandoned]);
      if (done === undefined) throw signal.reason;
      return done;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  };
