"use strict";

/** As `promise`, unless `signal` is aborted before: then it rejects with its reason, and what runs goes on unheard. */
exports.unlessCalledOff = async function unlessCalledOff(promise, signal) {
  if ((signal ?? undefined) === undefined) return promise;
  let onAbort;
  const calledOff = new Promise((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, calledOff]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};
