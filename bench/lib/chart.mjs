/**
 * The ratios to the reference as an SVG: one group per workload, one bar per engine, on a logarithmic
 * scale with the reference in its middle. It carries its own background and needs no style sheet, so
 * that it reads the same wherever it is shown.
 *
 * @typedef {import("./results.mjs").WorkloadResult} WorkloadResult
 */
import { ratioText } from "./table.mjs";

const COLOURS = ["#0b6e4f", "#3d5a98", "#b5651d", "#7a3e8e"];
const REFERENCE_COLOUR = "#8a8f98";
const WIDTH = 860;
const LEFT = 40;
const PLOT = WIDTH - LEFT - 80;
const TITLE = 18;
const BAR = 14;
const GAP = 12;
const TOP = 84;
const HALO = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"';

/**
 * @param {{ results: WorkloadResult[], subtitle: string }} options
 * @returns {string}
 */
export function renderChart({ results, subtitle }) {
  const groups = results.map(groupOf).filter((group) => group.bars.length > 0);
  const labels = [...new Set(groups.flatMap((group) => group.bars.map((bar) => bar.label)))];
  const colourOf = (/** @type {string} */ label) => COLOURS[labels.indexOf(label) % COLOURS.length];
  const scale = scaleFor(groups);
  let y = TOP;
  const parts = [];
  for (const group of groups) {
    parts.push(renderGroup(group, y, scale, colourOf));
    y += TITLE + group.bars.length * BAR + GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 26}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(16, 24, "Times better than the reference (logarithmic)", 'font-size="15" font-weight="600"'),
    text(16, 42, subtitle, 'fill="#5a5f68"'),
    ...legend(labels, colourOf),
    ...gridLines(scale, y),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/** @param {WorkloadResult} result */
function groupOf({ title, bar, engines }) {
  const bars = engines.flatMap(({ label, toReference }) =>
    toReference && label !== "reference" ? [{ label, ratio: toReference.ratio }] : [],
  );
  return { title, wanted: bar.ratio, bars };
}

/**
 * @typedef {ReturnType<typeof groupOf>} Group
 * @typedef {{ low: number, high: number, x: (ratio: number) => number }} Scale
 */

/**
 * Whole powers of ten around all that is shown.
 *
 * @param {Group[]} groups
 * @returns {Scale}
 */
function scaleFor(groups) {
  const shown = groups.flatMap(({ bars, wanted }) => [...bars.map(({ ratio }) => ratio), wanted ?? 1]);
  const low = Math.min(-1, Math.floor(Math.log10(Math.min(1, ...shown))));
  const high = Math.max(1, Math.ceil(Math.log10(Math.max(1, ...shown))));
  return { low, high, x: (ratio) => LEFT + ((Math.log10(ratio) - low) / (high - low)) * PLOT };
}

/**
 * @param {Group} group
 * @param {number} y
 * @param {Scale} scale
 * @param {(label: string) => string} colourOf
 */
function renderGroup({ title, wanted, bars }, y, { x }, colourOf) {
  const parts = [text(16, y + 12, title, HALO)];
  const first = y + TITLE;
  bars.forEach(({ label, ratio }, index) => {
    const [from, to] = [x(1), x(ratio)].sort((a, b) => a - b);
    const top = first + index * BAR;
    parts.push(
      `<rect x="${px(from)}" y="${top + 1}" width="${px(Math.max(1, to - from))}" height="${BAR - 2}" fill="${colourOf(label)}"/>`,
    );
  });
  if (wanted !== undefined) {
    const at = px(x(wanted));
    const bottom = first + bars.length * BAR;
    parts.push(`<path d="M${at} ${first - 2}V${bottom + 2}" stroke="#c0392b" stroke-width="2"/>`);
  }
  bars.forEach(({ ratio }, index) => {
    const label = ratioText(ratio);
    parts.push(text(Math.max(x(1), x(ratio)) + 5, first + (index + 1) * BAR - 3, label, `font-size="11" ${HALO}`));
  });
  return parts.join("\n");
}

/**
 * @param {Scale} scale
 * @param {number} bottom
 */
function gridLines({ low, high, x }, bottom) {
  const lines = [];
  for (let power = low; power <= high; power++) {
    const at = px(x(10 ** power));
    const stroke = power === 0 ? REFERENCE_COLOUR : "#e3e5e8";
    lines.push(`<path d="M${at} ${TOP - 8}V${bottom}" stroke="${stroke}"/>`);
    lines.push(
      text(Number(at), bottom + 16, `${(10 ** power).toLocaleString("en")}×`, 'text-anchor="middle" fill="#5a5f68"'),
    );
  }
  return lines;
}

/**
 * @param {string[]} labels
 * @param {(label: string) => string} colourOf
 */
function legend(labels, colourOf) {
  let x = 16;
  const parts = [];
  for (const { label, colour } of [
    ...labels.map((label) => ({ label, colour: colourOf(label) })),
    { label: "reference = 1×", colour: REFERENCE_COLOUR },
    { label: "to be reached", colour: "#c0392b" },
  ]) {
    parts.push(`<rect x="${x}" y="53" width="10" height="10" fill="${colour}"/>`, text(x + 15, 62, label));
    x += 34 + label.length * 6.6;
  }
  return parts;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} [attributes]
 */
function text(x, y, content, attributes = "") {
  const safe = content.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? "");
  return `<text x="${px(x)}" y="${px(y)}" ${attributes}>${safe}</text>`;
}

const px = (/** @type {number} */ value) => value.toFixed(1);
