/**
 * Version vectors: per nodeId the greatest timestamp that a side knows.
 *
 * @typedef {import("./hlc.mjs").HLC} HLC
 * @typedef {Record<string, HLC>} Watermarks
 */
import { compareHlc, ZERO_HLC } from "./hlc.mjs";

/**
 * Raises the entry of `hlc.nodeId` in place; never lowers it.
 *
 * @param {Watermarks} watermarks
 * @param {HLC} hlc
 */
export function advanceWatermark(watermarks, hlc) {
  const current = watermarks[hlc.nodeId];
  if (!current || compareHlc(hlc, current) > 0) watermarks[hlc.nodeId] = hlc;
}

/**
 * @param {Watermarks} into
 * @param {Watermarks} incoming
 * @returns {Watermarks} a new map; both arguments stay as they are
 */
export function mergeWatermarks(into, incoming) {
  const merged = { ...into };
  for (const hlc of Object.values(incoming)) advanceWatermark(merged, hlc);
  return merged;
}

/**
 * @param {Watermarks} watermarks
 * @param {string} nodeId
 * @returns {HLC}
 */
export function watermarkFor(watermarks, nodeId) {
  return watermarks[nodeId] ?? ZERO_HLC;
}

/**
 * @param {HLC} hlc
 * @param {Watermarks} watermarks
 */
export function isUnseen(hlc, watermarks) {
  return compareHlc(hlc, watermarkFor(watermarks, hlc.nodeId)) > 0;
}

/**
 * @template {{ updatedAt: HLC }} T
 * @param {T[]} records
 * @param {Watermarks} peerWatermarks
 * @returns {T[]}
 */
export function selectUnseen(records, peerWatermarks) {
  return records.filter((record) => isUnseen(record.updatedAt, peerWatermarks));
}
