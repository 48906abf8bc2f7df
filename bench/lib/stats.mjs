/**
 * @typedef {{ median: number, min: number, max: number, runs: number[] }} Summary
 */

/**
 * @param {number[]} values
 * @returns {number}
 */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @param {number[]} runs
 * @returns {Summary}
 */
export function summarise(runs) {
  return { median: median(runs), min: Math.min(...runs), max: Math.max(...runs), runs };
}

/**
 * How much better than the baseline, run by run, so that what disturbed the machine during one run
 * disturbs one quotient; and the range of these quotients.
 *
 * @param {Summary} baseline
 * @param {Summary} summary
 */
export function ratioTo(baseline, summary) {
  const quotients = summary.runs.map((value, run) => baseline.runs[run] / value);
  return { ratio: baseline.median / summary.median, least: Math.min(...quotients), most: Math.max(...quotients) };
}

/**
 * Another one begins in each run, so that none always follows the same one.
 *
 * @template T
 * @param {T[]} list
 * @param {number} by
 * @returns {T[]}
 */
export function rotated(list, by) {
  const first = by % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}
