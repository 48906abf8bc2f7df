// What the native stores and `node:sqlite` need: files of their own, and a Node that has it.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(import.meta.url);

function load() {
  try {
    return require("node:sqlite").DatabaseSync;
  } catch {
    return null;
  }
}

/** `DatabaseSync` of this Node, or null where it has none. */
export const DatabaseSync = load();

/** For the options of a test that needs `node:sqlite`. */
export const needsSqlite = {
  skip: DatabaseSync === null ? "node:sqlite exists from Node 22.5 on" : false,
};

/** A folder that goes away with the test. */
export function folderFor(t) {
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/**
 * Everything said as a warning while `work` runs, through the console or the process.
 * @param {() => Promise<unknown>} work
 */
export async function warningsOf(t, work) {
  const said = [];
  const onWarning = (warning) => said.push(String(warning));
  process.on("warning", onWarning);
  const spies = ["warn", "error"].map((name) =>
    t.mock.method(console, name, (...words) => said.push(words.map(String).join(" "))),
  );
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("warning", onWarning);
    for (const spy of spies) spy.mock.restore();
  }
  return said;
}
