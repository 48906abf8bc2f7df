// Tombstones that are removed for good, over HTTP: two laptops and a cloud.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { appSide } from "./support/logged-app.mjs";
import {
  KINDS,
  engineAt,
  holding,
  nativePlace,
  openFor,
  placeOf,
  plainPlace,
  serve,
} from "./support/logged-places.mjs";
import { memoryDatabase } from "./support/memory.mjs";
import { DatabaseSync, folderFor, warningsOf } from "./support/native.mjs";
import { needsPostgres, postgresDatabase } from "./support/postgres.mjs";
import { drain } from "./support/rounds.mjs";

const BEFORE = at(5000, "");

const purge = ({ records, rows }, more = {}) =>
  sync.purgeTombstones({ records, rows, before: BEFORE, remove: true, ...more });

/** Writes this many records and rows, and later ones that stay. */
async function fill(place, count) {
  for (let i = 0; i < count; i += 1) {
    await place.put(`r${i}`, at(i, place.nodeId));
    await place.line("page", i, at(i, place.nodeId), `line ${i}`);
  }
}

/** Deletes them, and writes something newer under the same node. */
async function deleteAll(place, count) {
  for (let i = 0; i < count; i += 1) {
    await place.records.delete(`r${i}`, at(1000 + i, place.nodeId));
    await place.rows.applier.apply({
      timestamp: at(1000 + i, place.nodeId),
      appId: "notes",
      table: "lines",
      op: "delete",
      row: { page: "page", line: String(i) },
    });
  }
  await place.put("kept", at(9000, place.nodeId));
  await place.line("kept", 0, at(9000, place.nodeId), "kept");
}

async function three(t, openCloud = nativePlace) {
  const cloud = await openFor(t, openCloud, "cloud");
  const one = await openFor(t, nativePlace, "one");
  const two = await openFor(t, nativePlace, "two");
  const { baseUrl } = await serve(t, cloud);
  return {
    cloud,
    one,
    two,
    baseUrl,
    first: engineAt(one, baseUrl),
    second: engineAt(two, baseUrl),
  };
}

/** How many tombstones a place holds. */
async function tombstonesOf({ records, rows }) {
  const report = await sync.purgeTombstones({ records, rows, before: at(1e12, "") });
  return report.found + Object.values(report.kept).reduce((sum, count) => sum + count, 0);
}

describe("two laptops and a cloud", () => {
  test("nothing goes while one of them has not seen it, and everything once it has", async (t) => {
    const { cloud, one, two, first, second } = await three(t);
    await fill(one, 5);
    for (const engine of [first, second, first]) await drain(engine);
    assert.deepEqual(await holding(two), await holding(one));
    await deleteAll(one, 5);
    for (const engine of [first, first]) await drain(engine);
    const kept = await purge(cloud);
    assert.deepEqual([kept.found, kept.removed, kept.kept.unseen], [0, 0, 10]);
    const keeping = kept.peers.filter(({ keeps }) => keeps > 0);
    assert.deepEqual(
      keeping.map(({ store, kind, keeps }) => [store, kind, keeps]),
      [
        ["records", "log", 5],
        ["rows", "log", 5],
      ],
    );
    await drain(second);
    // The cloud hears with the next request that both hold the same.
    assert.equal((await second.exchange()).inSync, true);
    for (const place of [cloud, one, two]) {
      const { removed, tombstones, peers } = await purge(place);
      assert.equal(removed, 10, place.nodeId);
      assert.deepEqual(tombstones[0], { kind: "record", id: "r0", timestamp: at(1000, "one") });
      assert.equal(tombstones[5].key, "page,0");
      assert.ok(peers.every(({ forgotten, keeps }) => !forgotten && keeps === 0));
      assert.equal(await place.records.get("r0"), null);
      assert.equal(await tombstonesOf(place), 0);
    }
    for (const engine of [first, second]) {
      const { applied, shipped, inSync } = await engine.exchange();
      assert.deepEqual({ applied, shipped, inSync }, { applied: 0, shipped: 0, inSync: true });
      const { differing } = await engine.reconcile();
      assert.equal(differing, 0);
    }
    for (const place of [cloud, one, two])
      assert.deepEqual(await holding(place), {
        records: { kept: "kept" },
        rows: { "kept/0": "kept" },
      });
  });

  test("a place that purged and one that did not are equal, and what is written next goes on", async (t) => {
    const { cloud, one, first, second, two } = await three(t);
    await fill(one, 3);
    for (const engine of [first, second]) await drain(engine);
    await deleteAll(one, 3);
    for (const engine of [first, second, first]) await drain(engine);
    assert.equal((await purge(one)).removed, 6);
    assert.equal(await tombstonesOf(cloud), 6);
    assert.equal((await first.exchange()).inSync, true);
    await two.put("r0", at(20_000, "two"), "written anew");
    await drain(second);
    await drain(first);
    assert.equal((await one.records.get("r0")).label, "written anew");
    assert.equal((await first.exchange()).inSync, true);
    assert.equal((await first.reconcile()).differing, 0);
    assert.equal(await tombstonesOf(one), 0, "a tombstone of what is not there does not come back");
  });

  test("what is known of peers, and what was purged, outlasts the process", async (t) => {
    const folders = { cloud: folderFor(t), one: folderFor(t) };
    const open = async (work) => {
      const cloud = await nativePlace(folders.cloud, "cloud");
      const one = await nativePlace(folders.one, "one");
      const { baseUrl, close } = await serve(t, cloud);
      await work(cloud, one, engineAt(one, baseUrl));
      await close();
      await Promise.all([cloud.close(), one.close()]);
    };
    await open(async (cloud, one, engine) => {
      await fill(one, 3);
      await drain(engine);
      await deleteAll(one, 3);
      assert.equal((await purge(one)).kept.unseen, 6);
    });
    await open(async (cloud, one) => {
      assert.equal((await purge(one)).kept.unseen, 6);
      assert.equal((await purge(cloud)).found, 0);
    });
    await open(async (cloud, one, engine) => {
      await drain(engine);
      assert.equal((await purge(one)).removed, 6);
      assert.equal((await purge(cloud)).removed, 6);
    });
    await open(async (cloud, one, engine) => {
      assert.equal((await engine.exchange()).inSync, true);
      assert.equal((await engine.reconcile()).differing, 0);
      assert.deepEqual(await holding(cloud), await holding(one));
      assert.equal(await tombstonesOf(one), 0);
    });
  });
});

test("a cloud in PostgreSQL purges as files do", needsPostgres, async (t) => {
  const options = await postgresDatabase();
  const inPostgres = (_folder, nodeId) =>
    placeOf(
      nodeId,
      sync.createPostgresDatabaseAdapter(options),
      sync.createPostgresAppRows(options),
    );
  const { cloud, one, two, first, second } = await three(t, inPostgres);
  await fill(one, 3);
  for (const engine of [first, second]) await drain(engine);
  await deleteAll(one, 3);
  for (const engine of [first, second, first]) await drain(engine);
  await drain(second);
  assert.equal((await purge(cloud)).removed, 6);
  assert.deepEqual([await tombstonesOf(cloud), await tombstonesOf(one)], [0, 6]);
  for (const engine of [first, second, first]) {
    const { applied, shipped, inSync } = await engine.exchange();
    assert.deepEqual({ applied, shipped, inSync }, { applied: 0, shipped: 0, inSync: true });
  }
  assert.equal((await first.reconcile()).differing, 0);
  assert.equal(await tombstonesOf(cloud), 0);
  assert.equal((await purge(two)).removed, 6);
  assert.equal((await second.exchange()).inSync, true);
});

const { open: openApps, skip } = KINDS["an app's own database"];

test("an app's own database is silent beside a cloud that purged", { skip }, async (t) => {
  const cloud = await openFor(t, nativePlace, "cloud");
  const app = await openFor(t, openApps, "app");
  const { baseUrl } = await serve(t, cloud);
  await fill(app, 3);
  const engine = engineAt(app, baseUrl);
  await drain(engine);
  await deleteAll(cloud, 3);
  for (let i = 0; i < 2; i += 1) await drain(engine);
  assert.equal((await purge(cloud)).removed, 6);
  for (const caller of [engine, engineAt(app, baseUrl)]) {
    const { applied, shipped, inSync } = await caller.exchange();
    assert.deepEqual({ applied, shipped, inSync }, { applied: 0, shipped: 0, inSync: true });
  }
  assert.equal(await tombstonesOf(cloud), 0);
});

test("a laptop that is new here gives every tombstone that it has, and then all is equal and silent", async (t) => {
  const { cloud, one, first, baseUrl } = await three(t);
  await fill(one, 3);
  await drain(first);
  await deleteAll(one, 3);
  for (let i = 0; i < 2; i += 1) await drain(first);
  assert.equal((await purge(cloud)).removed, 6);
  // Another laptop has the same tombstones, and was never here.
  const other = await openFor(t, nativePlace, "other");
  await fill(other, 0);
  const { baseUrl: near } = await serve(t, other);
  await drain(engineAt(one, near));
  const engine = engineAt(other, baseUrl);
  await drain(engine);
  assert.equal((await engine.exchange()).inSync, true);
  assert.equal(await tombstonesOf(cloud), 6, "they came back, once");
  assert.equal((await purge(cloud)).kept.unseen, 6, "the first is to be heard of again");
  for (let i = 0; i < 2; i += 1) await drain(first);
  assert.equal((await purge(cloud)).removed, 6);
  for (const caller of [engine, first, engine]) {
    const { applied, shipped, inSync } = await caller.exchange();
    assert.deepEqual({ applied, shipped, inSync }, { applied: 0, shipped: 0, inSync: true });
  }
  assert.equal(await tombstonesOf(cloud), 0);
});

test("without `remove` nothing changes, and what is young stays", async (t) => {
  const place = await openFor(t, nativePlace, "one");
  await fill(place, 4);
  await deleteAll(place, 4);
  const dry = { remove: false };
  const { found, removed } = await purge(place, dry);
  assert.deepEqual([found, removed, await tombstonesOf(place)], [8, 0, 8]);
  const young = await purge(place, { before: at(1002, "") });
  assert.deepEqual([young.removed, young.kept.young], [4, 4]);
});

test("more than a batch goes", async (t) => {
  const place = await openFor(t, nativePlace, "one");
  const stamps = Array.from({ length: 1203 }, (_, i) => i);
  await place.records.transaction(async (transaction) => {
    for (const i of stamps) {
      const record = {
        id: `r${i}`,
        type: "note",
        createdAt: at(i, "one"),
        updatedAt: at(i, "one"),
      };
      await transaction.put({ ...record, deletedAt: at(i, "one"), label: "x".repeat(2000) });
    }
  });
  await place.put("kept", at(9000, "one"));
  assert.equal((await purge(place)).removed, 1203);
  assert.equal(await tombstonesOf(place), 0);
  if (DatabaseSync === null) return;
  await place.close();
  const before = statSync(place.paths.records).size;
  const db = new DatabaseSync(place.paths.records);
  db.exec("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  assert.ok(statSync(place.paths.records).size < before / 10, "the room is free again");
});

test("a peer without a log keeps all that it may hold, until it is forgotten", async (t) => {
  const cloud = await openFor(t, nativePlace, "cloud");
  const plain = plainPlace("plain");
  const { baseUrl } = await serve(t, cloud);
  await fill(cloud, 2);
  const engine = engineAt(plain, baseUrl);
  await drain(engine);
  await deleteAll(cloud, 2);
  await drain(engine);
  const { kept, peers } = await purge(cloud);
  assert.equal(kept.unseen, 4);
  assert.deepEqual(
    peers.map(({ id, kind, keeps }) => [id, kind, keeps]),
    [
      ["withoutLog", "withoutLog", 2],
      ["withoutLog", "withoutLog", 2],
    ],
  );
  assert.equal((await purge(cloud, { forgetPeers: ["withoutLog"] })).removed, 4);
});

test("a forgotten laptop that comes back is warned of", async (t) => {
  const { cloud, one, two, first, baseUrl } = await three(t);
  await fill(one, 2);
  await drain(first);
  await drain(engineAt(two, baseUrl));
  await deleteAll(one, 2);
  await drain(first);
  assert.equal((await purge(cloud)).kept.unseen, 4);
  const { peers, removed } = await purge(cloud, { forgetPeersUnseenForMs: 0, remove: false });
  assert.equal(removed, 0);
  const gone = peers.filter(({ keeps, forgotten }) => forgotten || keeps > 0).map(({ id }) => id);
  assert.equal((await purge(cloud, { forgetPeers: gone })).removed, 4);
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const warned = [];
  logger.warn = (message) => warned.push(message);
  const engine = engineAt(two, baseUrl, { logger });
  const heard = await warningsOf(t, () => drain(engine));
  const all = [...heard.map(String), ...warned];
  assert.ok(
    all.some((line) => line.includes("whose tombstones were purged")),
    all.join("\n"),
  );
  assert.equal((await engine.exchange()).inSync, true);
});

test("a forgotten laptop whose engine runs on is warned of, and what is deleted then waits for it", async (t) => {
  const warned = [];
  const logger = { debug() {}, info() {}, error() {}, warn: (message) => warned.push(message) };
  const cloud = await openFor(t, nativePlace, "cloud");
  const laptop = await openFor(t, nativePlace, "laptop");
  const { baseUrl } = await serve(t, cloud, { logger });
  await fill(cloud, 2);
  const engine = engineAt(laptop, baseUrl, { logger: { ...logger, warn() {} } });
  for (let i = 0; i < 2; i += 1) await drain(engine);
  await deleteAll(cloud, 2);
  const { peers } = await purge(cloud, { remove: false });
  const forgetPeers = peers.map(({ id }) => id);
  assert.equal((await purge(cloud, { forgetPeers })).removed, 4);
  await laptop.put("edit", at(9500, "laptop"));
  await engine.exchange();
  assert.ok(
    warned.some((line) => line.includes("whose tombstones were purged")),
    warned.join("\n"),
  );
  await drain(engine);
  await cloud.records.delete("r0", at(9600, "cloud"));
  await cloud.put("later", at(9700, "cloud"));
  assert.equal((await purge(cloud, { before: at(20_000, "") })).kept.unseen, 1);
  await drain(engine);
  assert.deepEqual(await holding(laptop), await holding(cloud));
  assert.equal("r0" in (await cloud.labels()), false);
});

test("a laptop that another process has forgotten is noted again by the server that runs on", async (t) => {
  const cloud = await openFor(t, nativePlace, "cloud");
  const laptop = await openFor(t, nativePlace, "laptop");
  const { baseUrl } = await serve(t, cloud);
  await fill(cloud, 1);
  const engine = engineAt(laptop, baseUrl);
  for (let i = 0; i < 2; i += 1) await drain(engine);
  const forgetting = `
    import * as sync from "@starkeep/sync-engine";
    const records = sync.createSqliteDatabaseAdapter({ path: process.argv[1] });
    await records.init();
    await sync.purgeTombstones({ records, before: 0, remove: true, forgetPeersUnseenForMs: 0 });
    await records.close();`;
  const args = ["--input-type=module", "-e", forgetting, cloud.paths.records];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const peersOf = async () => (await purge({ records: cloud.records }, { remove: false })).peers;
  assert.deepEqual(await peersOf(), []);
  await engine.exchange();
  assert.equal((await peersOf()).length, 1);
  await cloud.records.delete("r0", at(1000, "cloud"));
  await cloud.put("later", at(2000, "cloud"));
  assert.equal((await purge(cloud)).kept.unseen, 1);
  await drain(engine);
  for (const place of [laptop, cloud]) assert.equal("r0" in (await place.labels()), false);
});

test("a place that has forgotten its peer notes it again before it sends anything", async (t) => {
  const cloud = await openFor(t, nativePlace, "cloud");
  const laptop = await openFor(t, nativePlace, "laptop");
  const { baseUrl } = await serve(t, cloud);
  await fill(laptop, 1);
  const engine = engineAt(laptop, baseUrl, { pageLimit: 2 });
  for (let i = 0; i < 2; i += 1) await drain(engine);
  await purge(laptop, { forgetPeersUnseenForMs: 0 });
  for (let i = 0; i < 5; i += 1) await laptop.put(`new${i}`, at(100 + i, "laptop"));
  assert.equal((await engine.exchange()).hasMore, true, "it is not proved to hold the same");
  await laptop.records.delete("new0", at(200, "laptop"));
  await laptop.put("last", at(300, "laptop"));
  const { kept, removed } = await purge(laptop);
  assert.deepEqual([kept.unseen, removed], [1, 0]);
  await drain(engine);
  for (const place of [laptop, cloud]) assert.equal("new0" in (await place.labels()), false);
});

test("a tombstone that comes back to its writer is no other machine's, and what another one writes is", async (t) => {
  const { cloud, one, first } = await three(t);
  await fill(one, 3);
  await drain(first);
  await deleteAll(one, 3);
  for (let i = 0; i < 2; i += 1) await drain(first);
  const other = await openFor(t, nativePlace, "other");
  const { baseUrl } = await serve(t, other);
  await drain(engineAt(cloud, baseUrl));
  assert.equal((await purge(one)).removed, 6);
  const warned = [];
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (...said) => warned.push(String(said)),
  };
  const isOfTwin = (line) => line.includes("another machine uses that id");
  const engine = engineAt(one, baseUrl, { logger });
  await drain(engine);
  assert.equal(await tombstonesOf(one), 6, "they came back, once");
  assert.deepEqual(warned.filter(isOfTwin), []);
  assert.equal((await purge(one, { forgetPeersUnseenForMs: 0 })).removed, 6);
  await other.put("twin", at(20_000, "one"));
  await drain(engine);
  assert.equal(warned.filter(isOfTwin).length, 1, warned.join("\n"));
});

test("stores that cannot know who has seen what are refused, and say why", async (t) => {
  const place = await openFor(t, nativePlace, "one");
  const refused = (options, what) =>
    assert.rejects(sync.purgeTombstones(options), (error) => {
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.match(error.message, what);
      return true;
    });
  await refused({ records: memoryDatabase(), before: 0 }, /createSqliteDatabaseAdapter/);
  await refused({ rows: plainPlace("x").rows, before: 0 }, /createSqliteAppRows/);
  await refused({ before: 0 }, /records/);
  await refused({ records: place.records }, /before/);
  await refused({ records: place.records, before: "x" }, /before/);
  await refused({ records: place.records, before: 0, dryRun: true }, /dryRun/);
  await refused({ records: place.records, before: 0, forgetPeers: "x" }, /forgetPeers/);
  if (DatabaseSync !== null)
    await refused({ records: appSide().records, before: 0 }, /a database that the app opened/);
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(purge(place, { signal }), /enough/);
  await place.close();
  await assert.rejects(purge(place), { code: "STORE_CLOSED" });
});
