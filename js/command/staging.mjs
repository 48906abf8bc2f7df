// Where large files are copied to while they are hashed, before the copy becomes the object: the hash is that of the very
// bytes that are stored, and none of it is in memory as a whole.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import sync from "./package.mjs";
import { CommandError } from "./errors.mjs";

/** @param {Awaited<ReturnType<import("./place.mjs").openPlace>>} place */
export function createStaging({ folder, objects }, { keyFor, mimeTypeOf }) {
  const above = join(folder, "incoming");
  const mover = sync.createFileSyncEngine();
  let begun;
  let taken = 0;
  const begin = async () => {
    await removeOrphans(above);
    await mkdir(above, { recursive: true, mode: 0o700 });
    const root = await mkdtemp(join(above, `${process.pid}-`));
    return { root, storage: sync.createFsObjectStorage({ root }) };
  };

  async function copy(path, to, signal) {
    const hash = createHash("sha256");
    let size = 0;
    const written = await open(to, "wx", 0o600);
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
        hash.update(chunk);
        size += chunk.length;
        await written.writeFile(chunk);
      }
    } finally {
      await written.close();
    }
    return { hash: hash.digest("hex"), size };
  }

  /** Makes the copy the object. Where the same bytes are on their way as another file's, those are waited for. */
  async function move(manifest, storage) {
    const key = manifest.objectStorageKey;
    while (!(await mover.transferFile(manifest, storage, objects))) {
      if (mover.isTransferInFlight(key)) await new Promise((done) => setTimeout(done, 20));
      else if (await objects.has(key)) return;
      else throw new CommandError("IO_ERROR", `the copy of an object is gone from ${above}`);
    }
  }

  return {
    async take(path, signal) {
      begun ??= begin();
      const { root, storage } = await begun;
      const part = join(root, `${(taken += 1)}`);
      const { hash, size } = await copy(path, part, signal);
      const key = keyFor(hash);
      await mkdir(dirname(join(root, key)), { recursive: true });
      await rename(part, join(root, key));
      const mimeType = mimeTypeOf(String(path));
      await move({ fileHash: hash, objectStorageKey: key, sizeBytes: size, mimeType }, storage);
      await rm(join(root, key), { force: true });
      return { hash, size };
    },
    async remove() {
      const { root, storage } = (await begun?.catch(() => {})) ?? {};
      if (root === undefined) return;
      await storage.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Removes what processes have left that were killed, also one that had the number of this one. */
async function removeOrphans(above) {
  for (const name of await readdir(above).catch(() => [])) {
    if (isRunning(parseInt(name, 10))) continue;
    await rm(join(above, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}
