// Objects whose bytes go past the server, as the peer moves them: to urls that it is given, and from such.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { FRONTS, recordOf, sideFor } from "./support/answering.mjs";
import { SECRET, bucketAt, presigning } from "./support/bucket.mjs";
import { json, peerAt } from "./support/http-peers.mjs";
import { bytes, makeCloud, makeNode, write } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";

const WAYS = { native: {}, fetch: { fetch: globalThis.fetch } };
const KEY = "photos/é x.jpg";

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
