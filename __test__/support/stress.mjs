// Many hostile rounds, and what they leave behind.
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { hostileRounds, memory } from "./hostile-rounds.mjs";

const MEGABYTE = 1024 * 1024;
/** What may grow, in megabytes: allocators and compilers keep some for themselves. */
const MARGIN = { heapUsed: 12, rss: 160 };
const PORTION = 500;
const AT_ONCE = 4;

/** So many rounds in a worker, which goes on and is ended in the middle of one. Answers what they came to. */
async function endedWorker(number, count) {
  const worker = new Worker(new URL("./hostile-rounds.mjs", import.meta.url), {
    workerData: { hostileRounds: { first: number * count, count } },
  });
  const failed = new Promise((_, reject) => worker.once("error", reject));
  const played = new Promise((resolve) => worker.once("message", resolve));
  const outcomes = await Promise.race([played, failed]);
  await Promise.race([new Promise((resolve) => setTimeout(resolve, number % 17)), failed]);
  await worker.terminate();
  return outcomes;
}

/**
 * Plays half of the rounds in this thread and half in workers, each of which is ended in the middle of a
 * further one; fails where anything leaks, crashes or is unhandled.
 */
export async function stress({ rounds, workers, tell = () => {} }) {
  const unhandled = [];
  const note = (reason) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  const warn = console.warn;
  console.warn = () => {};
  try {
    const began = performance.now();
    await hostileRounds(0, 2 * PORTION);
    const before = await memory();
    const outcomes = { done: 0, failed: 0, dropped: 0 };
    const count = (some) => {
      for (const [what, times] of Object.entries(some)) outcomes[what] += times;
    };
    const tellMemory = async (played) => {
      const { heapUsed, rss } = await memory();
      tell(`${played}, heap ${mb(heapUsed)} MB, RSS ${mb(rss)} MB`);
    };
    const here = Math.ceil(rounds / 2);
    for (let played = 0; played < here; played += PORTION) {
      count(await hostileRounds(played, Math.min(PORTION, here - played)));
      if ((played / PORTION) % 20 === 19) await tellMemory(`${played + PORTION} rounds here`);
    }
    const after = await memory();
    const ofEach = Math.ceil((rounds - here) / workers);
    for (let ended = 0; ended < workers; ended += AT_ONCE) {
      const some = Math.min(AT_ONCE, workers - ended);
      const played = Array.from({ length: some }, (_, i) => endedWorker(ended + i, ofEach));
      (await Promise.all(played)).forEach(count);
      if (ended % 40 === 0) await tellMemory(`${ended + some} workers ended`);
    }
    const end = await memory();
    const figures = {
      rounds: { here, inWorkers: ofEach * workers },
      outcomes,
      workers,
      seconds: Math.round((performance.now() - began) / 1000),
      heapMegabytes: [mb(before.heapUsed), mb(after.heapUsed)],
      rssMegabytes: [mb(before.rss), mb(after.rss), mb(end.rss)],
    };
    assert.deepEqual(unhandled, [], "every rejection is somebody's");
    for (const what of ["heapUsed", "rss"]) {
      const grown = (Math.max(after[what], end[what]) - before[what]) / MEGABYTE;
      assert.ok(
        grown < MARGIN[what],
        `${what} grew by ${grown.toFixed(1)} MB: ${JSON.stringify(figures)}`,
      );
    }
    return figures;
  } finally {
    console.warn = warn;
    process.off("unhandledRejection", note);
  }
}

const mb = (bytes) => Math.round((bytes / MEGABYTE) * 10) / 10;
