"use strict";

// Asked for like this it is found in a bundle of ES modules too, which has no `require`.
const fs = process.getBuiltinModule?.("node:fs") ?? require("node:fs");

/** The platforms that there are packages with a binary for. */
const PUBLISHED = [
  "darwin-arm64",
  "darwin-x64",
  "linux-arm64-gnu",
  "linux-arm64-musl",
  "linux-x64-gnu",
  "linux-x64-musl",
  "win32-x64-msvc",
];

/** Where the parts of a 64-bit little-endian ELF file are that name its interpreter, in bytes. */
const ELF = {
  magic: 0x464c457f,
  headerSize: 64,
  class: { at: 4, is64: 2 },
  data: { at: 5, isLittle: 1 },
  tableAt: 32,
  entrySizeAt: 54,
  entryCountAt: 56,
  interpreter: 3,
  entry: { offsetAt: 8, sizeAt: 32 },
};
/** No table of segments and no path of an interpreter is longer. */
const MOST_BYTES = 4096;

function readAt(file, position, length) {
  const bytes = Buffer.alloc(Math.min(Number(length), MOST_BYTES));
  return bytes.subarray(0, fs.readSync(file, bytes, 0, bytes.length, Number(position)));
}

/** The dynamic loader that a program asks for; `undefined` where it asks for none. */
function interpreterIn(file) {
  const header = readAt(file, 0, ELF.headerSize);
  if (header.length < ELF.headerSize || header.readUInt32LE(0) !== ELF.magic) return undefined;
  if (header[ELF.class.at] !== ELF.class.is64 || header[ELF.data.at] !== ELF.data.isLittle) {
    return undefined;
  }
  const size = header.readUInt16LE(ELF.entrySizeAt);
  const table = readAt(
    file,
    header.readBigUInt64LE(ELF.tableAt),
    size * header.readUInt16LE(ELF.entryCountAt),
  );
  for (let at = 0; at + size <= table.length; at += size) {
    if (table.readUInt32LE(at) !== ELF.interpreter) continue;
    const place = table.readBigUInt64LE(at + ELF.entry.offsetAt);
    const length = table.readBigUInt64LE(at + ELF.entry.sizeAt);
    return readAt(file, place, length).toString("latin1");
  }
  return undefined;
}

function interpreterOf(program) {
  try {
    const file = fs.openSync(program, "r");
    try {
      return interpreterIn(file);
    } finally {
      fs.closeSync(file);
    }
  } catch {
    // Not readable, or damaged: it tells nothing.
    return undefined;
  }
}

/** Whether the report of this process names glibc; `undefined` where it cannot be had quickly. */
function glibcInReport() {
  const { report } = process;
  // A report with the network in it looks up the name of every peer that a socket is connected to.
  if (typeof report?.excludeNetwork !== "boolean") return undefined;
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    return Boolean(report.getReport().header.glibcVersionRuntime);
  } catch {
    return undefined;
  } finally {
    report.excludeNetwork = before;
  }
}

/** `gnu` or `musl`: the C library that the program runs on. */
function libcOf(program) {
  const interpreter = interpreterOf(program);
  if (interpreter !== undefined) return interpreter.includes("musl") ? "musl" : "gnu";
  return glibcInReport() === false ? "musl" : "gnu";
}

/** This platform in the words of the packages that carry the binaries. */
function platform() {
  const base = `${process.platform}-${process.arch}`;
  if (process.platform === "win32") return `${base}-msvc`;
  return process.platform === "linux" ? `${base}-${libcOf(process.execPath)}` : base;
}

exports.PUBLISHED = PUBLISHED;
exports.libcOf = libcOf;
exports.platform = platform;
