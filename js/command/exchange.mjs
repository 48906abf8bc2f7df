// Exchanges with the peer.
import { CommandError, EXIT, errorJson, errorLine } from "./errors.mjs";
import { createCredentials, engineFor, peerOptions } from "./peer.mjs";
import { readNote, withPlace, writeNote } from "./place.mjs";
import { exchangeLines, summaryOf } from "./summary.mjs";
import { watch } from "./watch.mjs";

/** What this command leaves for `status`, which is another process. */
export const NOTE = "last-exchange.json";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const credentials = await createCredentials(call);
    const peer = await peerOptions(call, credentials);
    const exchange = await exchanging(call, place, engineFor(place, peer));
    if (call.values.watch) return goOn(call, place, { peer, exchange, renew: credentials.renew });
    const summary = await exchange({ signal: call.signal });
    await show(call, summary);
    return summary.held.length > 0 ? EXIT.held : EXIT.done;
  });

/** One exchange: rounds until neither side has more, and a note of how they ended. */
async function exchanging({ values, progress }, place, engine) {
  const last = { success: null, failure: null, ...(await readNote(place.folder, NOTE)) };
  let conflicts = [];
  engine.conflictNotifier.subscribe((event) => {
    if (event.kind === "record") conflicts.push(event);
  });
  return async function exchange({ signal }) {
    const marks = await place.database.getNodeWatermarks();
    const atMs = Date.now();
    conflicts = [];
    try {
      const result = await engine.drain({ signal, onProgress: progress.show });
      const summary = summaryOf(result, conflicts);
      last.success = { atMs, url: values.url, marks, ...summary };
      last.failure = null;
      return summary;
    } catch (error) {
      if (signal.aborted) throw calledOff(error);
      last.failure = { atMs, ...errorJson(error) };
      throw error;
    } finally {
      progress.clear();
      await writeNote(place.folder, NOTE, last);
    }
  };
}

const calledOff = ({ message }) =>
  new CommandError(
    "INTERRUPTED",
    `${message}: nothing is half-written, and the next exchange goes on from here`,
    { exit: EXIT.interrupted },
  );

async function goOn(call, place, { exchange, ...peer }) {
  const { values, output, warn } = call;
  let shown;
  await watch(call, place, {
    ...peer,
    async exchange(options) {
      const summary = await exchange(options);
      // A quiet exchange, or one that holds what the one before held, is no news.
      const news = JSON.stringify([summary.held, summary.inSync]);
      if (summary.shipped + summary.applied + summary.conflicts > 0 || news !== shown)
        await show(call, summary);
      shown = news;
      // All that there was is done.
      return { ...summary, hasMore: false };
    },
    async onFailure(error, waitMs) {
      shown = undefined;
      if (values.json) await output.json({ ok: false, error: errorJson(error), waitMs });
      warn(`${errorLine(error)}; next try in ${Math.ceil(waitMs / 1000)} s`);
    },
  });
  return EXIT.done;
}

async function show({ output, values }, summary) {
  if (values.json) return output.json(summary);
  for (const line of exchangeLines(summary)) await output.line(line);
}
