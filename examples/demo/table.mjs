// What was done, as a table for a terminal.
import { bytesText } from "../../js/bytes-text.js";

const COLUMNS = ["step", "records", "objects", "bytes", "seconds", "throughput"];

/**
 * @typedef {object} Step
 * @property {string} step
 * @property {number} records
 * @property {number} objects
 * @property {number} bytes those of both directions
 * @property {number} seconds
 *
 * @param {Step[]} steps
 */
export function renderTable(steps) {
  const rows = [COLUMNS, ...steps.map(cellsOf)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) => row.map((cell, i) => aligned(cell, i, widths[i])).join("  "));
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

function cellsOf({ step, records, objects, bytes, seconds }) {
  return [
    step,
    String(records),
    String(objects),
    bytesText(bytes),
    seconds.toFixed(2),
    seconds > 0 ? `${bytesText(bytes / seconds)}/s` : "–",
  ];
}

function aligned(cell, column, width) {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
