// What a 64-bit little-endian ELF library exports and asks for.
const MACHINES = { 0x3e: "x64", 0xb7: "arm64" };
const SECTION = { dynsym: 11, dynamic: 6, versionsNeeded: 0x6fff_fffe, versions: 0x6fff_ffff };
const NEEDED = 1n;
const UNDEFINED = 0;
/** Bit of a symbol's version that hides it from the linker. */
const HIDDEN = 0x8000;

function sectionsOf(bytes) {
  const [start, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    const number = (offset) => Number(bytes.readBigUInt64LE(at + offset));
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: number(24),
      size: number(32),
      link: bytes.readUInt32LE(at + 40),
    };
  });
}

function textAt(bytes, section, offset) {
  const start = section.offset + offset;
  return bytes.toString("latin1", start, bytes.indexOf(0, start));
}

/** The names of the versions that are asked for of other libraries, by their numbers. */
function versionsNeeded(bytes, sections) {
  const versions = new Map();
  const section = sections.find(({ type }) => type === SECTION.versionsNeeded);
  if (section === undefined) return versions;
  for (let at = section.offset, next = -1; next !== 0; at += next) {
    let one = at + bytes.readUInt32LE(at + 8);
    for (let left = bytes.readUInt16LE(at + 2); left > 0; left -= 1) {
      versions.set(bytes.readUInt16LE(one + 6), textAt(bytes, sections[section.link], bytes.readUInt32LE(one + 8)));
      one += bytes.readUInt32LE(one + 12);
    }
    next = bytes.readUInt32LE(at + 12);
  }
  return versions;
}

function symbolsOf(bytes, sections) {
  const table = sections.find(({ type }) => type === SECTION.dynsym);
  const numbers = sections.find(({ type }) => type === SECTION.versions);
  const versions = versionsNeeded(bytes, sections);
  const symbols = [];
  for (let at = table.offset + 24, index = 1; at < table.offset + table.size; at += 24, index += 1) {
    const number = numbers === undefined ? 0 : bytes.readUInt16LE(numbers.offset + 2 * index) & ~HIDDEN;
    symbols.push({
      name: textAt(bytes, sections[table.link], bytes.readUInt32LE(at)),
      isExported: bytes.readUInt16LE(at + 6) !== UNDEFINED,
      version: versions.get(number),
    });
  }
  return symbols;
}

function librariesOf(bytes, sections) {
  const section = sections.find(({ type }) => type === SECTION.dynamic);
  const libraries = [];
  for (let at = section.offset; at < section.offset + section.size; at += 16) {
    if (bytes.readBigUInt64LE(at) !== NEEDED) continue;
    libraries.push(textAt(bytes, sections[section.link], Number(bytes.readBigUInt64LE(at + 8))));
  }
  return libraries;
}

/** Whether these are the bytes of an ELF file that this page can read. */
export const isElf = (bytes) => bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;

/** The machine's `cpu` in the words of Node.js, the dynamic symbols, and the libraries asked for. */
export function readElf(bytes) {
  const sections = sectionsOf(bytes);
  return {
    cpu: MACHINES[bytes.readUInt16LE(18)],
    symbols: symbolsOf(bytes, sections),
    libraries: librariesOf(bytes, sections),
  };
}
