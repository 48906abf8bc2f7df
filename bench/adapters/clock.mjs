/**
 * A hybrid logical clock: never behind the wall clock, never behind what it has received.
 *
 * @typedef {import("../reference/hlc.mjs").HLC} HLC
 */

/**
 * @param {{ nodeId: string, wallClock?: () => number }} options
 */
export function createHlcClock({ nodeId, wallClock = Date.now }) {
  let wallTime = 0;
  let counter = 0;

  /** @param {{ wallTime: number, counter: number }} seen */
  function tickPast(seen) {
    const wall = wallClock();
    const highest = Math.max(wall, wallTime, seen.wallTime);
    if (highest === wallTime && highest === seen.wallTime) counter = Math.max(counter, seen.counter) + 1;
    else if (highest === wallTime) counter += 1;
    else if (highest === seen.wallTime) counter = seen.counter + 1;
    else counter = 0;
    wallTime = highest;
    return { wallTime, counter, nodeId };
  }
  const tick = () => tickPast({ wallTime: 0, counter: 0 });

  return {
    now: tick,
    send: tick,
    /** @param {HLC} remote */
    receive: (remote) => tickPast(remote),
  };
}
