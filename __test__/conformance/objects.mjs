// What every object storage does when it is called itself.
import assert from "node:assert/strict";
import { bytes } from "../support/memory.mjs";
import { needing } from "./suite.mjs";

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
