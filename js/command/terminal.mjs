// What is written where: results to the standard output; warnings, errors and bars to the standard error.
import { once } from "node:events";
import { bytesText } from "../bytes-text.js";
import { plain } from "./errors.mjs";

const REDRAW_MS = 100;
const WIDEST_BAR = 24;

export const countText = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** The time of a timestamp; `null` for what stands malformed in a store. */
export const timeOf = (stamp) =>
  Number.isSafeInteger(stamp?.wallTime) && stamp.wallTime < 8.64e15
    ? new Date(stamp.wallTime).toISOString()
    : null;

/** Writes results, and waits while their reader does not keep up. */
export function createOutput(signal, stream = process.stdout) {
  async function write(chunk) {
    if (!stream.write(chunk) && !signal.aborted) await once(stream, "drain", { signal });
  }
  return {
    write,
    line: (text) => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    isTerminal: stream.isTTY === true,
  };
}

/**
 * A bar on a terminal, nothing anywhere else. `show` takes `{ phase, done, of, bytes, bytesOf }`, of which what is not
 * known is left out.
 *
 * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} [stream]
 */
export function createProgress(stream = process.stderr, now = () => performance.now()) {
  if (!stream.isTTY) return { show() {}, clear() {} };
  let phase;
  let begun = 0;
  let base = 0;
  let shownAt = -Infinity;
  return {
    show(progress) {
      const { done, of, bytes = 0 } = progress;
      const isNew = progress.phase !== phase || bytes < base;
      if (isNew) [phase, begun, base] = [progress.phase, now(), bytes];
      if (!isNew && done !== of && now() - shownAt < REDRAW_MS) return;
      shownAt = now();
      const rate = (bytes - base) / Math.max((shownAt - begun) / 1000, 0.001);
      stream.write(`\r${barOf(progress, rate).slice(0, (stream.columns || 80) - 1)}\x1b[K`);
    },
    clear() {
      if (shownAt !== -Infinity) stream.write("\r\x1b[K");
      [phase, shownAt] = [undefined, -Infinity];
    },
  };
}

function barOf({ phase, done, of, bytes, bytesOf }, rate) {
  const [part, whole] = bytesOf > 0 ? [bytes, bytesOf] : [done, of];
  const share = whole > 0 ? Math.min(part / whole, 1) : undefined;
  const full = Math.round((share ?? 0) * WIDEST_BAR);
  const bar = share === undefined ? [] : [`${"█".repeat(full)}${"░".repeat(WIDEST_BAR - full)}`];
  const percent = share === undefined ? [] : [`${Math.floor(share * 100)}%`.padStart(4)];
  // Of what is drawn first there is no rate yet.
  const speed = rate > 0 ? [`${bytesText(rate)}/s`] : [];
  const moved = bytes > 0 ? [bytesText(bytes), ...speed] : [];
  return [
    phase.padEnd(8),
    ...bar,
    ...percent,
    of === undefined ? `${done}` : `${done}/${of}`,
    ...moved,
  ].join("  ");
}

/** Has the warnings of the package be one line each, and clears a bar before them. */
export function createWarnings(progress, isDebugging, stream = process.stderr) {
  const warn = (message) => {
    progress.clear();
    stream.write(`starkeep-sync: warning: ${plain(message)}\n`);
  };
  console.warn = (message, ...more) => {
    warn(String(message).replace(/^\[starkeep sync\] /, ""));
    if (isDebugging) for (const detail of more) console.error(detail);
  };
  return warn;
}
