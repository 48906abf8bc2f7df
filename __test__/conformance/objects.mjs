// What every object storage does when it is called itself, and at either end of an engine's.
import assert from "node:assert/strict";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor } from "../support/hlc.mjs";
import { blobFields, bytes, memoryDatabase, memoryState, record } from "../support/memory.mjs";
import { needing } from "./suite.mjs";

/** @type {Record<string, (objects: any, of: any, t: any) => Promise<void>>} */
export const OBJECTS = {
  async "answers the bytes, their size and what was said of them"(objects) {
    const data = new Uint8Array([0, 1, 255, 0, 128]);
    await objects.put("a/b.bin", data, { contentType: "image/png" });
    const got = await objects.get("a/b.bin");
    assert.ok(got.data instanceof Uint8Array);
    assert.deepEqual(new Uint8Array(got.data), data);
    assert.equal(got.size, 5);
    assert.equal(got.contentType, "image/png");
    assert.equal(await objects.has("a/b.bin"), true);
  },

  "keeps what was said of a blob": needing("metadata", async (objects) => {
    const metadata = { who: "me", ünï: "ç" };
    await objects.put("k", bytes("x"), { contentType: "image/png", metadata });
    assert.deepEqual({ ...(await objects.get("k")).metadata }, metadata);
  }),

  "keeps a blob without a type": needing("objects without a type", async (objects) => {
    await objects.put("plain", bytes("x"));
    assert.equal((await objects.get("plain")).contentType, undefined);
    await objects.put("typed", bytes("x"), { contentType: "a/a" });
    await objects.put("typed", bytes("y"));
    assert.equal((await objects.get("typed")).contentType, undefined);
    await objects.delete("typed");
    await objects.put("typed", bytes("z"));
    assert.equal((await objects.get("typed")).contentType, undefined);
  }),

  async "keeps an empty blob"(objects) {
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
  },

  async "forgets a deleted blob, and only that"(objects) {
    await objects.put("k", bytes("1"), { contentType: "a/a" });
    await objects.put("k2", bytes("2"));
    await objects.delete("k");
    assert.deepEqual([await objects.has("k"), await objects.get("k")], [false, null]);
    assert.equal(await objects.has("k2"), true);
    await objects.delete("k");
  },

  "lists keys by prefix, in order and page by page": needing("lists", async (objects) => {
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
  }),

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

  async "keeps keys apart that look alike"(objects, { longestName = 200 }) {
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
      "x".repeat(longestName),
    ];
    for (const key of keys)
      await objects.put(key, bytes(`data of ${key}`), { contentType: `t/${keys.indexOf(key)}` });
    for (const key of keys) {
      const got = await objects.get(key);
      assert.equal(new TextDecoder().decode(got.data), `data of ${key}`);
      assert.equal(got.contentType, `t/${keys.indexOf(key)}`);
    }
    for (const key of keys) await objects.delete(key);
    for (const key of keys) assert.equal(await objects.has(key), false);
  },

  "refuses a key with a lone surrogate in every call, as a wrong key": needing(
    "refusing keys",
    async (objects) => {
      for (const key of ["\uD800", "a/\uDC00b", "x\uD83D"]) {
        for (const call of [
          () => objects.has(key),
          () => objects.get(key),
          () => objects.delete(key),
          () => objects.put(key, bytes("x")),
        ]) {
          await assert.rejects(async () => call(), { code: "INVALID_KEY" });
        }
      }
    },
  ),

  "refuses a key that is empty or a segment of dots": needing("refusing keys", async (objects) => {
    for (const key of ["", ".", ".."]) {
      for (const call of [() => objects.get(key), () => objects.put(key, bytes("x"))]) {
        await assert.rejects(async () => call(), { code: "INVALID_KEY" });
      }
    }
  }),

  "does not take what is no bytes": needing("refusing what is no bytes", async (objects) => {
    for (const data of ["text", 5, null, undefined, {}]) {
      await assert.rejects(async () => objects.put("k", data));
    }
    assert.equal(await objects.has("k"), false);
  }),

  async "its functions need no this"({ put, get, has, delete: remove }) {
    await put("k", bytes("x"));
    assert.deepEqual([await has("k"), (await get("k")).size], [true, 1]);
    await remove("k");
    assert.equal(await has("k"), false);
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

/** How a storage shows that it cannot do what a sentence needs. */
export const OBJECT_LIMITS = {
  lists: (objects) =>
    assert.rejects(objects.list(""), { code: "INVALID_ARGUMENT", message: /cannot list/ }),
  async metadata(objects) {
    await objects.put("k", bytes("x"), { contentType: "a/a", metadata: { who: "me" } });
    assert.deepEqual(Object.keys(await objects.get("k")).sort(), ["contentType", "data", "size"]);
  },
  async "objects without a type"(objects) {
    await objects.put("k", bytes("x"));
    assert.equal((await objects.get("k")).contentType, "application/octet-stream");
  },
  async "refusing what is no bytes"(objects) {
    await objects.put("k", "text");
    assert.equal((await objects.get("k")).data, "text");
  },
  async "refusing keys"(objects) {
    for (const key of ["\uD800", "..", ""]) await objects.put(key, bytes("x"));
    assert.equal(await objects.has(".."), true);
  },
};

/** A node with its records in JavaScript; its objects are `here`, those of its peer `there`. */
function nodeBetween(here, there) {
  const [mine, its] = [memoryDatabase(), memoryDatabase()];
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: mine,
    localObjectStorage: here,
    remoteObjectStorage: there,
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: its,
      objectStorage: there,
      clock: clockFor("there"),
    }),
    clock: clockFor("here"),
    syncState: memoryState(),
  });
  return { mine, its, engine };
}

const large = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31) % 251);
const whole = async (objects, key) => Buffer.from((await objects.get(key)).data);

/** Sentences about objects that move between `here` and `there`. */
export const OBJECT_ROUNDS = {
  async "objects go with their records, there and back, with their types"({ here, there }) {
    const { mine, its, engine } = nodeBetween(here, there);
    await here.put("mine/large", large, { contentType: "image/png" });
    await mine.put(record("1", at(1, "a"), { ...blobFields("mine/large"), mimeType: "image/png" }));
    await there.put("its/empty", new Uint8Array(), { contentType: "text/plain" });
    await its.put(record("2", at(2, "z"), blobFields("its/empty", 0)));
    const { applied, shipped } = await engine.exchange();
    assert.deepEqual([applied, shipped], [1, 1]);
    for (const objects of [here, there]) {
      assert.ok((await whole(objects, "mine/large")).equals(Buffer.from(large)));
      assert.equal((await objects.get("mine/large")).contentType, "image/png");
      assert.equal((await whole(objects, "its/empty")).length, 0);
    }
  },

  async "a lost object holds its node, is named, and is made good"({ here, there }) {
    const { mine, its, engine } = nodeBetween(here, there);
    await mine.put(record("0", at(0, "a"), blobFields("lost")));
    await mine.put(record("1", at(1, "a")));
    await mine.put(record("free", at(50, "x")));
    await its.put(record("z", at(1, "z"), blobFields("gone")));
    const { held } = await engine.exchange();
    assert.deepEqual(held.map((one) => [one.nodeId, one.direction, one.key, one.item.id]).sort(), [
      ["a", "outbound", "lost", "0"],
      ["z", "inbound", "gone", "z"],
    ]);
    assert.deepEqual(
      its.all().map(({ id }) => id),
      ["z", "free"],
    );
    await here.put("lost", bytes("found"));
    await there.put("gone", bytes("found"));
    await engine.exchange();
    assert.equal((await whole(there, "lost")).toString(), "found");
    assert.equal((await whole(here, "gone")).toString(), "found");
    assert.deepEqual([mine.all().length, its.all().length], [4, 4]);
  },

  async "a file goes from one to the other where it is not there yet"({ here, there }) {
    const { transferFile, getFilesToPush } = sync.createFileSyncEngine();
    await here.put("k", large, { contentType: "a/a" });
    const [push] = await getFilesToPush(here, there, [{ key: "k", mimeType: "image/gif" }]);
    assert.deepEqual([push.objectStorageKey, push.sizeBytes], ["k", large.length]);
    assert.equal(await transferFile(push, here, there), true);
    assert.ok((await whole(there, "k")).equals(Buffer.from(large)));
    assert.equal((await there.get("k")).contentType, "image/gif");
    assert.deepEqual(await getFilesToPush(here, there, [{ key: "k" }]), []);
    const none = { ...push, objectStorageKey: "none" };
    assert.equal(await transferFile(none, here, there), false);
  },
};

/** Each storage at either end, beside a plain one, beside a folder and beside its like. */
export function pairsOfStorages(stores) {
  const [plain, folder] = [stores["plain JavaScript in memory"], stores["a native folder"]];
  const pairs = {};
  for (const [name, of] of Object.entries(stores)) {
    const ends = {
      "here, plain JavaScript there": [of, plain],
      "there, plain JavaScript here": [plain, of],
      "here, a folder there": [of, folder],
      "there, a folder here": [folder, of],
      "at both ends": [of, of],
    };
    for (const [where, [here, there]] of Object.entries(ends)) {
      pairs[`${name}, ${where}`] = {
        make: async (t) => ({ here: await here.make(t), there: await there.make(t) }),
        skip: here.skip || there.skip || false,
      };
    }
  }
  return pairs;
}
