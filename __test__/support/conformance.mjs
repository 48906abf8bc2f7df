// What every database adapter and every object storage must do, native or not.
import assert from "node:assert/strict";
import { at, entryOf } from "./hlc.mjs";
import { blobFields, bytes, record } from "./memory.mjs";

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
export const DATABASE = {
  async "answers what was put, field by field"(db) {
    const full = FULL();
    await db.put(full);
    assert.deepEqual({ ...(await db.get("full")) }, full);
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

  async "keeps fields that it does not know"(db) {
    await db.put(
      record("1", at(1, "a"), {
        label: "l",
        colour: "red",
        nested: { list: [1, null, "x"] },
        flag: false,
      }),
    );
    const kept = await db.get("1");
    assert.deepEqual(
      [kept.label, kept.colour, kept.nested, kept.flag],
      ["l", "red", { list: [1, null, "x"] }, false],
    );
    assert.deepEqual((await db.query({})).records[0].nested, { list: [1, null, "x"] });
  },

  async "takes a record of the second release, without owner and with a null type"(db) {
    const { ownerId: _gone, ...later } = record("1", at(1, "a"), { mimeType: null, label: null });
    await db.put(later);
    const kept = await db.get("1");
    assert.equal(kept.mimeType, null);
    assert.equal(kept.kind, "data");
    assert.ok(kept.ownerId === undefined || kept.ownerId === null);
  },

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

  async "keeps metadata rows by type and record"(db) {
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
  },

  async "tells the greatest timestamp of each node, tombstones included"(db) {
    assert.deepEqual(await db.getNodeWatermarks(), {});
    await db.put(record("1", at(1, "a")));
    await db.put(record("2", at(1, "a", 65_536)));
    await db.put(record("3", at(1, "a", 9)));
    await db.put(record("4", at(3, "b")));
    await db.delete("4", at(7, "c"));
    await db.put(record("5", at(2, "__proto__")));
    await db.put(record("6", at(2, "")));
    const watermarks = await db.getNodeWatermarks();
    assert.deepEqual(Object.keys(watermarks).sort(), ["", "__proto__", "a", "c"]);
    assert.deepEqual(watermarks.a, at(1, "a", 65_536));
    assert.deepEqual(watermarks.c, at(7, "c"));
    assert.deepEqual(entryOf(watermarks, "__proto__"), at(2, "__proto__"));
  },

  async "keeps any text in ids, nodes and names"(db) {
    const texts = [
      "__proto__",
      "o'\"; DROP TABLE shared_records; --",
      "🪐",
      "a\0b",
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

  async "does many calls that are made together"(db) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => db.put(record(`${i}`, at(i, "a")))));
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => db.get(`${i}`)));
    assert.ok(all.every((one, i) => one.id === `${i}`));
  },

  async "is healthy once it is begun"(db) {
    await db.init();
    assert.equal(await db.healthCheck(), true);
  },
};

/** @type {Record<string, (objects: any) => Promise<void>>} */
export const OBJECTS = {
  async "answers the bytes, their size and what was said of them"(objects) {
    const data = new Uint8Array([0, 1, 255, 0, 128]);
    await objects.put("a/b.bin", data, {
      contentType: "image/png",
      metadata: { who: "me", ünï: "ç" },
    });
    const got = await objects.get("a/b.bin");
    assert.ok(got.data instanceof Uint8Array);
    assert.deepEqual(new Uint8Array(got.data), data);
    assert.equal(got.size, 5);
    assert.equal(got.contentType, "image/png");
    assert.deepEqual({ ...got.metadata }, { who: "me", ünï: "ç" });
  },

  async "keeps a blob without a type, and an empty one"(objects) {
    await objects.put("plain", bytes("x"));
    assert.equal((await objects.get("plain")).contentType, undefined);
    await objects.put("empty", new Uint8Array(0));
    const empty = await objects.get("empty");
    assert.deepEqual([empty.size, empty.data.length], [0, 0]);
    assert.equal(await objects.has("empty"), true);
  },

  async "answers null and false for a key that it does not have"(objects) {
    assert.equal(await objects.get("nowhere"), null);
    assert.equal(await objects.has("nowhere"), false);
    assert.equal(await objects.has("nowhere/at/all"), false);
    await objects.delete("nowhere");
  },

  async "replaces a blob, with its type"(objects) {
    await objects.put("k", bytes("a longer first one"), { contentType: "a/a" });
    await objects.put("k", bytes("second"), { contentType: "b/b" });
    const got = await objects.get("k");
    assert.deepEqual(
      [new TextDecoder().decode(got.data), got.contentType, got.size],
      ["second", "b/b", 6],
    );
    await objects.put("k", bytes("third"));
    assert.equal((await objects.get("k")).contentType, undefined);
  },

  async "forgets a deleted blob, and only that"(objects) {
    await objects.put("k", bytes("1"), { contentType: "a/a" });
    await objects.put("k2", bytes("2"));
    await objects.delete("k");
    assert.deepEqual([await objects.has("k"), await objects.get("k")], [false, null]);
    assert.equal(await objects.has("k2"), true);
    await objects.put("k", bytes("3"));
    assert.equal((await objects.get("k")).contentType, undefined);
  },

  async "lists keys by prefix, in order and page by page"(objects) {
    const keys = ["a/1", "a/2", "a/3", "ab", "b/1", "c"];
    for (const key of [...keys].reverse())
      await objects.put(key, bytes(key), { contentType: "t/t" });
    assert.deepEqual((await objects.list("")).keys, keys);
    assert.deepEqual((await objects.list("a")).keys, ["a/1", "a/2", "a/3", "ab"]);
    assert.deepEqual((await objects.list("a/")).keys, ["a/1", "a/2", "a/3"]);
    assert.deepEqual(
      { ...(await objects.list("nothing")) },
      { keys: [], nextCursor: null, hasMore: false },
    );
    const first = await objects.list("a", { limit: 3 });
    assert.deepEqual([first.keys, first.hasMore], [["a/1", "a/2", "a/3"], true]);
    const rest = await objects.list("a", { limit: 3, cursor: first.nextCursor });
    assert.deepEqual([rest.keys, rest.hasMore, rest.nextCursor], [["ab"], false, null]);
  },

  async "keeps its own copy of the bytes"(objects) {
    const data = bytes("before");
    await objects.put("k", data.slice());
    const got = await objects.get("k");
    assert.deepEqual(new Uint8Array(got.data), data);
  },

  async "takes the part of a buffer that a view shows"(objects) {
    const buffer = bytes("0123456789").buffer;
    await objects.put("view", new Uint8Array(buffer, 3, 4));
    assert.equal(new TextDecoder().decode((await objects.get("view")).data), "3456");
    await objects.put("buffer", Buffer.from("text"));
    assert.equal((await objects.get("buffer")).size, 4);
  },

  async "keeps keys apart that look alike"(objects) {
    const keys = [
      "sha256:abc",
      "sha256-abc",
      "SHA256:ABC",
      "a b",
      "a%20b",
      "a+b",
      "ünï",
      "🪐",
      ".hidden",
      "__proto__",
      "name.meta",
      "name",
      "name.json",
      "CON",
      "trailing.",
      "x".repeat(200),
    ];
    for (const key of keys)
      await objects.put(key, bytes(`data of ${key}`), { contentType: `t/${keys.indexOf(key)}` });
    for (const key of keys) {
      const got = await objects.get(key);
      assert.equal(new TextDecoder().decode(got.data), `data of ${key}`);
      assert.equal(got.contentType, `t/${keys.indexOf(key)}`);
    }
    assert.deepEqual([...(await objects.list("")).keys].sort(), [...keys].sort());
  },

  async "keeps a megabyte whole"(objects) {
    const data = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) % 251);
    await objects.put("large", data);
    assert.ok(Buffer.from((await objects.get("large")).data).equals(Buffer.from(data)));
  },

  async "does many puts of one key that are made together, and keeps one of them whole"(objects) {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => objects.put("k", bytes(`${i}`.repeat(1000)))),
    );
    const words = new TextDecoder().decode((await objects.get("k")).data);
    assert.ok(Array.from({ length: 20 }, (_, i) => `${i}`.repeat(1000)).includes(words));
  },

  async "is healthy once it is begun"(objects) {
    await objects.init();
    assert.equal(await objects.healthCheck(), true);
  },
};
