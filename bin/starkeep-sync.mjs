#!/usr/bin/env node
import node from "../js/node-version.js";

try {
  node.checkNode();
  // Not named above: an older Node.js cannot link it, and would say something else first.
  const { main } = await import("../js/command/main.mjs");
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error?.code !== "UNSUPPORTED_NODE") throw error;
  console.error(`starkeep-sync: ${error.message}`);
  process.exitCode = 1;
}
