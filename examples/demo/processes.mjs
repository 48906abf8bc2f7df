// The processes of the demo, as its parent sees them: each holds one node and does what it is asked for.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { DemoError } from "./errors.mjs";

const PROGRAM = fileURLToPath(new URL("process.mjs", import.meta.url));
const OPEN_WITHIN_MS = 60_000;
const CLOSE_WITHIN_MS = 30_000;
/** More than any time limit of the requests and stores, so that they get to say what is wrong. */
const SILENT_FOR_MS = 600_000;

/** A cloud in a process of its own; `baseUrl` says where it is. */
export function startCloud(title, folder, signal) {
  return start(title, "openCloud", [folder], signal);
}

/** A laptop in a process of its own, which exchanges with the cloud at `baseUrl`. */
export function startLaptop(title, folder, nodeId, { baseUrl, pace }, signal) {
  return start(title, "openLaptop", [folder, nodeId, baseUrl, pace], signal);
}

/**
 * The functions of a node of `node.mjs`, done in its process. What is under way fails at once where
 * `signal` says to stop, the process ends, or nothing is heard of it for too long.
 *
 * `close` closes its stores and waits for its end; `kill` ends it, whatever it is doing.
 */
async function start(title, method, args, signal) {
  const child = fork(PROGRAM, {
    serialization: "advanced",
    // A proxy of the environment knows nothing of this machine's own address.
    env: { ...process.env, NODE_USE_ENV_PROXY: "0" },
  });
  const exited = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  // Before the folder is removed, which is done at the exit too.
  process.prependOnceListener("exit", kill);
  const node = {
    pid: child.pid,
    async kill() {
      kill();
      await exited;
      process.off("exit", kill);
    },
  };
  const ask = asking(child, title, signal);
  try {
    Object.assign(node, await ask(method, args, OPEN_WITHIN_MS));
  } catch (error) {
    await node.kill();
    throw error;
  }
  for (const name of ["takeIn", "settle", "examine", "inventory"])
    node[name] = (...asked) => ask(name, asked, SILENT_FOR_MS);
  node.close = async () => {
    await ask("close", [], CLOSE_WITHIN_MS);
    await exited;
  };
  return node;
}

/** Asks the child for something; the last of the arguments may have `onProgress`. */
function asking(child, title, signal) {
  const pending = new Map();
  let asked = 0;
  let gone;
  const failAll = (error) => {
    gone ??= error;
    for (const { reject } of pending.values()) reject(gone);
  };
  signal.addEventListener("abort", () => failAll(signal.reason));
  child.on("error", (error) =>
    failAll(new DemoError(`The process of ${title} failed: ${error.message}`)),
  );
  child.on("exit", (code, name) =>
    failAll(new DemoError(`The process of ${title} ended early (${name ?? `exit code ${code}`}).`)),
  );
  child.on("message", ({ id, count, error, value }) => {
    const call = pending.get(id);
    if (call === undefined) return;
    if (count !== undefined) call.onProgress(count);
    else if (error !== undefined) call.reject(errorOf(error));
    else call.resolve(value);
  });

  return async (method, args, silentForMs) => {
    signal.throwIfAborted();
    if (gone !== undefined) throw gone;
    const id = (asked += 1);
    const { onProgress = () => {} } = args.at(-1) ?? {};
    const plain = args.filter((value) => typeof value?.onProgress !== "function");
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        const silent = () =>
          reject(new DemoError(`Nothing was heard of ${title} for ${silentForMs / 1000} seconds.`));
        timer = setTimeout(silent, silentForMs);
        const moved = (count) => {
          timer.refresh();
          onProgress(count);
        };
        pending.set(id, { resolve, reject, onProgress: moved });
        child.send({ id, method, args: plain }, (error) => error && reject(error));
      });
    } finally {
      clearTimeout(timer);
      pending.delete(id);
    }
  };
}

function errorOf({ message, stack, isExpected }) {
  return isExpected ? new DemoError(message) : Object.assign(new Error(message), { stack });
}
