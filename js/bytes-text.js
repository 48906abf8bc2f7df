"use strict";

const UNITS = ["kB", "MB", "GB", "TB", "PB"];

/** A number of bytes with a unit that suits it, in powers of a thousand. `unit` is what single bytes are called. */
exports.bytesText = function bytesText(bytes, unit = "B") {
  let [value, power] = [bytes, 0];
  // What would be rounded to a thousand is one of the next unit.
  for (; value >= (power === 0 ? 1000 : 999.95) && power < UNITS.length; power += 1) value /= 1000;
  return power === 0 ? `${Math.round(value)} ${unit}` : `${value.toFixed(1)} ${UNITS[power - 1]}`;
};
