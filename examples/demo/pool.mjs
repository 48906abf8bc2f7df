/** Files above this size are handled one at a time, so that their sum never has to fit in memory. */
const LARGE = 16 << 20;
const AT_A_TIME = 8;

/**
 * Does `work` for every file, several at a time, until one fails or `signal` says to stop.
 *
 * @template {{ size: number }} F
 * @param {F[]} files
 * @param {AbortSignal} signal
 * @param {(file: F) => Promise<void>} work
 */
export async function forEachFile(files, signal, work) {
  await each(
    files.filter(({ size }) => size <= LARGE),
    AT_A_TIME,
    signal,
    work,
  );
  await each(
    files.filter(({ size }) => size > LARGE),
    1,
    signal,
    work,
  );
}

async function each(files, width, signal, work) {
  const waiting = files.values();
  let failed = false;
  const worker = async () => {
    for (const file of waiting) {
      if (failed) return;
      signal.throwIfAborted();
      await work(file);
    }
  };
  const workers = Array.from({ length: width }, () =>
    worker().catch((error) => {
      failed = true;
      throw error;
    }),
  );
  // Nothing goes on in the background once this is over.
  const outcomes = await Promise.allSettled(workers);
  const failure = outcomes.find(({ status }) => status === "rejected");
  if (failure !== undefined) throw failure.reason;
}
