"use strict";

const { PUBLISHED, platform } = require("./platform.js");

const NAME = "@starkeep/sync-engine";

/** `require` as it is beside this file, or beside the bundle that this file is a part of. */
function requireFrom() {
  const node = process.getBuiltinModule?.("node:module");
  if (node === undefined) return require;
  // A bundle of ES modules has neither `require` nor a name of its own.
  return node.createRequire(typeof __filename === "string" ? __filename : process.argv[1]);
}

const load = requireFrom();
const packageOf = (triple) => `${NAME}-${triple}`;

function isInstalled(name) {
  try {
    load.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** What the user can do about it. */
function adviceFor(triple) {
  if (!PUBLISHED.includes(triple)) {
    return (
      `There is none for this platform, only for ${PUBLISHED.join(", ")}. ` +
      "With a Rust toolchain it can be built from a checkout of the sources: `npm run setup`."
    );
  }
  if (isInstalled(packageOf(triple))) {
    return (
      "The package is installed, but its binary does not load here, for the reason below. " +
      "On Linux with glibc it needs glibc 2.28 or newer."
    );
  }
  const others = PUBLISHED.map(packageOf).filter(isInstalled);
  if (others.length > 0) {
    return (
      `What is installed is ${others.join(", ")}: node_modules comes from another system or another ` +
      "build of Node.js. Install again on the system that runs the app."
    );
  }
  return (
    "It is an optional dependency, and the package manager left it out: delete node_modules and the " +
    "lock file (npm keeps to a lock file that was written on another system) and install again, " +
    "without --omit=optional or --no-optional. In a checkout, run `npm run setup`."
  );
}

function loadBinary() {
  const triple = platform();
  const failures = [];
  const file = `sync-engine.${triple}.node`;
  // Beside a bundle, above this file in a checkout, or in the package for the platform.
  for (const place of [`./${file}`, `../${file}`, packageOf(triple)]) {
    try {
      return load(place);
    } catch (error) {
      failures.push(error);
    }
  }
  const reasons = failures.map(({ message }) => `  ${String(message).split("\n")[0]}`);
  const error = new Error(
    `${NAME} has no binary that loads on ${triple} (Node.js ${process.versions.node}). ` +
      `It looked for the package ${packageOf(triple)}.\n${adviceFor(triple)}\n${reasons.join("\n")}`,
    { cause: failures.at(-1) },
  );
  error.code = "BINARY_NOT_FOUND";
  throw error;
}

module.exports = { binary: loadBinary(), load };
