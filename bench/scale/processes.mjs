/** The processes of the bench: each does one thing, and says what it found in one line of JSON. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const at = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
/** What ends in no time is not waited for. */
const MOST_MS = 600_000;

/** Whether a process can be kept to one of two processors here. */
export const canPin = process.platform === "linux" && spawnSync("taskset", ["-c", "1", "true"]).status === 0;

/** @param {string} script @param {unknown[]} args @param {number=} core */
function start(script, args, core) {
  const words = [at(script), ...args.map(String)];
  const [command, before] =
    core === undefined || !canPin ? [process.execPath, []] : ["taskset", ["-c", String(core), process.execPath]];
  return spawn(command, [...before, ...words], { stdio: ["pipe", "pipe", "inherit"], timeout: MOST_MS });
}

/**
 * Runs one to its end.
 *
 * @param {string} script
 * @param {unknown[]} args
 * @param {{ input?: unknown, core?: number }} [how]
 * @returns {Promise<any>}
 */
export async function run(script, args, { input, core } = {}) {
  const child = start(script, args, core);
  child.stdin.on("error", () => {}).end(input === undefined ? "" : JSON.stringify(input));
  const [said, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`bench/scale/${script} ended with ${signal ?? code}`);
  return JSON.parse(said);
}

/**
 * Starts a server over the database, which ends with this process or when it is told to.
 *
 * @param {string} url
 * @param {string} nodeId
 * @param {string} folder
 * @param {number=} core the only processor that it has
 */
export async function startServer(url, nodeId, folder, core) {
  const child = start("server.mjs", [url, nodeId, folder], core);
  const ended = once(child, "exit");
  const early = ended.then(([code, signal]) => Promise.reject(new Error(`a server ended with ${signal ?? code}`)));
  early.catch(() => {});
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), early]);
  return {
    url: `http://127.0.0.1:${JSON.parse(line).port}`,
    // `taskset` becomes the program that it starts.
    pid: Number(child.pid),
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}
