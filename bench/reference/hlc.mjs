/**
 * Hybrid logical clock timestamps, as plain values.
 *
 * @typedef {{ wallTime: number, counter: number, nodeId: string }} HLC
 */

/** @type {HLC} */
export const ZERO_HLC = Object.freeze({ wallTime: 0, counter: 0, nodeId: "" });

/**
 * Orders by wall time, then counter, then nodeId.
 *
 * @param {HLC} a
 * @param {HLC} b
 * @returns {number} negative, zero or positive
 */
export function compareHlc(a, b) {
  if (a.wallTime !== b.wallTime) return a.wallTime - b.wallTime;
  if (a.counter !== b.counter) return a.counter - b.counter;
  if (a.nodeId === b.nodeId) return 0;
  return a.nodeId < b.nodeId ? -1 : 1;
}

/**
 * The text form that the tables hold: its text order is HLC order while the counter has four digits.
 *
 * @param {HLC} hlc
 */
export function serializeHlc(hlc) {
  const wallTime = hlc.wallTime.toString(16).padStart(12, "0");
  const counter = hlc.counter.toString(16).padStart(4, "0");
  return `${wallTime}:${counter}:${hlc.nodeId}`;
}

/**
 * @param {string} text
 * @returns {HLC}
 */
export function deserializeHlc(text) {
  const first = text.indexOf(":");
  const second = text.indexOf(":", first + 1);
  return {
    wallTime: Number.parseInt(text.slice(0, first), 16),
    counter: Number.parseInt(text.slice(first + 1, second), 16),
    nodeId: text.slice(second + 1),
  };
}
