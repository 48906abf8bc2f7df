/**
 * Folders that are gone when the work in them is done, or with the end of the bench, also when it is told to stop.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @type {Set<string>} */
const inUse = new Set();
process.once("exit", () => {
  for (const dir of inUse) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.once(signal, () => process.exit(1));

/**
 * @template T
 * @param {(dir: string) => Promise<T>} work
 * @param {boolean} [keep] until the bench ends
 * @returns {Promise<T>}
 */
export async function inTemporaryFolder(work, keep = false) {
  const dir = await mkdtemp(join(tmpdir(), "sync-engine-bench-"));
  inUse.add(dir);
  try {
    return await work(dir);
  } finally {
    if (!keep) await remove(dir);
  }
}

/** @param {string} dir */
async function remove(dir) {
  await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  inUse.delete(dir);
}
