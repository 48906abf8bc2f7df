// Hybrid logical clocks, written here a second time on purpose: what the suite
// expects must not come out of the code that it checks.

/** @typedef {{ wallTime: number, counter: number, nodeId: string }} Hlc */

/** A moment well in the past, so that no guard against clocks that run ahead sees it. */
export const EPOCH = 1_700_000_000_000;

export const ZERO = Object.freeze({ wallTime: 0, counter: 0, nodeId: "" });

/** @returns {Hlc} a timestamp `offset` milliseconds after the epoch of these tests */
export function at(offset, nodeId, counter = 0) {
  return { wallTime: EPOCH + offset, counter, nodeId };
}

/** @param {Hlc} a @param {Hlc} b */
export function compare(a, b) {
  if (a.wallTime !== b.wallTime) return a.wallTime < b.wallTime ? -1 : 1;
  if (a.counter !== b.counter) return a.counter < b.counter ? -1 : 1;
  if (a.nodeId === b.nodeId) return 0;
  return a.nodeId < b.nodeId ? -1 : 1;
}

/** The greatest of some timestamps, or null of none. */
export function greatest(stamps) {
  let best = null;
  for (const stamp of stamps) if (best === null || compare(stamp, best) > 0) best = stamp;
  return best;
}

/** @param {Hlc} hlc */
export function text({ wallTime, counter, nodeId }) {
  return `${wallTime.toString(16).padStart(12, "0")}:${counter.toString(16).padStart(4, "0")}:${nodeId}`;
}

/** @param {string} written @returns {Hlc} */
export function parse(written) {
  const first = written.indexOf(":");
  const second = written.indexOf(":", first + 1);
  return {
    wallTime: Number.parseInt(written.slice(0, first), 16),
    counter: Number.parseInt(written.slice(first + 1, second), 16),
    nodeId: written.slice(second + 1),
  };
}

/** The greatest timestamp per nodeId, as a plain object that survives a node called `__proto__`. */
export function watermarksOf(stamps) {
  const best = new Map();
  for (const stamp of stamps) {
    const known = best.get(stamp.nodeId);
    if (known === undefined || compare(stamp, known) > 0) best.set(stamp.nodeId, stamp);
  }
  return Object.fromEntries(best);
}

/** The own entry of a watermark map, whatever the node is called. */
export function entryOf(watermarks, nodeId) {
  return Object.hasOwn(watermarks, nodeId) ? watermarks[nodeId] : undefined;
}

/**
 * A clock whose wall time stands still until a test moves it.
 * `received` keeps every timestamp that it was told of.
 */
export function clockFor(nodeId, start = EPOCH) {
  let last = { wallTime: 0, counter: 0 };
  const settle = (wallTime, counter) => {
    last = { wallTime, counter };
    return { wallTime, counter, nodeId };
  };
  const clock = {
    wall: start,
    received: [],
    now() {
      if (clock.wall > last.wallTime) return settle(clock.wall, 0);
      return settle(last.wallTime, last.counter + 1);
    },
    send: () => clock.now(),
    receive(remote) {
      clock.received.push(remote);
      const wallTime = Math.max(clock.wall, last.wallTime, remote.wallTime);
      const seen = [last, remote].filter((stamp) => stamp.wallTime === wallTime);
      return settle(wallTime, seen.length === 0 ? 0 : Math.max(...seen.map((s) => s.counter)) + 1);
    },
  };
  return clock;
}
