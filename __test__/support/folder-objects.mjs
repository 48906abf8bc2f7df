// An object storage of an app's that keeps whole files, each with what is said of it at its head.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const nothing = (error) => {
  if (error.code === "ENOENT") return null;
  throw error;
};

/** Any text is a key: a file is named by what its key hashes to. */
const nameOf = (key) => createHash("sha256").update(Buffer.from(key, "utf16le")).digest("hex");

function unpacked(file) {
  const start = 4 + file.readUInt32LE();
  const data = new Uint8Array(file.subarray(start));
  return { ...JSON.parse(file.subarray(4, start)), data, size: data.length };
}

export function folderObjects(root) {
  let written = 0;
  const read = (key) => readFile(join(root, nameOf(key))).catch(nothing);
  return {
    init: async () => void (await mkdir(root, { recursive: true })),
    close: async () => {},
    healthCheck: async () => true,
    async put(key, data, { contentType, metadata } = {}) {
      const about = Buffer.from(JSON.stringify({ key, contentType, metadata }));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(about.length);
      // A file that is there is whole: it is written beside its place and moved there.
      const beside = join(root, `.${(written += 1)}`);
      await writeFile(beside, Buffer.concat([length, about, data]));
      await rename(beside, join(root, nameOf(key)));
    },
    async get(key) {
      const file = await read(key);
      if (file === null) return null;
      const { key: _key, ...object } = unpacked(file);
      return object;
    },
    has: async (key) => (await read(key)) !== null,
    delete: (key) => rm(join(root, nameOf(key)), { force: true }),
    async list(prefix, { limit = Infinity, cursor } = {}) {
      const names = (await readdir(root)).filter((name) => !name.startsWith("."));
      const files = await Promise.all(names.map((name) => readFile(join(root, name))));
      const keys = files
        .map((file) => unpacked(file).key)
        .filter((key) => key.startsWith(prefix) && (!cursor || key > cursor))
        .sort();
      const hasMore = keys.length > limit;
      const shown = hasMore ? keys.slice(0, limit) : keys;
      return { keys: shown, nextCursor: hasMore ? shown.at(-1) : null, hasMore };
    },
  };
}
