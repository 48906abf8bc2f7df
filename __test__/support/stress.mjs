// Many hostile rounds, and what they leave behind.
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { hostileRounds, memory } from "./hostile-rounds.mjs";

const MEGABYTE = 1024 * 1024;
/** What may grow, in megabytes: allocators and compilers keep some for themselves. */
const MARGIN = { heapUsed: 12, rss: 160 };
const PORTION = 500;
const AT_ONCE = 4;

/** A worker at hostile rounds, ended in the middle of one. */
async function endedWorker(number) {
  const worker = new Worker(new URL("./hostile-rounds.mjs", import.meta.url), {
    workerData: { hostileRounds: { first: number * 31, count: 1_000_000 } },
  });
  const failed = new Promise((_, reject) => worker.once("error", reject));
  await Promise.race([new Promise((resolve) => worker.once("message", resolve)), failed]);
  await new Promise((resolve) => setTimeout(resolve, number % 17));
  await worker.terminate();
}

/** Plays `rounds` here and then `workers` elsewhere; fails where anything leaks, crashes or is unhandled. */
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
    for (let played = 0; played < rounds; played += PORTION) {
      const some = await hostileRounds(played, Math.min(PORTION, rounds - played));
      for (const [what, times] of Object.entries(some)) outcomes[what] += times;
      if ((played / PORTION) % 20 === 19) {
        const { heapUsed, rss } = await memory();
        tell(`${played + PORTION} rounds, heap ${mb(heapUsed)} MB, RSS ${mb(rss)} MB`);
      }
    }
    const after = await memory();
    for (let ended = 0; ended < workers; ended += AT_ONCE) {
      const some = Math.min(AT_ONCE, workers - ended);
      await Promise.all(Array.from({ length: some }, (_, i) => endedWorker(ended + i)));
    }
    const figures = {
      rounds,
      outcomes,
      workers,
      seconds: Math.round((performance.now() - began) / 1000),
      heapMegabytes: [mb(before.heapUsed), mb(after.heapUsed)],
      rssMegabytes: [mb(before.rss), mb(after.rss), mb((await memory()).rss)],
    };
    assert.deepEqual(unhandled, [], "every rejection is somebody's");
    for (const what of ["heapUsed", "rss"]) {
      const grown = (after[what] - before[what]) / MEGABYTE;
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
