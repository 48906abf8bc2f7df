/**
 * Folders that are gone when the work in them is done, also when the bench is told to stop.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @type {Set<string>} */
const inUse = new Set();
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.once(signal, () => {
    for (const dir of inUse) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    process.exit(1);
  });
}

/**
 * @template T
 * @param {(dir: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inTemporaryFolder(work) {
  const dir = await mkdtemp(join(tmpdir(), "sync-engine-bench-"));
  inUse.add(dir);
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    inUse.delete(dir);
  }
}
