// A bucket of a real S3 server.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { needsS3 } from "../scripts/test-servers.mjs";
import { bytes } from "./support/memory.mjs";
import { CREDENTIALS, s3At } from "./support/s3.mjs";

const MIB = 2 ** 20;
const hashOf = (data) => createHash("sha256").update(data).digest("hex");
const partsIn = (root) => readdirSync(root).filter((name) => name.startsWith(".upload"));

describe("a bucket", needsS3, () => {
  test("objects of every size come back as they were, with their hash", async (t) => {
    const { root, storage } = await s3At(t);
    const objects = storage({ partSize: 5 * MIB });
    for (const size of [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 27 * MIB + 3]) {
      const data = randomBytes(size);
      await objects.put("one", data, { contentType: "image/png", metadata: { size: `${size}` } });
      const got = await objects.get("one");
      assert.ok(data.equals(got.data), `${size} bytes`);
      const { modifiedMs, ...stat } = await objects.stat("one");
      assert.deepEqual(stat, { size, contentHash: hashOf(data) });
      assert.ok(Number.isInteger(modifiedMs));
      assert.deepEqual([got.contentType, got.size], ["image/png", size]);
      assert.deepEqual({ ...got.metadata }, { size: `${size}` });
    }
    assert.deepEqual(partsIn(root), []);
  });

  test("keys stay what they are", async (t) => {
    const { storage } = await s3At(t);
    const objects = storage();
    const keys = [
      "a%2Fb",
      "a+b",
      "a b",
      "a%20b",
      "?x=1&y=2#z",
      "\u00e9",
      "e\u0301",
      "日本語/🪐",
      "~!@$^*()_-=[]{};':\",.<>|`\\",
      "a/b%41",
      "%",
      "+",
    ];
    for (const key of keys) await objects.put(key, bytes(key));
    for (const key of keys)
      assert.deepEqual(Buffer.from((await objects.get(key)).data), Buffer.from(key));
    const listed = (await objects.list("")).keys;
    const inOrder = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(listed, inOrder);
    for (const key of keys) await objects.delete(key);
    assert.deepEqual((await objects.list("")).keys, []);
  });

  test("a prefix stands before every key, and is not told", async (t) => {
    const { folder, storage } = await s3At(t);
    const [all, mine] = [storage(), storage({ keyPrefix: "apps/photos/" })];
    await all.put("apps/other", bytes("0"));
    for (const key of ["a", "b/c", "d"]) await mine.put(key, bytes(key));
    assert.equal(readFileSync(join(folder, "apps", "photos", "b", "c")).toString(), "b/c");
    assert.deepEqual((await mine.list("")).keys, ["a", "b/c", "d"]);
    const page = await mine.list("", { limit: 2 });
    assert.deepEqual([page.keys, page.nextCursor, page.hasMore], [["a", "b/c"], "b/c", true]);
    assert.deepEqual((await mine.list("", { cursor: "b/c" })).keys, ["d"]);
    assert.deepEqual([await mine.has("other"), await all.has("apps/photos/a")], [false, true]);
  });

  test("more keys than one answer has are listed, all or page by page", async (t) => {
    const { storage } = await s3At(t);
    const objects = storage();
    const keys = Array.from({ length: 1203 }, (_, i) => `k/${String(i).padStart(5, "0")}`);
    const waiting = [...keys];
    const worker = async () => {
      for (let key = waiting.pop(); key !== undefined; key = waiting.pop())
        await objects.put(key, bytes("x"));
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    assert.deepEqual((await objects.list("k/")).keys, keys);
    const paged = [];
    let cursor;
    do {
      const page = await objects.list("k/", { limit: 1100, cursor });
      paged.push(page.keys);
      cursor = page.nextCursor;
    } while (cursor !== null);
    assert.deepEqual(
      paged.map((page) => page.length),
      [1100, 103],
    );
    assert.deepEqual(paged.flat(), keys);
  });

  test("a url is good for what was said, and for nothing else", async (t) => {
    const { storage } = await s3At(t);
    const objects = storage();
    const about = { contentType: "text/plain", size: 3, contentHash: hashOf("abc") };
    const { url, headers } = await objects.presign("k", "PUT", about);
    const put = (body, more = {}) =>
      fetch(url, { method: "PUT", body, headers: { ...headers, ...more } });
    assert.equal((await put("abcd")).status, 403);
    assert.equal((await put("abd")).status, 400);
    assert.equal((await put("abc", { "content-type": "text/html" })).status, 403);
    assert.equal((await fetch(url)).status, 403);
    assert.equal((await put("abc")).status, 200);
    const got = await objects.presign("k", "GET");
    const answer = await fetch(got.url, { headers: got.headers });
    assert.deepEqual([answer.status, await answer.text()], [200, "abc"]);
    assert.equal((await fetch(got.url, { method: "DELETE" })).status, 403);
    const { contentHash, size } = await objects.stat("k");
    assert.deepEqual({ contentHash, size }, { contentHash: about.contentHash, size: 3 });
    assert.equal(await objects.presign("k", "PUT", { size: 5 * 2 ** 30 + 1 }), null);
  });

  test("a wrong secret is told by every function, and passes for no absence", async (t) => {
    const { storage } = await s3At(t);
    await storage().put("k", bytes("x"));
    const objects = storage({ credentials: { ...CREDENTIALS, secretAccessKey: "another" } });
    for (const call of [
      () => objects.has("k"),
      () => objects.stat("nowhere"),
      () => objects.get("k"),
      () => objects.put("k", bytes("y")),
      () => objects.delete("k"),
      () => objects.list(""),
    ])
      await assert.rejects(call(), {
        code: "OBJECT_STORE_ERROR",
        peerCode: "SignatureDoesNotMatch",
        status: 403,
        retryable: false,
        message: /correct `credentials\.secretAccessKey`/,
      });
    assert.equal(await objects.healthCheck(), false);
    assert.equal(await storage().healthCheck(), true);
  });

  test("a key that no bucket or no url can hold is told", async (t) => {
    const { storage } = await s3At(t);
    const objects = storage({ keyPrefix: "p/" });
    for (const key of ["", ".", "a/../b", "a/.", "x".repeat(1023), "\uD800", "a/\uDC00"])
      for (const call of [objects.put, objects.get, objects.has, objects.stat, objects.delete])
        await assert.rejects(call(key, bytes("x")), { code: "INVALID_KEY" });
    await assert.rejects(objects.presign("..", "GET"), { code: "INVALID_KEY" });
  });

  test("after close nothing is asked any more, and what runs has ended", async (t) => {
    const { storage } = await s3At(t);
    const objects = storage();
    const putting = objects.put("k", randomBytes(MIB));
    await objects.close();
    await putting;
    await assert.rejects(objects.get("k"), { code: "STORE_CLOSED" });
    await assert.rejects(objects.init(), { code: "STORE_CLOSED" });
    await objects.close();
    assert.equal((await storage().get("k")).size, MIB);
  });
});
