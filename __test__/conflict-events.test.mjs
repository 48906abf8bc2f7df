// Versions that two sides wrote without knowing of each other: the app is told of both, and may merge them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  bytes,
  clockFor,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/index.mjs";
import { engineOf, sideOf } from "./support/reconciling.mjs";

const EPOCH = 1_700_000_000_000;
const stamp = (ms, nodeId) => ({ wallTime: EPOCH + ms, counter: 0, nodeId });

/** Sides over native stores, which exchange by logs, and over adapters of an app, which go by watermarks. */
const KINDS = {
  "by logs": (t, name) => sideOf(t, name),
  "by watermarks": async (t, name) => ({
    nodeId: name,
    db: memoryDatabase({ nodeWatermarks: true }),
    objects: memoryObjects(),
    state: memoryState(),
    clock: clockFor(name),
  }),
};

/** Two sides and a hub that all hold the first version of a note. */
async function shared(t, place, more) {
  const [a, b, hub] = await Promise.all(["a", "b", "hub"].map((name) => place(t, name)));
  const [engineA, engineB] = [engineOf(a, hub, more), engineOf(b, hub, more)];
  await write(a, "first", 1);
  for (const engine of [engineA, engineB, engineA, engineB]) await engine.drain();
  assert.equal((await b.db.get("note")).originalFilename, "first");
  return { a, b, hub, engineA, engineB };
}

const write = (side, words, ms) =>
  side.db.put(record("note", stamp(ms, side.nodeId), { originalFilename: words }));

const wordsAt = async (side) => (await side.db.get("note")).originalFilename;

function heardBy(engine) {
  const heard = [];
  engine.conflictNotifier.subscribe((event) => heard.push(event));
  return heard;
}

for (const [name, place] of Object.entries(KINDS)) {
  describe(`two sides that exchange ${name}`, () => {
    test("the side whose version loses hears of both versions", async (t) => {
      const { a, b, engineA, engineB } = await shared(t, place);
      const heard = heardBy(engineB);
      await write(b, "older", 10);
      await write(a, "newer", 20);
      await engineA.drain();
      const result = await engineB.drain();
      assert.equal(result.conflicts, 1);
      assert.equal(heard.length, 1);
      const [{ eventType, kind, local, incoming, winner }] = heard;
      assert.deepEqual([eventType, kind, winner], ["conflict", "record", "incoming"]);
      assert.deepEqual([local.originalFilename, incoming.originalFilename], ["older", "newer"]);
      assert.equal(await wordsAt(b), "newer", "the last writer wins");
      assert.equal((await engineB.drain()).conflicts, 0, "it is told once");
    });

    test("what one side writes on top of what it has seen is no conflict", async (t) => {
      const { a, b, engineA, engineB } = await shared(t, place);
      const heard = [...heardBy(engineA), ...heardBy(engineB)];
      for (const [side, engine, other, n] of [
        [a, engineA, engineB, 1],
        [b, engineB, engineA, 2],
        [a, engineA, engineB, 3],
      ]) {
        await write(side, `version ${n}`, n * 10);
        assert.equal((await engine.drain()).conflicts, 0);
        assert.equal((await other.drain()).conflicts, 0);
      }
      assert.deepEqual(heard, []);
      assert.equal(await wordsAt(b), "version 3");
    });

    test("what onConflict answers is written on top, and ends at every side", async (t) => {
      const onConflict = (local, incoming) => ({
        ...local,
        originalFilename: [local.originalFilename, incoming.originalFilename].sort().join(" + "),
      });
      const { a, b, hub, engineA, engineB } = await shared(t, place, { onConflict });
      await write(b, "older", 10);
      await write(a, "newer", 20);
      await engineA.drain();
      await engineB.drain();
      await engineA.drain();
      for (const side of [a, b, hub]) assert.equal(await wordsAt(side), "newer + older");
    });

    test("an onConflict that fails, or answers another record, is a warning: the later version stands", async (t) => {
      const answers = [
        () => {
          throw new Error("cannot merge");
        },
        () => ({ id: "other" }),
      ];
      const said = t.mock.method(console, "warn", () => {});
      for (const onConflict of answers) {
        const { a, b, engineA, engineB } = await shared(t, place, { onConflict });
        await write(b, "older", 10);
        await write(a, "newer", 20);
        await engineA.drain();
        await engineB.drain();
        assert.equal(await wordsAt(b), "newer");
        assert.match(String(said.mock.calls.at(-1).arguments), /onConflict failed/);
      }
    });
  });
}

test("by logs, the side whose version wins over one that it had not seen hears of both", async (t) => {
  const { a, b, engineA, engineB } = await shared(t, KINDS["by logs"]);
  const heard = heardBy(engineB);
  await write(a, "older", 10);
  await write(b, "newer", 20);
  await engineA.drain();
  assert.equal((await engineB.drain()).conflicts, 1);
  assert.deepEqual(
    heard.map(({ local, incoming, winner }) => [
      local.originalFilename,
      incoming.originalFilename,
      winner,
    ]),
    [["newer", "older", "local"]],
  );
  await engineA.drain();
  assert.equal(await wordsAt(a), "newer");
  assert.equal((await engineB.drain()).conflicts, 0, "it is told once");
});

test("the object of a version that was written over does not travel", async (t) => {
  const { a, b, engineA, engineB } = await shared(t, KINDS["by logs"]);
  const put = async (side, key, ms) => {
    await side.objects.put(key, bytes(key));
    const fields = { objectStorageKey: key, sizeBytes: key.length, contentHash: "" };
    await side.db.put(record("note", stamp(ms, side.nodeId), fields));
  };
  await put(a, "older", 10);
  await put(b, "newer!", 20);
  await engineA.drain();
  const result = await engineB.drain();
  assert.deepEqual([result.conflicts, result.objectsReceived, result.held], [1, 0, []]);
  assert.equal(result.inSync, true);
  assert.equal(await b.objects.has("older"), false);
});
