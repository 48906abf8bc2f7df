/**
 * How long the peers take beside this package, as an SVG: one group for each column of their table, one bar for each
 * peer. To the right of 1× the peer takes longer, or more.
 *
 * @typedef {import("./peers-table.mjs").Row} Row
 * @typedef {Parameters<typeof import("./peers-table.mjs").renderPeers>[0]} Result
 */
import { summarise } from "./stats.mjs";
import { grid, HALO, logScale, page, px, text, TOP } from "./svg.mjs";
import { figure, ratioText } from "./table.mjs";

const DURABLE = "#3d5a98";
const FAST = "#b5651d";
/** Room for the names of the peers. */
const LEFT = 200;
const TITLE = 18;
const BAR = 14;
const GAP = 12;

/**
 * @param {{ results: Result[], subtitle: string }} options
 * @returns {string}
 */
export function renderPeersChart({ results, subtitle }) {
  const groups = results.flatMap(groupsOf).filter(({ bars }) => bars.length > 0);
  const scale = logScale(
    groups.flatMap(({ bars }) => bars.map(({ ratio }) => ratio)),
    LEFT,
  );
  let y = TOP;
  const parts = [];
  for (const group of groups) {
    parts.push(renderGroup(group, y, scale));
    y += TITLE + group.bars.length * BAR + GAP;
  }
  const title = "What others take beside this package (logarithmic; right of 1× they take more)";
  return page({ title, subtitle, height: y + 26, parts: [...legend(), ...grid(scale, y), ...parts] });
}

/** @param {Result} result */
function groupsOf({ kind, title, columns, rows: [ours, ...others] }) {
  return columns.map(({ key, title: column, unit }) => {
    const own = ours.runs[key];
    if (!own?.length) return { title: "", bars: [] };
    const { median } = summarise(own);
    const bars = others.flatMap(({ peer, runs, failed, unavailable }) =>
      failed || unavailable || !runs[key]?.length
        ? []
        : [{ label: peer.title, ratio: summarise(runs[key]).median / median, durable: isDurable(peer, kind) }],
    );
    return { title: `${title}: ${column}, this package ${figure(median)} ${unit}`, bars };
  });
}

/** @param {Row["peer"]} peer @param {Result["kind"]} kind */
const isDurable = ({ syncs }, kind) => syncs[kind]?.startsWith("every") ?? false;

/**
 * @param {ReturnType<typeof groupsOf>[number]} group
 * @param {number} y
 * @param {import("./svg.mjs").Scale} scale
 */
function renderGroup({ title, bars }, y, { x }) {
  const parts = [text(16, y + 12, title, HALO)];
  bars.forEach(({ label, ratio, durable }, index) => {
    const [from, to] = [x(1), x(ratio)].sort((a, b) => a - b);
    const top = y + TITLE + index * BAR;
    const width = px(Math.max(1, to - from));
    parts.push(
      text(LEFT - 10, top + BAR - 3, label, `font-size="11" text-anchor="end" ${HALO}`),
      `<rect x="${px(from)}" y="${top + 1}" width="${width}" height="${BAR - 2}" fill="${durable ? DURABLE : FAST}"/>`,
      text(Math.max(x(1), x(ratio)) + 5, top + BAR - 3, ratioText(ratio), `font-size="11" ${HALO}`),
    );
  });
  return parts.join("\n");
}

function legend() {
  const entries = [
    { label: "syncs every commit or file to the disk, as this package does", colour: DURABLE, x: 16 },
    { label: "does not: a power cut may lose what it says is stored", colour: FAST, x: 400 },
  ];
  return entries.flatMap(({ label, colour, x }) => [
    `<rect x="${x}" y="53" width="10" height="10" fill="${colour}"/>`,
    text(x + 15, 62, label),
  ]);
}
