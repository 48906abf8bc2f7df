// A picture of text in few bytes: of each part of a colour sixteen steps, as an index into a palette.
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}

function* chunksOf(png) {
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    yield [png.toString("latin1", at + 4, at + 8), png.subarray(at + 8, at + 8 + length)];
    at += length + 12;
  }
}

/** What each filter of the format adds, of what is left, above, and both. */
const FILTERS = [
  () => 0,
  (left) => left,
  (left, up) => up,
  (left, up) => (left + up) >> 1,
  (left, up, corner) => {
    const [toLeft, toUp, toCorner] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs);
    if (toLeft <= toUp && toLeft <= toCorner) return left;
    return toUp <= toCorner ? up : corner;
  },
];

function linesOf(bytes, lineLength, size) {
  const lines = [];
  let above = Buffer.alloc(lineLength);
  for (let at = 0; at < bytes.length; at += lineLength + 1) {
    const line = Buffer.from(bytes.subarray(at + 1, at + 1 + lineLength));
    const filter = FILTERS[bytes[at]];
    for (let x = 0; x < lineLength; x += 1) {
      const [left, corner] = x < size ? [0, 0] : [line[x - size], above[x - size]];
      line[x] += filter(left, above[x], corner);
    }
    lines.push(line);
    above = line;
  }
  return lines;
}

/** The same picture with fewer colours; `png` has eight bits for each of red, green and blue. */
export function smallPng(png) {
  const chunks = [...chunksOf(png)];
  const header = Buffer.from(chunks[0][1]);
  const size = { 2: 3, 6: 4 }[header[9]];
  const packed = Buffer.concat(chunks.filter(([type]) => type === "IDAT").map(([, data]) => data));
  const width = header.readUInt32BE(0);
  const indexes = new Map();
  const lines = linesOf(inflateSync(packed), width * size, size).map((line) => {
    const few = Buffer.alloc(width + 1);
    for (let x = 0; x < width; x += 1) {
      const color = [0, 1, 2].reduce((all, part) => all * 16 + Math.round(line[x * size + part] / 17), 0);
      if (!indexes.has(color)) indexes.set(color, indexes.size);
      few[x + 1] = indexes.get(color);
    }
    return few;
  });
  if (indexes.size > 256) throw new Error(`${indexes.size} colours are too many`);
  const palette = [...indexes.keys()].flatMap((color) => [8, 4, 0].map((at) => ((color >> at) & 15) * 17));
  header[9] = 3;
  const data = deflateSync(Buffer.concat(lines), { level: 9 });
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette)),
    chunk("IDAT", data),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
