// Answers that tell what the answering side holds, and adapters that can.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, entryOf, text } from "./support/hlc.mjs";
import {
  APP,
  FILES,
  NOTES,
  QUIET,
  TABLES,
  drain,
  ids,
  lastTurn,
  makeCloud,
  makeNode,
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  clockFor,
  throwing,
  write,
} from "./support/index.mjs";

const ask = (cloud, request = {}) => cloud.transport.exchange({ watermarks: {}, ...request });

test("the report is the greatest timestamp of each node over records, rows and tombstones", async () => {
  const cloud = makeCloud();
  write(cloud, "SR", "1", { stamp: at(1, "x") });
  write(cloud, "SR", "2", { stamp: at(9, "x") });
  write(cloud, "AR", "1", { stamp: at(4, "y") });
  write(cloud, "AW", "1", { stamp: at(3, "y") });
  write(cloud, "AW", "2", { stamp: at(12, "x") });
  const dead = { ...cloud.db.all()[0], id: "dead", deletedAt: at(20, "w"), updatedAt: at(20, "w") };
  await cloud.db.put(dead);
  assert.deepEqual((await ask(cloud)).responderWatermarks, {
    x: at(12, "x"),
    y: at(4, "y"),
    w: at(20, "w"),
  });
});

test("the report counts what the request itself brought", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  const stamp = write(a, "SR", "1");
  await a.engine.exchange();
  assert.deepEqual(lastTurn(a).answer.responderWatermarks, { a: stamp });
});

test("the report covers everything held, also what did not fit on the page", async () => {
  const cloud = makeCloud();
  for (let i = 0; i < 5; i += 1) write(cloud, "SR", `${i}`, { stamp: at(i, "z") });
  const answer = await ask(cloud, { limit: 2 });
  assert.deepEqual(answer.responderWatermarks, { z: at(4, "z") });
  assert.equal(answer.hasMore, true);
});

test("an empty store reports an empty map, not no map", async () => {
  assert.deepEqual((await ask(makeCloud())).responderWatermarks, {});
});

/** An answering side whose two capabilities are there or not. */
function partial({ records, rows, options = {} }) {
  const [db, appRows] = [
    memoryDatabase({ nodeWatermarks: records }),
    memoryAppRows({ nodeWatermarks: rows }),
  ];
  appRows.register(APP, TABLES);
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: db,
    objectStorage: memoryObjects(),
    clock: clockFor("cloud"),
    appSyncableSource: { namespaces: appRows.namespaces, applier: appRows.applier },
    ...options,
  });
  return { db, appRows, transport };
}

for (const [records, rows] of [
  [true, false],
  [false, true],
  [false, false],
]) {
  test(`the report is left out altogether where records ${records ? "can" : "cannot"} and rows ${rows ? "can" : "cannot"} be known`, async () => {
    const answer = await ask(partial({ records, rows }));
    assert.equal(
      "responderWatermarks" in answer && answer.responderWatermarks !== undefined,
      false,
    );
  });
}

test("a channel needs only the capability of what it carries", async () => {
  const onlyRows = partial({ records: false, rows: true, options: { syncSharedRecords: false } });
  assert.deepEqual((await ask(onlyRows)).responderWatermarks, {});
  const onlyRecords = partial({
    records: true,
    rows: false,
    options: { appSyncableSource: undefined },
  });
  assert.deepEqual((await ask(onlyRecords)).responderWatermarks, {});
});

test("a channel of an app reports no node of the records, nor rows of another app", async () => {
  const cloud = makeCloud({ options: { syncSharedRecords: false } });
  cloud.rows.register("other", [{ name: NOTES, pkColumns: ["id"] }]);
  write(cloud, "SR", "1", { stamp: at(1, "recorder") });
  write(cloud, "AW", "1", { stamp: at(2, "photographer") });
  cloud.rows.apply({
    timestamp: at(3, "stranger"),
    appId: "other",
    table: NOTES,
    op: "insert",
    row: { id: "1", deleted_at: null, updated_at: text(at(3, "stranger")) },
  });
  cloud.rows.hide("other");
  const answer = await ask(cloud);
  assert.deepEqual(answer.responderWatermarks, { photographer: at(2, "photographer") });
  assert.equal(cloud.via.db.calls.getNodeWatermarks, 0);
});

test("a table whose report throws only lacks its nodes, and its rows are still served", async () => {
  const cloud = makeCloud();
  write(cloud, "AR", "1", { stamp: at(1, "x") });
  write(cloud, "AW", "1", { stamp: at(2, "y") });
  write(cloud, "SR", "1", { stamp: at(3, "z") });
  cloud.via.applier.plan.getNodeWatermarks = {
    error: new Error("no such column"),
    throws: (_call, [, table]) => table === FILES,
  };
  const answer = await ask(cloud);
  assert.deepEqual(answer.responderWatermarks, { y: at(2, "y"), z: at(3, "z") });
  assert.deepEqual(answer.appSyncableRows.map((one) => one.table).sort(), [FILES, NOTES]);
});

test("the report replaces the peer watermarks, downwards too", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(cloud, "SR", "1", { stamp: at(1, "z") });
  await a.state.setPeerWatermarks({ z: at(500, "z"), gone: at(3, "gone") });
  await a.engine.exchange();
  assert.deepEqual(a.state.peer(), { z: at(1, "z") });
});

test("without a report the peer watermarks only ever move up", async () => {
  const cloud = makeCloud({ coverage: false });
  const a = makeNode("a", cloud);
  write(cloud, "SR", "1", { stamp: at(1, "z") });
  write(cloud, "SR", "2", { stamp: at(7, "y") });
  await a.state.setPeerWatermarks({ z: at(500, "z"), gone: at(3, "gone") });
  write(a, "SR", "mine");
  await a.engine.exchange();
  assert.deepEqual(a.state.peer(), {
    z: at(500, "z"),
    gone: at(3, "gone"),
    y: at(7, "y"),
    a: at(0, "a"),
  });
});

test("a report from a peer of the app's own making is believed alike", async () => {
  const reports = [{ a: at(0, "a") }, {}, undefined];
  const transport = {
    exchange: async () => ({
      records: [],
      appSyncableRows: [],
      hasMore: false,
      responderWatermarks: reports.shift(),
    }),
  };
  const a = makeNode("a", makeCloud(), { engine: { transport } });
  write(a, "SR", "1");
  assert.equal((await a.engine.exchange()).shipped, 1);
  assert.deepEqual(a.state.peer(), { a: at(0, "a") });
  assert.equal((await a.engine.exchange()).shipped, 0);
  assert.deepEqual(a.state.peer(), {}, "the peer was emptied");
  assert.equal((await a.engine.exchange()).shipped, 1, "and is served again");
  assert.deepEqual(a.state.peer(), { a: at(0, "a") }, "without a report, what was shipped counts");
});

test("where no node is ahead, neither side scans", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  for (const kind of ["SR", "AR", "AW"]) {
    write(a, kind, "mine");
    write(cloud, kind, "theirs", { stamp: at(1, "z") });
  }
  for (let i = 0; i < 2; i += 1) await drain(a);
  const scans = () =>
    [a, cloud].flatMap(({ via }) => [via.db.calls.query, via.applier.calls.scanSince]);
  const before = scans();
  assert.deepEqual(await a.engine.exchange(), QUIET);
  assert.deepEqual(scans(), before);
});

test("where a node is ahead in one table only, the others are not scanned", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  for (const kind of ["SR", "AR", "AW"]) write(a, kind, "1");
  for (let i = 0; i < 2; i += 1) await drain(a);
  const queries = a.via.db.calls.query;
  const scans = a.via.applier.log.length;
  write(a, "AW", "2");
  assert.equal((await a.engine.exchange()).shipped, 1);
  assert.equal(a.via.db.calls.query, queries);
  const later = a.via.applier.log.slice(scans).filter(({ name }) => name === "scanSince");
  assert.deepEqual([...new Set(later.map(({ args }) => args[1]))], [NOTES]);
});

test("a scan starts from the smallest watermark among the nodes that are ahead", async () => {
  const cloud = makeCloud();
  write(cloud, "AW", "x1", { stamp: at(50, "x") });
  write(cloud, "AW", "x2", { stamp: at(90, "x") });
  write(cloud, "AW", "y1", { stamp: at(80, "y") });
  write(cloud, "AW", "z1", { stamp: at(10, "z") });
  const watermarks = { x: at(50, "x"), y: at(40, "y"), z: at(10, "z") };
  const answer = await ask(cloud, { watermarks });
  assert.deepEqual(
    answer.appSyncableRows.map((one) => one.row.id),
    ["y1", "x2"],
  );
  const { args } = cloud.via.applier.log.find(
    ({ name, args: [, table] }) => name === "scanSince" && table === NOTES,
  );
  assert.equal(args[2], text(at(40, "y")), "not from z, which is not ahead");
});

test("a node that the watermarks do not know makes the scan start from nothing", async () => {
  const cloud = makeCloud();
  write(cloud, "AW", "early", { stamp: at(1, "unknown") });
  write(cloud, "AW", "late", { stamp: at(9, "x") });
  const answer = await ask(cloud, { watermarks: { x: at(5, "x") } });
  assert.deepEqual(
    answer.appSyncableRows.map((one) => one.row.id),
    ["early", "late"],
  );
});

test("an outbound scan, too, starts from the smallest watermark among the nodes that are ahead", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(a, "AW", "1", { stamp: at(10, "a") });
  write(a, "AW", "2", { stamp: at(20, "b") });
  await drain(a);
  write(a, "AW", "3", { stamp: at(30, "b") });
  const scans = a.via.applier.log.length;
  await a.engine.exchange();
  const { args } = a.via.applier.log.slice(scans).find(({ name }) => name === "scanSince");
  assert.equal(args[2], text(at(20, "b")));
});

test("a report of the local adapter that throws makes the engine scan, not skip", async () => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(a, "AW", "1");
  a.via.applier.plan.getNodeWatermarks = throwing(new Error("no such column"));
  assert.equal((await a.engine.exchange()).shipped, 1);
  assert.deepEqual(ids(cloud, "AW"), ["1"]);
});

test("adapters and peers of either age work together", async () => {
  for (const [here, there] of [
    [true, false],
    [false, true],
  ]) {
    const cloud = makeCloud({ coverage: there });
    const a = makeNode("a", cloud, { coverage: here, engine: { pageLimit: 2 } });
    for (let i = 0; i < 5; i += 1) {
      write(a, "SR", `a${i}`);
      write(cloud, "AW", `z${i}`, { stamp: at(i, "z") });
    }
    await drain(a);
    assert.deepEqual([ids(cloud).length, ids(a, "AW").length], [5, 5]);
    assert.deepEqual(await a.engine.exchange(), QUIET);
    assert.deepEqual(entryOf(a.state.peer(), "a"), at(0, "a", 4));
  }
});
