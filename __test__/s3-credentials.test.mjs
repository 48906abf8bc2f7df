// What a bucket is opened with: credentials, and options that cannot be.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { gc } from "./support/gc.mjs";
import { BUCKET, CREDENTIALS, fakeS3At, refuse } from "./support/s3.mjs";

describe("credentials", () => {
  test("they are asked for once for all that wait, and again when they end", async (t) => {
    let [asked, valid] = [0, "1"];
    const { storage } = await fakeS3At(t, ({ path }, res) => {
      const token = new URL(path, "http://h").searchParams.get("X-Amz-Security-Token");
      return token === valid ? res.end("x") : refuse(res, 403, "ExpiredToken");
    });
    const bucket = storage({
      async credentials() {
        asked += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { ...CREDENTIALS, sessionToken: String(asked) };
      },
    });
    const all = () => Promise.all(Array.from({ length: 8 }, () => bucket.get("k")));
    for (const got of await all()) assert.equal(got.size, 1);
    assert.equal(asked, 1);
    valid = "2";
    await all();
    assert.equal(asked, 2);
    valid = "none";
    await assert.rejects(bucket.get("k"), { peerCode: "ExpiredToken" });
    assert.equal(asked, 3);
  });

  test("they are asked for before they end", async (t) => {
    const { storage } = await fakeS3At(t, (_, res) => res.end("x"));
    let asked = 0;
    const ends = [Date.now() + 30_000, new Date(Date.now() + 3_600_000).toISOString()];
    const bucket = storage({
      credentials: () => ({ ...CREDENTIALS, expiration: new Date(ends[asked++]) }),
    });
    for (let i = 0; i < 4; i += 1) await bucket.get("k");
    assert.equal(asked, 2);
  });

  test("what the function throws reaches the caller as the same object", async (t) => {
    const { requests, storage } = await fakeS3At(t, (_, res) => res.end("x"));
    const mine = new Error("no session today");
    let fails = true;
    const bucket = storage({
      credentials() {
        if (fails) throw mine;
        return CREDENTIALS;
      },
    });
    await assert.rejects(bucket.get("k"), (error) => error === mine);
    assert.equal(requests.length, 0);
    fails = false;
    assert.equal((await bucket.get("k")).size, 1);
  });

  test("a storage that is let go lets go of the function, which may refer to it", async (t) => {
    const { baseUrl } = await fakeS3At(t, (_, res) => res.end("x"));
    let left = 5;
    const registry = new FinalizationRegistry(() => (left -= 1));
    const use = async () => {
      const own = {};
      own.bucket = sync.createS3ObjectStorage({
        ...BUCKET,
        endpoint: baseUrl,
        credentials: async () => ({ ...CREDENTIALS, sessionToken: typeof own.bucket }),
      });
      registry.register(own, "");
      assert.equal((await own.bucket.get("k")).size, 1);
    };
    for (let i = 0; i < 5; i += 1) await use();
    for (let i = 0; i < 200 && left > 1; i += 1) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // The last one may still stand on the stack.
    assert.ok(left <= 1, `${left} of 5 are kept`);
  });

  test("what is no credentials is told, and no secret with it", async (t) => {
    const wrong = [
      [{}, /credentials\.accessKeyId\): must be a string of visible characters/],
      [{ accessKeyId: "a b", secretAccessKey: "s" }, /credentials\.accessKeyId/],
      [{ accessKeyId: "a", secretAccessKey: 5 }, /credentials\.secretAccessKey/],
      [{ ...CREDENTIALS, sessionToken: 5 }, /credentials\.sessionToken/],
      [{ ...CREDENTIALS, expiration: "soon" }, /credentials\.expiration\): must be a Date/],
      ["AKTEST", /must be \{ accessKeyId, secretAccessKey, sessionToken\? \}/],
      [undefined, /must be \{ accessKeyId, secretAccessKey, sessionToken\? \}/],
      [Promise.resolve(CREDENTIALS), /must be \{ accessKeyId/],
    ];
    const { storage } = await fakeS3At(t, (_, res) => res.end("x"));
    for (const [credentials, message] of wrong) {
      const refused = { code: "INVALID_ARGUMENT", message };
      assert.throws(() => sync.createS3ObjectStorage({ ...BUCKET, credentials }), refused);
      const asked = storage({ credentials: () => credentials });
      if (!(credentials instanceof Promise)) await assert.rejects(asked.get("k"), refused);
    }
  });
});

test("options that cannot be are told when they are given", () => {
  for (const [options, message] of [
    [{ bucket: "" }, /createS3ObjectStorage\(bucket\): must be the name of a bucket/],
    [{ bucket: ".." }, /createS3ObjectStorage\(bucket\): must be the name of a bucket/],
    [{ region: "eu/x" }, /createS3ObjectStorage\(region\): must be the name of a region/],
    [{ region: undefined }, /createS3ObjectStorage\(region\): must be the name of a region/],
    [{ endpoint: "" }, /\(endpoint\): must be the URL of an S3 server/],
    [{ endpoint: "s3.example.com" }, /\(endpoint\): must be an http: or https: URL/],
    [{ endpoint: "https://me:pw@h" }, /\(endpoint\): must have no user and no password/],
    [
      { partSize: 5 * 2 ** 20 - 1 },
      /\(partSize\): must be an integer of bytes from 5 MiB to 5 GiB/,
    ],
    [{ keyPrefix: 5 }, /\(keyPrefix\): must be a string/],
    [{ timeoutMs: 0 }, /\(timeoutMs\)/],
    [{ forcePathStyle: 1 }, /\(forcePathStyle\): must be true or false/],
    [{ keyPrefx: "a" }, /did you mean `keyPrefix`/],
  ])
    assert.throws(() => sync.createS3ObjectStorage({ ...BUCKET, ...options }), {
      code: "INVALID_ARGUMENT",
      message,
    });
});
