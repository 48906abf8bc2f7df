"use strict";

// What copies only the files that an app loads, as Next.js and packagers for serverless functions do, reads the code
// for their names. The loader makes its name up, so that bundlers leave it alone; all that it can be stands here.
exports.binaries = function binaries() {
  const { createRequire } = require("node:module");
  const load = createRequire(__filename);
  return [
    () => load("@starkeep/sync-engine-darwin-arm64"),
    () => load("@starkeep/sync-engine-darwin-x64"),
    () => load("@starkeep/sync-engine-linux-arm64-gnu"),
    () => load("@starkeep/sync-engine-linux-arm64-musl"),
    () => load("@starkeep/sync-engine-linux-x64-gnu"),
    () => load("@starkeep/sync-engine-linux-x64-musl"),
    () => load("@starkeep/sync-engine-win32-x64-msvc"),
  ];
};
