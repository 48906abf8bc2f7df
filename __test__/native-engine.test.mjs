// The engine over native stores, on one side, on the other, on both.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import {
  blobFields,
  bytes,
  clockFor,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

const KIND = {
  native: {
    db: (folder) => sync.createSqliteDatabaseAdapter({ path: join(folder, "records.db") }),
    objects: (folder) => sync.createFsObjectStorage({ root: join(folder, "objects") }),
    state: (folder) => sync.createSqliteSyncStateStore({ path: join(folder, "state.db") }),
  },
  JavaScript: {
    db: () => memoryDatabase({ nodeWatermarks: true }),
    objects: () => memoryObjects(),
    state: () => memoryState(),
  },
};

async function stores(t, kind) {
  const folder = folderFor(t);
  const made = Object.fromEntries(
    Object.entries(KIND[kind]).map(([name, make]) => [name, make(folder)]),
  );
  for (const store of [made.db, made.objects]) await store.init();
  t.after(async () => {
    for (const store of Object.values(made)) await store.close?.();
  });
  return made;
}

/** A cloud of one kind and a node of the other or the same; `engine` are further options. */
async function pair(t, [here, there], engine = {}) {
  const cloud = await stores(t, there);
  cloud.transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.db,
    objectStorage: cloud.objects,
    clock: clockFor("cloud"),
  });
  const node = async (name) => {
    const side = { ...(await stores(t, here)), clock: clockFor(name) };
    side.engine = sync.createSyncEngine({
      localDatabaseAdapter: side.db,
      localObjectStorage: side.objects,
      remoteObjectStorage: cloud.objects,
      transport: cloud.transport,
      clock: side.clock,
      syncState: side.state,
      ...engine,
    });
    return side;
  };
  return { cloud, a: await node("a"), b: await node("b") };
}

async function drain({ engine }, bound = 60) {
  const results = [];
  while (results.length < bound) {
    results.push(await engine.exchange());
    if (!results[results.length - 1].hasMore) return results;
  }
  return assert.fail("it does not come to an end");
}

const all = async (side) =>
  (await side.db.query({ limit: 1000 })).records.map((one) => ({ ...one }));

/** @type {Record<string, (t: any, kinds: string[]) => Promise<void>>} */
const SCENES = {
  async "records and blobs go across and come back, unknown fields with them"(t, kinds) {
    const { cloud, a, b } = await pair(t, kinds);
    await a.objects.put("k", bytes("the bytes"), { contentType: "text/plain" });
    await a.db.put(
      record("1", at(1, "a"), { ...blobFields("k", 9), colour: "red", nested: { deep: [1] } }),
    );
    await a.db.put(record("2", at(2, "a")));
    await a.db.delete("2", at(3, "a"));
    assert.deepEqual(
      { ...(await a.engine.exchange()) },
      { applied: 0, shipped: 2, hasMore: false },
    );
    assert.deepEqual(
      { ...(await b.engine.exchange()) },
      { applied: 2, shipped: 0, hasMore: false },
    );
    assert.deepEqual(await all(cloud), await all(a));
    assert.deepEqual(await all(b), await all(a));
    for (const side of [cloud, b]) {
      const got = await side.objects.get("k");
      assert.equal(new TextDecoder().decode(got.data), "the bytes");
      assert.equal(got.contentType, "text/plain");
    }
    assert.deepEqual(await b.state.getWatermarks(), { a: at(3, "a") });
    assert.deepEqual(await b.state.getPeerWatermarks(), { a: at(3, "a") });
    assert.deepEqual(
      { ...(await b.engine.exchange()) },
      { applied: 0, shipped: 0, hasMore: false },
    );
  },

  async "a backlog in pages strands nothing, and the later write wins"(t, kinds) {
    const { cloud, a, b } = await pair(t, kinds, { pageLimit: 3 });
    let tick = 0;
    for (const side of [a, b]) {
      for (let i = 0; i < 10; i += 1)
        await side.db.put(record(`${i}`, at((tick += 1), side === a ? "a" : "b")));
      for (let i = 0; i < 5; i += 1)
        await side.db.put(record(`${i}`, at((tick += 1), side === a ? "a" : "b")));
    }
    for (const side of [a, b, a]) await drain(side);
    const stamps = (records) => records.map((one) => one.updatedAt);
    assert.deepEqual(stamps(await all(a)), stamps(await all(b)));
    assert.deepEqual(stamps(await all(cloud)), stamps(await all(b)));
    assert.ok(stamps(await all(a)).every((stamp) => stamp.nodeId === "b"));
  },

  async "a lost blob holds its node, is named, and is made good"(t, kinds) {
    const { cloud, a, b } = await pair(t, kinds, { pageLimit: 2 });
    await a.db.put(record("0", at(0, "a"), blobFields("lost")));
    for (let i = 1; i < 5; i += 1) await a.db.put(record(`${i}`, at(i, "a")));
    await a.db.put(record("free", at(50, "x")));
    const results = await drain(a);
    const [{ held }] = results;
    assert.deepEqual(
      held.map((one) => [one.nodeId, one.direction, one.key, one.item.id]),
      [["a", "outbound", "lost", "0"]],
    );
    assert.deepEqual(
      (await all(cloud)).map((one) => one.id),
      ["free"],
    );
    await a.objects.put("lost", bytes("found"));
    await drain(a);
    assert.equal((await all(cloud)).length, 6);
    await drain(b);
    assert.equal((await all(b)).length, 6);
    assert.equal(await b.objects.has("lost"), true);
  },

  async "nodes with hostile names and long counters survive the crossing"(t, kinds) {
    const { cloud, a, b } = await pair(t, kinds, { pageLimit: 2 });
    const names = ["__proto__", "constructor", "", "🪐", "\uFF5E", "a:b", "n".repeat(300)];
    for (const [i, name] of names.entries())
      await a.db.put(record(`${i}`, at(1, name, i === 0 ? 70_000 : i)));
    await drain(a);
    await drain(b);
    assert.deepEqual(await all(cloud), await all(a));
    assert.deepEqual(await all(b), await all(a));
    assert.deepEqual(Object.keys(await b.state.getWatermarks()).sort(), [...names].sort());
  },

  async "the greater timestamp is told by numbers, not by the text of its counter"(t, kinds) {
    const { cloud, a, b } = await pair(t, kinds, { pageLimit: 1 });
    const counters = [9, 65_535, 65_536, 65_537, 16];
    for (const [i, counter] of counters.entries())
      await a.db.put(record(`${i}`, at(1, "a", counter)));
    await drain(a);
    await drain(b);
    assert.equal((await all(cloud)).length, 5);
    assert.equal((await all(b)).length, 5);
    assert.deepEqual(await b.state.getWatermarks(), { a: at(1, "a", 65_537) });
  },

  async "a store with one function replaced is used as it stands"(t, kinds) {
    const { cloud, a } = await pair(t, kinds);
    const puts = [];
    const db = {
      ...a.db,
      put: async (one) => {
        puts.push(one.id);
        return a.db.put(one);
      },
    };
    const kept = [];
    const objects = {
      ...a.objects,
      put: async (key, ...rest) => (kept.push(key), a.objects.put(key, ...rest)),
    };
    const state = { ...a.state, getWatermarks: async () => ({ q: at(1, "q") }) };
    const asked = [];
    const transport = {
      ...cloud.transport,
      exchange: async (request) => (
        asked.push(request.watermarks),
        cloud.transport.exchange(request)
      ),
    };
    await cloud.objects.put("k", bytes("x"));
    await cloud.db.put(record("1", at(1, "z"), blobFields("k")));
    const engine = sync.createSyncEngine({
      localDatabaseAdapter: db,
      localObjectStorage: objects,
      remoteObjectStorage: cloud.objects,
      transport,
      clock: a.clock,
      syncState: state,
    });
    assert.equal((await engine.exchange()).applied, 1);
    assert.deepEqual([puts, kept, asked], [["1"], ["k"], [{ q: at(1, "q") }]]);
  },

  async "a function put on a store afterwards is honoured"(t, kinds) {
    const { cloud, a } = await pair(t, kinds);
    const error = new Error("replaced");
    const { put } = a.db;
    a.db.put = async () => {
      throw error;
    };
    await cloud.db.put(record("1", at(1, "z")));
    await assert.rejects(
      async () => a.engine.exchange(),
      (thrown) => thrown === error,
    );
    a.db.put = put;
    assert.equal((await a.engine.exchange()).applied, 1);
  },
};

for (const here of Object.keys(KIND)) {
  for (const there of Object.keys(KIND)) {
    describe(`${here} stores here, ${there} stores there`, () => {
      for (const [what, scene] of Object.entries(SCENES))
        test(what, (t) => scene(t, [here, there]));
    });
  }
}

test("a node goes on after a restart of everything native", async (t) => {
  const folder = folderFor(t);
  const cloud = await stores(t, "JavaScript");
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.db,
    objectStorage: cloud.objects,
    clock: clockFor("cloud"),
  });
  for (let run = 0; run < 3; run += 1) {
    const [db, objects, syncState] = ["db", "objects", "state"].map((name) =>
      KIND.native[name](folder),
    );
    await db.init();
    await objects.init();
    await cloud.db.put(record(`z${run}`, at(run, "z")));
    await db.put(record(`a${run}`, at(run, "a")));
    const engine = sync.createSyncEngine({
      localDatabaseAdapter: db,
      localObjectStorage: objects,
      remoteObjectStorage: cloud.objects,
      transport,
      clock: clockFor("a"),
      syncState,
    });
    assert.deepEqual({ ...(await engine.exchange()) }, { applied: 1, shipped: 1, hasMore: false });
    await syncState.close?.();
    for (const store of [db, objects]) await store.close();
    if (syncState.close === undefined) return;
  }
  assert.equal(cloud.db.all().length, 6);
});
