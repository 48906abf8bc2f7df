// Exchanges with the peer.
import { CommandError, EXIT, errorJson, errorLine } from "./errors.mjs";
import { repeat } from "./loop.mjs";
import { engineFor, heldJson, heldLine, peerOptions } from "./peer.mjs";
import { readNote, withPlace, writeNote } from "./place.mjs";
import { bytesText, countText } from "./terminal.mjs";

/** What this command leaves for `status`, which is another process. */
export const NOTE = "last-exchange.json";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const { values, output, progress, signal, warn } = call;
    const engine = engineFor(place, await peerOptions(call));
    const last = { success: null, failure: null, ...(await readNote(place.folder, NOTE)) };

    async function drain() {
      const marks = await place.database.getNodeWatermarks();
      const atMs = Date.now();
      try {
        const result = await engine.drain({ signal, onProgress: progress.show });
        const summary = summaryOf(result);
        Object.assign(last, {
          success: { atMs, url: values.url, marks, ...summary },
          failure: null,
        });
        return summary;
      } catch (error) {
        if (signal.aborted) throw calledOff(error);
        last.failure = { atMs, ...errorJson(error) };
        throw error;
      } finally {
        progress.clear();
        await writeNote(place.folder, NOTE, last);
      }
    }

    if (values.watch) return watch(call, drain);
    const summary = await drain();
    await show(output, values, summary);
    return summary.held.length > 0 ? EXIT.held : EXIT.done;

    async function watch() {
      let shown;
      const round = async () => {
        const summary = await drain();
        // A quiet exchange, or one that holds what the one before held, is no news.
        const news = JSON.stringify([summary.held, summary.inSync]);
        if (summary.shipped + summary.applied > 0 || news !== shown)
          await show(output, values, summary);
        shown = news;
      };
      const onFailure = async (error, waitMs) => {
        shown = undefined;
        if (values.json) await output.json({ ok: false, error: errorJson(error), waitMs });
        warn(`${errorLine(error)}; next try in ${Math.ceil(waitMs / 1000)} s`);
      };
      await repeat(round, { intervalMs: values.interval * 1000, signal, onFailure });
      return EXIT.done;
    }
  });

const calledOff = ({ message }) =>
  new CommandError(
    "INTERRUPTED",
    `${message}: nothing is half-written, and the next exchange goes on from here`,
    {
      exit: EXIT.interrupted,
    },
  );

function summaryOf({ hasMore: _, held, ...figures }) {
  return { ok: held.length === 0, ...figures, held: heldJson(held) };
}

async function show(output, { json }, summary) {
  if (json) return output.json(summary);
  await output.line(exchangeLine(summary));
  for (const item of summary.held) await output.line(heldLine(item));
}

/** What an exchange did, in one line. */
export function exchangeLine(summary) {
  const { shipped, applied, bytesSent, bytesReceived, durationMs, rounds, inSync, held } = summary;
  const parts = [
    `${shipped} sent (${bytesText(bytesSent)}), ${applied} received (${bytesText(bytesReceived)})`,
    `${countText(rounds, "round")} in ${(durationMs / 1000).toFixed(1)} s`,
    ...(held.length > 0 ? [`${countText(held.length, "item")} held`] : []),
    ...(inSync === undefined ? [] : [inSync ? "both sides hold the same" : "the sides differ"]),
  ];
  return parts.join("; ");
}
