"use strict";

/** Of names of at least so many letters, one that begins with the other is close to it. */
const BEGINNING = 5;

/** By how many letters two names differ; two neighbours that have changed places are one. */
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const [row, above] = [[i], rows[i - 1]];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(above[j] + 1, row[j - 1] + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/** The known name that a misspelt one is closest to, where it is close to one. */
exports.nearest = function nearest(name, known) {
  const given = name.toLowerCase();
  const near = known
    .map((other) => ({ other, lower: other.toLowerCase() }))
    .map(({ other, lower }) => ({ other, lower, apart: distance(given, lower) }))
    .filter(({ lower, apart }) => {
      const begins = lower.startsWith(given) || given.startsWith(lower);
      const isLong = Math.min(given.length, lower.length) >= BEGINNING;
      return (begins && isLong) || apart <= 1 + Math.max(given.length, lower.length) / 3;
    })
    .sort((one, another) => one.apart - another.apart);
  return near[0]?.other;
};
