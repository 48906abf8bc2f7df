// Whatever is written, in whatever order nodes sync, whatever fails meanwhile: once the
// failures stop, everybody holds what the model says, within a bounded number of rounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compare, entryOf } from "./support/hlc.mjs";
import { KINDS } from "./support/model.mjs";
import { assertSettled, contents, drain, makeWorld, remove, write } from "./support/index.mjs";

const NAMES = ["a", "b", "c"];
const RUNS = Number(process.env.SYNC_PROPERTY_RUNS ?? 300);
const FAULT = new Error("planned");

const node = fc.nat(2);
const kind = fc.constantFrom(...KINDS);
const id = fc.nat(4).map(String);

/** Where a fault can strike: the coat of an adapter, by node or of the cloud, and its method. */
const PLACES = [
  ...["get", "put", "has"].flatMap((method) => [
    ["objects", method],
    ["remote", method],
  ]),
  ["db", "put"],
  ["db", "get"],
  ["applier", "apply"],
  ["transport", "exchange"],
  ["transport", "lost answer"],
  ["state", "setWatermarks"],
  ["state", "setPeerWatermarks"],
  ["cloud db", "put"],
  ["cloud applier", "apply"],
];

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("write"),
      node,
      kind,
      id,
      blob: fc.constantFrom("none", "new", "kept"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove"), node, kind, id }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("exchange"), node }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("fault"),
      node,
      place: fc.constantFrom(...PLACES),
      skip: fc.nat(3),
      times: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("spoil"), node, id, atCloud: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart"), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait"), node, by: fc.nat(50) }) },
);

const scene = fc.record({
  nodes: fc.integer({ min: 2, max: 3 }),
  coverage: fc.boolean(),
  pageLimit: fc.integer({ min: 1, max: 5 }),
  scanPageSize: fc.integer({ min: 1, max: 4 }),
  blobConcurrency: fc.integer({ min: 1, max: 3 }),
  strictOrder: fc.boolean(),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
});

let fresh = 0;

function keyFor(one, what, itemId, blob) {
  if (what === "AW" || blob === "none") return {};
  const before = contents(one, what).get(itemId);
  // A new version of a live item whose bytes are the old ones writes no blob.
  if (blob === "kept") return before && !before.dead ? { key: before.key, lost: true } : {};
  fresh += 1;
  return { key: `blob-${fresh}` };
}

/** The plan that lets `skip` calls pass and then fails `times` of them. */
function strike(coat, method, skip, times) {
  let left = skip + times;
  const due = () => left > 0 && (left -= 1) < times;
  if (method !== "lost answer") coat.plan[method] = { error: FAULT, throws: due };
  else
    coat.plan.exchange = {
      answers: (_call, [request]) => (due() ? { value: coat.lose(request) } : undefined),
    };
}

/** From now on the store shows this record as one that cannot travel. */
function spoil(side, itemId) {
  const shown = (record) =>
    record?.id === itemId ? { ...record, createdAt: "no timestamp" } : record;
  const query = async (asked) => {
    const page = await side.db.query(asked);
    return { ...page, records: page.records.map(shown) };
  };
  const get = async (asked) => shown(await side.db.get(asked));
  side.via.db.plan.query = { answers: (_call, [asked]) => ({ value: query(asked) }) };
  side.via.db.plan.get = { answers: (_call, [asked]) => ({ value: get(asked) }) };
}

const coatOf = (world, one, name) =>
  name.startsWith("cloud ") ? world.cloud.via[name.slice(6)] : one.via[name];

async function exchange(one) {
  try {
    await one.engine.exchange();
  } catch (error) {
    assert.equal(
      error,
      FAULT,
      `${one.name} failed with something that nobody planned: ${error?.stack}`,
    );
  }
}

const ACTIONS = {
  write: (_world, one, { kind: what, id: itemId, blob }) =>
    void write(one, what, itemId, keyFor(one, what, itemId, blob)),
  remove: (_world, one, { kind: what, id: itemId }) => {
    if (contents(one, what).get(itemId)?.dead === false) remove(one, what, itemId);
  },
  exchange: (_world, one) => exchange(one),
  fault: (world, one, { place: [name, method], skip, times }) =>
    strike(coatOf(world, one, name), method, skip, times),
  spoil: (world, one, { id: itemId, atCloud }) => spoil(atCloud ? world.cloud : one, itemId),
  restart: (_world, one) => one.restart(),
  wait: (_world, one, { by }) => void (one.clock.wall += by),
};

const reaches = (watermarks, stamp) => {
  const mark = entryOf(watermarks, stamp.nodeId);
  return mark !== undefined && compare(mark, stamp) >= 0;
};

/** What a persisted watermark says is held must be held by the one of whom it says so. */
function assertCovered(claim, watermarks, offered, holder) {
  for (const what of KINDS) {
    const held = contents(holder, what);
    for (const [itemId, version] of contents(offered, what)) {
      if (!reaches(watermarks, version.stamp)) continue;
      const copy = held.get(itemId);
      assert.ok(
        copy !== undefined && compare(copy.stamp, version.stamp) >= 0,
        `${claim} passed ${what} ${itemId}`,
      );
      if (compare(copy.stamp, version.stamp) !== 0 || version.dead || version.key === "") continue;
      assert.ok(
        holder.objects.keys().includes(version.key),
        `${claim} passed the blob of ${what} ${itemId}`,
      );
    }
  }
}

function assertHonest({ cloud, nodes }) {
  for (const one of nodes) {
    assertCovered(`own watermark of ${one.name}`, one.state.own(), cloud, one);
    assertCovered(`peer watermark of ${one.name}`, one.state.peer(), one, cloud);
  }
}

function heal({ cloud, nodes }) {
  for (const side of [cloud, ...nodes])
    for (const coat of Object.values(side.via))
      for (const method of Object.keys(coat.plan)) delete coat.plan[method];
}

const isQuiet = ([first, ...more]) =>
  more.length === 0 && first.applied === 0 && first.shipped === 0 && first.held.length === 0;

/** Drains all nodes in turn until a pass finds nothing left to do; fails where that takes long. */
async function settleWholly({ nodes }, bound = 25) {
  for (let pass = 0; pass < bound; pass += 1) {
    let quiet = true;
    for (const one of nodes) quiet = isQuiet(await drain(one, 150)) && quiet;
    if (quiet) return;
  }
  assert.fail(`something is still moving after ${bound} passes`);
}

async function play({ nodes: count, coverage, steps, ...engine }) {
  const world = makeWorld(NAMES.slice(0, count), { coverage, engine });
  for (const one of world.nodes) {
    one.via.transport.lose = (request) =>
      world.cloud.transport.exchange(request).then(() => Promise.reject(FAULT));
  }
  for (const one of steps) {
    await ACTIONS[one.do](world, world.nodes[one.node % count], one);
    if (one.do === "exchange") assertHonest(world);
  }
  heal(world);
  await settleWholly(world);
  assertHonest(world);
  assertSettled(world);
}

const silently = (t) => {
  for (const name of ["warn", "error"]) t.mock.method(console, name, () => {});
};

test(
  "whatever happens, all sides settle to the winners once the faults stop",
  { timeout: 600_000 },
  async (t) => {
    silently(t);
    await fc.assert(fc.asyncProperty(scene, play), { numRuns: RUNS, includeErrorInReport: true });
  },
);

test(
  "without faults, every drain ends and every watermark is honest",
  { timeout: 600_000 },
  async (t) => {
    silently(t);
    const goesWrong = ["fault", "spoil"];
    const calm = scene.map((one) => ({
      ...one,
      steps: one.steps.filter((s) => !goesWrong.includes(s.do)),
    }));
    await fc.assert(fc.asyncProperty(calm, play), { numRuns: RUNS, includeErrorInReport: true });
  },
);
