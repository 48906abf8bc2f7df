import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DemoError } from "./errors.mjs";

/** What a shell expects of a program that a signal ended. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** A temporary folder that goes away with this process, however it ends. */
export function createWorkspace() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "starkeep-demo-")));
  const options = { recursive: true, force: true, maxRetries: 5 };
  process.once("exit", () => {
    try {
      rmSync(folder, options);
    } catch (error) {
      console.error(`${folder} could not be removed: ${error.message}`);
    }
  });
  return { folder, remove: () => rm(folder, options) };
}

/** Stops the work at the first Ctrl-C or the like; the second one ends the process at once. */
export function stopOnSignals() {
  const controller = new AbortController();
  for (const [name, code] of Object.entries(EXIT_CODES)) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(code);
      process.exitCode = code;
      controller.abort(new DemoError("Stopped; nothing is left behind."));
    });
  }
  return controller;
}
