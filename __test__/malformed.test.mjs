// Answers that no peer should give: an error, and no watermark moves.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { APP, NOTES, entry, makeCloud, makeNode, record, write } from "./support/index.mjs";

const whole = (fields = {}) => ({ records: [], appSyncableRows: [], hasMore: false, ...fields });
const stamped = (updatedAt) => ({ ...record("1", at(1, "z")), updatedAt });
const rowed = (fields) => ({ ...entry(APP, NOTES, at(1, "z"), { id: "1" }), ...fields });

const BAD_STAMPS = {
  null: null,
  "a text": "0000000000ff:0000:z",
  "a negative wall time": { ...at(1, "z"), wallTime: -1 },
  "a fraction": { ...at(1, "z"), wallTime: 1.5 },
  "a wall time past what is safe": { ...at(1, "z"), wallTime: 2 ** 53 },
  "a wall time that is no number": { ...at(1, "z"), wallTime: NaN },
  "an endless wall time": { ...at(1, "z"), wallTime: Infinity },
  "a wall time in text": { ...at(1, "z"), wallTime: "5" },
  "no wall time": { counter: 0, nodeId: "z" },
  "a negative counter": { ...at(1, "z"), counter: -1 },
  "a counter that is a fraction": { ...at(1, "z"), counter: 0.5 },
  "no counter": { wallTime: 1, nodeId: "z" },
  "a node that is no text": { ...at(1, "z"), nodeId: 5 },
  "no node": { wallTime: 1, counter: 0 },
};

const ANSWERS = {
  nothing: undefined,
  null: null,
  "a text": "OK",
  "a number": 200,
  "a list": [],
  "an empty object": {},
  "an error page as an object": { error: "not found" },
  "records that are no list": whole({ records: { 0: record("1", at(1, "z")) } }),
  "rows that are no list": whole({ appSyncableRows: "none" }),
  "a record that is null": whole({ records: [null] }),
  "a record that is a text": whole({ records: ["1"] }),
  "a record without an id": whole({ records: [{ ...record("1", at(1, "z")), id: undefined }] }),
  "a record whose id is no text": whole({ records: [{ ...record("1", at(1, "z")), id: 7 }] }),
  "a row that is null": whole({ appSyncableRows: [null] }),
  "a row without an app": whole({ appSyncableRows: [rowed({ appId: undefined })] }),
  "a row without a table": whole({ appSyncableRows: [rowed({ table: undefined })] }),
  "a report that is a list": whole({ responderWatermarks: [at(1, "z")] }),
  "a report that is a text": whole({ responderWatermarks: "all" }),
  ...Object.fromEntries(
    Object.entries(BAD_STAMPS).flatMap(([what, stamp]) => [
      [`a record whose timestamp is ${what}`, whole({ records: [stamped(stamp)] })],
      [
        `a row whose timestamp is ${what}`,
        whole({ appSyncableRows: [rowed({ timestamp: stamp })] }),
      ],
      [`a report in which a timestamp is ${what}`, whole({ responderWatermarks: { z: stamp } })],
    ]),
  ),
};

for (const [what, answer] of Object.entries(ANSWERS)) {
  test(`an answer that is or has ${what} is an error, and no watermark moves`, async () => {
    const cloud = makeCloud();
    let told = answer;
    const transport = {
      exchange: async (request) => (told === "right" ? cloud.transport.exchange(request) : told),
    };
    const a = makeNode("a", cloud, { engine: { transport } });
    write(a, "SR", "mine");
    await a.state.setWatermarks({ q: at(1, "q") });
    await a.state.setPeerWatermarks({ q: at(1, "q") });
    await assert.rejects(
      async () => a.engine.exchange(),
      (error) =>
        error instanceof sync.SyncError && error.code === "SYNC_ERROR" && error.message.length > 0,
    );
    assert.deepEqual([a.state.own(), a.state.peer()], [{ q: at(1, "q") }, { q: at(1, "q") }]);
    assert.deepEqual(a.events, []);
    told = "right";
    assert.equal(
      (await a.engine.exchange()).shipped,
      1,
      "and the next round is none the worse for it",
    );
  });
}

test("one bad item among good ones spoils the answer as a whole", async () => {
  const transport = {
    exchange: async () =>
      whole({
        records: [record("1", at(1, "y")), stamped({ wallTime: -1 }), record("2", at(1, "x"))],
      }),
  };
  const a = makeNode("a", makeCloud(), { engine: { transport } });
  await assert.rejects(async () => a.engine.exchange(), { code: "SYNC_ERROR" });
  assert.deepEqual(a.state.own(), {});
  assert.deepEqual(a.clock.received, []);
});

test("fields of an answer that nobody knows are no fault", async () => {
  const transport = {
    exchange: async () =>
      whole({ records: [record("1", at(1, "z"))], serverTime: 5, responderWatermarks: undefined }),
  };
  const a = makeNode("a", makeCloud(), { engine: { transport } });
  assert.deepEqual(await a.engine.exchange(), { applied: 1, shipped: 0, hasMore: false });
});

test("an answer whose getters throw ends the round with that error", async () => {
  const error = new Error("getter");
  const answer = {
    get records() {
      throw error;
    },
  };
  const a = makeNode("a", makeCloud(), { engine: { transport: { exchange: async () => answer } } });
  await assert.rejects(
    async () => a.engine.exchange(),
    (thrown) => thrown === error || thrown.cause === error,
  );
  assert.deepEqual(a.state.own(), {});
});

test("a peer that names the same record twice in one answer is taken by the greater timestamp", async () => {
  const records = [
    record("1", at(5, "z"), { label: "new" }),
    record("1", at(1, "z"), { label: "old" }),
  ];
  const a = makeNode("a", makeCloud(), {
    engine: { transport: { exchange: async () => whole({ records }) } },
  });
  await a.engine.exchange();
  assert.equal(a.db.all()[0].label, "new");
  assert.deepEqual(a.state.own(), { z: at(5, "z") });
});
