/**
 * One record up and one down, all adapters in memory: what a round costs before it does anything.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 */
import {
  assertSame,
  createMemoryDatabaseAdapter,
  createMemoryObjectStorage,
  fingerprintOf,
  fingerprintOfAdapter,
  generateRecords,
} from "../adapters/index.mjs";
import { createSync } from "./sides.mjs";

/**
 * The same two records change again and again, so that the tables stay at two rows.
 *
 * @param {any} record
 * @param {number} round
 */
function changed(record, round) {
  const updatedAt = { ...record.updatedAt, wallTime: record.updatedAt.wallTime + round };
  return { ...record, updatedAt, version: record.version + round };
}

/** @type {Workload} */
const smallRound = {
  name: "small-round",
  title: () => "one small round, 1 record up and 1 down, adapters in memory",
  unit: "µs",
  // Of what it is beside plain JavaScript a user feels nothing.
  bar: { below: 100 },
  exports: ["createSyncEngine", "createInProcessSyncTransport"],
  warmsUpWhole: true,
  sizes: { full: { rounds: 10_000 }, quick: { rounds: 500 } },

  async setup(engine, size) {
    const [mine, theirs] = generateRecords({ count: 2, seed: 5, nodeIds: ["laptop", "hub"] });
    const databases = { local: createMemoryDatabaseAdapter(), remote: createMemoryDatabaseAdapter() };
    const storages = { local: createMemoryObjectStorage(), remote: createMemoryObjectStorage() };
    return { ...databases, mine, theirs, sync: createSync(engine, { ...databases, storages }), size };
  },

  async measure({ local, remote, mine, theirs, sync, size }) {
    let milliseconds = 0;
    for (let round = 1; round <= size.rounds; round++) {
      await local.put(changed(mine, round));
      await remote.put(changed(theirs, round));
      const start = performance.now();
      const { applied, shipped } = await sync.exchange();
      milliseconds += performance.now() - start;
      if (applied !== 1 || shipped !== 1) throw new Error(`round ${round}: ${applied} applied, ${shipped} shipped`);
    }
    return (milliseconds * 1000) / size.rounds;
  },

  async check({ local, remote, mine, theirs, size }) {
    const expected = fingerprintOf([changed(mine, size.rounds), changed(theirs, size.rounds)]);
    assertSame("local records", await fingerprintOfAdapter(local), expected);
    assertSame("remote records", await fingerprintOfAdapter(remote), expected);
  },
};

/** @type {Workload[]} */
export const smallRoundWorkloads = [smallRound];
