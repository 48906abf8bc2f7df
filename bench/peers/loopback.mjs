/**
 * A bare copy to another process: the files one after the other through one socket, written as they come. Reads and
 * writes block, which costs less than to hand them to a thread, and nothing else runs here.
 */
import { once } from "node:events";
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { dirname, join, relative } from "node:path";
import { fingerprintOfFolder, writeFiles } from "../lib/made-data.mjs";

/** The lengths of the name and of the file stand before both. */
const HEAD = 12;
const PIECE = 2 ** 20;

/**
 * @param {import("node:net").Socket} socket
 * @param {string} root
 * @param {boolean} synced
 */
async function receive(socket, root, synced) {
  // The socket stays for the answer.
  const pieces = socket.iterator({ destroyOnReturn: false });
  /** @type {Buffer} */
  let left = Buffer.alloc(0);
  const more = async () => {
    const { value, done } = await pieces.next();
    if (!done) left = left.length > 0 ? Buffer.concat([left, value]) : value;
    return !done;
  };
  /** @param {number} length */
  const take = async (length) => {
    while (left.length < length) if (!(await more())) return null;
    const taken = left.subarray(0, length);
    left = left.subarray(length);
    return taken;
  };
  const made = new Set();
  for (let head = await take(HEAD); head; head = await take(HEAD)) {
    const path = join(root, String(await take(head.readUInt32LE())));
    if (!made.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    made.add(dirname(path));
    const file = openSync(path, "w");
    for (let rest = Number(head.readBigUInt64LE(4)); rest > 0;) {
      if (left.length === 0 && !(await more())) throw new Error("the socket ended within a file");
      rest -= writeSync(file, /** @type {Buffer} */ (await take(Math.min(rest, left.length))));
    }
    if (synced) fsyncSync(file);
    closeSync(file);
  }
}

/** @param {string} root */
async function* filesBelow(root) {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) yield join(entry.parentPath, entry.name);
  }
}

/** @param {import("node:net").Socket} socket @param {string} root */
async function send(socket, root) {
  for await (const path of filesBelow(root)) {
    const file = openSync(path, "r");
    const { size } = fstatSync(file);
    const name = Buffer.from(relative(root, path));
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(name.length);
    head.writeBigUInt64LE(BigInt(size), 4);
    let before = Buffer.concat([head, name]);
    for (let at = 0; at < size || before.length > 0; before = Buffer.alloc(0)) {
      const piece = Buffer.allocUnsafe(before.length + Math.min(PIECE, size - at));
      before.copy(piece);
      at += readSync(file, piece, before.length, piece.length - before.length, at);
      if (!socket.write(piece)) await once(socket, "drain");
    }
    closeSync(file);
  }
}

/**
 * @param {{ dir: string, variant?: string }} options
 * @returns {Promise<import("./index.mjs").Side>}
 */
export async function openSide({ dir, variant }) {
  const root = join(dir, "files");
  await mkdir(root);
  /** @type {import("node:net").Server | undefined} */
  let server;
  return {
    prepare: async ({ files }) => void (files && (await writeFiles(root, files))),
    async serve() {
      server = createServer({ allowHalfOpen: true }, (socket) => {
        receive(socket, root, variant === "fsync").then(
          () => socket.end("stored"),
          (error) => socket.destroy(error),
        );
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      return String(port);
    },
    async up(port) {
      const socket = connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
      const stored = Promise.race([once(socket, "data"), once(socket, "end")]);
      await send(socket, root);
      socket.end();
      if (String((await stored)[0]) !== "stored") throw new Error("the files were not stored");
      socket.destroy();
    },
    held: () => fingerprintOfFolder(root),
    close: async () => void server?.close(),
  };
}
