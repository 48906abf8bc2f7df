// Every store of what an engine remembers, and what each of them does.
import assert from "node:assert/strict";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor, entryOf } from "../support/hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState, record } from "../support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "../support/native.mjs";
import { needsPostgres, postgresSchema } from "../support/postgres.mjs";

function closing(t, store) {
  t.after(() => store.close?.());
  return store;
}

export const STATE_STORES = {
  "plain JavaScript in memory": {
    // What a store that keeps nothing on disk is to the next one: the same.
    places: () => {
      const state = memoryState();
      return () => state;
    },
  },
  "plain JavaScript that answers at once": {
    places: () => {
      const state = memoryState({ plain: true });
      return () => state;
    },
  },
  "the table of an app's DatabaseSync, { db }": {
    skip: needsSqlite.skip,
    places: (t) => {
      const db = new DatabaseSync(":memory:");
      t.after(() => db.close());
      return () => sync.createSqliteSyncStateStore({ db });
    },
  },
  "a PostgreSQL database": {
    skip: needsPostgres.skip,
    places: (t) => {
      const options = postgresSchema();
      return async () =>
        closing(t, sync.createPostgresSyncStateStore({ ...(await options), scope: "me" }));
    },
  },
  "a file, { path }": {
    places: (t) => {
      const path = join(folderFor(t), "state.db");
      return () => closing(t, sync.createSqliteSyncStateStore({ path }));
    },
  },
};
for (const of of Object.values(STATE_STORES)) of.make = (t) => of.places(t)();

/** @type {Record<string, (store: any, of: any, t: any) => Promise<void>>} */
export const STATES = {
  async "begins without watermarks and without a clock"(store) {
    assert.deepEqual(
      [
        await store.getWatermarks(),
        await store.getPeerWatermarks(),
        await store.getHlcClockState(),
      ],
      [{}, {}, null],
    );
  },

  async "answers what was set, and so does the next store over the same place"(_, of, t) {
    const open = of.places(t);
    const store = await open();
    await store.setWatermarks({ a: at(1, "a"), b: at(2, "b") });
    await store.setPeerWatermarks({ c: at(3, "c", 70_000) });
    await store.setHlcClockState({ wallTime: 12, counter: 3 });
    for (const reader of [store, await open()]) {
      assert.deepEqual(await reader.getWatermarks(), { a: at(1, "a"), b: at(2, "b") });
      assert.deepEqual(await reader.getPeerWatermarks(), { c: at(3, "c", 70_000) });
      assert.deepEqual(await reader.getHlcClockState(), { wallTime: 12, counter: 3 });
    }
  },

  async "a later value takes the place of the earlier one as a whole"(store) {
    await store.setWatermarks({ a: at(1, "a"), b: at(2, "b") });
    await store.setWatermarks({ a: at(9, "a") });
    assert.deepEqual(await store.getWatermarks(), { a: at(9, "a") });
    await store.setWatermarks({});
    assert.deepEqual(await store.getWatermarks(), {});
    await store.setHlcClockState({ wallTime: 1, counter: 2 });
    await store.setHlcClockState({ wallTime: 3, counter: 4 });
    assert.deepEqual(await store.getHlcClockState(), { wallTime: 3, counter: 4 });
  },

  async "keeps nodes of any name"(store) {
    const names = ["__proto__", "constructor", "", "\uD800", "o'; DROP TABLE sync_state; --", "🪐"];
    await store.setWatermarks(Object.fromEntries(names.map((name, i) => [name, at(i, name)])));
    const read = await store.getWatermarks();
    assert.deepEqual(Object.keys(read).sort(), [...names].sort());
    for (const [i, name] of names.entries()) assert.deepEqual(entryOf(read, name), at(i, name));
  },

  async "its functions need no this"({ ...functions }) {
    const { getWatermarks, setWatermarks } = functions;
    await setWatermarks({ a: at(1, "a") });
    assert.deepEqual(await getWatermarks(), { a: at(1, "a") });
  },

  async "an engine remembers nodes of any name"(store) {
    const names = ["__proto__", "", "\uD800", "🪐"];
    const [mine, its] = [memoryDatabase(), memoryDatabase()];
    for (const [i, name] of names.entries()) await its.put(record(`${i}`, at(i, name)));
    const engine = sync.createSyncEngine({
      localDatabaseAdapter: mine,
      localObjectStorage: memoryObjects(),
      remoteObjectStorage: memoryObjects(),
      transport: sync.createInProcessSyncTransport({
        databaseAdapter: its,
        objectStorage: memoryObjects(),
        clock: clockFor("there"),
      }),
      clock: clockFor("a"),
      syncState: store,
    });
    for (const expected of [names.length, 0]) {
      assert.equal((await engine.exchange()).applied, expected);
      const read = await store.getWatermarks();
      for (const [i, name] of names.entries()) assert.deepEqual(entryOf(read, name), at(i, name));
    }
  },

  async "an engine goes on where it stood, also the next one over the same place"(_, of, t) {
    const open = of.places(t);
    const [mine, its] = [memoryDatabase(), memoryDatabase()];
    const asked = [];
    const peer = sync.createInProcessSyncTransport({
      databaseAdapter: its,
      objectStorage: memoryObjects(),
      clock: clockFor("there"),
    });
    const exchange = async (request) => {
      asked.push(request.watermarks);
      return peer.exchange(request);
    };
    for (let round = 1; round <= 2; round += 1) {
      await mine.put(record(`a${round}`, at(round, "a")));
      await its.put(record(`z${round}`, at(round, "z")));
      const engine = sync.createSyncEngine({
        localDatabaseAdapter: mine,
        localObjectStorage: memoryObjects(),
        remoteObjectStorage: memoryObjects(),
        transport: { exchange },
        clock: clockFor("a"),
        syncState: await open(),
      });
      const { applied, shipped } = await engine.exchange();
      assert.deepEqual([applied, shipped], [1, 1]);
    }
    assert.deepEqual(asked[0], {});
    assert.deepEqual(asked.at(-1).z, at(1, "z"));
    const store = await open();
    assert.deepEqual((await store.getWatermarks()).z, at(2, "z"));
    assert.deepEqual((await store.getPeerWatermarks()).a, at(2, "a"));
  },
};
