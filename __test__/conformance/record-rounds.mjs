// What every store of records does in the exchange: behind the answering side, and in rounds of an engine
// with itself or a plain store at the other end.
import assert from "node:assert/strict";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { anyStamp, unseenOf } from "../support/delta.mjs";
import { at, clockFor, compare, text, watermarksOf } from "../support/hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState, record } from "../support/memory.mjs";
import { isLong, needing, pairsWith, writtenAt } from "./suite.mjs";

const USUAL = [0, 1, 9, 0xffff];
const stampsOfAny = (of) => anyStamp([...USUAL, ...(isLong(of) ? [0x10000, 0x12345] : [])]);
const writesOf = (of) =>
  fc.array(fc.record({ id: fc.constantFrom(..."0123456789"), stamp: stampsOfAny(of) }), {
    maxLength: 20,
  });

const answering = (databaseAdapter) =>
  sync.createInProcessSyncTransport({
    databaseAdapter,
    objectStorage: memoryObjects(),
    clock: clockFor("there"),
  });

const byTime = (a, b) => compare(a, b) || 0;
const stampsOf = (records) => records.map((one) => one.updatedAt).sort(byTime);

async function all(db) {
  const found = [];
  for (let cursor; ;) {
    const { records, nextCursor, hasMore } = await db.query({
      limit: 50,
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(...records);
    if (!hasMore) return found;
    cursor = nextCursor;
  }
}

/** What tells two copies of a store apart, in a form that every store answers. */
async function contentsOf(db) {
  const told = (one) => [
    one.id,
    text(one.updatedAt),
    one.deletedAt && text(one.deletedAt),
    one.version,
    one.originalFilename,
    one.parentId,
  ];
  return (await all(db)).map(told).sort();
}

/** A node over `here` whose peer is `there`. */
function engineBetween(
  here,
  there,
  { clock = clockFor("here"), state = memoryState(), ...more } = {},
) {
  return sync.createSyncEngine({
    localDatabaseAdapter: here,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport: answering(there),
    clock,
    syncState: state,
    ...more,
  });
}

async function drain(engine) {
  const results = [];
  while (results.length < 80) {
    results.push(await engine.exchange());
    if (!results.at(-1).hasMore) return results;
  }
  return assert.fail("the rounds do not end");
}

/** Writes what wins, as an app does, and answers what stands then. */
async function writeAll(db, written) {
  const model = new Map();
  for (const { id, stamp } of written) {
    if (model.has(id) && compare(stamp, model.get(id)) <= 0) continue;
    model.set(id, stamp);
    await db.put(record(id, stamp, { originalFilename: null }));
  }
  return model;
}

/** Sentences about the store behind the answering side. */
export const ANSWERS = {
  async "what one side lacks comes in the order of time, whatever was written"(_, of, t) {
    await fc.assert(
      fc.asyncProperty(
        writesOf(of),
        fc.array(stampsOfAny({}), { maxLength: 4 }),
        fc.integer({ min: 1, max: 6 }),
        async (written, seenStamps, limit) => {
          const db = await of.make(t);
          const model = await writeAll(db, written);
          const watermarks = watermarksOf(seenStamps);
          const expected = unseenOf([...model.values()], watermarks);
          const answer = await answering(db).exchange({ watermarks, limit });
          const found = stampsOf(answer.records);
          assert.deepEqual(found, expected.slice(0, found.length));
          assert.equal(answer.hasMore, found.length < expected.length);
          assert.ok(found.length >= Math.min(1, expected.length));
          // A timestamp that two records share is not parted by the end of a page.
          if (answer.hasMore) assert.ok(compare(found.at(-1), expected[found.length]) < 0);
        },
      ),
      { numRuns: 20 },
    );
  },

  async "of what comes, the newer version stands, and what has the same time changes nothing"(
    db,
    of,
  ) {
    const peer = answering(db);
    const greatest = isLong(of) ? 65_536 : 65_535;
    const send = (...records) => peer.exchange({ watermarks: {}, records, limit: 100 });
    await send(
      record("1", at(2, "a"), { version: 1 }),
      record("2", at(1, "a", greatest), { version: 1 }),
    );
    await send(
      record("1", at(1, "z"), { version: 2 }),
      record("2", at(1, "a", greatest - 1), { version: 2 }),
    );
    await send(record("1", at(2, "a"), { version: 3 }));
    assert.deepEqual(
      (await all(db)).map((one) => [one.id, one.updatedAt, one.version]),
      [
        ["1", at(2, "a"), 1],
        ["2", at(1, "a", greatest), 1],
      ],
    );
    await send(record("1", at(2, "b"), { version: 4, deletedAt: at(2, "b") }));
    const dead = await db.get("1");
    assert.deepEqual([dead.version, dead.deletedAt], [4, at(2, "b")]);
  },

  "tells the asker what it holds": needing("coverage", async (db) => {
    await db.put(record("1", at(5, "a")));
    await db.put(record("2", at(6, "__proto__"), { deletedAt: at(6, "__proto__") }));
    const { responderWatermarks } = await answering(db).exchange({ watermarks: {} });
    assert.deepEqual({ ...responderWatermarks }, watermarksOf([at(5, "a"), at(6, "__proto__")]));
  }),
};

/** Sentences about rounds between `here` and `there`. @type {Record<string, (sides: any) => Promise<void>>} */
export const ROUNDS = {
  async "both sides end equal, tombstones with them, and then there is silence"({ here, there }) {
    await here.put(record("1", at(1, "a")));
    await here.put(record("2", at(2, "a")));
    await here.delete("2", at(3, "a"));
    await there.put(record("3", at(4, "z")));
    await there.put(record("4", at(5, "z"), { deletedAt: at(5, "z") }));
    const state = memoryState();
    const engine = engineBetween(here, there, { state });
    const { applied, shipped, hasMore } = await engine.exchange();
    assert.deepEqual([applied, shipped, hasMore], [2, 2, false]);
    const held = await contentsOf(here);
    assert.deepEqual(await contentsOf(there), held);
    assert.deepEqual(
      held.map(([id, , dead]) => [id, dead !== null]),
      [
        ["1", false],
        ["2", true],
        ["3", false],
        ["4", true],
      ],
    );
    for (const next of [engine, engineBetween(here, there, { state })]) {
      const quiet = await next.exchange();
      assert.deepEqual([quiet.applied, quiet.shipped, quiet.hasMore], [0, 0, false]);
    }
  },

  async "backlogs on both sides pass each other one by one, and the later write wins"(sides) {
    let tick = 0;
    for (const [name, db] of Object.entries(sides)) {
      // The early ones are written again, so that the order of ids is not that of times.
      for (const i of [0, 1, 2, 3, 4, 5, 0, 1, 2]) {
        await db.put(record(`${i}`, at((tick += 1), name), { parentId: name }));
      }
      await db.put(record(`only ${name}`, at((tick += 1), name)));
    }
    await drain(engineBetween(sides.here, sides.there, { pageLimit: 1, scanPageSize: 2 }));
    const held = await contentsOf(sides.here);
    assert.deepEqual(await contentsOf(sides.there), held);
    assert.equal(held.length, 8);
    assert.deepEqual(
      (await all(sides.here)).filter((one) => one.updatedAt.nodeId === "here").map(({ id }) => id),
      ["only here"],
    );
  },

  async "nodes of any name and long counters survive the crossing"({ here, there }, of) {
    const names = ["__proto__", "constructor", "", "🪐", "\uFF5E", "a:b", "n".repeat(300)];
    const counters = [9, 65_535, 16, ...(isLong(of) ? [65_536, 65_537] : [])];
    const written = [
      ...names.map((name, i) => at(1, name, i === 0 ? counters.at(-1) : i)),
      ...counters.map((count) => at(1, "counted", count)),
    ];
    for (const [i, stamp] of written.entries()) await here.put(record(`${i}`, stamp));
    const state = memoryState();
    const engine = engineBetween(here, there, { pageLimit: 1, state });
    await drain(engine);
    assert.deepEqual(stampsOf(await all(there)), [...written].sort(byTime));
    const { inSync } = await engine.exchange();
    // Between two change logs no watermark is needed.
    if (inSync === undefined) assert.deepEqual(state.peer(), watermarksOf(written));
    else assert.equal(inSync, true);
  },

  "fields that nobody knows go there and come back": needing(
    "unknown fields",
    async ({ here, there }) => {
      const fields = { colour: "red", nested: { deep: [1, null, "x"] }, flag: false };
      await here.put(record("1", at(1, "a"), fields));
      await there.put(record("2", at(2, "z"), fields));
      await drain(engineBetween(here, there));
      for (const db of [here, there]) {
        for (const { colour, nested, flag } of await all(db)) {
          assert.deepEqual({ colour, nested, flag }, fields);
        }
        assert.equal((await all(db)).length, 2);
      }
    },
  ),

  async "whatever the two wrote, both end with the newest of each"(_, of, t) {
    await fc.assert(
      fc.asyncProperty(
        writesOf(of),
        writesOf(of),
        fc.integer({ min: 1, max: 5 }),
        async (mine, its, limit) => {
          const { here, there } = await of.make(t);
          const models = [
            await writeAll(here, writtenAt("h", mine)),
            await writeAll(there, writtenAt("t", its)),
          ];
          const expected = new Map(models[0]);
          for (const [id, stamp] of models[1]) {
            if (!expected.has(id) || compare(stamp, expected.get(id)) > 0) expected.set(id, stamp);
          }
          await drain(engineBetween(here, there, { pageLimit: limit, scanPageSize: 4 }));
          for (const db of [here, there]) {
            assert.deepEqual(
              (await all(db)).map((one) => [one.id, text(one.updatedAt)]).sort(),
              [...expected].map(([id, stamp]) => [id, text(stamp)]).sort(),
            );
          }
        },
      ),
      { numRuns: 8 },
    );
  },
};

/** Each store at either end of a round, beside a plain one and beside its like. */
export const pairsOf = (stores) =>
  pairsWith(stores, { make: async () => memoryDatabase({ nodeWatermarks: true }) });
