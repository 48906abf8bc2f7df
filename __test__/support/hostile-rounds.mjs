// Rounds whose adapters do what adapters must not: throw, reject, answer values and nonsense, or never
// answer, in which case the engine is dropped. Runs in a worker as well.
import { parentPort, workerData } from "node:worker_threads";
import * as sync from "@starkeep/sync-engine";
import { gc } from "./gc.mjs";
import { at, clockFor } from "./hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState, record, blobFields } from "./memory.mjs";

const never = () => new Promise(() => {});

/** What an adapter's method may do instead of its work. */
export const MISDEEDS = {
  throws: () => {
    throw new Error("planned");
  },
  rejects: () => Promise.reject(new Error("planned")),
  "rejects with nothing": () => Promise.reject(undefined),
  "throws a text": () => {
    throw "planned";
  },
  "answers nothing": () => undefined,
  "answers null": () => null,
  "answers a number": () => 7,
  "answers a text": () => "nonsense",
  "answers an empty object": () => ({}),
  "answers a wrong object": () => ({
    records: 7,
    hasMore: "yes",
    watermarks: [],
    data: {},
    rows: {},
  }),
  "answers a list": () => [null, undefined, {}],
  "answers a thenable": () => ({ then: (resolve) => resolve({ records: [{}] }) }),
  "answers a thenable that throws": () => ({
    then() {
      throw new Error("planned");
    },
  }),
  "answers a proxy that throws": () =>
    new Proxy(
      {},
      {
        get: (_, key) => {
          if (key === "then") return undefined;
          throw new Error("planned");
        },
      },
    ),
  "never answers": never,
};

/** Where: which adapter, and which of its methods. */
export const PLACES = [
  ["localDatabaseAdapter", "query"],
  ["localDatabaseAdapter", "get"],
  ["localDatabaseAdapter", "put"],
  ["localObjectStorage", "has"],
  ["localObjectStorage", "get"],
  ["localObjectStorage", "put"],
  ["remoteObjectStorage", "has"],
  ["remoteObjectStorage", "get"],
  ["remoteObjectStorage", "put"],
  ["transport", "exchange"],
  ["syncState", "getWatermarks"],
  ["syncState", "getPeerWatermarks"],
  ["syncState", "setWatermarks"],
  ["syncState", "setPeerWatermarks"],
  ["clock", "receive"],
];

const ANSWER = {
  records: [record("in", at(3, "cloud"), blobFields("in"))],
  appSyncableRows: [],
  hasMore: false,
};

function adapters() {
  const all = {
    localDatabaseAdapter: memoryDatabase(),
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport: { exchange: async () => ANSWER },
    clock: clockFor("a"),
    syncState: memoryState(),
  };
  return all;
}

/** One round with one misdeed. Answers what became of it. */
export async function hostileRound(number) {
  const misdeeds = Object.entries(MISDEEDS);
  const [what, misdeed] = misdeeds[number % misdeeds.length];
  const [adapter, method] = PLACES[Math.floor(number / misdeeds.length) % PLACES.length];
  const all = adapters();
  await all.localDatabaseAdapter.put(record("out", at(1, "a"), blobFields("out")));
  await all.localObjectStorage.put("out", new Uint8Array(64));
  await all.remoteObjectStorage.put("in", new Uint8Array(64));
  all[adapter][method] = misdeed;
  const round = sync.createSyncEngine(all).exchange();
  if (what === "never answers") {
    round.catch(() => {});
    await new Promise(setImmediate);
    return "dropped";
  }
  return round.then(
    () => "done",
    () => "failed",
  );
}

/** Bytes after several collections, between which finalizers run. */
export async function memory() {
  for (let i = 0; i < 12; i += 1) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { heapUsed, rss };
}

/** Runs this many rounds, and answers their sums. */
export async function hostileRounds(first, count) {
  const outcomes = { done: 0, failed: 0, dropped: 0 };
  for (let i = 0; i < count; i += 1) outcomes[await hostileRound(first + i)] += 1;
  return outcomes;
}

if (parentPort !== null && workerData?.hostileRounds) {
  const { first, count } = workerData.hostileRounds;
  console.warn = () => {};
  parentPort.postMessage(await hostileRounds(first, count));
  // Until it is ended.
  for (let number = first + count; ; number += 1) await hostileRound(number);
}
