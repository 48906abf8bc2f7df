// The command: reads what is asked for, does it, and says how it ended by the exit code.
import { readFileSync } from "node:fs";
import { COMMANDS } from "./commands.mjs";
import { configure } from "./config.mjs";
import { EXIT, errorJson, errorLine, interrupted, isInterruption } from "./errors.mjs";
import { helpFor } from "./help.mjs";
import { createOutput, createProgress, createWarnings } from "./terminal.mjs";

/**
 * @typedef {object} Call
 * @property {Record<string, any>} values the options, by the names that they have in the configuration file
 * @property {Record<string, string>} from where each of them was given
 * @property {string[]} operands
 * @property {AbortSignal} signal aborted by the first SIGINT or SIGTERM
 * @property {ReturnType<createOutput>} output
 * @property {ReturnType<createProgress>} progress
 * @property {(message: string) => void} warn
 */

/**
 * @param {string[]} argv
 * @param {(call: Call) => Promise<object>} [open] opens a place that is no folder
 * @returns {Promise<number>} the exit code
 */
export async function main(argv, open) {
  const stop = new AbortController();
  const { signal } = stop;
  const output = createOutput(signal);
  const progress = createProgress();
  // What has read enough, as in `ls | head`, has ended: nothing is to be written then.
  process.stdout.on("error", (error) =>
    process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.wrong),
  );
  try {
    const { command, values, ...rest } = configure(argv, process.env);
    if (values.version) {
      const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
      await output.line(JSON.parse(manifest).version);
      return EXIT.done;
    }
    if (values.help || command === undefined) {
      await output.line(helpFor(command));
      return values.help ? EXIT.done : EXIT.usage;
    }
    const { load, makes, onlyPrints } = COMMANDS[command];
    // A write to a pipe that is not read blocks this thread: only a signal that is not listened to ends it then.
    if (!onlyPrints?.(values)) abortOnSignals(stop);
    const { run } = await load();
    const warn = createWarnings(progress, values.debug);
    const code = await run({ values, output, progress, warn, makes, signal, open, ...rest });
    progress.clear();
    return code ?? EXIT.done;
  } catch (thrown) {
    // What a signal broke off may say so in words of its own.
    const error = signal.aborted && !isInterruption(thrown) ? signal.reason : thrown;
    progress.clear();
    if (argv.includes("--json")) await output.json({ ok: false, error: errorJson(error) });
    console.error(`starkeep-sync: ${errorLine(error)}`);
    if (argv.includes("--debug")) console.error(error);
    return isInterruption(error) ? EXIT.interrupted : (error?.exit ?? EXIT.wrong);
  }
}

/** The first signal aborts; the second one ends the process, whatever it is doing. */
function abortOnSignals(stop) {
  for (const name of ["SIGINT", "SIGTERM"])
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(EXIT.interrupted);
      stop.abort(interrupted(name));
    });
}
