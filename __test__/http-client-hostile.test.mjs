// Peers over HTTP that are broken, or mean harm: an error, no watermark moves, and nothing hangs.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { NOTHING, json, peerAt, rawPeerAt } from "./support/http-peers.mjs";
import { APP, NOTES, entry, makeCloud, makeNode, record, write } from "./support/index.mjs";

const head = (more) => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${more}\r\n`;
const good = JSON.stringify(NOTHING);

/** What is on the wire, and what the error says. */
const WIRES = {
  "nothing at all": ["", /broke/],
  "no HTTP": ["220 mail.example ESMTP\r\n", /does not speak HTTP/],
  "half a head": ["HTTP/1.1 200 OK\r\nContent-Le", /broke/],
  "less than it announces": [`${head(`Content-Length: ${good.length + 1}\r\n`)}${good}`, /broke/],
  "an announcement that is no number": [
    `${head("Content-Length: many\r\n")}${good}`,
    /does not speak HTTP/,
  ],
  "half a chunk": [`${head("Transfer-Encoding: chunked\r\n")}ff\r\n{"records"`, /broke/],
  "a chunk of no length": [
    `${head("Transfer-Encoding: chunked\r\n")}xyz\r\n${good}`,
    /does not speak HTTP/,
  ],
  "half a message": [head(`Content-Length: 12\r\n`) + good.slice(0, 12), /malformed/],
  "nothing in 204": ["HTTP/1.1 204 No Content\r\n\r\n", /it is empty/],
  "nothing in 200": [head("Content-Length: 0\r\n"), /it is empty/],
  "a web page": [
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html><p>Log in",
    /it is a web page.*baseUrl/,
  ],
  "half a packed message": [
    `${head("Content-Encoding: gzip\r\nContent-Length: 4\r\n")}\x1f\x8b\x08\x00`,
    /does not unpack/,
  ],
  "a packing that nobody asked for": [
    `${head("Content-Encoding: br\r\nContent-Length: 4\r\n")}abcd`,
    /packed as "br"/,
  ],
  "an endless head": [
    `HTTP/1.1 200 OK\r\n${`X-Filler: ${"x".repeat(1000)}\r\n`.repeat(1000)}`,
    /does not speak HTTP/,
  ],
  "bytes that are no text": [
    Buffer.from([...Buffer.from(head("")), 0x22, 0xff, 0x22]),
    /malformed/,
  ],
};

async function assertNothingMoved(node, message) {
  write(node, "SR", "mine");
  await node.state.setWatermarks({ q: at(1, "q") });
  await node.state.setPeerWatermarks({ q: at(1, "q") });
  await assert.rejects(
    async () => node.engine.exchange(),
    (error) => {
      assert.ok(error instanceof sync.SyncError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );
  assert.deepEqual([node.state.own(), node.state.peer()], [{ q: at(1, "q") }, { q: at(1, "q") }]);
  assert.deepEqual([node.clock.received, node.events], [[], []]);
  assert.deepEqual(
    node.db.all().map(({ id }) => id),
    ["mine"],
  );
}

for (const [what, [wire, message]] of Object.entries(WIRES)) {
  test(`a peer that answers ${what} is an error, and no watermark moves`, async (t) => {
    const { baseUrl } = await rawPeerAt(t, wire);
    const transport = sync.createHttpSyncTransport({ baseUrl });
    await assertNothingMoved(makeNode("a", makeCloud(), { engine: { transport } }), message);
  });
}

const stamp = '{"wallTime":1,"counter":0,"nodeId":"z"}';
const withRecord = (fields) => `{"records":[{"id":"1",${fields}}],"hasMore":true}`;
const withStamp = (text) => withRecord(`"updatedAt":${text}`);
const MESSAGES = {
  "no JSON": "OK",
  "more than one message": `${good}${good}`,
  "an error in place of an answer": '{"error":"no"}',
  "a list": "[]",
  "records that are no list": '{"records":{"0":1}}',
  "a record that is null": '{"records":[null]}',
  "a record without a timestamp": withRecord('"x":1'),
  "a negative wall time": withStamp('{"wallTime":-1,"counter":0,"nodeId":"z"}'),
  "a wall time past what is safe": withStamp(
    '{"wallTime":9007199254740992,"counter":0,"nodeId":"z"}',
  ),
  "a wall time without end": withStamp('{"wallTime":1e999,"counter":0,"nodeId":"z"}'),
  "a wall time of huge precision": withStamp('{"wallTime":1.0000001,"counter":0,"nodeId":"z"}'),
  "a wall time in text": withStamp('{"wallTime":"1","counter":0,"nodeId":"z"}'),
  "a counter that is null": withStamp('{"wallTime":1,"counter":null,"nodeId":"z"}'),
  "a node that is an object": withStamp('{"wallTime":1,"counter":0,"nodeId":{}}'),
  "a node name of a megabyte": withStamp(
    `{"wallTime":1,"counter":0,"nodeId":"${"n".repeat(1_000_000)}"}`,
  ),
  "a report whose timestamp is none": `{"records":[],"responderWatermarks":{"__proto__":5}}`,
  "a body that nests deeper than any stack": withRecord(
    `"updatedAt":${stamp},"x":${"[".repeat(200_000)}${"]".repeat(200_000)}`,
  ),
};

for (const [what, message] of Object.entries(MESSAGES)) {
  for (const [way, options] of [
    ["native", {}],
    ["fetch", { fetch: globalThis.fetch }],
  ]) {
    test(`${way}: a message with ${what} is an error, and no watermark moves`, async (t) => {
      const { baseUrl } = await peerAt(t, (_, res) => json(res, message));
      const transport = sync.createHttpSyncTransport({ baseUrl, ...options });
      const node = makeNode("a", makeCloud(), { engine: { transport } });
      await assertNothingMoved(node, /malformed exchange answer/);
    });
  }
}

/** A node whose peer answers what `answer(request)` says. */
async function against(t, answer) {
  const peer = await peerAt(t, (request, res) => json(res, answer(JSON.parse(request.text))));
  const transport = sync.createHttpSyncTransport(peer);
  return { peer, node: makeNode("a", makeCloud(), { engine: { transport } }) };
}

test("a peer that sends the same page for ever does not keep the node going", async (t) => {
  const page = { ...NOTHING, records: [record("1", at(1, "z"))], hasMore: true };
  const { node, peer } = await against(t, () => page);
  let rounds = 0;
  while ((await node.engine.exchange()).hasMore && rounds < 20) rounds += 1;
  assert.ok(rounds < 20, "it ends");
  assert.ok(peer.requests.length <= 20);
  assert.deepEqual(node.state.own(), { z: at(1, "z") });
  assert.equal(node.clock.received.length, 1);
});

test("items come in any order, and are taken in in theirs", async (t) => {
  const stamps = [5, 1, 3, 2, 4].map((wallTime) => at(wallTime, "z"));
  const { node } = await against(t, () => ({
    ...NOTHING,
    records: stamps.map((stamp, i) => record(`${i}`, stamp)),
  }));
  assert.equal((await node.engine.exchange()).applied, 5);
  assert.deepEqual(
    node.clock.received,
    [1, 2, 3, 4, 5].map((wallTime) => at(wallTime, "z")),
  );
  assert.deepEqual(node.state.own(), { z: at(5, "z") });
});

test("items that were not asked for change nothing that is newer here", async (t) => {
  const { node } = await against(t, () => ({
    ...NOTHING,
    records: [record("mine", at(1, "z"), { note: "older" })],
  }));
  write(node, "SR", "mine", { stamp: at(2, "a"), fields: { note: "newer" } });
  await node.engine.exchange();
  assert.equal(node.db.all()[0].note, "newer");
});

test("names that objects have of their own are names like any other", async (t) => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const records = names.map((name, i) => record(name, at(i + 1, name), { [name]: "x" }));
  const text = JSON.stringify({ ...NOTHING, records }).replaceAll(
    '"toString":"x"',
    '"__proto__":"y"',
  );
  const peer = await peerAt(t, (_, res) => json(res, text));
  const transport = sync.createHttpSyncTransport(peer);
  const node = makeNode("a", makeCloud(), { engine: { transport } });
  assert.equal((await node.engine.exchange()).applied, names.length);
  const own = node.state.own();
  for (const [i, name] of names.entries()) {
    assert.deepEqual(Object.getOwnPropertyDescriptor(own, name).value, at(i + 1, name));
  }
  const odd = node.db.all().find(({ id }) => id === "toString");
  assert.equal(Object.getOwnPropertyDescriptor(odd, "__proto__").value, "y");
  assert.equal({}.y, undefined);
});

test("a timestamp far ahead is held, and neither clock nor store hears of it", async (t) => {
  const ahead = { wallTime: Number.MAX_SAFE_INTEGER, counter: 0, nodeId: "evil" };
  const { node } = await against(t, () => ({
    ...NOTHING,
    records: [record("1", ahead), record("2", at(1, "z"))],
    appSyncableRows: [entry(APP, NOTES, { ...ahead, wallTime: ahead.wallTime - 1 }, { id: "1" })],
  }));
  const result = await node.engine.exchange();
  assert.deepEqual(
    result.held.map(({ nodeId, code }) => [nodeId, code]),
    [["evil", "CLOCK_AHEAD"]],
  );
  assert.deepEqual(node.state.own(), { z: at(1, "z") });
  assert.deepEqual(node.clock.received, [at(1, "z")]);
});

test("text that JSON can carry arrives as it was sent, lone surrogates too", async (t) => {
  const text = '\u0000\u2028\u2029\uFEFF\uD800 é 😀 "\\';
  const { node, peer } = await against(t, () => ({
    ...NOTHING,
    records: [record(`id ${text}`, at(1, `z ${text}`), { note: text })],
  }));
  write(node, "SR", `mine ${text}`, { fields: { note: text } });
  await node.engine.exchange();
  const [sent] = JSON.parse(peer.requests[0].text).records;
  assert.deepEqual([sent.id, sent.note], [`mine ${text}`, text]);
  const taken = node.db.all().find(({ id }) => id === `id ${text}`);
  assert.equal(taken.note, text);
  assert.deepEqual(node.state.own(), { [`z ${text}`]: at(1, `z ${text}`) });
});
