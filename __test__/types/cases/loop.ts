// A loop over engines.
import {
  type SyncLoop,
  type SyncLoopEvent,
  type SyncLoopStatus,
  createSyncLoop,
  isStarkeepError,
  type NativeSyncEngine,
} from "@starkeep/sync-engine";

declare const engine: NativeSyncEngine;

const loop: SyncLoop = createSyncLoop(engine, {
  intervalMs: null,
  debounceMs: 0,
  backoff: { firstMs: 1, mostMs: 2, factor: 3, jitter: 1 },
  changes: [engine.changeNotifier],
  events: async function* (signal) {
    if (!signal.aborted) yield "change";
  },
  onError: async (error, { channel, attempt }) =>
    isStarkeepError(error) && channel !== null && attempt === 1 ? "retry" : undefined,
  onEvent: (event) => void heardOf(event),
  clock: { now: () => 1, setTimeout: () => 1, clearTimeout() {} },
  autoStart: false,
  unref: true,
});
function heardOf(event: SyncLoopEvent): string | number | null {
  switch (event.eventType) {
    case "round-began":
      return event.attempt;
    case "round-ended":
      return event.result.shipped;
    case "round-failed":
      return event.aborted ? event.channel : event.attempt;
    case "state-changed":
      // @ts-expect-error: of a round that has ended
      void event.result;
      return event.nextRoundMs ?? `${event.previous} ${event.state}`;
    case "news-began":
      return null;
    case "news-ended":
      return event.attempt;
  }
}
createSyncLoop({ drive: engine, photos: { exchange: () => engine.exchange() } });
createSyncLoop(new Map([["drive", engine]]));
createSyncLoop([engine]).add("more", engine);
const stands: SyncLoopStatus = loop.status();
const waits: string[] = Object.values(stands.channels).flatMap(
  ({ lastResult }) => lastResult?.held.map(({ reason }) => reason) ?? [],
);
const ended: Promise<void> = loop.remove("drive", { abort: true }).then(() => loop.stop());
// @ts-expect-error: no such option
createSyncLoop(engine, { interval: 5 });
// @ts-expect-error: no engine
createSyncLoop({ drive: { exchange: 5 } });
// @ts-expect-error: milliseconds
createSyncLoop(engine, { debounceMs: null });
// @ts-expect-error: a channel's name
loop.nudge(5);
// @ts-expect-error: not the app's to change
stands.state = "idle";
export { ended, waits };
