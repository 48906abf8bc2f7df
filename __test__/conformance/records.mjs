// What every store of records does when it is called itself.
import assert from "node:assert/strict";
import { drainUnseen } from "../support/delta.mjs";
import { at, entryOf, watermarksOf } from "../support/hlc.mjs";
import { blobFields, record } from "../support/memory.mjs";
import { isLong, needing } from "./suite.mjs";

const idsOf = (records) => records.map((one) => one.id);

const FULL = () => ({
  ...record("full", at(5, "a", 7)),
  createdAt: at(1, "creator", 2),
  ...blobFields("some/key", 1234),
  version: 9,
  originalFilename: "naïve 🪐.txt",
  parentId: "parent",
});

/** The records of a store, taken page by page. */
async function pages(db, query) {
  const found = [];
  let cursor;
  for (let page = 0; page < 100; page += 1) {
    const { records, nextCursor, hasMore } = await db.query({
      ...query,
      ...(cursor === undefined ? {} : { cursor }),
    });
    assert.ok(records.length <= (query.limit ?? Infinity));
    found.push(idsOf(records));
    if (!hasMore) return found;
    assert.equal(typeof nextCursor, "string");
    cursor = nextCursor;
  }
  return assert.fail("the pages do not end");
}

/** @type {Record<string, (db: any) => Promise<void>>} */
export const RECORDS = {
  async "answers what was put, field by field"(db, { as = (full) => full }) {
    const full = FULL();
    await db.put(full);
    assert.deepEqual({ ...(await db.get("full")) }, as(full));
  },

  async "answers null for an id that it does not have"(db) {
    assert.equal(await db.get("nowhere"), null);
  },

  async "keeps the later of two puts of one id"(db) {
    await db.put(record("1", at(1, "a")));
    await db.put(record("1", at(2, "b"), { version: 2, parentId: "p" }));
    const kept = await db.get("1");
    assert.deepEqual([kept.updatedAt, kept.version, kept.parentId], [at(2, "b"), 2, "p"]);
    assert.equal((await db.query({})).records.length, 1);
  },

  "keeps fields that it does not know": needing("unknown fields", async (db) => {
    await db.put(
      record("1", at(1, "a"), {
        colour: "red",
        nested: { list: [1, null, "x"] },
        flag: false,
      }),
    );
    const kept = await db.get("1");
    assert.deepEqual(
      [kept.colour, kept.nested, kept.flag],
      ["red", { list: [1, null, "x"] }, false],
    );
    assert.deepEqual((await db.query({})).records[0].nested, { list: [1, null, "x"] });
  }),

  "takes a record of the second release, without owner and with a null type": needing(
    "records without an owner",
    async (db) => {
      const { ownerId: _gone, ...later } = record("1", at(1, "a"), { mimeType: null, label: null });
      await db.put(later);
      const kept = await db.get("1");
      assert.equal(kept.mimeType, null);
      assert.equal(kept.kind, "data");
      assert.ok(kept.ownerId === undefined || kept.ownerId === null);
    },
  ),

  async "stamps a deleted record and keeps its row"(db) {
    await db.put(record("1", at(1, "a"), { originalFilename: "x" }));
    assert.equal(await db.delete("1", at(5, "b")), undefined);
    const dead = await db.get("1");
    assert.deepEqual(
      [dead.deletedAt, dead.updatedAt, dead.createdAt],
      [at(5, "b"), at(5, "b"), at(1, "a")],
    );
    assert.equal(dead.originalFilename, "x");
    assert.deepEqual(idsOf((await db.query({})).records), ["1"]);
    await db.delete("nowhere", at(6, "b"));
    assert.equal(await db.get("nowhere"), null);
  },

  async "puts a tombstone as it comes"(db) {
    await db.put(record("1", at(3, "a"), { deletedAt: at(3, "a") }));
    assert.deepEqual((await db.get("1")).deletedAt, at(3, "a"));
  },

  async "answers in id order, page by page"(db) {
    for (const id of ["c", "a", "e", "b", "d"])
      await db.put(record(id, at(200 - id.charCodeAt(0), "n")));
    assert.deepEqual(await pages(db, { limit: 2 }), [["a", "b"], ["c", "d"], ["e"]]);
    assert.deepEqual(await pages(db, { limit: 5 }), [["a", "b", "c", "d", "e"]]);
    assert.deepEqual(await pages(db, { limit: 100 }), [["a", "b", "c", "d", "e"]]);
    assert.deepEqual(idsOf((await db.query({ cursor: "c", limit: 100 })).records), ["d", "e"]);
  },

  async "says that nothing is left with a null cursor"(db) {
    assert.deepEqual(
      { ...(await db.query({ limit: 3 })) },
      { records: [], nextCursor: null, hasMore: false },
    );
    await db.put(record("1", at(1, "a")));
    const { nextCursor, hasMore } = await db.query({ limit: 3 });
    assert.deepEqual([nextCursor, hasMore], [null, false]);
  },

  async "answers the records of one type"(db) {
    for (const [id, type] of [
      ["1", "note"],
      ["2", "photo"],
      ["3", "note"],
      ["4", "photo"],
      ["5", "note"],
    ]) {
      await db.put(record(id, at(1, "a"), { type }));
    }
    assert.deepEqual(await pages(db, { type: "note", limit: 2 }), [["1", "3"], ["5"]]);
    assert.deepEqual(await pages(db, { type: "nothing", limit: 2 }), [[]]);
  },

  async "sorts by a field where it is asked to"(db) {
    for (const [id, sizeBytes] of [
      ["1", 30],
      ["2", 10],
      ["3", 20],
    ])
      await db.put(record(id, at(sizeBytes, "a"), { sizeBytes }));
    const by = async (field, direction) =>
      idsOf((await db.query({ sort: [{ field, direction }] })).records);
    assert.deepEqual(await by("sizeBytes", "asc"), ["2", "3", "1"]);
    assert.deepEqual(await by("sizeBytes", "desc"), ["1", "3", "2"]);
    assert.deepEqual(await by("updatedAt", "asc"), ["2", "3", "1"]);
  },

  async "does a batch in its order"(db) {
    await db.batch([
      { type: "put", record: record("1", at(1, "a")) },
      { type: "put", record: record("2", at(1, "a")) },
      { type: "delete", id: "1", hlc: at(2, "a") },
    ]);
    assert.deepEqual((await db.get("1")).deletedAt, at(2, "a"));
    assert.equal((await db.get("2")).deletedAt, null);
    await db.batch([]);
  },

  async "answers a transaction with what its callback answers"(db) {
    const answer = await db.transaction(async (inner) => {
      await inner.put(record("1", at(1, "a")));
      await inner.put(record("2", at(1, "a")));
      await inner.delete("2", at(2, "a"));
      assert.equal((await inner.get("1")).id, "1");
      assert.deepEqual(idsOf((await inner.query({})).records), ["1", "2"]);
      return { any: "thing" };
    });
    assert.deepEqual(answer, { any: "thing" });
    assert.deepEqual((await db.get("2")).updatedAt, at(2, "a"));
  },

  async "undoes a transaction whose callback throws, and throws the same object"(db) {
    await db.put(record("1", at(1, "a")));
    const error = { own: "error" };
    const attempt = db.transaction(async (inner) => {
      await inner.put(record("1", at(2, "a")));
      await inner.put(record("2", at(2, "a")));
      throw error;
    });
    await assert.rejects(attempt, (thrown) => thrown === error);
    assert.deepEqual((await db.get("1")).updatedAt, at(1, "a"));
    assert.equal(await db.get("2"), null);
    await db.put(record("3", at(1, "a")));
    assert.equal((await db.get("3")).id, "3");
  },

  "refuses what a transaction's callback calls past its transaction": needing(
    "knowing its own callbacks",
    async (db) => {
      const calls = [() => db.put(record("2", at(1, "a"))), () => db.get("1"), () => db.batch([])];
      await db.transaction(async (inner) => {
        await inner.put(record("1", at(1, "a")));
        for (const call of calls) await assert.rejects(call(), { code: "IN_TRANSACTION" });
      });
      await db.put(record("3", at(1, "a")));
      assert.deepEqual(idsOf((await db.query({})).records), ["1", "3"]);
    },
  ),

  "keeps metadata rows by type and record": needing("metadata", async (db) => {
    const row = { recordId: "1", width: 640, title: "x", flag: null };
    await db.putMetadata("photo", row);
    await db.putMetadata("photo", { recordId: "2", width: 1 });
    await db.putMetadata("other", { recordId: "1", width: 2 });
    assert.deepEqual({ ...(await db.getMetadata("photo", "1")) }, row);
    assert.equal(await db.getMetadata("photo", "nowhere"), null);
    assert.equal(await db.getMetadata("nothing", "1"), null);
    const both = await db.getMetadataByIds("photo", ["2", "nowhere", "1"]);
    assert.ok(both instanceof Map);
    assert.deepEqual([...both.keys()].sort(), ["1", "2"]);
    assert.equal(both.get("2").width, 1);
    await db.putMetadata("photo", { recordId: "2", width: 5 });
    assert.equal((await db.getMetadata("photo", "2")).width, 5);
    await db.deleteMetadata("photo", "1");
    assert.equal(await db.getMetadata("photo", "1"), null);
    assert.equal((await db.getMetadata("other", "1")).width, 2);
  }),

  "tells the greatest timestamp of each node, tombstones included": needing(
    "coverage",
    async (db, of) => {
      const greatest = isLong(of) ? 65_536 : 65_535;
      assert.deepEqual(await db.getNodeWatermarks(), {});
      await db.put(record("1", at(1, "a")));
      await db.put(record("2", at(1, "a", greatest)));
      await db.put(record("3", at(1, "a", 9)));
      await db.put(record("4", at(3, "b")));
      await db.delete("4", at(7, "c"));
      await db.put(record("5", at(2, "__proto__")));
      await db.put(record("6", at(2, "")));
      const watermarks = await db.getNodeWatermarks();
      assert.deepEqual(Object.keys(watermarks).sort(), ["", "__proto__", "a", "c"]);
      assert.deepEqual(watermarks.a, at(1, "a", greatest));
      assert.deepEqual(watermarks.c, at(7, "c"));
      assert.deepEqual(entryOf(watermarks, "__proto__"), at(2, "__proto__"));
    },
  ),

  async "keeps any text in ids, nodes and names"(db) {
    const texts = [
      "__proto__",
      "o'\"; DROP TABLE shared_records; --",
      "🪐",
      "x".repeat(5000),
      "a:b:c",
      "%_",
    ];
    for (const [i, word] of texts.entries())
      await db.put(record(word, at(i, word), { originalFilename: word, type: word }));
    for (const [i, word] of texts.entries()) {
      const kept = await db.get(word);
      assert.deepEqual(
        [kept.id, kept.updatedAt, kept.originalFilename, kept.type],
        [word, at(i, word), word, word],
      );
    }
    assert.equal((await db.query({ limit: 100 })).records.length, texts.length);
  },

  "keeps text behind a NUL": needing("text behind a NUL", async (db) => {
    await db.put(record("a\0b", at(1, "n\0m"), { originalFilename: "x\0y" }));
    const kept = await db.get("a\0b");
    assert.deepEqual([kept.updatedAt, kept.originalFilename], [at(1, "n\0m"), "x\0y"]);
  }),

  async "does many calls that are made together"(db) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => db.put(record(`${i}`, at(i, "a")))));
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => db.get(`${i}`)));
    assert.ok(all.every((one, i) => one.id === `${i}`));
  },

  async "is healthy once it is begun"(db) {
    await db.init();
    assert.equal(await db.healthCheck(), true);
  },

  "applies what is new, and says of each record what became of it": needing("delta", async (db) => {
    const page = [record("1", at(2, "a")), record("2", at(3, "b")), record("1", at(1, "c"))];
    assert.deepEqual(
      (await db.applyRecords(page)).map(({ status }) => status),
      ["applied", "applied", "stale"],
    );
    assert.deepEqual((await db.get("1")).updatedAt, at(2, "a"));
    assert.deepEqual(await db.applyRecords([]), []);
  }),

  "compares counters as numbers, also past their four digits": needing("delta", async (db) => {
    await db.applyRecords([record("1", at(1, "a", 65_535))]);
    const [later] = await db.applyRecords([record("1", at(1, "a", 65_536))]);
    const [earlier] = await db.applyRecords([record("1", at(1, "a", 9))]);
    assert.deepEqual([later.status, earlier.status], ["applied", "stale"]);
    assert.deepEqual(await db.getNodeWatermarks(), { a: at(1, "a", 65_536) });
    const { records } = await db.queryUnseen({ a: at(1, "a", 65_535) }, { limit: 5 });
    assert.deepEqual(
      records.map(({ id }) => id),
      ["1"],
    );
  }),

  "a record that cannot be stored fails alone": needing("delta", async (db) => {
    const results = await db.applyRecords([
      record("1", at(1, "a")),
      { ...record("2", at(2, "a")), createdAt: "yesterday" },
      null,
      record("3", at(3, "a")),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ["applied", "failed", "failed", "applied"],
    );
    assert.equal(results[1].error.code, "INVALID_ARGUMENT");
    assert.equal(await db.get("2"), null);
  }),

  "with strict order nothing passes a failure of its node": needing("delta", async (db) => {
    const page = [{ ...record("1", at(1, "a")), createdAt: 0 }, record("2", at(2, "a"))];
    const results = await db.applyRecords([...page, record("3", at(3, "b"))], {
      strictOrder: true,
    });
    assert.deepEqual(
      results.map(({ status }) => status),
      ["failed", "behind", "applied"],
    );
    assert.equal(await db.get("2"), null);
  }),

  "never parts equal timestamps, and says exactly whether there is more": needing(
    "delta",
    async (db) => {
      await db.applyRecords(["1", "2", "3"].map((id) => record(id, at(1, "a"))));
      await db.applyRecords([record("0", at(0, "a"))]);
      const one = await db.queryUnseen({}, { limit: 2 });
      assert.deepEqual([one.records.length, one.hasMore], [1, true]);
      const rest = await db.queryUnseen({ a: at(0, "a") }, { limit: 1 });
      assert.deepEqual([rest.records.length, rest.hasMore], [3, false]);
      assert.deepEqual(await db.queryUnseen({ a: at(1, "a") }, { limit: 1 }), {
        records: [],
        hasMore: false,
      });
    },
  ),

  "keeps tombstones, and nodes of any name": needing("delta", async (db) => {
    const nodes = ["__proto__", "", "a:b:c", "🪐", "'; --"];
    const page = nodes.map((node, i) => record(node + i, at(i, node), { deletedAt: at(i, node) }));
    await db.applyRecords(page);
    assert.deepEqual(await db.getNodeWatermarks(), watermarksOf(page.map((one) => one.updatedAt)));
    assert.equal((await drainUnseen(db, 2)).length, nodes.length);
  }),

  "refuses a limit or watermarks that are none": needing("delta", async (db) => {
    await assert.rejects(db.queryUnseen({}, { limit: 0 }), { code: "INVALID_ARGUMENT" });
    await assert.rejects(db.queryUnseen({ a: 5 }, { limit: 1 }), { code: "INVALID_ARGUMENT" });
  }),
};

const ABSENT = (name) => (db) => assert.equal(db[name], undefined);

/** How a store shows that it cannot do what a sentence needs. */
export const RECORD_LIMITS = {
  async "knowing its own callbacks"(db) {
    await db.transaction(async () => {
      await db.put(record("1", at(1, "a")));
    });
    assert.equal((await db.get("1")).id, "1");
  },
  coverage: ABSENT("getNodeWatermarks"),
  metadata: ABSENT("putMetadata"),
  delta: ABSENT("queryUnseen"),
  async "unknown fields"(db) {
    await db.put(record("1", at(1, "a"), { colour: "red" }));
    assert.ok(!("colour" in (await db.get("1"))));
  },
  async "long counters"(db) {
    await assert.rejects(db.put(record("1", at(1, "a", 65_536))), {
      code: "INVALID_ARGUMENT",
      message: /At of the record "1" must have at most 12 digits/,
    });
  },
  async "text behind a NUL"(db, of) {
    if (of.refuses === "NUL") {
      const put = db.put(record("1", at(1, "a"), { originalFilename: "x\0y" }));
      return assert.rejects(put, { code: "INVALID_ARGUMENT", message: /U\+0000/ });
    }
    await db.put(record("1", at(1, "a"), { originalFilename: "x\0y" }));
    assert.equal((await db.get("1")).originalFilename, "x");
  },
  async "records without an owner"(db) {
    const { ownerId: _gone, ...later } = record("1", at(1, "a"));
    await assert.rejects(db.put(later));
    assert.equal(await db.get("1"), null);
  },
};
