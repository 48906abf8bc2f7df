// The folder that is synced: which files it has, and what is in them.
//
// Paths stay the bytes that the file system gave, for a name need not be well-formed text.
import { execFile } from "node:child_process";
import { constants } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, open, readdir, stat } from "node:fs/promises";
import { sep } from "node:path";
import { promisify } from "node:util";
import { DemoError, quoted, reasonOf } from "./errors.mjs";

/**
 * @typedef {object} FolderFile
 * @property {Buffer} path where it is
 * @property {string} name its path below the folder, with "/" between
 * @property {number} size in bytes, when it was listed
 *
 * @typedef {object} Listing
 * @property {FolderFile[]} files in the order of their names
 * @property {number} skipped how many entries are no regular files, or gone
 */

const SEPARATOR = Buffer.from(sep);
const CHUNK = 1 << 20;

/** Folders that belong to tools and not to people. */
const SKIPPED_FOLDERS = [".git", "node_modules"];

/**
 * Every regular file below `folder`; symbolic links are not followed.
 *
 * @param {string} folder
 * @param {{ signal: AbortSignal, alsoSkipped?: string[] }} options
 * @returns {Promise<Listing>}
 */
export async function listFolder(folder, { signal, alsoSkipped = [] }) {
  await assertFolder(folder);
  const skippedFolders = [...SKIPPED_FOLDERS, ...alsoSkipped].map((name) => Buffer.from(name));
  const listing = { files: [], skipped: 0 };
  const waiting = [{ path: Buffer.from(folder), below: [] }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal.throwIfAborted();
    const { path: parent, below } = next;
    for (const name of await namesIn(parent)) {
      const path = Buffer.concat([parent, SEPARATOR, name]);
      const names = [...below, name];
      const found = await lookAt(path);
      if (!found?.isDirectory()) add(listing, path, names, found);
      else if (!skippedFolders.some((skipped) => skipped.equals(name)))
        waiting.push({ path, below: names });
    }
  }
  return sorted(listing);
}

/**
 * The files of `folder` that git keeps track of, or null where git does not keep track of any.
 *
 * @param {string} folder
 * @returns {Promise<Listing | null>}
 */
export async function listTracked(folder) {
  const tracked = await trackedNames(folder);
  if (tracked.length === 0) return null;
  const listing = { files: [], skipped: 0 };
  for (const name of tracked) {
    const path = Buffer.concat([Buffer.from(folder), SEPARATOR, name]);
    add(listing, path, [name], await lookAt(path));
  }
  return sorted(listing);
}

/**
 * The bytes of a file and their SHA-256, from one reading.
 *
 * @param {FolderFile} file
 * @returns {Promise<{ data: Buffer, hash: string }>}
 */
export async function readAndHash({ path, name }) {
  const handle = await readable(name, () => open(path, "r"));
  try {
    const { size } = await readable(name, () => handle.stat());
    if (size > constants.MAX_LENGTH)
      throw new DemoError(
        `${quoted(name)} is larger than the ${constants.MAX_LENGTH} bytes that this Node.js holds in one piece.`,
      );
    const data = Buffer.allocUnsafeSlow(size);
    const hash = createHash("sha256");
    let filled = 0;
    for (;;) {
      // One byte more than there should be, to see where the end is.
      const room = filled < size ? data.subarray(filled, filled + CHUNK) : Buffer.alloc(1);
      const { bytesRead } = await readable(name, () => handle.read(room, 0, room.length));
      if (bytesRead === 0) break;
      filled += bytesRead;
      if (filled > size) throw new DemoError(`${quoted(name)} grew while it was being read.`);
      hash.update(room.subarray(0, bytesRead));
    }
    return { data: data.subarray(0, filled), hash: hash.digest("hex") };
  } finally {
    await handle.close();
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
  await readable(name, async () => {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
      hash.update(chunk);
      size += chunk.length;
    }
  });
  return { size, hash: hash.digest("hex") };
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

function add(listing, path, names, found) {
  if (found?.isFile()) listing.files.push({ path, name: names.join("/"), size: found.size });
  else listing.skipped += 1;
}

function sorted(listing) {
  listing.files.sort((one, other) => Buffer.compare(one.path, other.path));
  return listing;
}

async function trackedNames(folder) {
  try {
    const options = { cwd: folder, encoding: "buffer", maxBuffer: 1 << 30 };
    const { stdout } = await promisify(execFile)("git", ["ls-files", "-z"], options);
    return partsOf(stdout);
  } catch {
    return []; // No git here, or no repository.
  }
}

/** The parts of `bytes` that end with a zero byte. */
function partsOf(bytes) {
  const parts = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return parts;
}

async function readable(name, read) {
  try {
    return await read();
  } catch (error) {
    throw new DemoError(`The file ${quoted(name)} cannot be read: ${reasonOf(error)}.`);
  }
}
