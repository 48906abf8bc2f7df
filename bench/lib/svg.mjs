/**
 * What the charts share: a page with its own background, which needs no style sheet, so that it reads the same wherever
 * it is shown, and a logarithmic scale.
 *
 * @typedef {{ low: number, high: number, x: (ratio: number) => number }} Scale
 */
export const REFERENCE_COLOUR = "#8a8f98";
export const WANTED_COLOUR = "#c0392b";
export const LEFT = 40;
/** Where the plot begins, below the title and the legend. */
export const TOP = 84;
export const HALO = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"';
const WIDTH = 860;
const RIGHT = 80;

/**
 * @param {{ title: string, subtitle: string, height: number, parts: string[] }} options
 * @returns {string}
 */
export function page({ title, subtitle, height, parts }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(16, 24, title, 'font-size="15" font-weight="600"'),
    text(16, 42, subtitle, 'fill="#5a5f68"'),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/**
 * Whole powers of ten around all that is shown, from `left` on.
 *
 * @param {number[]} shown
 * @param {number} left
 * @returns {Scale}
 */
export function logScale(shown, left) {
  const low = Math.min(-1, Math.floor(Math.log10(Math.min(1, ...shown))));
  const high = Math.max(1, Math.ceil(Math.log10(Math.max(1, ...shown))));
  const plot = WIDTH - left - RIGHT;
  return { low, high, x: (ratio) => left + ((Math.log10(ratio) - low) / (high - low)) * plot };
}

/**
 * @param {Scale} scale
 * @param {number} bottom
 */
export function grid({ low, high, x }, bottom) {
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
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} [attributes]
 */
export function text(x, y, content, attributes = "") {
  const safe = content.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? "");
  return `<text x="${px(x)}" y="${px(y)}" ${attributes}>${safe}</text>`;
}

export const px = (/** @type {number} */ value) => value.toFixed(1);
