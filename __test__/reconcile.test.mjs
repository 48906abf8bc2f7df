// `engine.reconcile()`: what was changed behind everybody's back is found and mended, on both ways of a round.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { at } from "./support/hlc.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";
import {
  byHand,
  countOf,
  engineOf,
  idOf,
  needsHand,
  sideOf,
  writeFile,
  writeNotes,
} from "./support/reconciling.mjs";
import { drain } from "./support/rounds.mjs";

/** Stores that are this package's own run a reconciliation on another thread, others on this one. */
const WAYS = {
  "off the JavaScript thread": () => ({}),
  "on the JavaScript thread": ({ objects }) => ({
    localObjectStorage: { ...objects, get: (key) => objects.get(key) },
  }),
};

async function pair(t, way) {
  const [a, cloud] = [await sideOf(t, "a"), await sideOf(t, "cloud")];
  a.engine = engineOf(a, cloud, WAYS[way](a));
  return { a, cloud };
}

for (const way of Object.keys(WAYS)) {
  describe(way, () => {
    test("two sides that hold the same are proved to, with a few requests", async (t) => {
      const { a, cloud } = await pair(t, way);
      await writeNotes(a, 0, 300);
      await writeNotes(cloud, 300, 320);
      const quiet = await drain(a.engine);
      assert.equal(quiet.inSync, true);
      const { requests, ...rest } = await a.engine.reconcile();
      assert.deepEqual(rest, { differing: 0, applied: 0, shipped: 0, inSync: true, held: [] });
      assert.ok(requests <= 4, `${requests} requests`);
    });

    test("what was never exchanged travels", async (t) => {
      const { a, cloud } = await pair(t, way);
      await writeNotes(a, 0, 50);
      await writeNotes(cloud, 50, 80);
      const done = await a.engine.reconcile();
      assert.deepEqual([done.applied, done.shipped, done.inSync], [30, 50, true]);
      assert.deepEqual([await countOf(a), await countOf(cloud)], [80, 80]);
    });

    test("rows deleted by hand come back, on both sides", needsHand, async (t) => {
      const { a, cloud } = await pair(t, way);
      await writeNotes(a, 0, 400);
      await drain(a.engine);
      const gone = (from, to) =>
        `DELETE FROM shared_records WHERE id BETWEEN '${idOf(from)}' AND '${idOf(to)}'`;
      byHand(a, gone(3, 5));
      byHand(cloud, gone(100, 103));
      assert.deepEqual([await countOf(a), await countOf(cloud)], [397, 396]);
      const done = await a.engine.reconcile();
      assert.deepEqual([await countOf(a), await countOf(cloud)], [400, 400]);
      assert.deepEqual([done.differing, done.applied, done.shipped, done.inSync], [7, 3, 4, true]);
      assert.equal((await a.engine.exchange()).inSync, true);
    });

    test("objects removed by hand come back with `objects: true`", async (t) => {
      const { a, cloud } = await pair(t, way);
      const keys = [];
      for (let n = 0; n < 20; n++) keys.push(await writeFile(a, n));
      await writeNotes(a, 20, 30);
      await drain(a.engine);
      await a.objects.delete(keys[0]);
      await a.objects.delete(keys[1]);
      await cloud.objects.delete(keys[2]);
      for (const side of [a, cloud]) await side.objects.delete(keys[3]);
      await cloud.objects.put(keys[4], new Uint8Array(3));
      const without = await a.engine.reconcile();
      assert.equal("objects" in without, false);
      assert.equal(await a.objects.has(keys[0]), false);
      const { objects, inSync } = await a.engine.reconcile({ objects: true });
      assert.deepEqual(objects, {
        checked: 20,
        sent: 2,
        received: 2,
        missing: [keys[3]],
        failed: [],
      });
      assert.equal(inSync, true);
      for (const side of [a, cloud]) {
        assert.equal(await side.objects.has(keys[0]), true);
        assert.equal(await side.objects.has(keys[2]), true);
        assert.equal(String(Buffer.from((await side.objects.get(keys[4])).data)), "words of 4");
      }
    });

    test("it says how far it is, phase by phase, and what a listener throws fails nothing", async (t) => {
      const { a, cloud } = await pair(t, way);
      await writeFile(a, 0);
      await drain(a.engine);
      await writeNotes(a, 1, 20);
      await writeNotes(cloud, 20, 30);
      const told = [];
      const onProgress = (progress) => {
        told.push(progress);
        throw new Error("a fault of the app's");
      };
      let done;
      const said = await warningsOf(t, async () => {
        done = await a.engine.reconcile({ onProgress, objects: true });
      });
      assert.equal(done.inSync, true);
      const ends = ["verify", "compare", "items", "objects"].map((phase) => {
        const last = told.filter((one) => one.phase === phase).at(-1);
        return [last?.phase, last?.done === last?.of];
      });
      assert.deepEqual(ends, [
        ["verify", true],
        ["compare", true],
        ["items", true],
        ["objects", true],
      ]);
      assert.deepEqual(told.at(-1), { phase: "objects", done: 1, of: 1 });
      assert.ok(
        said.some((words) => /onProgress/.test(words)),
        said.join("\n"),
      );
      const rejecting = async () => {
        throw new Error("later");
      };
      await warningsOf(t, () => a.engine.reconcile({ onProgress: rejecting }));
    });

    test("an aborted signal ends it with the signal's reason, and nothing is half-written", async (t) => {
      const { a, cloud } = await pair(t, way);
      await writeNotes(a, 0, 3000);
      await writeNotes(cloud, 3000, 6000);
      const reason = new Error("enough");
      await assert.rejects(a.engine.reconcile({ signal: AbortSignal.abort(reason) }), (error) => {
        assert.equal(error, reason);
        return true;
      });
      assert.equal(await countOf(cloud), 3000);
      const controller = new AbortController();
      const onProgress = () => controller.abort(reason);
      const thrown = await a.engine
        .reconcile({ signal: controller.signal, onProgress })
        .catch((error) => error);
      assert.equal(thrown, reason);
      // The engine goes on where it stands.
      const done = await a.engine.reconcile();
      assert.equal(done.inSync, true);
      assert.deepEqual([await countOf(a), await countOf(cloud)], [6000, 6000]);
    });

    test("it waits for its turn, and one that waits is called off at once", async (t) => {
      const { a, cloud } = await pair(t, way);
      await writeNotes(a, 0, 2000);
      await writeNotes(cloud, 2000, 2001);
      const order = [];
      const controller = new AbortController();
      const first = a.engine.exchange().then(() => order.push("exchange"));
      const second = a.engine
        .reconcile({ signal: controller.signal })
        .catch(({ name }) => order.push(name));
      const third = a.engine.reconcile().then(({ inSync }) => order.push(inSync));
      const fourth = a.engine.exchange().then(({ shipped }) => order.push(shipped));
      controller.abort();
      await Promise.all([first, second, third, fourth]);
      assert.deepEqual(order, ["AbortError", "exchange", true, 0]);
    });

    test("what it cannot know is refused", async (t) => {
      const { a } = await pair(t, way);
      for (const [options, words] of [
        ["now", /an options object/],
        [{ signals: 1 }, /unknown option `signals`; did you mean `signal`/],
        [{ signal: {} }, /must be an AbortSignal/],
        [{ onProgress: 1 }, /must be a function/],
        [{ objects: 1 }, /must be true or false/],
      ]) {
        await assert.rejects(a.engine.reconcile(options), {
          code: "INVALID_ARGUMENT",
          message: words,
        });
      }
    });
  });
}

/** Some records of a database in memory are gone. */
async function lose({ db }, isLost) {
  const left = db.all().filter(({ id }) => !isLost(id));
  db.wipe();
  for (const one of left) await db.put(one);
}

test("a peer without a log is brought together by one sweep from nothing, and what was stranded travels", async (t) => {
  const a = await sideOf(t, "a");
  const cloud = { db: memoryDatabase(), objects: memoryObjects(), clock: clockFor("cloud") };
  const engine = engineOf(a, cloud);
  await writeNotes(a, 0, 2500);
  await drain(engine);
  // The peer loses some, and keeps later ones of the same node: no watermark shows that.
  await lose(cloud, (id) => id < idOf(10));
  assert.equal((await drain(engine)).inSync, undefined);
  assert.equal(cloud.db.all().length, 2490);
  const done = await engine.reconcile();
  assert.equal("inSync" in done, false);
  assert.equal(cloud.db.all().length, 2500);
});

test("own adapters without a log are brought together the same way, objects too", async () => {
  const side = () => ({ db: memoryDatabase(), objects: memoryObjects() });
  const a = { ...side(), clock: clockFor("a"), state: memoryState() };
  const cloud = { ...side(), clock: clockFor("cloud") };
  const engine = engineOf(a, cloud);
  const file = record("1", at(1, "a"), { objectStorageKey: "k", sizeBytes: 1 });
  await a.objects.put("k", new Uint8Array(1));
  await a.db.put(file);
  await a.db.put(record("2", at(2, "a")));
  await drain(engine);
  await lose(cloud, (id) => id === "1");
  await cloud.objects.delete("k");
  const told = [];
  const done = await engine.reconcile({ objects: true, onProgress: (one) => told.push(one.phase) });
  assert.equal("inSync" in done, false);
  assert.equal(cloud.db.all().length, 2);
  assert.equal(await cloud.objects.has("k"), true);
  assert.equal(done.objects.checked, 1);
  assert.deepEqual([...new Set(told)], ["items", "objects"]);
});

for (const shared of [true, false]) {
  const place = shared ? "in one file" : "in two files";
  test(`records and rows ${place} are reconciled together`, needsHand, async (t) => {
    const made = [];
    for (const nodeId of ["a", "cloud"]) {
      const side = await sideOf(t, nodeId);
      side.rowsPath = shared ? side.path : join(folderFor(t), "rows.db");
      side.rows = sync.createSqliteAppRows({ path: side.rowsPath });
      t.after(() => side.rows.close());
      const pages = { name: "pages", pkColumns: ["id"], columns: ["text"] };
      await side.rows.register("notes", { tables: [pages] });
      made.push(side);
    }
    const [a, cloud] = made;
    const transport = sync.createInProcessSyncTransport({
      databaseAdapter: cloud.db,
      objectStorage: cloud.objects,
      clock: cloud.clock,
      appSyncableSource: cloud.rows,
    });
    const engine = engineOf(a, cloud, { transport, appSyncableSource: a.rows });
    await writeNotes(a, 0, 40);
    for (let n = 0; n < 40; n++) {
      const timestamp = at(n, "a");
      const row = {
        id: `p${n}`,
        text: `page ${n}`,
        updated_at: sync.serializeHLC(timestamp),
        deleted_at: null,
      };
      await a.rows.applier.apply({ timestamp, appId: "notes", table: "pages", op: "insert", row });
    }
    assert.equal((await drain(engine)).inSync, true);
    byHand({ path: cloud.rowsPath }, `DELETE FROM "notes_syncable_pages" WHERE id IN ('p3', 'p4')`);
    byHand(a, `DELETE FROM shared_records WHERE id = '${idOf(7)}'`);
    const done = await engine.reconcile();
    assert.deepEqual([done.differing, done.applied, done.shipped, done.inSync], [3, 1, 2, true]);
  });
}
