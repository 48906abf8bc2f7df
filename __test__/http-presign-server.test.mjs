// Objects whose bytes go past the server, as it answers: who gets a url, and what is confirmed.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { FRONTS, raw, sideFor } from "./support/answering.mjs";
import { bucketAt, presigning } from "./support/bucket.mjs";
import { bytes } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";

const post = (side, path, body, headers = {}) =>
  fetch(side.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

for (const front of FRONTS)
  describe(front, () => {
    test("rules on files hold for urls: who may only read gets none to put to", async (t) => {
      const seen = [];
      const side = await presigning(t, {
        front,
        authorize: (request, { method, route, key }) => {
          seen.push([method, route, key, request.url]);
          if (key?.startsWith("private/")) return false;
          return request.headers["x-reads"] ? { readOnly: true } : true;
        },
      });
      side.bucket.put("open/x", bytes("x"));
      side.bucket.put("private/x", bytes("x"));
      const ask = (key) => fetch(`${side.url}/files/${key}/presign`, { headers: { "x-reads": 1 } });
      assert.equal((await ask("open%2Fx")).status, 200);
      for (const spelt of ["private%2Fx", "private/x", "%70rivate/x"])
        assert.equal((await ask(spelt)).status, 401);
      for (const path of ["/files/presign", "/files/confirm"]) {
        const file = { key: "open/x", size: 1 };
        assert.equal((await post(side, path, file)).status, 200);
        const refused = await post(side, path, file, { "x-reads": "1" });
        assert.deepEqual([refused.status, (await refused.json()).code], [403, "FORBIDDEN"]);
        assert.equal((await post(side, path, { key: "private/x", size: 1 })).status, 401);
        // What is no request is not told before the caller is let in.
        assert.equal((await post(side, path, "{", { "x-reads": "1" })).status, 400);
      }
      assert.deepEqual(
        side.storage.asked.map(({ key, method }) => [method, key]),
        [
          ["GET", "open/x"],
          ["PUT", "open/x"],
        ],
      );
      assert.ok(seen.every(([, route]) => route === "file"));
      assert.deepEqual(seen[0], ["GET", "file", "open/x", "/files/open%2Fx/presign"]);
      assert.deepEqual(seen[4], ["POST", "file", "open/x", "/files/presign"]);
      if (front === "server") assert.equal(seen[3][3], "/files/private%2Fx/presign");
    });

    test("nobody is let in by a body that hides its key", async (t) => {
      const side = await presigning(t, { front, authorize: (_, { key }) => key === "mine" });
      for (const body of [
        "",
        "{",
        "[]",
        '{"key":5}',
        '{"key":"mine","size":"x"}',
        "x".repeat(70_000),
      ])
        assert.equal((await post(side, "/files/presign", body)).status, 401, body.slice(0, 30));
      const twice = await post(side, "/files/presign", '{"key":"mine","key":"theirs"}');
      assert.equal(twice.status, 401);
      assert.equal((await post(side, "/files/presign", { key: "mine" })).status, 200);
      assert.deepEqual(
        side.storage.asked.map(({ key }) => key),
        ["mine"],
      );
    });

    test("what is asked for wrongly is refused, and no url is made", async (t) => {
      const side = await presigning(t, { front, maxFileBytes: 1000 });
      for (const [body, status, code] of [
        [{ key: "../x", size: 1 }, 400, "INVALID_KEY"],
        [{ key: "", size: 1 }, 400, "INVALID_KEY"],
        [{ key: "x", size: 1001 }, 413, "TOO_LARGE"],
        [{ key: "x" }, 400, "SYNC_ERROR"],
        [{ key: "x", size: -1 }, 400, "SYNC_ERROR"],
        ["", 400, "SYNC_ERROR"],
        ["[]", 400, "SYNC_ERROR"],
        [`{"key":"${"x".repeat(70_000)}"}`, 400, "SYNC_ERROR"],
      ]) {
        const answer = await post(side, "/files/presign", body);
        assert.deepEqual([answer.status, (await answer.json()).code], [status, code]);
      }
      const bad = await raw(
        side.port,
        "GET /files/a/../b/presign HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
      );
      assert.match(bad, /^HTTP\/1\.1 400 .*"code":"INVALID_KEY"/s);
      assert.equal((await fetch(`${side.url}/files/none/presign`)).status, 404);
      assert.deepEqual(side.storage.asked, []);
    });

    test("an upload is confirmed only if it is there and as large as was said", async (t) => {
      const side = await presigning(t, { front });
      const confirm = async (file) => {
        const answer = await post(side, "/files/confirm", file);
        return [answer.status, (await answer.json()).code];
      };
      assert.deepEqual(await confirm({ key: "k", size: 1 }), [404, "NOT_FOUND"]);
      side.bucket.put("k", bytes("four"));
      assert.deepEqual(await confirm({ key: "k", size: 5 }), [409, "SIZE_MISMATCH"]);
      assert.deepEqual(await confirm({ key: "k", size: 4 }), [200, undefined]);
      assert.deepEqual(await confirm({ key: "k" }), [200, undefined]);
    });

    test("a storage has urls for some keys, answers them as it likes, and its faults stay inside", async (t) => {
      const warn = t.mock.method(console, "warn", () => {});
      let answer;
      const side = await presigning(t, { front, answer: () => answer() });
      const ask = async () => {
        const response = await post(side, "/files/presign", { key: "k" });
        return [response.status, await response.json()];
      };
      answer = () => new URL("https://bucket.example/k");
      assert.deepEqual(await ask(), [200, { url: "https://bucket.example/k" }]);
      answer = () => null;
      const [status, { code }] = await ask();
      assert.deepEqual([status, code], [501, "CANNOT_PRESIGN"]);
      assert.equal(warn.mock.callCount(), 0);
      for (const wrong of [5, {}, { url: 5 }, { url: "https://h", headers: { a: 1 } }]) {
        answer = () => wrong;
        assert.equal((await ask())[0], 500);
      }
      answer = () => Promise.reject(new Error("swordfish"));
      const [failed, told] = await ask();
      assert.equal(failed, 500);
      assert.doesNotMatch(JSON.stringify(told), /swordfish/);
      assert.equal(warn.mock.callCount(), 5);
    });

    test("a file whose key ends like the question for a url is still reached", async (t) => {
      const plain = await sideFor(t, { front, kind: "adapters" });
      await plain.objectStorageAdapter.put("a/presign", bytes("x"));
      assert.equal(await (await fetch(`${plain.url}/files/a/presign`)).text(), "x");
      const side = await presigning(t, { front });
      side.bucket.put("a/presign", bytes("y"));
      assert.equal(await (await fetch(`${side.url}/files/a%2Fpresign`)).text(), "y");
      assert.equal((await fetch(`${side.url}/files/a/presign`)).status, 404);
      assert.equal((await fetch(`${side.url}/files/a%2Fpresign/presign`)).status, 200);
    });
  });

test("a storage in a folder may have urls of the app's beside its own ways", async (t) => {
  const bucket = await bucketAt(t);
  const folder = sync.createFsObjectStorage({ root: folderFor(t) });
  t.after(() => folder.close());
  const presign = (key, method) => bucket.urlOf(key, method);
  const side = await sideFor(t, {
    front: "server",
    kind: "native",
    options: { objectStorageAdapter: { ...folder, presign } },
  });
  const answer = await post(side, "/files/presign", { key: "k" });
  assert.deepEqual(await answer.json(), { url: bucket.urlOf("k", "PUT") });
  await fetch(`${side.url}/files/k`, { method: "PUT", body: "x" });
  assert.equal(await folder.has("k"), true);
});

test("without urls, what is posted below /files/ stays the app's of a handler, and is 501 of a server", async (t) => {
  for (const [front, status] of [
    ["handler", 418],
    ["server", 501],
  ]) {
    const side = await sideFor(t, { front, kind: "adapters" });
    for (const path of ["/files/presign", "/files/confirm"])
      assert.equal((await post(side, path, { key: "k" })).status, status);
  }
  const guarded = await sideFor(t, {
    front: "server",
    kind: "adapters",
    options: { authorize: () => false },
  });
  assert.equal((await post(guarded, "/files/presign", { key: "k" })).status, 401);
});

test("a page of elsewhere gets no url by a body that needs no leave", async (t) => {
  const side = await presigning(t);
  const answer = await post(side, "/files/presign", { key: "k" }, { "content-type": "text/plain" });
  assert.equal(answer.status, 415);
  assert.deepEqual(side.storage.asked, []);
});

test("uploads by urls count among the files that one address may bring", async (t) => {
  const side = await presigning(t, { maxFilesPerHour: 2 });
  const statuses = [];
  for (let n = 0; n < 3; n += 1)
    statuses.push((await post(side, "/files/presign", { key: `k${n}` })).status);
  assert.deepEqual(statuses, [200, 200, 429]);
});
