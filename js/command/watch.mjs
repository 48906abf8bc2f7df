// Exchanges again and again: at intervals, after changes here and news of the peer, and with a backoff after failures.
import sync from "./package.mjs";
import { createChanges } from "./changes.mjs";
import { createNews } from "./news.mjs";

/** What no further try will mend. */
const FOR_GOOD = ["INVALID_ARGUMENT", "STORE_REPLACED", "STORE_CLOSED", "NOT_A_DATABASE", "USAGE"];

/**
 * Calls `exchange` until the signal of the call is aborted, and rejects with what no further try will mend. `onFailure`
 * hears of each failure, and how long the next try waits. Where the peer lets nothing in, `renew` may have a new token.
 *
 * @param {import("./main.mjs").Call} call
 * @param {Awaited<ReturnType<import("./place.mjs").openPlace>>} place
 */
export async function watch({ values, signal, warn }, place, given) {
  const { peer, exchange, onFailure, clock, renew = async () => false } = given;
  let end;
  const ended = new Promise((resolve, reject) => {
    end = reject;
    if (signal.aborted) resolve();
    signal.addEventListener("abort", resolve);
  });
  const changes = await createChanges(place);
  // What is told waits for its reader, which the loop does not.
  let told = Promise.resolve();
  const loop = sync.createSyncLoop(
    { exchange: (options) => changes.around(() => exchange(options)) },
    {
      changes,
      events: createNews(peer, values.ca),
      intervalMs: values.interval * 1000,
      clock,
      autoStart: false,
      onError(error, { channel }) {
        if (channel === null) sayWithout(error);
        else if (FOR_GOOD.includes(error?.code)) end(error);
        else if (error?.status === 401) return renew().then((isNew) => (isNew ? "retry" : null));
        return null;
      },
      onEvent(event) {
        if (event.eventType === "news-began" && isAway()) loop.kick("default");
        if (event.eventType !== "state-changed" || event.state !== "backoff") return;
        const { lastError, nextRoundMs } = state();
        // There is no time yet while a token is looked for.
        if (nextRoundMs === null || FOR_GOOD.includes(lastError?.code)) return;
        const waitMs = nextRoundMs - (clock ?? Date).now();
        told = told.then(() => onFailure(lastError, waitMs)).catch(end);
      },
    },
  );
  const state = () => loop.status().channels.default;
  /** Whether it waits for a peer that did not answer: once that tells news it is back. One that refused is let alone. */
  const isAway = () => state().state === "backoff" && state().lastError?.status === undefined;

  let hasSaid = false;
  /** Of a peer that is away, rounds tell. One that has no news to tell is said to have none, once. */
  function sayWithout({ status }) {
    if (hasSaid || !(status < 500) || status === 401) return;
    hasSaid = true;
    warn(`the peer tells no news (GET /events: ${status}); it is asked every ${values.interval} s`);
  }

  loop.start();
  try {
    await ended;
  } finally {
    await loop.stop({ abort: true });
    changes.close();
    await told;
  }
}
