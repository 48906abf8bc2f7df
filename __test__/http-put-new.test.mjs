// Small objects go to a server of this package without the question whether they are there.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as sync from "@starkeep/sync-engine";
import { STORES, recordOf, serveWith, storesFor } from "./support/answering.mjs";
import { folderFor } from "./support/native.mjs";

const COUNT = 20;
const hashOf = (text) => createHash("sha256").update(text).digest("hex");

/** A cloud that notes the requests for files, and a laptop with native stores. */
async function pairFor(t, kind, refuses = () => undefined, options = { blobConcurrency: 1 }) {
  const cloud = storesFor(t, kind);
  const handler = sync.createHttpSyncHandler(cloud);
  const asked = [];
  const { url: baseUrl } = await serveWith(t, async (req, res) => {
    if (req.url.startsWith("/files/")) asked.push(`${req.method} ${req.url.slice(7)}`);
    const status = await refuses(req);
    if (status === undefined) await handler(req, res);
    else res.writeHead(status).end();
  });
  const path = join(folderFor(t), "laptop.db");
  const objects = sync.createFsObjectStorage({ root: folderFor(t) });
  const records = sync.createSqliteDatabaseAdapter({ path });
  const state = sync.createSqliteSyncStateStore({ path });
  const clock = sync.createHLCClock({ nodeId: "laptop" });
  t.after(() => Promise.all([objects.close(), records.close(), state.close()]));
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: records,
    localObjectStorage: objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl }),
    syncState: state,
    ...options,
    clock,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  async function write(key, text) {
    await objects.put(key, Buffer.from(text));
    const object = { objectStorageKey: key, contentHash: hashOf(text), sizeBytes: text.length };
    await records.put(recordOf(key, clock.now(), object));
  }
  const there = async (key) => {
    const object = await cloud.objectStorageAdapter.get(key);
    return object === null ? null : Buffer.from(object.data).toString();
  };
  return { cloud, asked, engine, write, there };
}

const countOf = (asked, method) => asked.filter((line) => line.startsWith(method)).length;

for (const kind of STORES)
  test(`${kind}: the first object is asked for, the others are put at once`, async (t) => {
    const { asked, engine, write, there } = await pairFor(t, kind);
    for (let n = 0; n < COUNT; n += 1) await write(`k${n}`, `text ${n}`);
    const { objectsSent, held } = await engine.drain();
    assert.deepEqual([objectsSent, held], [COUNT, []]);
    assert.deepEqual([countOf(asked, "HEAD"), countOf(asked, "PUT")], [1, COUNT]);
    for (let n = 0; n < COUNT; n += 1) assert.equal(await there(`k${n}`), `text ${n}`);
  });

for (const [rule, options, least, most] of [
  ["more than eight and at most 32 small objects go at one time", {}, 9, 32],
  ["no more than blobConcurrency says go at one time", { blobConcurrency: 3 }, 3, 3],
])
  test(rule, async (t) => {
    const ENOUGH = 200;
    const COMPANY_MS = 20;
    let [now, greatest] = [0, 0];
    const gauge = async () => {
      now += 1;
      greatest = Math.max(greatest, now);
      // Others may come meanwhile.
      await sleep(COMPANY_MS);
      now -= 1;
    };
    const { engine, write } = await pairFor(t, "native", gauge, options);
    for (let n = 0; n < ENOUGH; n += 1) await write(`k${n}`, `text ${n}`);
    const { objectsSent, held } = await engine.drain();
    assert.deepEqual([objectsSent, held], [ENOUGH, []]);
    assert.ok(greatest >= least && greatest <= most, `${greatest} went at one time`);
  });

test("what is under the key already stays if it is right, and is replaced if it is not", async (t) => {
  const { cloud, asked, engine, write, there } = await pairFor(t, "native");
  await write("first", "first");
  await engine.drain();
  await cloud.objectStorageAdapter.put("same", Buffer.from("same text"));
  await cloud.objectStorageAdapter.put("other", Buffer.from("of an older item"));
  await write("same", "same text");
  await write("other", "of the newer item");
  const { objectsSent, held } = await engine.drain();
  assert.deepEqual(held, []);
  assert.equal(await there("same"), "same text");
  assert.equal(await there("other"), "of the newer item");
  assert.equal(objectsSent, 1);
  assert.ok(countOf(asked, "HEAD") > 1);
});

test("a large object is asked for, so that its bytes do not go for nothing", async (t) => {
  const { asked, engine, write, there } = await pairFor(t, "native");
  await write("small", "small");
  await engine.drain();
  const large = "x".repeat(10_000);
  await write("large", large);
  await engine.drain();
  assert.equal(await there("large"), large);
  assert.deepEqual(
    asked.filter((line) => line.endsWith("large")),
    ["HEAD large", "PUT large"],
  );
});

for (const status of [401, 428, 501, 507])
  test(`a put that is answered ${status} keeps no item back whose object is there`, async (t) => {
    let refuses = false;
    const pair = await pairFor(t, "native", ({ method, headers }) =>
      refuses && method === "PUT" && headers["if-none-match"] !== undefined ? status : undefined,
    );
    await pair.write("first", "first");
    await pair.engine.drain();
    refuses = true;
    await pair.cloud.objectStorageAdapter.put("there", Buffer.from("there"));
    await pair.write("there", "there");
    const { held } = await pair.engine.drain();
    assert.deepEqual(held, []);
    assert.equal((await pair.cloud.databaseAdapter.get("there")).objectStorageKey, "there");
  });

for (const status of [428, 501])
  test(`where a condition is answered ${status} the object is put without`, async (t) => {
    const pair = await pairFor(t, "native", ({ headers }) =>
      headers["if-none-match"] === undefined ? undefined : status,
    );
    for (const key of ["first", "second"]) await pair.write(key, key);
    const { held } = await pair.engine.drain();
    assert.deepEqual(held, []);
    assert.equal(await pair.there("second"), "second");
  });
