// What a binary has to be before it is packed:
//
//   node scripts/binary.mjs PLATFORM FILE [GLIBC]
//
// `GLIBC` is the newest version of glibc that it may ask for; that of npm/platforms.json by default.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isElf, readElf } from "./elf.mjs";
import { PLATFORMS } from "./platforms.mjs";

/** All that Node.js looks for in the library. What is exported beside it meets other libraries' symbols. */
const EXPORTED = ["napi_register_module_v1"];
const GLIBC = /^GLIBC_(\d[\d.]*)$/;
/** The first bytes of a library: Mach-O of 64 bits, and Windows'. */
const MAGIC = { darwin: "cffaedfe", win32: "4d5a" };

const byVersion = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** The versions of glibc that the symbols ask for, oldest first, each with its symbols. */
export function glibcOf({ symbols }) {
  const versions = new Map();
  for (const { name, version } of symbols) {
    const [, number] = version?.match(GLIBC) ?? [];
    if (number !== undefined) versions.set(number, [...(versions.get(number) ?? []), name]);
  }
  return [...versions].sort(([a], [b]) => byVersion(a, b));
}

function* faultsOfElf(name, elf, newest) {
  const { cpu, libc } = PLATFORMS[name];
  if (elf.cpu !== cpu) yield `it is for ${elf.cpu}`;
  const exported = elf.symbols.filter(({ isExported }) => isExported).map((symbol) => symbol.name);
  const extra = exported.filter((symbol) => !EXPORTED.includes(symbol));
  if (extra.length > 0) yield `it exports ${extra.slice(0, 5).join(", ")} of ${extra.length}`;
  for (const symbol of EXPORTED) if (!exported.includes(symbol)) yield `it does not export ${symbol}`;
  const glibc = glibcOf(elf);
  if (libc === "musl" && glibc.length > 0) yield "it asks for glibc";
  if (libc === "glibc" && glibc.length === 0) yield "it asks for no glibc";
  for (const [version, symbols] of glibc) {
    if (newest === undefined || byVersion(version, newest) <= 0) continue;
    yield `it asks for glibc ${version}, newer than ${newest}: ${symbols.join(", ")}`;
  }
}

/** What is wrong with the binary for a platform, as sentences. */
export function faultsOf(name, bytes, newest = PLATFORMS[name].glibc) {
  const { os } = PLATFORMS[name];
  if (os === "linux") {
    return isElf(bytes) ? [...faultsOfElf(name, readElf(bytes), newest)] : ["it is no ELF library of 64 bits"];
  }
  return bytes.toString("hex", 0, MAGIC[os].length / 2) === MAGIC[os] ? [] : [`it is no library of ${os}`];
}

/** The newest glibc that a binary may ask for which is for this machine alone; undefined where there is none. */
export function glibcHere() {
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime;
}

/** Throws where the binary is not fit for the platform. */
export function checkBinary(name, file, newest) {
  const faults = faultsOf(name, readFileSync(file), newest);
  if (faults.length > 0) throw new Error(`${file} is no binary for ${name}:\n  ${faults.join("\n  ")}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, file, newest] = process.argv.slice(2);
  if (!(name in PLATFORMS) || file === undefined) {
    throw new Error("Usage: node scripts/binary.mjs PLATFORM FILE [GLIBC]");
  }
  checkBinary(name, file, newest);
  console.log(`${file}: fit for ${name}`);
}
