// What the app writes while it is asked about a conflict or a duplicate, and what it is not asked about.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { bytes, record } from "./support/index.mjs";
import { byHand, engineOf as engineOver, needsHand, sideOf } from "./support/reconciling.mjs";

const BYTES = bytes("photo");
const PHOTO = {
  ownerId: "ada",
  originalFilename: "beach.jpg",
  contentHash: createHash("sha256").update(BYTES).digest("hex"),
  sizeBytes: BYTES.length,
};
const [SMALLER, GREATER] = ["photo-1", "photo-2"];

const engineOf = (side, hub, more) =>
  engineOver(side, hub, { logger: console, logLevel: "silent", ...more });

async function addPhoto(side, id, { stamp = side.clock.now(), withObject = true } = {}) {
  const objectStorageKey = `photos/${id}`;
  if (withObject) await side.objects.put(objectStorageKey, BYTES);
  await side.db.put(record(id, stamp, { ...PHOTO, objectStorageKey }));
}

/** A side with the unique index that apps have, and a hub without. */
async function sides(t) {
  const [side, hub] = [await sideOf(t, "a"), await sideOf(t, "hub")];
  byHand(
    side,
    "CREATE UNIQUE INDEX one_file ON shared_records (owner_id, original_filename, content_hash) " +
      "WHERE deleted_at IS NULL AND original_filename IS NOT NULL",
  );
  return [side, hub];
}

/** The names of the records that are alive at a side, by id. */
async function alive({ db }) {
  const { records } = await db.query({ limit: 100 });
  const live = records.filter(({ deletedAt }) => deletedAt === null);
  return Object.fromEntries(live.map(({ id, originalFilename }) => [id, originalFilename]));
}

describe("duplicates", needsHand, () => {
  for (const [mine, other] of [
    [SMALLER, GREATER],
    [GREATER, SMALLER],
  ])
    test(`a photo ${mine} that was renamed while the app was asked is no duplicate any more`, async (t) => {
      const [side, hub] = await sides(t);
      await addPhoto(side, mine);
      await addPhoto(hub, other);
      const onDuplicate = async (local) => {
        const renamed = { originalFilename: "wedding.jpg", updatedAt: side.clock.now() };
        await side.db.put({ ...local, ...renamed });
        return true;
      };
      const engine = engineOf(side, hub, { onDuplicate });
      for (let pass = 0; pass < 3; pass += 1) await engine.drain();
      for (const each of [side, hub])
        assert.deepEqual(await alive(each), { [mine]: "wedding.jpg", [other]: "beach.jpg" });
    });

  test("what is written beside keeps its fields, as the version that stands is kept", async (t) => {
    const [side, hub] = await sides(t);
    await addPhoto(side, SMALLER);
    await addPhoto(hub, GREATER);
    const onDuplicate = async (local) => {
      await side.db.put({ ...local, stars: 5, updatedAt: side.clock.now() });
      return true;
    };
    const engine = engineOf(side, hub, { onDuplicate });
    for (let pass = 0; pass < 3; pass += 1) await engine.drain();
    for (const each of [side, hub]) {
      assert.deepEqual(await alive(each), { [SMALLER]: "beach.jpg" });
      assert.equal((await each.db.get(SMALLER)).stars, 5);
    }
  });

  test("a record without an object anywhere does not take the place of one that has it", async (t) => {
    const [side, hub] = await sides(t);
    await addPhoto(side, GREATER);
    await addPhoto(hub, SMALLER, { withObject: false });
    const asked = [];
    const engine = engineOf(side, hub, { onDuplicate: (...both) => asked.push(both) > 0 });
    const { held } = await engine.drain();
    assert.deepEqual(
      held.map(({ id, code }) => [id, code]),
      [[SMALLER, "CONSTRAINT_VIOLATION"]],
    );
    assert.deepEqual(asked, []);
    assert.deepEqual(await alive(side), { [GREATER]: "beach.jpg" });
    await hub.objects.put(`photos/${SMALLER}`, BYTES);
    for (let pass = 0; pass < 3; pass += 1) await engine.drain();
    for (const each of [side, hub]) assert.deepEqual(await alive(each), { [SMALLER]: "beach.jpg" });
  });
});

test("of a record that is held for another reason than a twin the app is not asked", async (t) => {
  const [side, hub] = [await sideOf(t, "a"), await sideOf(t, "hub")];
  await addPhoto(side, "photo-3");
  await addPhoto(hub, SMALLER, { withObject: false });
  const wallTime = Date.now() + 10 * 365 * 86_400_000;
  await addPhoto(hub, GREATER, { stamp: { wallTime, counter: 0, nodeId: "b" } });
  const asked = [];
  const engine = engineOf(side, hub, { onDuplicate: (...both) => asked.push(both) > 0 });
  const { held } = await engine.drain();
  assert.deepEqual(held.map(({ code }) => code).sort(), ["BLOB_MISSING", "CLOCK_AHEAD"]);
  assert.deepEqual(asked, []);
  assert.ok(side.clock.now().wallTime < wallTime, "the clock has not heard of the future");
  assert.ok(Object.hasOwn(await alive(side), "photo-3"));
});

test("a round can be called off while the app is asked, and a merge that is answered later is written", async (t) => {
  const [side, other, hub] = await Promise.all(["a", "b", "hub"].map((name) => sideOf(t, name)));
  const id = "note";
  const rename = async ({ db, clock }, originalFilename) =>
    db.put({ ...(await db.get(id)), originalFilename, updatedAt: clock.now() });
  await side.db.put(record(id, side.clock.now()));
  const controller = new AbortController();
  let answer;
  const onConflict = (local, incoming) => {
    controller.abort(new Error("enough"));
    const merged = { ...incoming, originalFilename: "merged" };
    return new Promise((resolve) => (answer = () => resolve(merged)));
  };
  const [engine, beside] = [engineOf(side, hub, { onConflict }), engineOf(other, hub)];
  await engine.drain();
  await beside.drain();
  await rename(other, "theirs");
  await beside.drain();
  await rename(side, "mine");
  await assert.rejects(engine.exchange({ signal: controller.signal }), { message: "enough" });
  assert.equal((await engine.status()).state, "idle");
  answer();
  while ((await side.db.get(id)).originalFilename !== "merged") await setTimeout(5);
  await engine.drain();
  assert.equal((await hub.db.get(id)).originalFilename, "merged");
});

test("a version that the app writes while its merge is under way stands", async (t) => {
  const [side, other, hub] = await Promise.all(["a", "b", "hub"].map((name) => sideOf(t, name)));
  const id = "note";
  const name = async ({ db, clock }, originalFilename) =>
    db.put({ ...(await db.get(id)), originalFilename, updatedAt: clock.now() });
  await side.db.put(record(id, side.clock.now()));
  for (let microtasks = 0; microtasks < 12; microtasks += 1) {
    let typed;
    const type = async () => {
      for (let passed = 0; passed < microtasks; passed += 1) await null;
      await name(side, `typed ${microtasks}`);
    };
    const onConflict = (local, incoming) => {
      typed = type();
      return { ...incoming, originalFilename: "merged" };
    };
    const [engine, beside] = [engineOf(side, hub, { onConflict }), engineOf(other, hub)];
    await engine.drain();
    await beside.drain();
    await name(other, "theirs");
    await beside.drain();
    await name(side, "mine");
    assert.equal((await engine.exchange()).conflicts, 1);
    await typed;
    assert.equal((await side.db.get(id)).originalFilename, `typed ${microtasks}`);
  }
});
