/**
 * An answering side in a process of its own.
 *
 * @typedef {import("./engines.mjs").Engine} Engine
 * @typedef {Awaited<ReturnType<typeof startPeer>>} Peer
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const ANSWERING = fileURLToPath(new URL("./answering.mjs", import.meta.url));

/**
 * @param {Engine} engine
 * @param {{ stores: "native" | "delta", paths: { database: string, blobs: string } }} options what ours is
 *   made of; every other engine has the plain adapters behind its own handler
 */
export async function startPeer({ specifier, role }, options) {
  const child = fork(ANSWERING, { execArgv: [] });
  const ended = once(child, "exit");

  /**
   * One order at a time.
   *
   * @param {string} order
   * @param {unknown} [argument]
   * @returns {Promise<any>}
   */
  async function tell(order, argument) {
    const answer = once(child, "message");
    child.send({ order, argument });
    const early = ended.then(([code, signal]) => {
      throw new Error(`the answering process ended early (${signal ?? code})`);
    });
    const [{ value, error }] = await Promise.race([answer, early]);
    if (error) throw new Error(error);
    return value;
  }

  async function close() {
    if (child.connected) child.disconnect();
    await ended;
  }

  try {
    const port = await tell("listen", { specifier, role, ...options });
    return { baseUrl: `http://127.0.0.1:${port}`, tell, close };
  } catch (error) {
    await close();
    throw error;
  }
}
