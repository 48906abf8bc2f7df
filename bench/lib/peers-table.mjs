/**
 * The figures of the peers as tables for a page, this package's first.
 *
 * @typedef {{ key: string, title: string, unit: string }} Column
 * @typedef {object} Row
 * @property {import("../peers/index.mjs").Peer} peer
 * @property {Record<string, number[]>} runs by the key of the column
 * @property {string} [counted] what strace counted
 * @property {string} [unavailable]
 * @property {string} [failed]
 */
import { summarise } from "./stats.mjs";
import { figure } from "./table.mjs";

/**
 * @param {{ kind: "records" | "files", title: string, columns: Column[], rows: Row[] }} result the first of the rows is
 *   what the ratios are of
 * @param {{ aligned?: boolean }} [how] aligned: with its columns below one another, as a page in git has them
 */
export function renderPeers({ kind, title, columns, rows }, { aligned = false } = {}) {
  const header = [title, ...columns.map((column) => column.title), "Synced to disk"];
  const lines = [header, header.map(() => "---"), ...rows.map((row) => cellsOf(row, kind, columns, rows[0]))];
  const widthOf = (/** @type {number} */ at) => (aligned ? Math.max(...lines.map((cells) => cells[at].length)) : 0);
  const widths = header.map((_, at) => widthOf(at));
  const padded = lines.map((cells) => cells.map((cell, at) => cell.padEnd(widths[at], cell === "---" ? "-" : " ")));
  return `${padded.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}

/** @param {Row} row @param {"records" | "files"} kind @param {Column[]} columns @param {Row} ours */
function cellsOf(row, kind, columns, ours) {
  const { peer, counted, unavailable, failed } = row;
  const reason = failed ? `FAILED: ${failed.split("\n")[0]}` : unavailable && `not available: ${unavailable}`;
  const cells = columns.map(({ key, unit }) =>
    reason ? "–" : cellOf(row.runs[key], unit, ours.runs[key], row === ours),
  );
  return [peer.title, ...cells, reason ?? [peer.syncs[kind], counted].filter(Boolean).join("; ")];
}

/**
 * @param {number[] | undefined} runs
 * @param {string} unit
 * @param {number[] | undefined} ours
 * @param {boolean} isOurs
 */
function cellOf(runs, unit, ours, isOurs) {
  if (!runs?.length) return "–";
  const { median, min, max } = summarise(runs);
  const spread = min === max ? "" : ` (${figure(min)} – ${figure(max)})`;
  const ratio = isOurs || !ours?.length ? "" : `, ${ratioOf(summarise(ours).median / median)}`;
  return `${figure(median)} ${unit}${spread}${ratio}`;
}

/** Ours ÷ theirs: below 1 this package is faster, or takes less. @param {number} ratio */
const ratioOf = (ratio) => `**${ratio >= 10 ? figure(ratio) : ratio.toFixed(ratio < 0.1 ? 3 : 2)}×**`;
