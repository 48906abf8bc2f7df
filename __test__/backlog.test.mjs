// How much of what a side holds its peer has not got yet, as its engine knows it by the change logs.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { at } from "./support/hlc.mjs";
import { bytes } from "./support/index.mjs";
import {
  KINDS,
  engineAt,
  nativePlace,
  openFor,
  plainPlace,
  serve,
} from "./support/logged-places.mjs";
import { engineOf, sideOf, writeFile, writeNotes } from "./support/reconciling.mjs";
import { drain } from "./support/rounds.mjs";

const backlogOf = async (engine) => (await engine.status({ backlog: true })).backlog;

/** Writes a record and a row for each of these numbers. */
async function fill(place, from, to) {
  for (let i = from; i < to; i += 1) {
    await place.put(`${place.nodeId}-${i}`, at(i, place.nodeId));
    await place.line(place.nodeId, i, at(i, place.nodeId), `${i}`);
  }
}

for (const [kind, { open, skip }] of Object.entries(KINDS)) {
  describe(`of ${kind}`, { skip }, () => {
    const places = async (t) => {
      const [laptop, phone] = [await openFor(t, open, "laptop"), await openFor(t, open, "phone")];
      const cloud = await openFor(t, nativePlace, "cloud");
      const { baseUrl } = await serve(t, cloud);
      return { laptop, phone, cloud, baseUrl };
    };

    test("it is not known before the peer has said what it has, and then counts records and rows", async (t) => {
      const { laptop, baseUrl } = await places(t);
      const engine = engineAt(laptop, baseUrl);
      await fill(laptop, 0, 2);
      assert.equal("backlog" in (await engine.status({ backlog: true })), false);
      await drain(engine);
      assert.equal(await backlogOf(engine), 0);
      assert.equal("backlog" in (await engine.status()), false, "it is said only if it is asked");
      await fill(laptop, 2, 5);
      assert.equal(await backlogOf(engine), 6);
      await drain(engine);
      assert.equal(await backlogOf(engine), 0);
    });

    test("an item counts once, however often it was written", async (t) => {
      const { laptop, baseUrl } = await places(t);
      const engine = engineAt(laptop, baseUrl);
      await fill(laptop, 0, 3);
      await drain(engine);
      for (let round = 10; round < 15; round += 1)
        await laptop.put("laptop-0", at(round, "laptop"));
      assert.equal(await backlogOf(engine), 1);
    });

    test("what is left after a page counts", async (t) => {
      const { laptop, baseUrl } = await places(t);
      const engine = engineAt(laptop, baseUrl, { pageLimit: 10 });
      await fill(laptop, 0, 12);
      await engine.exchange();
      assert.equal(await backlogOf(engine), 14);
      await engine.exchange();
      assert.equal(await backlogOf(engine), 4);
      await drain(engine);
      assert.equal(await backlogOf(engine), 0);
    });

    test("what came from the peer does not count, what came from elsewhere does", async (t) => {
      const { laptop, phone, cloud, baseUrl } = await places(t);
      const other = await openFor(t, nativePlace, "other");
      const { baseUrl: otherUrl } = await serve(t, other);
      await fill(phone, 0, 4);
      await drain(engineAt(phone, baseUrl));
      const [engine, beside] = [engineAt(laptop, baseUrl), engineAt(laptop, otherUrl)];
      await drain(beside);
      await drain(engine);
      assert.equal(Object.keys(await cloud.labels()).length, 4);
      assert.deepEqual([await backlogOf(engine), await backlogOf(beside)], [0, 8]);
    });

    test("after a reconciliation it is known too", async (t) => {
      const { laptop, baseUrl } = await places(t);
      const engine = engineAt(laptop, baseUrl);
      await fill(laptop, 0, 2);
      await engine.reconcile();
      assert.equal(await backlogOf(engine), 0);
    });

    test("it is not known where the peer keeps no log", async (t) => {
      const { laptop } = await places(t);
      const { baseUrl } = await serve(t, plainPlace("cloud"));
      const engine = engineAt(laptop, baseUrl);
      await fill(laptop, 0, 2);
      await drain(engine);
      assert.equal("backlog" in (await engine.status({ backlog: true })), false);
    });
  });
}

test("with adapters that keep no log it is absent", async (t) => {
  const cloud = await openFor(t, nativePlace, "cloud");
  const { baseUrl } = await serve(t, cloud);
  const laptop = plainPlace("laptop");
  const engine = engineAt(laptop, baseUrl);
  await fill(laptop, 0, 2);
  await drain(engine);
  assert.equal("backlog" in (await engine.status({ backlog: true })), false);
});

test("an item that waits on its way out counts, and once where it was written anew", async (t) => {
  const [a, hub] = await Promise.all(["a", "hub"].map((name) => sideOf(t, name)));
  t.mock.method(console, "warn", () => {});
  const engine = engineOf(a, hub);
  await writeNotes(a, 0, 3);
  const key = await writeFile(a, 7);
  await a.objects.delete(key);
  await drain(engine);
  assert.equal(await backlogOf(engine), 1);
  await writeNotes(a, 7, 8);
  await a.db.put({ ...(await a.db.get("note-000007")), updatedAt: a.clock.now() });
  assert.equal(await backlogOf(engine), 1);
  await a.objects.put(key, bytes("words of 7"));
  await drain(engine);
  assert.equal(await backlogOf(engine), 0);
});

test("while a round runs it is known, by what the peer said last", async (t) => {
  const laptop = await openFor(t, nativePlace, "laptop");
  const { baseUrl } = await serve(t, await openFor(t, nativePlace, "cloud"));
  const engine = engineAt(laptop, baseUrl, { pageLimit: 10 });
  await fill(laptop, 0, 10);
  const asked = [];
  const onProgress = ({ phase }) => phase === "items" && asked.push(backlogOf(engine));
  await engine.drain({ onProgress });
  const counts = await Promise.all(asked);
  // What is heard first is the answer that says what the peer has.
  const known = counts.filter((count) => count !== undefined);
  assert.ok(known.length > 0 && known.every((count) => count >= 0 && count <= 20));
  assert.equal(await backlogOf(engine), 0);
});

test("a closed store cannot be counted in, and no count waits for a transaction that waits for it", async (t) => {
  const [a, hub] = await Promise.all(["a", "hub"].map((name) => sideOf(t, name)));
  const engine = engineOf(a, hub);
  await writeNotes(a, 0, 3);
  await drain(engine);
  const inside = a.db.transaction(() => engine.status({ backlog: true }));
  await assert.rejects(inside, { code: "IN_TRANSACTION" });
  await a.db.close();
  await assert.rejects(engine.status({ backlog: true }), { code: "STORE_CLOSED" });
  assert.equal((await engine.status()).state, "idle", "the rest asks no store");
});

test("it is true or false whether it is wanted", async (t) => {
  const [a, hub] = await Promise.all(["a", "hub"].map((name) => sideOf(t, name)));
  await assert.rejects(engineOf(a, hub).status({ backlog: 1 }), {
    code: "INVALID_ARGUMENT",
    message: /status\(backlog\): must be true or false/,
  });
});
