// An object storage of an app's that keeps whole files, each with what is said of it at its head.
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const nothing = (error) => {
  if (error.code === "ENOENT") return null;
  throw error;
};

export function folderObjects(root) {
  let written = 0;
  const nameOf = (key) => Buffer.from(key).toString("base64url");
  const placeOf = (key) => join(root, nameOf(key));
  /** A file that is there is whole: it is written beside its place and moved there. */
  const write = async (place, bytes) => {
    const beside = join(root, `.${(written += 1)}`);
    await writeFile(beside, bytes);
    await rename(beside, place);
  };
  return {
    init: async () => void (await mkdir(root, { recursive: true })),
    close: async () => {},
    healthCheck: async () => true,
    async put(key, data, { contentType, metadata } = {}) {
      const about = Buffer.from(JSON.stringify({ contentType, metadata }));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(about.length);
      await write(placeOf(key), Buffer.concat([length, about, data]));
    },
    async get(key) {
      const file = await readFile(placeOf(key)).catch(nothing);
      if (file === null) return null;
      const start = 4 + file.readUInt32LE();
      const data = new Uint8Array(file.subarray(start));
      return { ...JSON.parse(file.subarray(4, start)), data, size: data.length };
    },
    has: async (key) => (await readFile(placeOf(key)).catch(nothing)) !== null,
    delete: (key) => rm(placeOf(key), { force: true }),
    async list(prefix, { limit = Infinity, cursor } = {}) {
      const keys = (await readdir(root))
        .filter((name) => !name.startsWith("."))
        .map((name) => Buffer.from(name, "base64url").toString())
        .filter((key) => key.startsWith(prefix) && (!cursor || key > cursor))
        .sort();
      const hasMore = keys.length > limit;
      const shown = hasMore ? keys.slice(0, limit) : keys;
      return { keys: shown, nextCursor: hasMore ? shown.at(-1) : null, hasMore };
    },
  };
}
