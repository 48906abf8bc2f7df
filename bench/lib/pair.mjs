/**
 * The two sides of a peer, each in a process and a folder of its own. Every order has a deadline.
 *
 * @typedef {import("../peers/index.mjs").Peer} Peer
 * @typedef {Awaited<ReturnType<typeof startSide>>} SideProcess
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inTemporaryFolder } from "./temporary.mjs";

const SIDE = fileURLToPath(new URL("./side-process.mjs", import.meta.url));
const PATIENCE_MS = 10_000;
/** To begin is no step of the work. */
const START_MS = 60_000;
const CALLS = ["fsync", "fdatasync", "msync", "sync_file_range", "syncfs", "sync"];

/** @param {number} pid @param {NodeJS.Signals} signal */
function end(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself meanwhile.
  }
}

/**
 * @param {Peer} peer
 * @param {{ dir: string, timeoutMs: number, trace?: string }} options `trace` is where strace counts the calls
 */
async function startSide({ module, engine, variant }, { dir, timeoutMs, trace }) {
  await mkdir(dir);
  const counting = ["-f", "-c", "--seccomp-bpf", "-e", `trace=${CALLS.join()}`, "-o", String(trace), process.execPath];
  const [command, before] = trace ? ["strace", counting] : [process.execPath, []];
  const child = spawn(command, [...before, SIDE], { cwd: dir, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ended = once(child, "exit").then(([code, signal]) => `the process of a side ended early (${signal ?? code})`);
  // strace stands before the side's own process, which says its pid.
  let pid = Number(child.pid);
  let isLost = false;

  /**
   * One order at a time.
   *
   * @param {string} order
   * @param {...unknown} args
   * @returns {Promise<any>}
   */
  async function tell(order, ...args) {
    const most = order === "open" ? Math.max(timeoutMs, START_MS) : timeoutMs;
    const enough = new AbortController();
    const { signal } = enough;
    const fail = (/** @type {string} */ reason) => Promise.reject(new Error(reason));
    try {
      const answer = once(child, "message", { signal });
      child.send({ order, args });
      const late = sleep(most, undefined, { signal }).then(() => {
        isLost = true;
        return fail(`${order} ${args[0] ?? ""} took over ${most} ms`);
      });
      const [{ value, error }] = await Promise.race([answer, late, ended.then(fail)]);
      if (error) throw new Error(error);
      return value;
    } finally {
      enough.abort();
    }
  }

  async function close() {
    try {
      if (child.connected && !isLost) await tell("close");
    } finally {
      if (child.connected) child.disconnect();
      for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
        await Promise.race([ended, sleep(PATIENCE_MS, undefined, { ref: false })]);
        if (child.exitCode === null && child.signalCode === null) end(pid, signal);
      }
      await ended;
    }
  }

  try {
    pid = await tell("open", module, { dir, engine, variant });
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
  return { dir, tell, close };
}

/**
 * @template T
 * @param {Peer} peer
 * @param {{ timeoutMs: number, trace?: boolean, keep?: boolean }} options `trace` counts what the side that takes in
 *   syncs, `keep` leaves the folders of both until the bench ends
 * @param {(near: SideProcess, far: SideProcess) => Promise<T>} work
 * @returns {Promise<{ value: T, calls: number }>}
 */
export function withPair(peer, { timeoutMs, trace = false, keep = false }, work) {
  return inTemporaryFolder(async (dir) => {
    const file = join(dir, "calls");
    const traced = trace ? file : undefined;
    const farOptions = { dir: join(dir, "far"), timeoutMs, trace: traced };
    const far = await startSide(peer, farOptions);
    let value;
    try {
      if (peer.alone) value = await work(far, far);
      else {
        const near = await startSide(peer, { dir: join(dir, "near"), timeoutMs });
        value = await work(near, far).finally(near.close);
      }
    } finally {
      await far.close();
    }
    return { value, calls: trace ? countOf(await readFile(file, "utf8")) : 0 };
  }, keep);
}

/** The calls in a summary of strace: `% time, seconds, usecs/call, calls, errors, syscall`. @param {string} summary */
function countOf(summary) {
  const rows = summary.split("\n").map((line) => line.trim().split(/\s+/));
  return rows.reduce((sum, row) => (CALLS.includes(row[row.length - 1]) ? sum + Number(row[3]) : sum), 0);
}
