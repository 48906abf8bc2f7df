// What every source of app rows does in rounds of an engine with itself or a plain source at the other end.
import assert from "node:assert/strict";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor, compare, text } from "../support/hlc.mjs";
import {
  bytes,
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  memoryState,
} from "../support/memory.mjs";
import { untilNoMore } from "../support/rounds.mjs";
import { APP, FILES, TABLES } from "./row-stores.mjs";
import { entry, newest, page, scanAll, writesOf } from "./rows.mjs";
import { pairsWith, writtenAt } from "./suite.mjs";

/** A node over `here` whose peer is over `there`; objects are JavaScript's. */
function between(here, there, options) {
  const [local, remote] = [memoryObjects(), memoryObjects()];
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: memoryDatabase(),
    objectStorage: remote,
    clock: clockFor("there"),
    syncSharedRecords: false,
    appSyncableSource: there,
  });
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: memoryDatabase(),
    localObjectStorage: local,
    remoteObjectStorage: remote,
    transport,
    clock: clockFor("here"),
    syncState: memoryState(),
    syncSharedRecords: false,
    appSyncableSource: here,
    ...options,
  });
  return { engine, local, remote };
}

const byTime = (a, b) => compare(a.timestamp, b.timestamp);
const allOf = async (source, table) => (await scanAll(source, { table, limit: 100 })).sort(byTime);

/** Sentences about rounds between `here` and `there`. */
export const ROW_ROUNDS = {
  async "rows and their files go both ways, tombstones with them, and then there is silence"({
    here,
    there,
  }) {
    const { engine, local, remote } = between(here, there, { pageLimit: 1, scanPageSize: 2 });
    for (let i = 1; i <= 5; i += 1) {
      await here.applier.apply(page(`here${i}`, at(i, "a")));
      await there.applier.apply(page(`there${i}`, at(i, "b")));
    }
    const dead = { id: "here1", title: "here1", deleted_at: text(at(6, "a")) };
    await here.applier.apply(entry("delete", at(6, "a"), dead));
    await local.put("files/f", bytes("file"));
    const file = { id: "f", object_storage_key: "files/f", mime_type: "text/plain" };
    const about = { ...file, size_bytes: 4, deleted_at: null };
    await here.applier.apply({ ...entry("insert", at(9, "a"), about), table: FILES });
    const { held } = await untilNoMore(engine);
    assert.deepEqual(held ?? [], []);
    assert.equal(await remote.has("files/f"), true);
    for (const [table, count] of [
      ["pages", 10],
      [FILES, 1],
    ]) {
      const rows = await allOf(here, table);
      assert.deepEqual(await allOf(there, table), rows);
      assert.equal(rows.length, count);
    }
    assert.equal((await allOf(there, "pages")).filter(({ op }) => op === "delete").length, 1);
    const quiet = await engine.exchange();
    assert.deepEqual([quiet.applied, quiet.shipped], [0, 0]);
  },

  async "whatever the two wrote, both end with the newest of each"(_, of, t) {
    await fc.assert(
      fc.asyncProperty(
        writesOf(of),
        writesOf(of),
        fc.integer({ min: 1, max: 5 }),
        async (mine, its, limit) => {
          const { here, there } = await of.make(t);
          const [hers, theirs] = [writtenAt("h", mine), writtenAt("t", its)];
          for (const { id, stamp } of hers) await here.applier.apply(page(id, stamp));
          for (const { id, stamp } of theirs) await there.applier.apply(page(id, stamp));
          await untilNoMore(between(here, there, { pageLimit: limit, scanPageSize: 2 }).engine);
          const expected = [...newest([...hers, ...theirs])].map(([id, stamp]) => [
            id,
            text(stamp),
          ]);
          for (const source of [here, there]) {
            const found = (await allOf(source, "pages")).map(({ row }) => [row.id, row.updated_at]);
            assert.deepEqual(found.sort(), expected.sort());
          }
        },
      ),
      { numRuns: 8 },
    );
  },
};

/** Each source at either end of a round, beside a plain one and beside its like. */
export const pairsOfSources = (stores) =>
  pairsWith(stores, {
    make() {
      const rows = memoryAppRows({ nodeWatermarks: true });
      rows.register(APP, TABLES);
      return rows;
    },
  });
