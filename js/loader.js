"use strict";

const { adviceFor } = require("./binary-advice.js");
const { PUBLISHED, platform } = require("./platform.js");
require("./traced.js");
const { file: self, load } = require("./where.js");

const NAME = "@starkeep/sync-engine";

const packageOf = (triple) => `${NAME}-${triple}`;
const fileOf = (triple) => `sync-engine.${triple}.node`;

function isFound(name) {
  try {
    load.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** The bundle that this code is a part of; `undefined` where it is in the package's own folder. */
function bundleOf() {
  try {
    return load("../package.json").name === NAME ? undefined : self;
  } catch {
    return self;
  }
}

function loadBinary() {
  const triple = platform();
  const failures = [];
  // Beside a bundle, above this file in a checkout, or in the package for the platform.
  for (const place of [`./${fileOf(triple)}`, `../${fileOf(triple)}`, packageOf(triple)]) {
    try {
      return load(place);
    } catch (error) {
      failures.push(error);
    }
  }
  const advice = adviceFor({
    name: NAME,
    wanted: packageOf(triple),
    file: fileOf(triple),
    published: PUBLISHED,
    isPublished: PUBLISHED.includes(triple),
    isInstalled: isFound(packageOf(triple)),
    others: PUBLISHED.filter((name) => name !== triple).flatMap((name) =>
      [packageOf(name), `./${fileOf(name)}`].filter(isFound),
    ),
    bundle: bundleOf(),
    failures,
  });
  const reasons = failures.map(({ message }) => `  ${String(message).split("\n")[0]}`);
  const error = new Error(
    `${NAME} has no binary that loads on ${triple} (Node.js ${process.versions.node}). ` +
      `It looked for the package ${packageOf(triple)}.\n${advice}\n${reasons.join("\n")}`,
    { cause: failures.at(-1) },
  );
  error.code = "BINARY_NOT_FOUND";
  throw error;
}

exports.binary = loadBinary();
