// The command as a person at a terminal runs it: a process of its own, in a folder of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { folderFor } from "./native.mjs";

const BIN = fileURLToPath(new URL("../../bin/starkeep-sync.mjs", import.meta.url));

/** Without what the environment of the tests says to the command. */
const cleanEnv = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(STARKEEP_SYNC_|NODE_EXTRA_CA)/.test(name)),
  );

/** What is waited for, asked again until it is there. */
export async function until(find, what) {
  for (let tries = 0; tries < 1000; tries += 1) {
    const found = await find();
    if (found) return found;
    await pause(50);
  }
  throw new Error(`${what()}: it did not come`);
}

/**
 * A folder, and the command in it. What all calls have printed together is `said()`.
 *
 * @param {import("node:test").TestContext} t
 */
export function terminal(t) {
  const cwd = folderFor(t);
  const all = [];

  function start(args, { env = {}, reads = true } = {}) {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd,
      env: { ...cleanEnv(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const printed = { out: "", err: "" };
    all.push(printed);
    const bytes = [];
    if (reads)
      child.stdout.on("data", (chunk) => {
        bytes.push(chunk);
        printed.out += chunk.toString("latin1");
      });
    child.stderr.setEncoding("utf8").on("data", (text) => (printed.err += text));
    const ended = new Promise((resolve) =>
      child.on("close", (code, signal) => {
        const out = Buffer.concat(bytes);
        resolve({ code, signal, bytes: out, out: out.toString(), err: printed.err });
      }),
    );
    t.after(async () => {
      if (child.exitCode === null) child.kill("SIGKILL");
      await ended;
    });
    const has = (name, pattern) =>
      until(
        () =>
          pattern.exec(printed[name]) ?? (child.exitCode !== null && pattern.exec(printed[name])),
        () => `${pattern} in ${JSON.stringify(printed)}`,
      );
    return { child, kill: (name) => child.kill(name), ended, printed, has };
  }

  return {
    cwd,
    start,
    run: (args, options) => start(args, options).ended,
    said: () => all.map(({ out, err }) => out + err).join(""),
    /** A server of the place `data`, once it listens. */
    async serve(data, args = [], options) {
      const server = start(["serve", "--data", data, "--port", "0", ...args], options);
      const [url] = await server.has("out", /https?:\/\/[\w.:[\]]+:\d+/);
      return { ...server, url };
    },
  };
}

/** Makes a file in the folder, with what is above it. */
export function write(cwd, name, data) {
  const path = join(cwd, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, data);
  return path;
}

/** The id that `put` printed for a file. */
export const idOf = (out, name) =>
  out
    .split("\n")
    .find((line) => line.endsWith(`  ${name}`))
    .slice(0, 26);

export function assertEnded({ code, out, err }, wanted, what) {
  assert.equal(code, wanted, `${what}: exit code ${code}\n${out}${err}`);
}

/** Runs the command, which is to end well; what it printed. */
export async function ok(at, args, options) {
  const result = await at.run(args, options);
  assertEnded(result, 0, args.join(" "));
  return result.out;
}

/** The lines of an output, each read as JSON. */
export const jsonLines = (out) =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

/** Between a caller and `url`: passes on what comes until it was `limit` bytes of a caller, then nothing more. */
export async function stallingProxy(t, url, limit) {
  const { port: to, hostname } = new URL(url);
  const sockets = new Set();
  const proxy = { passed: 0, isStalled: false };
  const server = createServer((caller) => {
    const peer = connect(Number(to), hostname);
    for (const socket of [caller, peer]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    peer.pipe(caller);
    caller.on("close", () => peer.destroy());
    caller.on("data", (chunk) => {
      proxy.passed += chunk.length;
      peer.write(chunk);
      if (proxy.passed < limit) return;
      proxy.isStalled = true;
      caller.pause();
    });
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return Object.assign(proxy, { url: `http://127.0.0.1:${server.address().port}` });
}
