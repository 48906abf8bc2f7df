// What must come out, said as sets: the last write of each item wins, and whoever
// holds the winner holds its blob. Nothing here knows how items travel.
import assert from "node:assert/strict";
import { compare, text } from "./hlc.mjs";

export const KINDS = ["SR", "AR", "AW"];

/** @typedef {{ stamp: import('./hlc.mjs').Hlc, dead: boolean, key: string }} Version */

export function createModel() {
  /** @type {Map<string, Map<string, Version>>} */
  const winners = new Map(KINDS.map((kind) => [kind, new Map()]));
  return {
    winners: (kind) => winners.get(kind),
    /** Every write that happened anywhere is told here, in any order. */
    note(kind, id, version) {
      const known = winners.get(kind).get(id);
      if (known === undefined || compare(version.stamp, known.stamp) > 0)
        winners.get(kind).set(id, version);
    },
    /** The keys of the blobs that every side must hold in the end. */
    blobs() {
      const versions = KINDS.flatMap((kind) => [...winners.get(kind).values()]);
      return new Set(versions.filter((v) => !v.dead && v.key !== "").map((v) => v.key));
    },
  };
}

const told = ({ stamp, dead, key }) => ({ stamp: text(stamp), dead, key: dead ? "" : key });

/** A side may lack an item that is deleted anyway; in all else it must hold the winners, and no more. */
function assertKind(model, side, kind, contents) {
  const winners = model.winners(kind);
  for (const [id, version] of contents) {
    assert.ok(winners.has(id), `${side.name} holds ${kind} ${id} that nobody wrote`);
    assert.deepEqual(
      told(version),
      told(winners.get(id)),
      `${side.name} holds the winner of ${kind} ${id}`,
    );
  }
  for (const [id, version] of winners) {
    if (!version.dead) assert.ok(contents.has(id), `${side.name} holds ${kind} ${id}`);
  }
}

/** Fails unless every side holds what the model says. `contentsOf(side, kind)` reads a side. */
export function assertOutcome(model, sides, contentsOf) {
  for (const side of sides) {
    for (const kind of KINDS) assertKind(model, side, kind, contentsOf(side, kind));
    const kept = new Set(side.objects.keys());
    for (const key of model.blobs()) assert.ok(kept.has(key), `${side.name} holds blob ${key}`);
  }
}
