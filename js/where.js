"use strict";

// Asked for like this they are found in a bundle of ES modules too, which has no `require`.
const fs = process.getBuiltinModule?.("node:fs") ?? require("node:fs");
const { createRequire } = process.getBuiltinModule?.("node:module") ?? require("node:module");

/** The files that the calls which led here are in, the nearest first. */
function filesOfCalls() {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.prepareStackTrace = (_, calls) => calls.map((call) => call.getFileName());
    Error.stackTraceLimit = 100;
    const { stack } = new Error();
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
    return Array.isArray(stack) ? stack : [];
  } catch {
    // Built-in objects are frozen.
    return [];
  }
}

/** What may be the file that this code is in, the likeliest first: a bundle of ES modules has no `__filename`. */
function* candidates() {
  if (typeof __filename === "string") yield __filename;
  yield* filesOfCalls();
  yield process.argv[1];
  yield process.execPath;
}

const exists = (file) => fs.existsSync(file.startsWith("file:") ? new URL(file) : file);

/** The file that this code is in, of the package or of a bundle, and `require` as it is there. */
function findSelf() {
  let first;
  for (const file of candidates()) {
    try {
      const found = { file, load: createRequire(file) };
      // A bundler may write the path of the source into a bundle.
      if (exists(file)) return found;
      first ??= found;
    } catch {
      // No path and no URL of a file, as for the code of Node.js itself.
    }
  }
  return first;
}

module.exports = findSelf();
