// What other processes write into a place that this one has open, such as a `put` beside an `exchange --watch`.
import { watch } from "node:fs";
import sync from "./package.mjs";

/** One call writes the database several times. */
const PAUSE_MS = 100;

/**
 * A notifier of changes, as far as the file system tells of writes. Records that an exchange brings are none: `around`
 * is what the exchanges of this process are called through.
 *
 * @param {{ folder: string, nodeId: string, database: any }} place
 */
export async function createChanges({ folder, nodeId, database }) {
  const { subscribe, emit } = sync.createChangeNotifier();
  let seen = await database.getNodeWatermarks();
  let timer;
  let isExchanging = false;
  let isClosed = false;
  const watcher = watching(folder, (name) => {
    // Where no name is told, it may have been the database.
    if (name === null || name.startsWith("sync.db")) soon();
  });

  function soon() {
    if (!isClosed) timer ??= setTimeout(look, PAUSE_MS);
  }

  async function look() {
    // A database that cannot be read is what the next exchange fails with.
    const now = await database.getNodeWatermarks().catch(() => seen);
    timer = undefined;
    if (isClosed || isExchanging) return;
    const isNew = ([node, stamp]) =>
      seen[node] === undefined || sync.compareHLC(stamp, seen[node]) > 0;
    const isChanged = Object.entries(now).some(isNew);
    seen = now;
    if (isChanged)
      emit({ eventType: "local-change-recorded", recordIds: [], timestamp: sync.ZERO_HLC });
  }

  return {
    subscribe,
    async around(exchange) {
      const before = await database.getNodeWatermarks();
      isExchanging = true;
      try {
        return await exchange();
      } finally {
        const after = await database.getNodeWatermarks().catch(() => before);
        // An exchange writes nothing in the name of the place: what has that name was written beside it.
        seen = { ...after };
        if (before[nodeId] === undefined) delete seen[nodeId];
        else seen[nodeId] = before[nodeId];
        isExchanging = false;
        soon();
      }
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      watcher?.close();
    },
  };
}

/** Not every file system tells, and machines have limits for it: then the interval alone says when to exchange. */
function watching(folder, heard) {
  try {
    const watcher = watch(folder, { persistent: false }, (_, name) => heard(name));
    return watcher.on("error", () => watcher.close());
  } catch {
    return undefined;
  }
}
