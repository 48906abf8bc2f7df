// One engine for the shared records, one for the rows of each app.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./support/hlc.mjs";
import {
  QUIET,
  drain,
  ids,
  lastTurn,
  makeCloud,
  makeNode,
  memoryState,
  record,
  write,
} from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";

const appOnly = { syncSharedRecords: false };
const driveOnly = { appSyncableSource: undefined };

test("the channel of an app ships its rows and no records", async () => {
  for (const coverage of [true, false]) {
    const cloud = makeCloud({ coverage });
    const a = makeNode("a", cloud, { engine: appOnly });
    write(a, "SR", "record", { key: "k" });
    write(a, "AW", "row");
    write(a, "AR", "file", { key: "f" });
    assert.equal((await a.engine.exchange()).shipped, 2);
    assert.deepEqual(
      [ids(cloud, "SR"), ids(cloud, "AW"), ids(cloud, "AR")],
      [[], ["row"], ["file"]],
    );
    assert.equal(a.via.db.calls.query, 0);
    assert.deepEqual(cloud.objects.keys(), ["f"]);
  }
});

test("records in the answer to the channel of an app are dropped with a warning", async (t) => {
  const cloud = makeCloud();
  write(cloud, "SR", "record", { stamp: at(1, "z"), key: "k" });
  write(cloud, "AW", "row", { stamp: at(1, "y") });
  const a = makeNode("a", cloud, { engine: appOnly });
  const said = await warningsOf(t, async () =>
    assert.equal((await a.engine.exchange()).applied, 0),
  );
  assert.ok(
    said.some((words) => /record/i.test(words)),
    `a warning speaks of records: ${said}`,
  );
  assert.deepEqual([ids(a, "SR"), ids(a, "AW"), a.objects.keys()], [[], ["row"], []]);
  assert.equal(a.via.db.calls.put, 0);
  assert.deepEqual(a.events, []);
});

test("an answering side without records drops those of the request with a warning", async (t) => {
  const cloud = makeCloud({ options: appOnly });
  write(cloud, "SR", "kept back", { stamp: at(1, "z") });
  const request = { watermarks: {}, records: [record("1", at(1, "a"))] };
  let answer;
  const said = await warningsOf(t, async () => (answer = await cloud.transport.exchange(request)));
  assert.ok(
    said.some((words) => /record/i.test(words)),
    `a warning speaks of records: ${said}`,
  );
  assert.deepEqual(answer.records, []);
  assert.deepEqual(ids(cloud), ["kept back"]);
  assert.deepEqual([cloud.via.db.calls.put, cloud.via.db.calls.query], [0, 0]);
});

test("the channel of the drive carries records and no rows", async () => {
  const cloud = makeCloud({ options: driveOnly });
  const a = makeNode("a", cloud, { engine: driveOnly });
  write(a, "SR", "record", { key: "k" });
  write(a, "AW", "row");
  assert.equal((await a.engine.exchange()).shipped, 1);
  assert.equal(lastTurn(a).request.appSyncableRows, undefined);
  assert.deepEqual([ids(cloud, "SR"), ids(cloud, "AW")], [["record"], []]);
  assert.deepEqual(await a.engine.exchange(), QUIET);
});

test("both channels of one node over one cloud bring everything across and do not disturb each other", async () => {
  const drive = makeCloud({ options: driveOnly });
  const stores = { db: drive.db, objects: drive.objects, rows: drive.rows };
  const apps = makeCloud({
    options: {
      ...appOnly,
      databaseAdapter: drive.via.db,
      appSyncableSource: { namespaces: drive.rows.namespaces, applier: drive.via.applier },
    },
  });
  Object.assign(apps, stores);
  const a = makeNode("a", drive, { engine: driveOnly });
  const appState = memoryState();
  const channel = makeNode("a", apps, {
    engine: {
      ...appOnly,
      localDatabaseAdapter: a.via.db,
      localObjectStorage: a.objects,
      clock: a.clock,
      syncState: appState,
      appSyncableSource: { namespaces: a.rows.namespaces, applier: a.via.applier },
    },
  });
  for (let i = 0; i < 3; i += 1) {
    write(a, "SR", `${i}`, { key: `k${i}` });
    write(a, "AR", `${i}`, { key: `f${i}` });
    write(drive, "SR", `z${i}`, { stamp: at(i, "z") });
    write(drive, "AW", `z${i}`, { stamp: at(i + 10, "z") });
  }
  await Promise.all([drain(a), drain(channel)]);
  assert.equal(ids(drive, "SR").length, 6);
  assert.equal(ids(drive, "AR").length, 3);
  assert.deepEqual([ids(a, "SR").length, ids(a, "AW").length], [6, 3]);
  assert.deepEqual(a.state.own().z, at(2, "z"));
  assert.deepEqual(appState.own().z, at(12, "z"));
  assert.equal(drive.objects.keys().length, 6);
});
