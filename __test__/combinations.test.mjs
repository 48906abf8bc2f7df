// Every combination of who had the item, what each side then did to it, and what kind
// of item it is, against the model.
import { describe, test } from "node:test";
import { KINDS } from "./support/model.mjs";
import { assertSettled, makeWorld, remove, settle, write } from "./support/index.mjs";

/** Who holds the item before the operations, and whether the sides have already met. */
const PRESENCE = {
  "on neither side": { a: false, b: false, met: false },
  "on one side": { a: true, b: false, met: false },
  "on the other side": { a: false, b: true, met: false },
  "on both sides, the same": { a: true, b: true, met: true },
  "on both sides, different": { a: true, b: true, met: false },
};

const OPERATIONS = ["nothing", "write", "delete"];

/** Every way to begin, with what each side may do from there. */
function* cases() {
  for (const [begin, presence] of Object.entries(PRESENCE)) {
    for (const opA of OPERATIONS) {
      for (const opB of OPERATIONS) {
        const possible = (op, there) => op !== "delete" || there;
        if (possible(opA, presence.a) && possible(opB, presence.b))
          yield { begin, presence, opA, opB };
      }
    }
  }
}

let fresh = 0;

/** A key of its own for the blob of each version; app rows without files have none. */
function version(kind) {
  fresh += 1;
  return kind === "AW" ? {} : { key: `blob-${fresh}` };
}

async function begin({ nodes: [a, b] }, kind, { presence }) {
  if (presence.a) write(a, kind, "item", version(kind));
  if (presence.met) await settle([a, b]);
  else if (presence.b) write(b, kind, "item", version(kind));
}

function operate(node, kind, op) {
  if (op === "write") write(node, kind, "item", version(kind));
  if (op === "delete") remove(node, kind, "item");
}

/** What a side does, in either order of the wall clocks: `b` is ahead of `a`, level with it or behind. */
const CLOCKS = { behind: -1000, level: 0, ahead: 1000 };

async function play(one, kind, coverage, offset) {
  const world = makeWorld(["a", "b"], { coverage });
  const [a, b] = world.nodes;
  await begin(world, kind, one);
  b.clock.wall += offset;
  operate(a, kind, one.opA);
  operate(b, kind, one.opB);
  write(a, "SR", "bystander-a");
  write(b, "AW", "bystander-b");
  await settle([a, b]);
  assertSettled(world);
}

for (const kind of KINDS) {
  for (const coverage of [true, false]) {
    describe(`${kind} ${coverage ? "with" : "without"} coverage`, () => {
      for (const one of cases()) {
        test(`${one.begin}; here ${one.opA}, there ${one.opB}`, async () => {
          for (const offset of Object.values(CLOCKS)) await play(one, kind, coverage, offset);
        });
      }
    });
  }
}
