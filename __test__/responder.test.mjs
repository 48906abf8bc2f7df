// The answering side: what it takes in, what it answers, what it does not acknowledge.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, entryOf } from "./support/hlc.mjs";
import {
  APP,
  NOTES,
  contents,
  drain,
  entry,
  ids,
  makeCloud,
  makeNode,
  record,
  throwingFor,
  write,
} from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";

const note = (id, stamp) => entry(APP, NOTES, stamp, { id, body: id });
const refuse = (error, ...refused) =>
  throwingFor(error, (item) => refused.includes(item.id ?? item.row?.id));
const MODES = [true, false];

/** Asks the cloud, and tells whether it threw; either way what it took in is there to be seen. */
async function ask(cloud, request) {
  try {
    return {
      answer: await cloud.transport.exchange({ watermarks: {}, ...request }),
      error: undefined,
    };
  } catch (error) {
    return { answer: undefined, error };
  }
}

for (const coverage of MODES) {
  const mode = coverage ? "with coverage" : "without coverage";

  test(`the answering side takes in records and rows and answers what is unseen, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    write(cloud, "SR", "old", { stamp: at(1, "z") });
    write(cloud, "SR", "seen", { stamp: at(1, "y") });
    const sent = {
      records: [record("new", at(2, "a"))],
      appSyncableRows: [note("row", at(3, "a"))],
    };
    const answer = await cloud.transport.exchange({ watermarks: { y: at(1, "y") }, ...sent });
    assert.deepEqual(
      answer.records.map((r) => r.id),
      ["old", "new"],
    );
    assert.deepEqual(
      answer.appSyncableRows.map((r) => r.row.id),
      ["row"],
    );
    assert.equal(answer.hasMore, false);
    assert.deepEqual([ids(cloud), ids(cloud, "AW")], [["new", "old", "seen"], ["row"]]);
  });

  test(`the answering side keeps the greater timestamp of an item, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    for (const [i, offset] of [5, 3, 5, 9, 4].entries()) {
      await ask(cloud, {
        records: [record("1", at(offset, "a"), { label: `${i}` })],
        appSyncableRows: [note("1", at(offset, "b"))],
      });
    }
    assert.equal(cloud.db.all()[0].label, "3");
    assert.deepEqual(contents(cloud, "AW").get("1").stamp, at(9, "b"));
    assert.equal(cloud.via.db.calls.put, 2, "an equal or smaller one is not written");
  });

  test(`records and rows of a node are taken in in one line, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    await ask(cloud, {
      records: [record("4", at(4, "a")), record("2", at(2, "a"))],
      appSyncableRows: [note("3", at(3, "a")), note("1", at(1, "a"))],
    });
    assert.deepEqual(cloud.clock.received, [at(1, "a"), at(2, "a"), at(3, "a"), at(4, "a")]);
  });

  for (const [what, plant] of Object.entries({
    "a put that throws": (cloud, error) => (cloud.via.db.plan.put = refuse(error, "a2")),
    "an apply that throws": (cloud, error) => (cloud.via.applier.plan.apply = refuse(error, "a2")),
  })) {
    test(`${what} stops its node for the request and no other, and is not acknowledged, ${mode}`, async () => {
      const cloud = makeCloud({ coverage });
      const error = new Error("refused");
      plant(cloud, error);
      const second = what.startsWith("a put")
        ? { records: [record("a2", at(2, "a"))] }
        : { appSyncableRows: [note("a2", at(2, "a"))] };
      const request = {
        records: [
          record("a1", at(1, "a")),
          record("a3", at(3, "a")),
          record("b1", at(5, "b")),
          ...(second.records ?? []),
        ],
        appSyncableRows: [
          note("a4", at(4, "a")),
          note("b2", at(6, "b")),
          ...(second.appSyncableRows ?? []),
        ],
      };
      const outcome = await ask(cloud, request);
      assert.deepEqual([ids(cloud), ids(cloud, "AW")], [["a1", "b1"], ["b2"]]);
      if (coverage)
        assert.deepEqual(outcome.answer.responderWatermarks, { a: at(1, "a"), b: at(6, "b") });
      else assert.equal(outcome.error, error);
    });
  }

  test(`a row of an unknown app stops its node, is warned of and is not acknowledged, ${mode}`, async (t) => {
    const cloud = makeCloud({ coverage });
    const foreign = { ...note("a2", at(2, "a")), appId: "unheard-of" };
    const request = {
      records: [record("a1", at(1, "a")), record("a3", at(3, "a")), record("b1", at(4, "b"))],
      appSyncableRows: [foreign],
    };
    let outcome;
    const said = await warningsOf(t, async () => (outcome = await ask(cloud, request)));
    assert.deepEqual(ids(cloud), ["a1", "b1"]);
    assert.equal(cloud.via.applier.calls.apply, 0);
    assert.ok(
      said.some((words) => words.includes("unheard-of")),
      `a warning names the app: ${said}`,
    );
    if (coverage)
      assert.deepEqual(outcome.answer.responderWatermarks, { a: at(1, "a"), b: at(4, "b") });
    else assert.ok(outcome.error instanceof Error);
  });

  test(`what the answering side refused is sent again until it is taken in, ${mode}`, async () => {
    const cloud = makeCloud({ coverage });
    const a = makeNode("a", cloud);
    for (let i = 0; i < 4; i += 1) write(a, i % 2 ? "SR" : "AW", `${i}`);
    cloud.via.db.plan.put = refuse(new Error("refused"), "1");
    for (let i = 0; i < 2; i += 1) await a.engine.exchange().catch(() => {});
    assert.deepEqual([ids(cloud), ids(cloud, "AW")], [[], ["0"]]);
    cloud.via.db.plan.put = {};
    for (let i = 0; i < 2; i += 1) await drain(a);
    assert.deepEqual(
      [ids(cloud), ids(cloud, "AW")],
      [
        ["1", "3"],
        ["0", "2"],
      ],
    );
  });
}

test("without coverage, a node whose items were refused keeps its watermarks where they were", async () => {
  const cloud = makeCloud({ coverage: false });
  const a = makeNode("a", cloud);
  const error = new Error("refused");
  write(a, "SR", "1");
  write(cloud, "SR", "z", { stamp: at(1, "z") });
  cloud.via.db.plan.put = refuse(error, "1");
  await assert.rejects(
    async () => a.engine.exchange(),
    (thrown) => thrown === error,
  );
  assert.deepEqual([a.state.own(), a.state.peer()], [{}, {}]);
});

test("a fault in reading ends the request with the same object", async () => {
  for (const coverage of MODES) {
    const cloud = makeCloud({ coverage });
    write(cloud, "SR", "1", { stamp: at(1, "z") });
    const error = new Error("cannot read");
    cloud.via.db.plan.query = refuse(error, undefined);
    const outcome = await ask(cloud, {});
    assert.equal(outcome.error, error);
  }
});

test("a table that cannot be scanned never lets the caller pass its rows", async (t) => {
  for (const coverage of MODES) {
    const cloud = makeCloud({ coverage });
    const a = makeNode("a", cloud);
    write(cloud, "AW", "row", { stamp: at(1, "z") });
    write(cloud, "SR", "record", { stamp: at(2, "z") });
    cloud.via.applier.plan.scanSince = {
      error: new Error("no such table"),
      throws: (_call, [, table]) => table === NOTES,
    };
    await warningsOf(t, () => a.engine.exchange().catch(() => {}));
    cloud.via.applier.plan.scanSince = {};
    await drain(a);
    assert.deepEqual([ids(a), ids(a, "AW")], [["record"], ["row"]]);
  }
});

test("the answering side without a source of app rows applies none and answers none", async () => {
  for (const coverage of MODES) {
    const cloud = makeCloud({ coverage, options: { appSyncableSource: undefined } });
    write(cloud, "AW", "mine", { stamp: at(1, "z") });
    const { answer } = await ask(cloud, {
      records: [record("b", at(1, "b"))],
      appSyncableRows: [note("a", at(1, "a"))],
    });
    assert.deepEqual(ids(cloud), ["b"]);
    assert.deepEqual(ids(cloud, "AW"), ["mine"]);
    if (answer !== undefined) {
      assert.deepEqual(answer.appSyncableRows, []);
      assert.equal(entryOf(answer.responderWatermarks ?? {}, "a"), undefined);
    }
  }
});

test("an applier that cannot scan, as in the first release, still takes rows in", async () => {
  const cloud = makeCloud();
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.db,
    objectStorage: cloud.objects,
    clock: cloud.clock,
    appSyncableSource: {
      namespaces: cloud.rows.namespaces,
      applier: { apply: cloud.rows.applier.apply },
    },
  });
  const answer = await transport.exchange({
    watermarks: {},
    appSyncableRows: [note("1", at(1, "a"))],
  });
  assert.deepEqual(answer.appSyncableRows, []);
  assert.deepEqual(ids(cloud, "AW"), ["1"]);
  assert.equal(answer.responderWatermarks, undefined, "it cannot know what it holds");
});

test("an empty request is answered in full shape", async () => {
  const answer = await makeCloud({ coverage: false }).transport.exchange({ watermarks: {} });
  assert.deepEqual(answer, { records: [], appSyncableRows: [], hasMore: false });
});

for (const [what, request] of Object.entries({
  "no object at all": null,
  "a text": "watermarks",
  "watermarks that are a list": { watermarks: [] },
  "a watermark that is no timestamp": { watermarks: { a: 5 } },
  "a watermark with a negative wall time": {
    watermarks: { a: { wallTime: -1, counter: 0, nodeId: "a" } },
  },
  "what was shipped after that is a list": { watermarks: {}, shippedAfter: [] },
  "what was shipped after that is no timestamp": { watermarks: {}, shippedAfter: { a: 5 } },
  "records that are no list": { watermarks: {}, records: {} },
  "a record that is null": { watermarks: {}, records: [null] },
  "a record without an update time": { watermarks: {}, records: [{ id: "1" }] },
  "a record whose counter is a fraction": {
    watermarks: {},
    records: [record("1", at(1, "a", 0.5))],
  },
  "a row without an app": {
    watermarks: {},
    appSyncableRows: [{ timestamp: at(1, "a"), table: "t", op: "insert", row: {} }],
  },
  "a row without a timestamp": {
    watermarks: {},
    appSyncableRows: [{ appId: "a", table: "t", op: "insert", row: {} }],
  },
})) {
  test(`a request with ${what} is refused, and nothing of it is written`, async () => {
    const cloud = makeCloud();
    const whole =
      request?.records?.[0] === null
        ? { ...request, records: [record("good", at(1, "q")), null] }
        : request;
    await assert.rejects(async () => cloud.transport.exchange(whole), Error);
    assert.deepEqual([cloud.via.db.calls.put, cloud.via.applier.calls.apply], [0, 0]);
  });
}

const UNFIT = [
  ["a request", null, "a request must be an object"],
  ["watermarks", {}, "a request must have `watermarks`"],
  ["watermarks", { watermarks: [] }, "watermarks must be an object of timestamps by nodeId"],
  ["a watermark", { watermarks: { b: { wallTime: 1n } } }, 'the watermark of "b" must be'],
  ["shippedAfter", { shippedAfter: 5 }, "shippedAfter: watermarks must be an object"],
  ["limit", { limit: "10" }, "limit must be a positive integer"],
  ["limit", { limit: 10n }, "limit must be a positive integer"],
  ["limit", { limit: Number.NaN }, "limit must be a positive integer"],
  ["limit", { limit: 0 }, "limit must be a positive integer"],
  ["maxAnswerBytes", { maxAnswerBytes: 1.5 }, "maxAnswerBytes must be a positive integer, got 1.5"],
  ["records", { records: {} }, "records must be an array"],
  ["a row", { appSyncableRows: [{}] }, "appSyncableRows[0]: an app row's timestamp must be"],
  ["log", { log: 1 }, "log: "],
];

test("a request that cannot be read is refused by what is wrong with it", async () => {
  const { transport } = makeCloud();
  for (const [what, fields, said] of UNFIT) {
    const isWhole = fields === null || what.includes("watermark");
    const request = isWhole ? fields : { watermarks: {}, ...fields };
    await assert.rejects(transport.exchange(request), (error) => {
      assert.ok(error instanceof sync.SyncError);
      assert.match(error.message, /malformed exchange request/);
      assert.ok(error.message.includes(said), error.message);
      return true;
    });
  }
});

test("a request is read as the app would read it", async () => {
  const { transport } = makeCloud();
  class Stamp {
    get wallTime() {
      return 1;
    }
    get counter() {
      return 0;
    }
    get nodeId() {
      return "b";
    }
  }
  class Asked {
    get watermarks() {
      return { b: new Stamp() };
    }
    get limit() {
      return Infinity;
    }
    get hasMore() {
      return "no field of a request";
    }
  }
  assert.deepEqual((await transport.exchange(new Asked())).records, []);
  const thrown = new RangeError("the app's own");
  const throwing = {
    get watermarks() {
      throw thrown;
    },
  };
  await assert.rejects(transport.exchange(throwing), (error) => error === thrown);
});
