// A bucket whose server fails.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { needsS3 } from "../scripts/test-servers.mjs";
import { deadAddress } from "./support/http-peers.mjs";
import { bytes } from "./support/memory.mjs";
import { beforeS3, fakeS3At, refuse, s3At } from "./support/s3.mjs";

const MIB = 2 ** 20;
const partsIn = (root) => readdirSync(root).filter((name) => name.startsWith(".upload"));
const pathOf = ({ path }) => path.split("?")[0];
const isComplete = ({ method, path }) => method === "POST" && path.includes("uploadId=");
const isBegin = ({ method, path }) => method === "POST" && path.includes("uploads=");
const partOf = ({ method, path }) => method === "PUT" && /partNumber=(\d+)/.exec(path)?.[1];

/** A server that keeps what is put, whatever the key: no file system makes one of two. */
async function mapAt(t) {
  const objects = new Map();
  const place = await fakeS3At(t, (request, res) => {
    const path = pathOf(request);
    if (request.method === "PUT") objects.set(path, request.bytes);
    if (request.method === "PUT") return res.end();
    if (!objects.has(path)) return refuse(res, 404, "NoSuchKey");
    return res.end(objects.get(path));
  });
  return { ...place, objects };
}

test("keys that a file system takes for one are two", async (t) => {
  const { objects, storage } = await mapAt(t);
  const bucket = storage();
  const keys = ["a/b", "a//b", "/a/b", "//a/b", "a/b/", "a", "a%2Fb", "a%252Fb", "A"];
  for (const key of keys) await bucket.put(key, bytes(key));
  for (const key of keys) assert.equal(Buffer.from((await bucket.get(key)).data).toString(), key);
  assert.equal(objects.size, keys.length);
});

describe("what passes", () => {
  for (const [status, code] of [
    [503, "SlowDown"],
    [500, "InternalError"],
    [502, ""],
    [429, "TooManyRequests"],
    [409, "ConditionalRequestConflict"],
    [400, "RequestTimeout"],
  ])
    test(`${status} ${code} is met by another try`, async (t) => {
      const { requests, storage } = await fakeS3At(t, ({ index }, res) =>
        index < 2 ? refuse(res, status, code) : res.end("hello"),
      );
      assert.equal((await storage().get("k")).size, 5);
      assert.equal(requests.length, 3);
      await storage().put("k", bytes("x"));
      assert.equal(requests.length, 4);
    });

  test("tries end, and the error says that a later one may succeed", async (t) => {
    const { requests, storage } = await fakeS3At(t, (_, res) => refuse(res, 503, "SlowDown"));
    await assert.rejects(storage().put("k", bytes("x")), {
      code: "OBJECT_STORE_ERROR",
      peerCode: "SlowDown",
      status: 503,
      retryable: true,
    });
    assert.equal(requests.length, 5);
  });

  test("a connection that breaks is opened anew, and every byte is sent again", async (t) => {
    const { requests, storage } = await fakeS3At(t, ({ index }, res) =>
      index < 2 ? res.destroy() : res.end(),
    );
    const data = randomBytes(300_000);
    await storage().put("k", data);
    assert.equal(requests.length, 3);
    for (const { bytes: sent } of requests) assert.ok(data.equals(sent));
  });

  test("a read that breaks off goes on where it broke, of the same version", async (t) => {
    const data = randomBytes(100_000);
    const { requests, storage } = await fakeS3At(t, ({ headers }, res) => {
      const start = Number(/bytes=(\d+)-/.exec(headers.range)?.[1] ?? 0);
      const rest = data.subarray(start);
      res.writeHead(start > 0 ? 206 : 200, { ETag: '"v1"', "Content-Length": rest.length });
      if (rest.length < 30_000) return res.end(rest);
      return res.write(rest.subarray(0, 40_000), () => setTimeout(() => res.destroy(), 20));
    });
    assert.ok(data.equals((await storage().get("k")).data));
    const [first, ...more] = requests;
    assert.deepEqual([first.headers.range, first.headers["if-match"]], [undefined, undefined]);
    assert.ok(more.length > 0);
    for (const { headers } of more) assert.equal(headers["if-match"], '"v1"');
  });

  test("a read of which another version came meanwhile is an error, and no mixture", async (t) => {
    const { storage } = await fakeS3At(t, ({ headers }, res) => {
      if (headers["if-match"]) return refuse(res, 412, "PreconditionFailed");
      res.writeHead(200, { ETag: '"v1"', "Content-Length": 100_000 });
      return res.write(randomBytes(10_000), () => setTimeout(() => res.destroy(), 20));
    });
    await assert.rejects(storage().get("k"), {
      code: "OBJECT_STORE_ERROR",
      message: /replaced or removed while it was read/,
    });
  });
});

describe("what does not pass", () => {
  for (const [status, code, words] of [
    [404, "NoSuchBucket", /there is no bucket "bucket"; create it, or correct `bucket`/],
    [403, "AccessDenied", /not allowed this in the bucket "bucket"/],
    [403, "InvalidAccessKeyId", /correct `credentials\.accessKeyId`/],
    [403, "RequestTimeTooSkewed", /set the clock/],
    [301, "PermanentRedirect", /another region "eu-west-1"; correct `region`/],
    [400, "ExpiredToken", /give a function as `credentials`/],
    [418, "", /the server refuses it \(418 m\)/],
  ])
    test(`${status} ${code} says what to do, and is not tried again`, async (t) => {
      const { requests, storage } = await fakeS3At(t, (_, res) =>
        refuse(res, status, code, { "x-amz-bucket-region": "eu-west-1" }),
      );
      const error = await storage()
        .put("k", bytes("x"))
        .then(assert.fail, (thrown) => thrown);
      assert.deepEqual([error.code, error.status], ["OBJECT_STORE_ERROR", status]);
      assert.equal(error.peerCode, code || undefined);
      assert.match(error.message, words);
      assert.equal(requests.length, 1);
      assert.ok(!JSON.stringify([error.message, error.url]).includes("Signature="));
    });

  test("a clock that is far off is told by what the server says of its own", async (t) => {
    const date = new Date(Date.now() + 40 * 60_000).toUTCString();
    const { storage } = await fakeS3At(t, (_, res) => refuse(res, 403, "AccessDenied", { date }));
    const { put, has, get } = storage();
    for (const call of [put, has, get])
      await assert.rejects(call("k", bytes("x")), {
        peerCode: "RequestTimeTooSkewed",
        message: /this machine's clock is (39|40) minutes behind the server's; set the clock/,
      });
  });

  test("403 AccessDenied to a question for an object is an absence, and else it is an error", async (t) => {
    const { storage } = await fakeS3At(t, (_, res) => refuse(res, 403, "AccessDenied"));
    const bucket = storage();
    const found = [await bucket.has("k"), await bucket.get("k"), await bucket.stat("k")];
    assert.deepEqual(found, [false, null, null]);
    for (const call of [() => bucket.delete("k"), () => bucket.list("")])
      await assert.rejects(call, { peerCode: "AccessDenied" });
  });

  test("what is no S3 server is told", async (t) => {
    const { storage } = await fakeS3At(t, (_, res) => res.end("<html>hello</html>"));
    await assert.rejects(storage().list(""), {
      code: "OBJECT_STORE_ERROR",
      reason: "malformed",
      message: /does not list keys as S3 does .*check `endpoint`/,
    });
    const endpoint = await deadAddress(t);
    await assert.rejects(storage({ endpoint }).put("k", bytes("x")), {
      code: "OBJECT_STORE_ERROR",
      reason: "unreachable",
      retryable: true,
      message: /nothing listens there: check that the peer runs, and the port of endpoint/,
    });
  });

  test("a server that is silent is given up", async (t) => {
    const { storage } = await fakeS3At(t, () => {});
    await assert.rejects(storage({ timeoutMs: 50 }).get("k"), {
      reason: "timeout",
      message: /did not answer within 50 ms/,
    });
  });
});

describe("an upload in parts", needsS3, () => {
  const data = randomBytes(11 * MIB);

  /** The server behind one that meets requests, and a storage over that. */
  async function met(t, meets) {
    const real = await s3At(t);
    const asked = [];
    const { storage } = await beforeS3(t, real, (request, res) => {
      asked.push(request);
      return meets(request, res);
    });
    return { ...real, asked, bucket: storage({ partSize: 5 * MIB }), behind: real.storage() };
  }

  test("at most four parts are under way, and the object appears at the end", async (t) => {
    let [under, most] = [0, 0];
    const { bucket, behind, asked } = await met(t, async (request, res) => {
      if (isComplete(request)) assert.equal(await behind.has("big"), false);
      if (!partOf(request)) return false;
      under += 1;
      most = Math.max(most, under);
      res.on("close", () => (under -= 1));
      await new Promise((resolve) => setTimeout(resolve, 30));
      return false;
    });
    const larger = randomBytes(23 * MIB);
    await bucket.put("big", larger);
    assert.ok(most > 1 && most <= 4, `${most} at once`);
    assert.deepEqual(asked.map(partOf).filter(Boolean).sort(), ["1", "2", "3", "4", "5"]);
    assert.ok(larger.equals((await behind.get("big")).data));
  });

  test("a part that meets a busy server is sent again", async (t) => {
    const failed = new Set();
    const { bucket, behind, root } = await met(t, (request, res) => {
      const part = partOf(request);
      if (!part || failed.has(part)) return false;
      failed.add(part);
      return refuse(res, 503, "SlowDown") ?? true;
    });
    await bucket.put("big", data);
    assert.equal(failed.size, 3);
    assert.ok(data.equals((await behind.get("big")).data));
    assert.deepEqual(partsIn(root), []);
  });

  test("one that fails leaves what was there, and no parts", async (t) => {
    const { bucket, behind, root } = await met(t, (request, res) =>
      partOf(request) === "3" ? (refuse(res, 403, "AccessDenied") ?? true) : false,
    );
    await behind.put("big", bytes("before"));
    await assert.rejects(bucket.put("big", data), { peerCode: "AccessDenied" });
    assert.equal((await behind.get("big")).size, 6);
    assert.deepEqual(partsIn(root), []);
  });

  test("an error in an answer 200 to its end is one", async (t) => {
    const { bucket, behind, root } = await met(t, (request, res) =>
      isComplete(request) ? (refuse(res, 200, "AccessDenied") ?? true) : false,
    );
    await assert.rejects(bucket.put("big", data), { peerCode: "AccessDenied", status: 200 });
    assert.equal(await behind.has("big"), false);
    assert.deepEqual(partsIn(root), []);
  });

  test("one that passes, in an answer 200 to its end, is met by another try", async (t) => {
    let ends = 0;
    const { bucket, behind } = await met(t, (request, res) => {
      if (!isComplete(request)) return false;
      ends += 1;
      return ends === 1 ? (refuse(res, 200, "InternalError") ?? true) : false;
    });
    await bucket.put("big", data);
    assert.equal(ends, 2);
    assert.ok(data.equals((await behind.get("big")).data));
  });

  test("an end whose answer was lost is known by the object", async (t) => {
    let ends = 0;
    const { bucket, behind, endpoint } = await met(t, async (request, res) => {
      if (!isComplete(request)) return false;
      ends += 1;
      if (ends > 1) return refuse(res, 404, "NoSuchUpload") ?? true;
      const { path, headers, bytes: body } = request;
      const { request: send } = await import("node:http");
      const { hostname, port } = new URL(endpoint);
      await new Promise((resolve) => {
        const onward = send({ hostname, port, method: "POST", path, headers });
        onward.on("response", (answer) => answer.resume().on("end", resolve));
        onward.end(body);
      });
      res.destroy();
      return true;
    });
    await bucket.put("big", data);
    assert.equal(ends, 2);
    assert.ok(data.equals((await behind.get("big")).data));
  });

  test("it begins once where it is not known whether it did", async (t) => {
    const { bucket, asked } = await met(
      t,
      (request, res) => isBegin(request) && (res.destroy() ?? true),
    );
    await assert.rejects(bucket.put("big", data), { code: "OBJECT_STORE_ERROR", reason: "closed" });
    assert.equal(asked.filter(isBegin).length, 1);
  });
});
