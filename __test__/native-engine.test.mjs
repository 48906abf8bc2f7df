// The engine over native stores, on one side, on the other, on both: what the app has put in the place of their
// functions counts, and all of them together outlive a restart.
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

/** A cloud of one kind and a node of the other or the same. */
async function pair(t, [here, there]) {
  const cloud = await stores(t, there);
  cloud.transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.db,
    objectStorage: cloud.objects,
    clock: clockFor("cloud"),
  });
  const a = { ...(await stores(t, here)), clock: clockFor("a") };
  a.engine = sync.createSyncEngine({
    localDatabaseAdapter: a.db,
    localObjectStorage: a.objects,
    remoteObjectStorage: cloud.objects,
    transport: cloud.transport,
    clock: a.clock,
    syncState: a.state,
  });
  return { cloud, a };
}

/** @type {Record<string, (t: any, kinds: string[]) => Promise<void>>} */
const SCENES = {
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
