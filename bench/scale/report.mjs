/** The figures as tables for a terminal and a page. */
import { figure } from "../lib/table.mjs";

/** A laptop asks each 30 seconds, for a month of 30 days. */
export const EXCHANGES = (30 * 24 * 3600) / 30;

/** @param {string[][]} rows the first has the titles */
function table(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((cells) => cells[at].length)));
  const line = (/** @type {string[]} */ cells) => `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(" | ")} |`;
  return [
    line(rows[0]),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...rows.slice(1).map(line),
  ].join("\n");
}

const micro = (/** @type {number | null} */ seconds) => (seconds === null ? "–" : `${figure(seconds * 1e6)} µs`);
const money = (/** @type {number} */ value, /** @type {string} */ currency) =>
  `${value < 0.01 ? value.toPrecision(2) : value.toFixed(2)} ${currency}`;

/**
 * @typedef {object} Bar
 * @property {string} name
 * @property {string} ours
 * @property {string} theirs
 * @property {string} found
 * @property {string} bar
 * @property {boolean} met
 *
 * @param {Bar[]} bars
 */
export const renderBars = (bars) =>
  table([
    ["", "Ours", "Beside it", "Found", "To be reached", ""],
    ...bars.map(({ name, ours, theirs, found, bar, met }) => [name, ours, theirs, found, bar, met ? "met" : "MISSED"]),
  ]);

/** A function is paid for while it waits for the database. How long others kept it from working here is not counted. @param {any} theirs */
const functionSeconds = ({ cpuSeconds, databaseCpuSeconds }) => cpuSeconds + (databaseCpuSeconds ?? 0);

/**
 * What a laptop costs in a month, by what was measured and by prices that are taken from a file.
 *
 * @param {{ ours: any, theirs: any }} quiet
 * @param {{ currency: string, prices: Record<string, { value: number }> }} given
 */
export function costs({ ours, theirs }, { prices }) {
  const price = (/** @type {string} */ name) => prices[name].value;
  const cpu = (/** @type {number | null} */ seconds, /** @type {string} */ name) =>
    ((seconds ?? 0) / price("busy") / 3600) * price(name) * EXCHANGES;
  const out = (ours.received / 1e9) * price("gigabyteOut") * EXCHANGES;
  const called = (price("millionCalls") / 1e6) * EXCHANGES;
  const time = functionSeconds(theirs) * price("functionGigabytes") * price("gigabyteSecond") * EXCHANGES;
  return {
    ours: {
      server: cpu(ours.cpuSeconds, "cpuHour"),
      database: cpu(ours.databaseCpuSeconds, "databaseCpuHour"),
      out,
    },
    // Its answers were not measured: they are taken to be as long.
    theirs: { server: called + time, database: cpu(theirs.databaseCpuSeconds, "databaseCpuHour"), out },
  };
}

/**
 * @param {{ ours: any, theirs: any }} quiet
 * @param {{ date: string, currency: string, prices: Record<string, { value: number, means: string }> }} given
 */
export function renderCosts({ ours, theirs }, given) {
  const { date, currency, prices } = given;
  const cost = costs({ ours, theirs }, given);
  const total = (/** @type {Record<string, number>} */ parts) =>
    Object.values(parts).reduce((sum, one) => sum + one, 0);
  const parts = /** @type {const} */ (["server", "database", "out"]);
  const titles = { server: "server, or function", database: "database", out: "bytes answered" };
  const each = (/** @type {number} */ queries, /** @type {number} */ exchanges) => figure(queries / exchanges);
  const measured = [
    ["Measured, each quiet exchange", "Ours", "Starkeep's way"],
    ["queries", each(ours.queries, ours.exchanges), each(theirs.queries, theirs.exchanges)],
    ["processor of the server", micro(ours.cpuSeconds), micro(theirs.cpuSeconds)],
    ["processor of the database", micro(ours.databaseCpuSeconds), micro(theirs.databaseCpuSeconds)],
    ["bytes asked and answered", `${ours.sent} and ${ours.received}`, "taken to be ours"],
    ["time of the function, at least", "–", micro(functionSeconds(theirs))],
  ];
  const computed = [
    [`Computed, a laptop and month (${EXCHANGES.toLocaleString("en")} exchanges)`, "Ours", "Starkeep's way"],
    ...parts.map((part) => [titles[part], money(cost.ours[part], currency), money(cost.theirs[part], currency)]),
    ["together", money(total(cost.ours), currency), money(total(cost.theirs), currency)],
  ];
  const assumed = [
    [`Assumed on ${date}: bench/scale/prices.json`, currency],
    ...Object.entries(prices).map(([name, { value, means }]) => [`\`${name}\`: ${means}`, String(value)]),
  ];
  return [measured, computed, assumed].map(table).join("\n\n");
}
