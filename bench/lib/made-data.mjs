/**
 * What the peers are given to move, the same in every run: changes of records, and files.
 *
 * @typedef {{ count: number, bytes: number }} Files
 */
import { createCipheriv } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fingerprintOfBlobs } from "../adapters/index.mjs";

const IN_A_FOLDER = 250;

/**
 * New values of some records, evenly spread, newer than all before.
 *
 * @template {{ version: number, updatedAt: { wallTime: number } }} R
 * @param {R[]} records as they were made
 * @param {{ count: number, turn: number }} change `turn` rises from change to change
 * @returns {R[]}
 */
export function changedRecords(records, { count, turn }) {
  const newest = records[records.length - 1].updatedAt.wallTime;
  return Array.from({ length: count }, (_, index) => {
    const old = records[Math.floor((index * records.length) / count)];
    return { ...old, version: old.version + turn, updatedAt: { ...old.updatedAt, wallTime: newest + turn } };
  });
}

/**
 * Names and bytes; bytes that nothing packs.
 *
 * @param {Files} files
 * @returns {Generator<[string, Uint8Array]>}
 */
export function* madeFiles({ count, bytes }) {
  const zeros = Buffer.alloc(bytes);
  for (let at = 0; at < count; at++) {
    const key = Buffer.alloc(16);
    key.writeUInt32LE(at + 1);
    const data = createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(zeros);
    yield [`d${Math.floor(at / IN_A_FOLDER)}/f${at}`, data];
  }
}

/** @param {string} root @param {Files} files */
export async function writeFiles(root, files) {
  for (const [name, bytes] of madeFiles(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
}

/** @param {string} root @returns {Promise<string[]>} */
async function namesBelow(root) {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** @param {string} root */
export async function fingerprintOfFolder(root) {
  /** @type {[string, Uint8Array][]} */
  const blobs = [];
  for (const path of await namesBelow(root)) {
    blobs.push([relative(root, path).split(sep).join("/"), await readFile(path)]);
  }
  return fingerprintOfBlobs(blobs);
}

/** The space on the disk that a folder takes, in bytes. @param {string} root */
export async function sizeOf(root) {
  let size = 0;
  for (const path of await namesBelow(root)) {
    // A store that compacts itself may have removed it by now.
    const found = await stat(path).catch(() => null);
    if (found) size += found.blocks === undefined ? found.size : found.blocks * 512;
  }
  return size;
}
