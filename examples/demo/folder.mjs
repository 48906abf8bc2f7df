// The folder that is synced: which files it has, and what is in them. It is read here by itself, so that the check in the
// end does not believe what the command says of it.
//
// Paths stay the bytes that the file system gave, for a name need not be well-formed text.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { basename, sep } from "node:path";
import { promisify } from "node:util";
import { DemoError, quoted, reasonOf } from "./errors.mjs";

/**
 * @typedef {object} FolderFile
 * @property {Buffer} path where it is
 * @property {string} name its path from the folder's own name on, with "/" between
 * @property {number} size in bytes, when it was listed
 *
 * @typedef {object} Listing
 * @property {FolderFile[]} files
 * @property {number} skipped how many entries are no regular files, or gone
 */

const SEPARATOR = Buffer.from(sep);
const CHUNK = 1 << 20;

/**
 * Every regular file below `folder`, but for those in folders of the names `excluded`; symbolic links are not followed.
 *
 * @param {string} folder an absolute path
 * @param {{ signal: AbortSignal, excluded: string[] }} options
 * @returns {Promise<Listing>}
 */
export async function listFolder(folder, { signal, excluded }) {
  await assertFolder(folder);
  const listing = { files: [], skipped: 0 };
  const waiting = [{ path: Buffer.from(folder), name: basename(folder) }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal.throwIfAborted();
    for (const entry of await namesIn(next.path)) {
      if (excluded.includes(String(entry))) continue;
      const path = Buffer.concat([next.path, SEPARATOR, entry]);
      const name = `${next.name}/${entry}`;
      const found = await lookAt(path);
      if (found?.isDirectory()) waiting.push({ path, name });
      else if (found?.isFile()) listing.files.push({ path, name, size: found.size });
      else listing.skipped += 1;
    }
  }
  return listing;
}

/**
 * Writes the files of `folder` that git keeps track of to the folder `to`. Answers whether there were any.
 *
 * @param {string} folder
 * @param {string} to
 */
export async function exportTracked(folder, to) {
  const git = (...args) => promisify(execFile)("git", args, { cwd: folder, maxBuffer: 1 << 30 });
  try {
    const { stdout } = await git("ls-files");
    if (stdout === "") return false;
    await git("checkout-index", "--all", `--prefix=${to}/`);
    return true;
  } catch {
    return false; // No git here, or no repository.
  }
}

/**
 * The size and the SHA-256 of a file of any size, as it is now.
 *
 * @param {FolderFile} file
 * @returns {Promise<{ size: number, hash: string }>}
 */
export async function hashOfFile({ path, name }) {
  const hash = createHash("sha256");
  let size = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
      hash.update(chunk);
      size += chunk.length;
    }
  } catch (error) {
    throw new DemoError(`The file ${quoted(name)} cannot be read: ${reasonOf(error)}.`);
  }
  return { size, hash: hash.digest("hex") };
}

/**
 * Compares every file, as it is now, with the records of a place, by name, size and SHA-256.
 *
 * @param {FolderFile[]} files
 * @param {{ name: string, sizeBytes: number, contentHash: string }[]} records
 * @param {AbortSignal} signal
 * @returns {Promise<string[]>} what differs, in words
 */
export async function differencesOf(files, records, signal) {
  const textOf = (name, size, hash) => JSON.stringify([name, size, hash]);
  // Several files may have one name, where names are no text.
  const there = new Map();
  for (const { name, sizeBytes, contentHash } of records) {
    const text = textOf(name, sizeBytes, contentHash);
    there.set(text, (there.get(text) ?? 0) + 1);
  }
  const differences = [];
  for (const file of files) {
    signal.throwIfAborted();
    const { size, hash } = await hashOfFile(file);
    const text = textOf(file.name, size, hash);
    const count = there.get(text) ?? 0;
    if (count > 0) there.set(text, count - 1);
    else differences.push(`${quoted(file.name)} is missing, or has other bytes`);
  }
  return differences;
}

async function assertFolder(folder) {
  const found = await stat(folder).catch((error) => {
    throw new DemoError(`The folder ${quoted(folder)} cannot be read: ${reasonOf(error)}.`);
  });
  if (!found.isDirectory()) throw new DemoError(`${quoted(folder)} is not a folder.`);
}

function namesIn(folder) {
  return readdir(folder, { encoding: "buffer" }).catch((error) => {
    throw new DemoError(
      `The folder ${quoted(folder.toString())} cannot be read: ${reasonOf(error)}.`,
    );
  });
}

/** What is at `path`, or null where it went away meanwhile. */
async function lookAt(path) {
  try {
    return await lstat(path);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw new DemoError(`${quoted(path.toString())} cannot be looked at: ${reasonOf(error)}.`);
  }
}
