// Adapters of the app's that find their delta themselves, rightly or wrongly.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { unseenOf } from "./support/delta.mjs";
import { at, clockFor, compare } from "./support/hlc.mjs";
import {
  entry,
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/memory.mjs";
import { warningsOf } from "./support/native.mjs";
import { untilNoMore } from "./support/rounds.mjs";

const byTime = (a, b) => compare(a.updatedAt, b.updatedAt);

/** The records that `watermarks` lack, in order. */
function lacking(db, watermarks) {
  return db
    .all()
    .filter((one) => unseenOf([one.updatedAt], watermarks).length > 0)
    .sort(byTime);
}

/** An honest page: the smallest timestamps, equal ones together. */
function page(records, limit) {
  let end = Math.min(limit, records.length);
  const parts = () =>
    end < records.length && end > 0 && byTime(records[end - 1], records[end]) === 0;
  while (parts()) end -= 1;
  if (end === 0 && records.length > 0) {
    end = records.filter((one) => byTime(one, records[0]) === 0).length;
  }
  return { records: records.slice(0, end), hasMore: end < records.length };
}

const WAYS = {
  "is right": (db, watermarks, { limit }) => page(lacking(db, watermarks), limit),
  "parts equal timestamps": (db, watermarks, { limit }) => {
    const all = lacking(db, watermarks);
    return { records: all.slice(0, limit), hasMore: all.length > limit };
  },
  "forgets to say that there is more": (db, watermarks, { limit }) => ({
    records: lacking(db, watermarks).slice(0, limit),
  }),
  "answers in the order of ids": (db, watermarks, { limit }) => {
    const all = lacking(db, watermarks).sort((a, b) => (a.id < b.id ? -1 : 1));
    return { records: all.slice(0, limit), hasMore: all.length > limit };
  },
  "ignores what was seen": (db, _watermarks, { limit }) => page(lacking(db, {}), limit),
  "says that there is more and shows nothing": () => ({ records: [], hasMore: true }),
  "ignores the limit": (db, watermarks) => ({ records: lacking(db, watermarks), hasMore: true }),
};

function cloudOver(databaseAdapter, more = {}) {
  const objectStorage = memoryObjects();
  const clock = clockFor("cloud");
  return sync.createInProcessSyncTransport({ databaseAdapter, objectStorage, clock, ...more });
}

function engineOver(localDatabaseAdapter, transport, more = {}) {
  return sync.createSyncEngine({
    localDatabaseAdapter,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport,
    clock: clockFor("laptop"),
    syncState: memoryState(),
    pageLimit: 3,
    ...more,
  });
}

for (const [way, answer] of Object.entries(WAYS)) {
  for (const nodeWatermarks of [true, false]) {
    const beside = nodeWatermarks ? "beside getNodeWatermarks" : "by itself";
    test(`a queryUnseen that ${way}, ${beside}, strands nothing and lets rounds end`, async (t) => {
      const sides = ["laptop", "cloud"].map((name) => {
        const db = memoryDatabase({ nodeWatermarks });
        db.queryUnseen = async (watermarks, options) => answer(db, watermarks, options);
        for (let i = 0; i < 12; i += 1) {
          // Ids fall where times rise, and every third timestamp is shared.
          const stamp = at(i - (i % 3 === 2 ? 1 : 0), `${name}${i % 2}`);
          db.put(record(`${name}${String(99 - i)}`, stamp));
        }
        return db;
      });
      await warningsOf(t, () => untilNoMore(engineOver(sides[0], cloudOver(sides[1]))));
      const held = sides.map((db) => db.all().map(({ id }) => id));
      assert.equal(held[0].length, 24);
      assert.deepEqual(held[0].sort(), held[1].sort());
    });
  }
}

test("a queryUnseen that answers no records rejects the round", async () => {
  const db = memoryDatabase();
  db.queryUnseen = async () => ({ rows: [] });
  await assert.rejects(engineOver(db, cloudOver(memoryDatabase())).exchange(), {
    code: "INVALID_ARGUMENT",
  });
});

/** A node with these records for a cloud, and what its rounds ended with. */
async function sendTo(cloudDb, records, more) {
  const db = memoryDatabase();
  for (const one of records) await db.put(one);
  return engineOver(db, cloudOver(cloudDb, more)).exchange();
}

test("a page is applied in one call, without what is too far ahead", async () => {
  const db = memoryDatabase({ nodeWatermarks: true });
  const pages = [];
  db.applyRecords = async (records, options) => {
    pages.push([records.map(({ id }) => id), options]);
    for (const one of records) await db.put(one);
    return records.map(() => ({ status: "applied" }));
  };
  const ahead = { wallTime: Date.now() + 1e9, counter: 0, nodeId: "b" };
  await sendTo(db, [record("1", at(1, "a")), record("2", at(2, "a")), record("3", ahead)]);
  assert.deepEqual(pages, [[["1", "2"], { strictOrder: true }]]);
});

const thrown = new Error("the disk is on fire");
const BATCHES = {
  throws: [
    () => {
      throw thrown;
    },
    (held) => held.error === thrown,
  ],
  "answers too few results": [() => [], (held) => held.code === "INVALID_ARGUMENT"],
  "answers nonsense": [
    (records) => records.map(() => ({ status: "perhaps" })),
    (held) => held.code === "INVALID_ARGUMENT",
  ],
  "fails each": [
    (records) => records.map(() => ({ status: "failed", error: thrown })),
    (held) => held.error === thrown,
  ],
};

for (const [what, [answer, isExpected]] of Object.entries(BATCHES)) {
  test(`where applyRecords ${what}, the items are held and come again`, async () => {
    const remote = memoryDatabase();
    for (const [id, node] of [
      ["1", "a"],
      ["2", "b"],
    ]) {
      await remote.put(record(id, at(1, node)));
    }
    const db = memoryDatabase();
    let broken = true;
    db.applyRecords = (records) => {
      if (broken) return answer(records);
      for (const one of records) db.put(one);
      return records.map(() => ({ status: "applied" }));
    };
    const rows = memoryAppRows();
    const engine = engineOver(db, cloudOver(remote), {
      appSyncableSource: { namespaces: rows.namespaces, applier: rows.applier },
    });
    const failure = await engine.exchange().then(
      (result) => result.held[0],
      (error) => ({ error, code: error.code }),
    );
    assert.ok(isExpected(failure), String(failure.error));
    assert.equal(db.all().length, 0);
    broken = false;
    await untilNoMore(engine);
    assert.equal(db.all().length, 2);
  });
}

test("rows are applied in one call, and those of an unknown app are not shown", async (t) => {
  const [from, to] = [memoryAppRows(), memoryAppRows()];
  const tables = [{ name: "t", pkColumns: ["id"] }];
  from.register("known", tables);
  from.register("stranger", tables);
  to.register("known", tables);
  const pages = [];
  to.applier.applyRows = async (entries) => {
    pages.push(entries.map(({ row }) => row.id));
    for (const one of entries) to.apply(one);
    return entries.map(() => ({ status: "applied" }));
  };
  from.apply(entry("known", "t", at(1, "a"), { id: "1" }));
  from.apply(entry("stranger", "t", at(2, "a"), { id: "2" }));
  from.apply(entry("known", "t", at(3, "a"), { id: "3" }));
  from.apply(entry("known", "t", at(3, "b"), { id: "4" }));
  const cloud = cloudOver(memoryDatabase({ nodeWatermarks: true }), {
    appSyncableSource: { namespaces: to.namespaces, applier: to.applier },
  });
  const engine = engineOver(memoryDatabase(), cloud, {
    pageLimit: 10,
    appSyncableSource: { namespaces: from.namespaces, applier: from.applier },
  });
  await warningsOf(t, () =>
    engine.exchange().catch((error) => assert.equal(error.code, "UNKNOWN_APP")),
  );
  assert.deepEqual(pages, [["1", "4"]]);
});
