// One file that was added on two devices, where a unique index lets in one of the two records alone.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import {
  bytes,
  clockFor,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/index.mjs";
import { byHand, engineOf, needsHand, sideOf } from "./support/reconciling.mjs";

const EPOCH = 1_700_000_000_000;
const HASH = createHash("sha256").update("photo").digest("hex");

/** A database in memory with the unique index that apps have. */
function uniqueDatabase() {
  const database = memoryDatabase({ nodeWatermarks: true });
  const { put, query } = database;
  database.put = async (item) => {
    const isTwin = (other) =>
      other.id !== item.id &&
      other.deletedAt === null &&
      item.deletedAt === null &&
      item.originalFilename !== null &&
      other.originalFilename === item.originalFilename &&
      other.contentHash === item.contentHash;
    const { records } = await query({ limit: 1000 });
    if (records.some(isTwin))
      throw Object.assign(new Error("UNIQUE constraint failed"), { code: "SQLITE_CONSTRAINT" });
    return put(item);
  };
  return database;
}

const KINDS = {
  "native stores": async (t, name) => {
    const side = await sideOf(t, name);
    byHand(
      side,
      "CREATE UNIQUE INDEX one_file ON shared_records (owner_id, original_filename, content_hash) " +
        "WHERE deleted_at IS NULL AND original_filename IS NOT NULL",
    );
    return side;
  },
  "adapters of an app": async (t, name) => ({
    nodeId: name,
    db: uniqueDatabase(),
    objects: memoryObjects(),
    state: memoryState(),
    clock: clockFor(name),
  }),
};

async function addPhoto(side, id, ms) {
  const stamp = { wallTime: EPOCH + ms, counter: 0, nodeId: side.nodeId };
  await side.objects.put(`photos/${id}`, bytes("photo"));
  const fields = { contentHash: "", objectStorageKey: `photos/${id}`, sizeBytes: 5 };
  await side.db.put(record(id, stamp, { ...fields, ...PHOTO }));
}
const PHOTO = { originalFilename: "beach.jpg", contentHash: HASH };

const addNote = (side, id, parentId, ms) =>
  side.db.put(record(id, { wallTime: EPOCH + ms, counter: 0, nodeId: side.nodeId }, { parentId }));

/** The ids of the records that are alive at a side, each with its parent. */
async function alive(side) {
  const { records } = await side.db.query({ limit: 100 });
  const live = records.filter(({ deletedAt }) => (deletedAt ?? null) === null);
  return Object.fromEntries(live.map(({ id, parentId }) => [id, parentId ?? null]));
}

for (const [kind, place] of Object.entries(KINDS)) {
  describe(kind, needsHand, () => {
    for (const [first, second] of [
      ["a", "b"],
      ["b", "a"],
    ]) {
      test(`every side keeps the smaller id, if ${first} is first at the hub`, async (t) => {
        const names = ["a", "b", "hub"];
        const [a, b, hub] = await Promise.all(names.map((name) => place(t, name)));
        await addPhoto(a, "photo-1", 10);
        await addPhoto(b, "photo-2", 20);
        await addNote(b, "note-of-2", "photo-2", 30);
        const asked = [];
        const onDuplicate = (local, incoming) => asked.push([local.id, incoming.id]) > 0;
        const engines = {
          a: engineOf(a, hub, { onDuplicate }),
          b: engineOf(b, hub, { onDuplicate }),
        };
        for (let pass = 0; pass < 3; pass += 1) {
          await engines[first].drain();
          await engines[second].drain();
        }
        for (const side of [a, b, hub])
          assert.deepEqual(await alive(side), { "note-of-2": "photo-1", "photo-1": null });
        assert.ok(asked.length > 0);
        for (const name of [first, second])
          assert.deepEqual((await engines[name].drain()).held, [], "nothing waits in the end");
      });
    }

    test("without a yes both records stay where they are, and the one is held with its reason", async (t) => {
      const names = ["a", "b", "hub"];
      const [a, b, hub] = await Promise.all(names.map((name) => place(t, name)));
      await addPhoto(a, "photo-1", 10);
      await addPhoto(b, "photo-2", 20);
      await engineOf(a, hub).drain();
      const answers = [() => false, () => "yes", () => Promise.reject(new Error("no"))];
      // Without any, a round in which nothing but a record that an app's adapter refuses came rejects with its error.
      if (kind === "native stores") answers.push(undefined);
      for (const onDuplicate of answers) {
        const said = t.mock.method(console, "warn", () => {});
        const { held } = await engineOf(b, hub, { onDuplicate }).drain();
        said.mock.restore();
        assert.ok(held.some(({ direction, id }) => direction === "inbound" && id === "photo-1"));
        assert.deepEqual(Object.keys(await alive(b)), ["photo-2"]);
      }
    });
  });
}
