// What a caller or a peer says of logs and should not: tokens that are none, of other stores, of the future, too many
// of them, and digests that lie. Nothing moves by it, and an honest round afterwards finds all in its place.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { engineAt, holding, nativePlace, openFor, serve } from "./support/logged-places.mjs";
import { memoryObjects } from "./support/memory.mjs";
import { warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

const ITEMS = 20;

async function filled(t) {
  const cloud = await openFor(t, nativePlace, "cloud");
  for (let i = 0; i < ITEMS; i += 1) {
    await cloud.put(`r${i}`, at(i, "cloud"));
    await cloud.line("p", i, at(i, "cloud"), `${i}`);
  }
  return cloud;
}

async function ask(baseUrl, log) {
  const response = await fetch(`${baseUrl}/sync/exchange`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ watermarks: {}, limit: 1000, log: { streams: 0, ...log } }),
  });
  const text = await response.text();
  return { status: response.status, body: response.ok ? JSON.parse(text) : text };
}

const plane = (fields) => ({ records: { id: "liar", history: [], ...fields } });

async function assertUnharmed(t, cloud, baseUrl) {
  const laptop = await openFor(t, nativePlace, "laptop");
  await laptop.put("own", at(1, "laptop"));
  const engine = engineAt(laptop, baseUrl);
  const result = await drain(engine);
  assert.equal(result.inSync, true);
  assert.deepEqual(await holding(laptop), await holding(cloud));
  assert.equal(Object.keys(await cloud.labels()).length, ITEMS + 1);
}

test("a token that is none is refused, wherever it stands, and nothing moves", async (t) => {
  const cloud = await filled(t);
  const { baseUrl } = await serve(t, cloud);
  for (const token of ["", "a", "a.", ".1", "A.1", "a.-1", "a.1.5", `${"a".repeat(65)}.1`, 7, {}]) {
    for (const fields of [{ since: [token] }, { history: [token] }, { follows: 0, upto: token }]) {
      const { status } = await ask(baseUrl, plane(fields));
      assert.equal(status, 400, JSON.stringify(fields));
    }
  }
  for (const follows of [-1, 1.5, "0"]) {
    const { status } = await ask(baseUrl, plane({ follows, upto: "a.1", history: ["a.1"] }));
    assert.equal(status, 400, String(follows));
  }
  await assertUnharmed(t, cloud, baseUrl);
});

test("a token of another store has nothing in common with this one: all is answered", async (t) => {
  const cloud = await filled(t);
  const { baseUrl } = await serve(t, cloud);
  const { status, body } = await ask(baseUrl, plane({ since: ["0123456789abcdef.1000000"] }));
  assert.equal(status, 200);
  assert.equal(body.records.length, ITEMS);
  await assertUnharmed(t, cloud, baseUrl);
});

test("a token of the future counts as far as the log goes, and what is written then is answered", async (t) => {
  const cloud = await filled(t);
  const { baseUrl } = await serve(t, cloud);
  const first = await ask(baseUrl, plane({}));
  const [generation] = first.body.log.records.cursor.split(".");
  const future = [`${generation}.9007199254740991`];
  const none = await ask(baseUrl, plane({ since: future }));
  assert.deepEqual(none.body.records, []);
  const { cursor } = none.body.log.records;
  await cloud.put("later", at(1, "cloud"));
  const later = await ask(baseUrl, plane({ since: [cursor] }));
  assert.deepEqual(
    later.body.records.map(({ id }) => id),
    ["later"],
  );
  // A caller that says it stands far ahead is not believed for what it did not send.
  const claim = {
    history: ["f00d.9007199254740991"],
    follows: 1000,
    upto: "f00d.9007199254740991",
  };
  const { body } = await ask(baseUrl, plane(claim));
  assert.equal(body.log.records.have, 0);
});

test("very many tokens, and very many wanted keys, are answered or refused, and nothing moves", async (t) => {
  const cloud = await filled(t);
  const { baseUrl } = await serve(t, cloud);
  const many = (count) => Array.from({ length: count }, (_, i) => `${i.toString(36)}.${i}`);
  for (const fields of [{ since: many(20_000) }, { history: many(20_000) }]) {
    const { status } = await ask(baseUrl, plane(fields));
    assert.ok([200, 400, 413].includes(status), `${status}`);
  }
  const want = Array.from({ length: 20_000 }, (_, i) => [`r${i}`]);
  const { status, body } = await ask(baseUrl, { ...plane({ since: [] }), want });
  assert.equal(status, 200);
  assert.ok(new Set(body.records.map(({ id }) => id)).size <= ITEMS);
  await assertUnharmed(t, cloud, baseUrl);
});

test("a digest that lies has the two sides reconciled once, and says so", async (t) => {
  const [laptop, cloud] = [await openFor(t, nativePlace, "laptop"), await filled(t)];
  const honest = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.records,
    objectStorage: memoryObjects(),
    appSyncableSource: cloud.rows,
    clock: sync.createHLCClock({ nodeId: "cloud" }),
  });
  let comparisons = 0;
  let lies = true;
  const transport = {
    async exchange(request) {
      if (request.log?.verify) comparisons += 1;
      const answer = await honest.exchange(request);
      if (lies && answer.log?.digest) answer.log.digest = { count: 1, sum: comparisons };
      return answer;
    },
  };
  const engine = engineAt(laptop, "http://127.0.0.1:1", { transport });
  const said = await warningsOf(t, async () => {
    for (let round = 0; round < 20; round += 1) {
      assert.notEqual((await engine.exchange()).inSync, true);
    }
  });
  assert.equal(comparisons, 1);
  const warned = said.filter((words) => words.includes("they are not the same ones"));
  assert.equal(warned.length, 1, said.join("\n"));
  lies = false;
  assert.equal((await drain(engine)).inSync, true);
  assert.deepEqual(await holding(laptop), await holding(cloud));
});
