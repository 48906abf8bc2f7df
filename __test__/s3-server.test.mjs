// The S3 server that the other tests run against refuses what it must: a lax one would let them pass. Nothing of the
// package is asked here.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { needsS3 } from "../scripts/test-servers.mjs";
import { s3At, signed } from "./support/s3.mjs";

const sum = (data) => createHash("sha256").update(data).digest("base64");
const partsIn = (root) => readdirSync(root).filter((name) => name.startsWith(".upload"));

test("a wrong secret is refused", needsS3, async (t) => {
  const { endpoint } = await s3At(t);
  const put = { method: "PUT", body: "x" };
  const wrong = await signed(`${endpoint}/bucket/k`, { ...put, secret: "another" });
  assert.equal(wrong.status, 403);
  assert.match(await wrong.text(), /<Code>SignatureDoesNotMatch</);
  assert.equal((await signed(`${endpoint}/bucket/k`)).status, 404);
  assert.equal((await signed(`${endpoint}/bucket/k`, put)).status, 200);
  assert.equal(await (await signed(`${endpoint}/bucket/k`)).text(), "x");
});

test("a request without a signature is refused", needsS3, async (t) => {
  const { endpoint } = await s3At(t);
  assert.equal((await fetch(`${endpoint}/bucket/k`)).status, 403);
});

test("of what must be new, only the first is stored", needsS3, async (t) => {
  const { endpoint } = await s3At(t);
  const put = (body) =>
    signed(`${endpoint}/bucket/k`, { method: "PUT", body, headers: { "if-none-match": "*" } });
  assert.deepEqual([(await put("1")).status, (await put("2")).status], [200, 412]);
  assert.equal(await (await signed(`${endpoint}/bucket/k`)).text(), "1");
});

test("bytes with another checksum are refused", needsS3, async (t) => {
  const { endpoint } = await s3At(t);
  const put = (body, of) =>
    signed(`${endpoint}/bucket/k`, {
      method: "PUT",
      body,
      headers: { "x-amz-checksum-sha256": sum(of) },
    });
  // This server refuses and yet keeps them, which S3 does not.
  const refused = await put("abd", "abc");
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /<Code>BadDigest</);
  assert.equal((await put("abc", "abc")).status, 200);
});

test("an upload that is aborted leaves no parts, and no object", needsS3, async (t) => {
  const { endpoint, root } = await s3At(t);
  const url = `${endpoint}/bucket/k`;
  const begun = await signed(`${url}?uploads=`, { method: "POST" });
  const [, id] = /<UploadId>(.*)<\/UploadId>/.exec(await begun.text());
  const body = "x".repeat(1000);
  const part = await signed(`${url}?partNumber=1&uploadId=${id}`, { method: "PUT", body });
  assert.equal(part.status, 200);
  assert.equal(partsIn(root).length > 1, true);
  assert.equal((await signed(url)).status, 404);
  assert.equal((await signed(`${url}?uploadId=${id}`, { method: "DELETE" })).status, 204);
  assert.deepEqual(partsIn(root), []);
  assert.equal((await signed(url)).status, 404);
});
