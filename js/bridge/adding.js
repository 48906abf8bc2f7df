"use strict";

/**
 * Stores records of which the adapter has no version, one after the other, each once the clock has heard of its timestamp.
 * Ends before the first that the adapter has, or that a call fails for. Answers how many were `stored`, and of the one after
 * them the `version` that the adapter has, or what was `thrown` by which `call`. One promise for all of them takes a fraction
 * of what one for each call takes.
 *
 * @param {any[]} records
 */
async function addNew(adapter, clock, records) {
  let stored = 0;
  for (const record of records) {
    let call = "get";
    try {
      const version = await adapter.get(record.id);
      if (version !== undefined && version !== null) return { stored, version };
      call = "receive";
      const { wallTime, counter, nodeId } = record.updatedAt;
      const heard = clock.receive({ wallTime, counter, nodeId });
      if (typeof heard?.then === "function") await heard;
      call = "put";
      await adapter.put(record);
    } catch (thrown) {
      return { stored, call, thrown };
    }
    stored += 1;
  }
  return { stored };
}

exports.addNew = addNew;
