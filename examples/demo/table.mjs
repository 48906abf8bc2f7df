// What was done, as a table for a terminal.

const COLUMNS = ["step", "records", "objects", "bytes", "rounds", "seconds"];

/**
 * @typedef {object} Step
 * @property {string} step
 * @property {number} records
 * @property {number} objects
 * @property {number} bytes
 * @property {number} [rounds] nothing where the step exchanges nothing
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

/** A number of bytes with a unit that suits it. */
export function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

function cellsOf({ step, records, objects, bytes, rounds, seconds }) {
  return [
    step,
    String(records),
    String(objects),
    bytesText(bytes),
    rounds === undefined ? "–" : String(rounds),
    seconds.toFixed(2),
  ];
}

function aligned(cell, column, width) {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
