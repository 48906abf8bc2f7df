/**
 * The results as a table for a terminal.
 *
 * @typedef {import("./results.mjs").WorkloadResult} WorkloadResult
 * @typedef {import("./results.mjs").EngineResult} EngineResult
 */

const HEADER = ["workload", "engine", "median", "least – most", "× reference", "bar"];

/** @param {WorkloadResult[]} results */
export function renderTable(results) {
  const rows = results.flatMap((result) => result.engines.map((engine, index) => rowOf(result, engine, index === 0)));
  const widths = HEADER.map((title, column) => Math.max(title.length, ...rows.map((row) => width(row, column))));
  const line = (/** @type {string[]} */ cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd();
  return [line(HEADER), widths.map((wide) => "─".repeat(wide)).join("  "), ...rows.map(line)].join("\n");
}

/**
 * The same for a page: of each workload the reference's figure and this package's, side by side.
 *
 * @param {WorkloadResult[]} results
 */
export function renderMarkdown(results) {
  const header = ["Workload", "Reference", "This engine", "To be reached", "Ratio", "Least and greatest", ""];
  const lines = [header, header.map(() => "---"), ...results.map(markdownRow)];
  return `${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}

/** @param {WorkloadResult} result */
function markdownRow({ name, unit, bar, engines: [reference, ours] }) {
  const shown = (/** @type {EngineResult} */ { summary }) => (summary ? `${figure(summary.median)} ${unit}` : "–");
  const { toReference: by, met } = ours;
  return [
    `\`${name}\``,
    shown(reference),
    shown(ours),
    barText(bar, unit) || "–",
    by ? ratioText(by.ratio) : "–",
    by ? `${ratioText(by.least)} – ${ratioText(by.most)}` : "",
    met === undefined ? "–" : verdict(bar, ours).replace("MISSED", "**missed**"),
  ];
}

/**
 * A reason runs over into the empty columns after it, and widens none.
 *
 * @param {string[]} row
 * @param {number} column
 */
function width(row, column) {
  return column === 2 && row.length === 3 ? 0 : (row[column]?.length ?? 0);
}

/**
 * @param {WorkloadResult} result
 * @param {EngineResult} engine
 * @param {boolean} isFirst
 */
function rowOf({ name, unit, bar }, engine, isFirst) {
  const start = [isFirst ? name : "", engine.label];
  if (engine.failed) return [...start, `FAILED: ${engine.failed.split("\n")[0]}`];
  if (engine.unavailable) return [...start, `not available: ${engine.unavailable}`];
  const { summary, toReference, met } = engine;
  if (!summary) return start;
  return [
    ...start,
    `${figure(summary.median)} ${unit}`,
    `${figure(summary.min)} – ${figure(summary.max)}`,
    toReference ? ratioText(toReference.ratio) : "",
    met === undefined ? "" : `${barText(bar, unit)} ${verdict(bar, engine)}`,
  ];
}

/**
 * A miss that some of the runs do not show may be the machine's, and says so; it stays a miss.
 *
 * @param {import("../workloads/index.mjs").Bar} bar
 * @param {EngineResult} engine
 */
function verdict({ ratio = 0, below = Infinity }, { met, summary, toReference }) {
  if (met) return "met";
  const inSomeRun = (toReference?.most ?? 0) >= ratio && (summary?.min ?? Infinity) <= below;
  return inSomeRun ? "MISSED, within the spread" : "MISSED";
}

/** @param {number} ratio */
export function ratioText(ratio) {
  return `${ratio < 10 ? ratio.toFixed(ratio < 0.1 ? 3 : 2) : figure(ratio)}×`;
}

/**
 * @param {import("../workloads/index.mjs").Bar} bar
 * @param {string} unit
 */
export function barText({ ratio, below }, unit) {
  const parts = [];
  if (ratio !== undefined) parts.push(`≥ ${ratio}×`);
  if (below !== undefined) parts.push(`≤ ${below} ${unit}`);
  return parts.join(", ");
}

/**
 * Three digits that mean something.
 *
 * @param {number} value
 */
export function figure(value) {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(value < 1 ? 2 : 3);
}
