// The places of the demo. Each thing that one does is a process of the command `starkeep-sync`, with --json.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DemoError } from "./errors.mjs";

const COMMAND = fileURLToPath(new URL("../../bin/starkeep-sync.mjs", import.meta.url));
/** Longer than a backoff of the first failures. */
const HEARD_WITHIN_MS = 60_000;

/** What the environment says to the command is meant for other places, and its proxy knows nothing of this machine. */
function cleanEnv() {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("STARKEEP_SYNC_"));
  return { ...Object.fromEntries(others), NODE_USE_ENV_PROXY: "0" };
}

/**
 * Makes places below `folder`. When `stopping` is aborted all of their processes are ended, and they abort it themselves
 * where one ends that should not.
 *
 * @param {string} folder
 * @param {AbortController} stopping
 */
export function createPlaces(folder, stopping) {
  const { signal } = stopping;
  const running = new Map();
  const killAll = () => {
    for (const child of running.keys()) child.kill("SIGKILL");
  };
  signal.addEventListener("abort", killAll);
  // Before the folder is removed, which is done at the exit too.
  process.prependListener("exit", killAll);

  /** Starts a process, whose bars and warnings a terminal shows if `isShown`. */
  function start(place, args, { json = true, isShown = true } = {}) {
    signal.throwIfAborted();
    const child = spawn(process.execPath, [place.program, ...args, ...(json ? ["--json"] : [])], {
      cwd: place.desk,
      env: { ...cleanEnv(), ...place.env },
      stdio: ["ignore", "pipe", isShown && process.stderr.isTTY ? "inherit" : "pipe"],
    });
    const closed = new Promise((resolve) =>
      child.on("close", (code, name) => {
        running.delete(child);
        resolve({ code, ending: name ?? `exit code ${code}` });
      }),
    );
    child.on("error", (error) =>
      stopping.abort(new DemoError(`${place.name} could not be started: ${error.message}`)),
    );
    running.set(child, closed);
    const said = { err: "" };
    child.stderr?.setEncoding("utf8").on("data", (text) => (said.err += text));
    return { child, closed, said };
  }

  /** Runs a process to its end; the lines that it printed, read as JSON. */
  async function run(place, args, { json = true } = {}) {
    const { child, closed, said } = start(place, args, { json });
    const lines = [];
    for await (const line of createInterface({ input: child.stdout }))
      lines.push(json ? JSON.parse(line) : line);
    const { code, ending } = await closed;
    if (code === 0) return lines;
    // Ctrl-C goes to all processes of a terminal, and this one may hear of it last.
    await pause(100);
    signal.throwIfAborted();
    const told = lines.findLast(({ error }) => error !== undefined)?.error.message;
    const why = told ?? (said.err.trim() || ending);
    throw new DemoError(`${place.name}, starkeep-sync ${args[0]}: ${why}`);
  }

  /** Starts a process that goes on until it is told to end. */
  function begin(place, args) {
    const { child, closed } = start(place, args, { isShown: false });
    const [heard, waiting] = [[], []];
    let isTold = false;
    createInterface({ input: child.stdout }).on("line", (line) => {
      heard.push(JSON.parse(line));
      for (const look of waiting) look();
    });
    closed.then(({ ending }) => {
      if (isTold) return;
      const what = `The process of ${place.name} (${args[0]}) ended early (${ending}).`;
      stopping.abort(new DemoError(what));
    });

    /** The next line of which `fits` holds; those before it are passed over. */
    function next(fits) {
      return new Promise((resolve, reject) => {
        const end = (settle, value) => {
          clearTimeout(timer);
          signal.removeEventListener("abort", aborted);
          waiting.splice(waiting.indexOf(look), 1);
          settle(value);
        };
        const look = () => {
          const index = heard.findIndex(fits);
          if (index >= 0) end(resolve, heard.splice(0, index + 1).at(-1));
        };
        const aborted = () => end(reject, signal.reason);
        const silent = () =>
          end(reject, new DemoError(`${place.name} (${args[0]}) did not say what was waited for.`));
        const timer = setTimeout(silent, HEARD_WITHIN_MS);
        signal.addEventListener("abort", aborted);
        waiting.push(look);
        if (signal.aborted) aborted();
        else look();
      });
    }

    return {
      pid: child.pid,
      next,
      async stop() {
        isTold = true;
        child.kill("SIGTERM");
        const { code, ending } = await closed;
        signal.throwIfAborted();
        // Windows knows no such signal, and ends a process at once.
        if (code !== 0 && process.platform !== "win32")
          throw new DemoError(`The process of ${place.name} (${args[0]}) ended with ${ending}.`);
      },
    };
  }

  return {
    /**
     * A place, with a folder of its own for the files that its person works with.
     *
     * @param {string} name
     * @param {{ program?: string, env?: Record<string, string> }} [other] a program that takes the words of the command,
     *   and what its environment has besides
     */
    add(name, { program = COMMAND, env = {} } = {}) {
      const nodeId = name.replaceAll(" ", "-");
      const place = { name, program, desk: join(folder, nodeId) };
      place.env = {
        STARKEEP_SYNC_DATA: join(folder, "places", nodeId),
        STARKEEP_SYNC_NODE_ID: nodeId,
        ...env,
      };
      mkdirSync(place.desk, { recursive: true });
      return Object.assign(place, {
        run: (args, options) => run(place, args, options),
        begin: (args) => begin(place, args),
      });
    },
    /** Ends what still runs. */
    async end() {
      killAll();
      await Promise.all(running.values());
      process.off("exit", killAll);
    },
  };
}
