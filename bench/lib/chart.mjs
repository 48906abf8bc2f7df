/**
 * The ratios to the reference as an SVG: one group per workload, one bar per engine, on a logarithmic
 * scale with the reference in its middle. It carries its own background and needs no style sheet, so
 * that it reads the same wherever it is shown.
 *
 * @typedef {import("./results.mjs").WorkloadResult} WorkloadResult
 */
import { grid, HALO, LEFT, logScale, page, px, REFERENCE_COLOUR, text, TOP, WANTED_COLOUR } from "./svg.mjs";
import { ratioText } from "./table.mjs";

const COLOURS = ["#0b6e4f", "#3d5a98", "#b5651d", "#7a3e8e"];
const TITLE = 18;
const BAR = 14;
const GAP = 12;

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
  return page({
    title: "Times better than the reference (logarithmic)",
    subtitle,
    height: y + 26,
    parts: [...legend(labels, colourOf), ...grid(scale, y), ...parts],
  });
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
 * @typedef {import("./svg.mjs").Scale} Scale
 */

/** @param {Group[]} groups */
const scaleFor = (groups) =>
  logScale(
    groups.flatMap(({ bars, wanted }) => [...bars.map(({ ratio }) => ratio), wanted ?? 1]),
    LEFT,
  );

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
    parts.push(`<path d="M${at} ${first - 2}V${bottom + 2}" stroke="${WANTED_COLOUR}" stroke-width="2"/>`);
  }
  bars.forEach(({ ratio }, index) => {
    const label = ratioText(ratio);
    parts.push(text(Math.max(x(1), x(ratio)) + 5, first + (index + 1) * BAR - 3, label, `font-size="11" ${HALO}`));
  });
  return parts.join("\n");
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
    { label: "to be reached", colour: WANTED_COLOUR },
  ]) {
    parts.push(`<rect x="${x}" y="53" width="10" height="10" fill="${colour}"/>`, text(x + 15, 62, label));
    x += 34 + label.length * 6.6;
  }
  return parts;
}
