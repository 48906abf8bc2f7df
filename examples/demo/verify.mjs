import { quoted } from "./errors.mjs";
import { hashOfFile } from "./folder.mjs";
import { forEachFile } from "./pool.mjs";

/**
 * Compares what `laptop` has of every file with the file as it is now, by name, size and SHA-256.
 *
 * @param {import("./folder.mjs").FolderFile[]} files
 * @param {string[]} ids the ids of their records
 * @returns {Promise<string[]>} what differs, in words
 */
export async function verify(laptop, files, ids, { signal, onProgress }) {
  const idOf = new Map(files.map((file, index) => [file, ids[index]]));
  const differences = [];
  await forEachFile(files, signal, async (file) => {
    const [here, there] = await Promise.all([hashOfFile(file), laptop.examine(idOf.get(file))]);
    const difference = differenceOf(file.name, here, there);
    if (difference) differences.push(`${quoted(file.name)} ${difference}`);
    onProgress(1);
  });
  return differences;
}

function differenceOf(name, here, there) {
  if (there === null) return "is missing";
  if (there.name !== name) return `has another name there: ${quoted(there.name)}`;
  if (there.size !== here.size) return `has ${there.size} bytes there, and ${here.size} here`;
  if (there.hash !== here.hash) return `has the hash ${there.hash} there, and ${here.hash} here`;
  return null;
}
