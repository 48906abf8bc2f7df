/**
 * rsync to a daemon of its own on 127.0.0.1.
 */
import { execFile, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { fingerprintOfFolder, writeFiles } from "../lib/made-data.mjs";

const run = promisify(execFile);
const TRIES = 200;

/** @param {string} [variant] */
export async function missing(variant) {
  try {
    const { stdout } = await run("rsync", ["--help"]);
    return variant === "fsync" && !stdout.includes("--fsync") ? "this rsync has no --fsync (3.2.4 or later has)" : null;
  } catch {
    return "rsync is not installed (apt-get install rsync)";
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @param {number} port */
async function listening(port) {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await sleep(25);
  }
  throw new Error("the rsync daemon does not listen");
}

/**
 * @param {{ dir: string, variant?: string }} options
 * @returns {Promise<import("./index.mjs").Side>}
 */
export async function openSide({ dir, variant }) {
  const root = join(dir, "files");
  await mkdir(root);
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let daemon;
  process.once("exit", () => void daemon?.kill());
  return {
    prepare: async ({ files }) => void (files && (await writeFiles(root, files))),
    async serve() {
      const config = join(dir, "rsyncd.conf");
      const owner = process.getuid?.() === 0 ? "uid = 0\ngid = 0\n" : "";
      const module = `[files]\npath = ${root}\nread only = no\nuse chroot = no\n${owner}`;
      await writeFile(config, `log file = ${join(dir, "log")}\n${module}`);
      const port = await freePort();
      const options = ["--daemon", "--no-detach", `--config=${config}`, "--address=127.0.0.1", `--port=${port}`];
      daemon = spawn("rsync", options, { stdio: "ignore" });
      await listening(port);
      return `rsync://127.0.0.1:${port}/files/`;
    },
    async up(url) {
      await run("rsync", ["-a", ...(variant === "fsync" ? ["--fsync"] : []), `${root}/`, url]);
    },
    held: () => fingerprintOfFolder(root),
    async close() {
      if (!daemon) return;
      const ended = new Promise((resolve) => daemon?.once("exit", resolve));
      daemon.kill();
      await ended;
    },
  };
}
