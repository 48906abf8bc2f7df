// Objects whose bytes go past the server: to urls that it hands out, and from such.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { SECRET, bucketAt, presigningObjects } from "./support/bucket.mjs";
import { FRONTS, raw, recordOf, sideFor } from "./support/answering.mjs";
import { json, peerAt } from "./support/http-peers.mjs";
import { bytes, makeCloud, makeNode, write } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";

const WAYS = { native: {}, fetch: { fetch: globalThis.fetch } };
const KEY = "photos/é x.jpg";

/** A side whose storage hands out urls of a bucket. */
async function presigning(t, { front = "server", answer, bucket, ...options } = {}) {
  const place = bucket ?? (await bucketAt(t));
  const storage = presigningObjects(place, answer);
  const side = await sideFor(t, {
    front,
    kind: "adapters",
    options: { objectStorageAdapter: storage, ...options },
  });
  return { ...side, bucket: place, storage };
}

const post = (side, path, body, headers = {}) =>
  fetch(side.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

for (const [way, options] of Object.entries(WAYS)) {
  for (const front of FRONTS)
    test(`${way}, ${front}: bytes go to the url and come from it, and nothing of the app's goes with them`, async (t) => {
      const side = await presigning(t, { front });
      const signed = [];
      const storage = sync.createHttpObjectStorage({
        baseUrl: side.url,
        presign: true,
        ...options,
        getAuthHeader: () => "Bearer t",
        signRequest: (...args) => (signed.push(args), { "X-Signature": "mine" }),
      });
      const data = randomBytes(300_000);
      assert.equal(await storage.get(KEY), null);
      await storage.put(KEY, data, { contentType: "image/jpeg" });
      const got = await storage.get(KEY);
      assert.ok(data.equals(got.data));
      assert.deepEqual([got.size, got.contentType], [data.length, "image/jpeg"]);
      assert.deepEqual(side.storage.through, []);
      assert.deepEqual(side.storage.asked, [
        { key: KEY, method: "PUT", options: { contentType: "image/jpeg", size: data.length } },
        { key: KEY, method: "GET", options: {} },
      ]);
      const file = { key: KEY, contentType: "image/jpeg", size: data.length };
      const [first, presign, confirm, last] = signed.filter(([method]) => method !== "HEAD");
      assert.deepEqual(first, ["GET", `/files/${KEY}/presign`, ""]);
      assert.deepEqual(presign.slice(0, 2), ["POST", "/files/presign"]);
      assert.deepEqual(JSON.parse(presign[2]), file);
      assert.deepEqual(confirm, ["POST", "/files/confirm", presign[2]]);
      assert.deepEqual(last, ["GET", `/files/${KEY}/presign`, ""]);
      assert.deepEqual(
        side.bucket.requests.map(({ method, headers }) => [
          method,
          headers.authorization,
          headers["x-signature"],
        ]),
        [
          ["PUT", undefined, undefined],
          ["GET", undefined, undefined],
        ],
      );
      assert.equal(side.bucket.requests[0].headers["content-length"], String(data.length));
      await storage.delete(KEY);
      assert.deepEqual(
        [await storage.has(KEY), await storage.get(KEY), side.bucket.has(KEY)],
        [false, null, false],
      );
      assert.deepEqual(signed.at(-3).slice(0, 2), ["HEAD", `/files/${KEY}`]);
    });

  test(`${way}: an engine moves objects by urls, and says what they are`, async (t) => {
    const side = await presigning(t);
    const peer = { baseUrl: side.url, ...options };
    const sides = [];
    for (const name of ["a", "b"]) {
      const path = join(folderFor(t), "one.db");
      const local = sync.createFsObjectStorage({ root: folderFor(t) });
      const database = sync.createSqliteDatabaseAdapter({ path });
      const state = sync.createSqliteSyncStateStore({ path });
      t.after(() => Promise.all([local.close(), database.close(), state.close()]));
      const clock = sync.createHLCClock({ nodeId: name });
      const engine = sync.createSyncEngine({
        localDatabaseAdapter: database,
        localObjectStorage: local,
        remoteObjectStorage: sync.createHttpObjectStorage({ ...peer, presign: true }),
        transport: sync.createHttpSyncTransport(peer),
        syncState: state,
        clock,
      });
      sides.push({ local, database, clock, engine });
    }
    const [a, b] = sides;
    const data = randomBytes(3_000_000);
    const contentHash = createHash("sha256").update(data).digest("hex");
    await a.local.put("big", data);
    const fields = { objectStorageKey: "big", contentHash, sizeBytes: data.length };
    await a.database.put(recordOf("r", a.clock.now(), { ...fields, mimeType: "image/x-raw" }));
    const sent = await a.engine.exchange();
    assert.deepEqual([sent.shipped, sent.held], [1, []]);
    assert.deepEqual(side.storage.asked[0], {
      key: "big",
      method: "PUT",
      options: { contentType: "image/x-raw", size: data.length, contentHash },
    });
    const came = await b.engine.exchange();
    assert.deepEqual([came.applied, came.held], [1, []]);
    assert.ok(data.equals((await b.local.get("big")).data));
    assert.deepEqual(side.storage.through, []);
  });

  test(`${way}: a server that hands out no urls is an error that says what to do`, async (t) => {
    for (const front of FRONTS) {
      const side = await sideFor(t, { front, kind: "adapters" });
      await side.objectStorageAdapter.put("there", bytes("x"));
      const storage = sync.createHttpObjectStorage({
        baseUrl: side.url,
        presign: true,
        ...options,
      });
      const wanted = { code: "CANNOT_PRESIGN", message: /leave out `presign`/ };
      if (front === "server") {
        await assert.rejects(storage.put("k", bytes("x")), { ...wanted, status: 501 });
        await assert.rejects(storage.get("there"), { ...wanted, status: 404 });
      }
      assert.equal(await storage.get("absent"), null);
      assert.equal(await storage.has("there"), true);
    }
    const old = await peerAt(t, ({ method }, res) =>
      res.writeHead(method === "HEAD" ? 404 : 405).end(),
    );
    const storage = sync.createHttpObjectStorage({
      baseUrl: old.baseUrl,
      presign: true,
      ...options,
    });
    for (const call of [() => storage.put("k", bytes("x")), () => storage.get("k")])
      await assert.rejects(call(), { code: "CANNOT_PRESIGN", status: 405 });
    assert.equal(old.requests.length, 2);
  });

  test(`${way}: the item whose object has nowhere to go is held with that code`, async (t) => {
    const side = await sideFor(t, { front: "server", kind: "adapters" });
    const node = makeNode("a", makeCloud(), {
      engine: {
        remoteObjectStorage: sync.createHttpObjectStorage({
          baseUrl: side.url,
          presign: true,
          ...options,
        }),
      },
    });
    write(node, "SR", "photo", { key: "photo.jpg" });
    const { held, shipped } = await node.engine.exchange();
    assert.equal(shipped, 0);
    assert.deepEqual(
      held.map(({ key, code, direction }) => [key, code, direction]),
      [["photo.jpg", "CANNOT_PRESIGN", "outbound"]],
    );
  });

  test(`${way}: an upload is tried again at its url, and none that fails is confirmed`, async (t) => {
    let tries = 0;
    const bucket = await bucketAt(t, {
      fails: ({ path }) => (path.includes("never") ? 403 : (tries += 1) < 3 ? 503 : undefined),
    });
    const side = await presigning(t, { bucket });
    const storage = sync.createHttpObjectStorage({
      baseUrl: side.url,
      presign: true,
      retries: 2,
      ...options,
    });
    await storage.put("k", bytes("again"));
    assert.deepEqual([tries, String(bucket.bytes("k"))], [3, "again"]);
    assert.equal(side.storage.asked.length, 1);
    await assert.rejects(storage.put("never", bytes("x")), (error) => {
      assert.equal(error.code, "SYNC_ERROR");
      assert.equal(error.status, 403);
      assert.equal(error.url, `${bucket.baseUrl}/bucket/never`);
      assert.match(error.message, /^PUT \/bucket\/never failed: 403/);
      for (const text of [error.message, error.stack, error.url])
        assert.doesNotMatch(text, new RegExp(SECRET));
      return true;
    });
  });

  test(`${way}: a url may ask for headers, which go to it alone`, async (t) => {
    const headers = { "Content-Type": "image/webp", "X-Blob-Type": "BlockBlob" };
    const side = await presigning(t, { answer: (url) => ({ url, headers }) });
    const storage = sync.createHttpObjectStorage({ baseUrl: side.url, presign: true, ...options });
    await storage.put("k", bytes("x"), { contentType: "image/png" });
    const [put] = side.bucket.requests;
    assert.deepEqual(
      [put.headers["content-type"], put.headers["x-blob-type"]],
      ["image/webp", "BlockBlob"],
    );
    assert.deepEqual((await storage.get("k")).data, bytes("x"));
  });

  test(`${way}: an answer with no url, or one that nothing should go to, is an error`, async (t) => {
    let answer;
    const peer = await peerAt(t, (_, res) => json(res, answer));
    const storage = sync.createHttpObjectStorage({
      baseUrl: peer.baseUrl,
      presign: true,
      ...options,
    });
    for (const url of ["/files/k", "ftp://h/x", "http://me:pw@127.0.0.1/x", 5, undefined]) {
      answer = { url };
      for (const call of [() => storage.put("k", bytes("x")), () => storage.get("k")])
        await assert.rejects(call(), { code: "SYNC_ERROR", message: /url/i }, String(url));
    }
    answer = "<html>log in</html>";
    await assert.rejects(storage.put("k", bytes("x")), { code: "SYNC_ERROR", message: /JSON/ });
    assert.equal(peer.requests.length, 11);
  });

  test(`${way}: what a bucket does not have is not there, whichever status says so`, async (t) => {
    const bucket = await bucketAt(t, { missing: 403 });
    const peer = await peerAt(t, (_, res) => json(res, { url: bucket.urlOf("gone", "GET") }));
    const at = (more) =>
      sync.createHttpObjectStorage({ baseUrl: peer.baseUrl, presign: true, ...options, ...more });
    await assert.rejects(at({}).get("gone"), { status: 403 });
    assert.equal(await at({ forbiddenMeansAbsent: true }).get("gone"), null);
  });
}

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
