// The table and the sentences brought together: every sentence for every store that can do what it needs.
//
// A store is `{ make, ... }`, where `make(t)` opens one that goes away with the test. What it cannot do for a
// good reason stands in its `cannot`, by the name of the ability; the sentences that need it are not asked of
// the store, and instead `LIMITS` says how it must refuse. So nothing is left out unseen.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

/** A sentence that needs an ability which not every store has. */
export const needing = (ability, check) => Object.assign(check, { ability });

/** Whether a store takes counters of more than the usual four digits. */
export const isLong = (of) => !("long counters" in (of.cannot ?? {}));

/** Each store at either end of a round, beside `plain`, which can do everything, and beside its like. */
export function pairsWith(stores, plain) {
  const pairs = {};
  for (const [name, of] of Object.entries(stores)) {
    const ends = { here: [of, plain], there: [plain, of], "at both ends": [of, of] };
    for (const [where, [here, there]] of Object.entries(ends)) {
      pairs[`${name}, ${where}`] = {
        skip: of.skip,
        cannot: of.cannot,
        make: async (t) => ({ here: await here.make(t), there: await there.make(t) }),
      };
    }
  }
  return pairs;
}

/** Writes by nodes of this side alone: a node writes at one side. */
export const writtenAt = (side, writes) =>
  writes.map(({ id, stamp }) => ({ id, stamp: { ...stamp, nodeId: `${side}${stamp.nodeId}` } }));

/**
 * @param {Record<string, { make: Function, cannot?: Record<string, string>, skip?: string | false }>} stores
 * @param {Record<string, (store: any, of: any, t: any) => Promise<void>>} sentences
 * @param {Record<string, (store: any, of: any) => Promise<void> | void>} [limits] by ability; left out
 *   where they are shown with other sentences
 */
export function conform(stores, sentences, limits = null) {
  for (const check of Object.values(sentences)) {
    if (limits && check.ability) assert.ok(check.ability in limits, `no limit ${check.ability}`);
  }
  for (const [name, of] of Object.entries(stores)) {
    const cannot = of.cannot ?? {};
    describe(name, { skip: of.skip ?? false }, () => {
      for (const [sentence, check] of Object.entries(sentences)) {
        if (check.ability in cannot) continue;
        test(sentence, async (t) => check(await of.make(t), of, t));
      }
      for (const [ability, reason] of limits ? Object.entries(cannot) : []) {
        test(`cannot, and says so: ${ability} (${reason})`, async (t) =>
          limits[ability](await of.make(t), of));
      }
    });
  }
}
