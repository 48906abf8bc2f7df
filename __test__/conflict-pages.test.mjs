// Conflicts where more than a page is still to go: each version that loses before it was sent is told of, once.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import {
  KINDS,
  engineAt,
  nativePlace,
  openFor,
  plainPlace,
  serve,
} from "./support/logged-places.mjs";
import { memoryState } from "./support/index.mjs";

const EPOCH = 1_700_000_000_000;
const NUMBERS = Array.from({ length: 10 }, (_, index) => String(index));
const stamp = (ms, { nodeId }) => ({ wallTime: EPOCH + ms, counter: 0, nodeId });

/** The state and the objects are native as well: such rounds run on a thread of their own. */
async function wholePlace(folder, nodeId) {
  const place = await nativePlace(folder, nodeId);
  const syncState = sync.createSqliteSyncStateStore({ path: join(folder, "state.db") });
  const localObjectStorage = sync.createFsObjectStorage({ root: join(folder, "objects") });
  const close = async () => {
    await Promise.all([place.close(), syncState.close(), localObjectStorage.close()]);
  };
  const adapters = ({ baseUrl }) => ({
    syncState,
    localObjectStorage,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
  });
  return { ...place, adapters, close };
}

const PLACES = {
  ...KINDS,
  "native stores throughout": { open: wholePlace, skip: false },
  "adapters of an app that keep no log": { open: async (_, nodeId) => plainPlace(nodeId) },
};

function engineFor(place, hub, options) {
  const own = place.adapters?.(hub) ?? { syncState: memoryState() };
  const engine = engineAt(place, hub.baseUrl, { pageLimit: 2, ...own, ...options });
  const heard = [];
  engine.conflictNotifier.subscribe((event) => heard.push(event));
  return { place, engine, heard };
}

/** Two devices and a hub that all hold ten records and ten rows. */
async function shared(t, open, options) {
  const places = await Promise.all(["a", "b", "hub"].map((name) => openFor(t, open, name)));
  const hub = await serve(t, places[2]);
  const [a, b] = places.slice(0, 2).map((place) => engineFor(place, hub, options));
  for (const number of NUMBERS) await write(a, number, "first", Number(number));
  for (const { engine } of [a, b, a, b]) await engine.drain();
  assert.deepEqual(await b.place.labels(), all("first"));
  assert.deepEqual(await b.place.lines(), lines("first"));
  return { a, b, hub: { place: places[2] } };
}

async function write({ place }, number, words, ms) {
  await place.put(number, stamp(ms, place), words);
  await place.line("p", number, stamp(ms, place), words);
}

/** Both edit all items; the even ones are later at `a`. */
async function editBoth({ a, b }) {
  for (const number of NUMBERS) {
    const [n, isEven] = [100 + 10 * Number(number), Number(number) % 2 === 0];
    await write(a, number, `a${number}`, n + (isEven ? 5 : 0));
    await write(b, number, `b${number}`, n + (isEven ? 0 : 5));
  }
}

const all = (words) => Object.fromEntries(NUMBERS.map((number) => [number, words]));
const lines = (words) => Object.fromEntries(NUMBERS.map((number) => [`p/${number}`, words]));
const isEven = (number) => Number(number) % 2 === 0;

/** What was heard of one kind, as `local < incoming` or the other way round, in the order of items. */
function told(heard, kind) {
  const words = (one) => (kind === "record" ? one.label : one.row.words);
  const sign = { incoming: "<", local: ">" };
  const found = heard.filter((event) => event.kind === kind);
  return found
    .map(({ local, incoming, winner }) => `${words(local)} ${sign[winner]} ${words(incoming)}`)
    .sort();
}
const LOSING = NUMBERS.filter(isEven).map((number) => `b${number} < a${number}`);
const WINNING = NUMBERS.filter((number) => !isEven(number)).map(
  (number) => `b${number} > a${number}`,
);

for (const [name, { open, skip = false }] of Object.entries(PLACES)) {
  const keepsLog = name !== "adapters of an app that keep no log";
  describe(`over ${name}, in pages of two`, () => {
    test(
      "of ten records that two devices changed, each version that loses unsent is told of once",
      { skip },
      async (t) => {
        const world = await shared(t, open);
        await editBoth(world);
        assert.equal((await world.a.engine.drain()).conflicts, 0);
        const { conflicts } = await world.b.engine.drain();
        assert.equal(conflicts, world.b.heard.length);
        const records = told(world.b.heard, "record");
        assert.deepEqual(
          records.filter((line) => line.includes("<")),
          LOSING,
        );
        if (keepsLog)
          assert.deepEqual(
            records.filter((line) => line.includes(">")),
            WINNING,
          );
        await world.a.engine.drain();
        await world.b.engine.drain();
        assert.deepEqual(told(world.b.heard, "record"), records, "each is told once");
        const winners = NUMBERS.map((number) => [number, `${isEven(number) ? "a" : "b"}${number}`]);
        for (const { place } of [world.a, world.b, world.hub])
          assert.deepEqual(await place.labels(), Object.fromEntries(winners));
      },
    );

    const ofRows = keepsLog
      ? "rows are told of likewise"
      : "of rows nothing is told, as nothing tells them apart";
    test(ofRows, { skip }, async (t) => {
      const world = await shared(t, open);
      await editBoth(world);
      await world.a.engine.drain();
      await world.b.engine.drain();
      const losing = told(world.b.heard, "appRow").filter((line) => line.includes("<"));
      assert.deepEqual(losing, keepsLog ? LOSING : []);
    });

    test(
      "so is one that goes out at first and loses to a version that comes pages later",
      { skip },
      async (t) => {
        const { a, b } = await shared(t, open);
        for (const number of NUMBERS) await write(a, number, `a${number}`, 100 + Number(number));
        await write(b, "9", "b9", 50);
        await a.engine.drain();
        await b.engine.drain();
        assert.deepEqual(told(b.heard, "record"), ["b9 < a9"]);
        assert.deepEqual(told(b.heard, "appRow"), keepsLog ? ["b9 < a9"] : []);
      },
    );

    test(
      "onConflict is asked once for each, and what it merges ends at every side",
      { skip },
      async (t) => {
        const asked = [];
        const onConflict = (local, incoming) => {
          asked.push([local.label, incoming.label].sort().join("+"));
          return { ...local, label: asked.at(-1) };
        };
        const world = await shared(t, open, { onConflict });
        await editBoth(world);
        for (const { engine } of [world.a, world.b, world.a, world.b]) await engine.drain();
        const all = NUMBERS.map((number) => `a${number}+b${number}`);
        const merged = keepsLog ? all : all.filter((one) => asked.includes(one));
        assert.deepEqual(asked.sort(), merged);
        for (const { place } of [world.a, world.b, world.hub]) {
          const labels = await place.labels();
          for (const number of NUMBERS.filter((one) => keepsLog || isEven(one)))
            assert.equal(labels[number], `a${number}+b${number}`);
        }
      },
    );

    test("a reconciliation tells of the versions that lose in it", { skip }, async (t) => {
      const world = await shared(t, open);
      await editBoth(world);
      await world.a.engine.drain();
      const result = await world.b.engine.reconcile();
      assert.equal(result.conflicts, world.b.heard.length);
      assert.deepEqual(Object.keys(result).includes("conflicts"), false);
      const losing = told(world.b.heard, "record").filter((line) => line.includes("<"));
      assert.deepEqual(losing, LOSING);
      assert.equal((await world.b.engine.drain()).conflicts, 0);
    });

    test("two sides that never met are told of what differed and lost", { skip }, async (t) => {
      const places = await Promise.all(["b", "hub"].map((one) => openFor(t, open, one)));
      const hub = await serve(t, places[1]);
      const b = engineFor(places[0], hub);
      await editBoth({ a: { place: places[1] }, b });
      await b.engine.drain();
      const losing = told(b.heard, "record").filter((line) => line.includes("<"));
      assert.deepEqual(losing, LOSING);
    });
  });
}
