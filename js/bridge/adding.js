"use strict";

/** What an entry has: the record, its id, and the three parts of its timestamp. */
const PARTS = 5;

/** The calls that can fail, in their order. */
const [GET, RECEIVE, PUT] = [0, 1, 2];

/**
 * Stores records of which the adapter has no version, one after the other, each once the clock has heard of its timestamp.
 * Ends before the first that the adapter has, or that a call fails for: answers how many were stored, then the version that
 * it has, or what was thrown and the number of that call. One promise for all of them takes a fraction of what one for
 * each call takes.
 *
 * @param {any[]} entries one after the other, `PARTS` for each
 */
async function addNew(adapter, clock, entries) {
  const count = entries.length / PARTS;
  for (let index = 0; index < count; index += 1) {
    const at = index * PARTS;
    let call = GET;
    try {
      const stored = await adapter.get(entries[at + 1]);
      if (stored !== undefined && stored !== null) return [index, stored];
      call = RECEIVE;
      const heard = clock.receive({
        wallTime: entries[at + 2],
        counter: entries[at + 3],
        nodeId: entries[at + 4],
      });
      if (typeof heard?.then === "function") await heard;
      call = PUT;
      await adapter.put(entries[at]);
    } catch (error) {
      return [index, error, call];
    }
  }
  return [count];
}

exports.addNew = addNew;
