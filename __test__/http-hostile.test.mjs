// What nobody should send: a clear refusal, nothing written, no watermark moved, and the side goes on.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { EPOCH, at } from "./support/hlc.mjs";
import { SIDES, exchange, raw, recordOf, sideFor } from "./support/answering.mjs";

const DAY = 24 * 60 * 60 * 1000;
const deep = (n) => "[".repeat(n) + "]".repeat(n);
const stamped = (stamp) =>
  `{"watermarks":{},"records":[${JSON.stringify(recordOf("evil", at(1, "evil"))).replaceAll(
    JSON.stringify(at(1, "evil")),
    stamp,
  )}]}`;

const MALFORMED = {
  "nothing at all": "",
  "no JSON": "hello",
  "half of it": '{"watermarks":{',
  "more than one": '{"watermarks":{}}{}',
  "no UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  "a list": "[]",
  "a number": "5",
  null: "null",
  "no watermarks": "{}",
  "watermarks that are a list": '{"watermarks":[]}',
  "watermarks that are a text": '{"watermarks":"x"}',
  "a watermark that is a number": '{"watermarks":{"a":5}}',
  "records that are an object": '{"watermarks":{},"records":{}}',
  "a record that is a number": '{"watermarks":{},"records":[5]}',
  "a record without an id": `{"watermarks":{},"records":[{"updatedAt":${JSON.stringify(at(1, "a"))}}]}`,
  "a row without a table": `{"watermarks":{},"appSyncableRows":[{"timestamp":${JSON.stringify(at(1, "a"))},"appId":"x","op":"insert"}]}`,
  "an op that nobody knows": `{"watermarks":{},"appSyncableRows":[{"timestamp":${JSON.stringify(at(1, "a"))},"appId":"x","table":"t","op":"merge"}]}`,
  "a limit of nothing": '{"watermarks":{},"limit":0}',
  "a limit below nothing": '{"watermarks":{},"limit":-1}',
  "a limit that is a text": '{"watermarks":{},"limit":"5"}',
  "a negative time": stamped('{"wallTime":-1,"counter":0,"nodeId":"evil"}'),
  "a time with a fraction": stamped('{"wallTime":1.5,"counter":0,"nodeId":"evil"}'),
  "a time that is no safe integer": stamped(
    '{"wallTime":9007199254740992,"counter":0,"nodeId":"evil"}',
  ),
  "a counter of 1e300": stamped('{"wallTime":1,"counter":1e300,"nodeId":"evil"}'),
  "a timestamp without a node": stamped('{"wallTime":1,"counter":0}'),
  "a node that is a number": stamped('{"wallTime":1,"counter":0,"nodeId":5}'),
  "a node id of 10 MB": stamped(`{"wallTime":1,"counter":0,"nodeId":"${"x".repeat(10_000_000)}"}`),
  "a watermark of a node id of 10 MB": `{"watermarks":{"${"x".repeat(10_000_000)}":{"wallTime":1,"counter":0,"nodeId":"x"}}}`,
  "two million records that are none": `{"watermarks":{},"records":[${"0,".repeat(2_000_000)}0]}`,
  "a nesting of a million": `{"watermarks":{},"x":${deep(1_000_000)}}`,
  "a record that nests too deeply": `{"watermarks":{},"records":[{"id":"evil","x":${deep(10_000)}}]}`,
};

for (const { front, kind, title } of SIDES) {
  describe(title, () => {
    /** A side that holds one record; `untouched` fails where that is not all any more. */
    async function open(t, options) {
      const side = await sideFor(t, { front, kind, options });
      const mine = recordOf("mine", at(1, "a"));
      await side.databaseAdapter.put(mine);
      const untouched = async () => {
        const { records } = await side.databaseAdapter.query({});
        assert.deepEqual(records, [mine]);
        assert.deepEqual(await side.databaseAdapter.getNodeWatermarks(), { a: at(1, "a") });
        assert.equal((await exchange(side, { watermarks: {} })).json.records.length, 1);
      };
      return { ...side, untouched };
    }

    test("a malformed request is refused, and moves nothing", async (t) => {
      const side = await open(t);
      for (const [what, body] of Object.entries(MALFORMED)) {
        const { status, json } = await exchange(side, body);
        assert.equal(status, 400, what);
        assert.equal(json.code, "SYNC_ERROR", what);
        assert.match(json.error, /\w/, what);
        assert.ok(json.error.length < 1000, `${what}: ${json.error.length}`);
      }
      await side.untouched();
    });

    test("a body that is not packed as it says is refused", async (t) => {
      const side = await open(t);
      const packed = gzipSync(JSON.stringify({ watermarks: {} }));
      const refused = async (body, coding) => {
        const headers = { "content-encoding": coding };
        return (await exchange(side, body, { headers })).status;
      };
      assert.equal(await refused('{"watermarks":{}}', "gzip"), 400);
      assert.equal(await refused(packed.subarray(0, packed.length - 9), "gzip"), 400);
      assert.equal(await refused(packed, "br"), 415);
      assert.equal(await refused(packed, "gzip, gzip"), 415);
      await side.untouched();
    });

    test("names that mean something to JavaScript are names like any other", async (t) => {
      const side = await open(t);
      const nodes = ["__proto__", "constructor", "toString", "hasOwnProperty"];
      const records = nodes.map((node, n) => recordOf(`r-${node}`, at(n + 2, node)));
      const watermarks = JSON.stringify(at(2, "__proto__"));
      const text = `{"watermarks":{"__proto__":${watermarks}},"__proto__":{"polluted":1},"records":${JSON.stringify(records)}}`;
      const { status, json } = await exchange(side, text);
      assert.equal(status, 200);
      assert.deepEqual(Object.keys(json.responderWatermarks).sort(), ["a", ...nodes].sort());
      assert.deepEqual(
        json.records.map(({ id }) => id),
        ["mine", "r-constructor", "r-toString", "r-hasOwnProperty"],
      );
      assert.equal({}.polluted, undefined);
    });

    test("a timestamp far ahead is not taken in, and said so", async (t) => {
      t.mock.method(console, "warn", () => {});
      const side = await open(t);
      const ahead = { wallTime: Date.now() + 3 * DAY, counter: 0, nodeId: "b" };
      const { status, json } = await exchange(side, {
        watermarks: {},
        records: [recordOf("ahead", ahead)],
      });
      assert.equal(status, 200);
      assert.equal(json.responderWatermarks.b, undefined);
      await side.untouched();
      assert.ok(side.clock.now().wallTime < EPOCH + 100 * 365 * DAY);
    });

    test("half a body, and a body with a wrong length, change nothing", async (t) => {
      const side = await open(t);
      const body = JSON.stringify({ watermarks: {}, records: [recordOf("evil", at(5, "a"))] });
      const head = (length) =>
        `POST /sync/exchange HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
      const hangUp = (socket) => socket.end();
      await raw(side.port, head(body.length + 10), body, hangUp);
      await raw(side.port, head(body.length), body.slice(0, -30), hangUp);
      assert.match(await raw(side.port, head(body.length - 10), body), /^HTTP\/1\.1 400 /);
      assert.match(await raw(side.port, head("x"), body), /^HTTP\/1\.1 400 /);
      await side.untouched();
    });
  });
}
