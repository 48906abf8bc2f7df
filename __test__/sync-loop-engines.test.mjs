// Loops over engines and stores of this package: what one side writes is at the others, and a loop is never a part of a
// transaction.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { ids, makeCloud, makeNode, write } from "./support/index.mjs";
import { change, fakeClock, flush } from "./support/loops.mjs";
import { blobFields, bytes, record } from "./support/memory.mjs";
import { openNode } from "./support/native-node.mjs";
import { folderFor } from "./support/native.mjs";

/** Asks again until it is so; the runner's limit ends what never is. */
async function until(isSo) {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

function sideIn(t, folder, name) {
  const path = join(folder, name);
  mkdirSync(path);
  const side = openNode(path, name);
  t.after(() => side.close());
  return { ...side, changes: sync.createChangeNotifier() };
}

const engineOf = ({ db, objects, clock, state }, { transport, remote }) =>
  sync.createSyncEngine({
    localDatabaseAdapter: db,
    localObjectStorage: objects,
    remoteObjectStorage: remote,
    transport,
    clock,
    syncState: state,
  });

async function save({ db, objects, clock, changes }, id) {
  const key = `files/${id}`;
  await objects.put(key, bytes(`bytes of ${id}`));
  await db.put(record(id, clock.now(), blobFields(key)));
  changes.emit(change({ recordIds: [id], timestamp: clock.now() }));
}

const has = async ({ db, objects }, id) =>
  (await db.get(id)) !== null && (await objects.has(`files/${id}`));

/** Two devices and a cloud in one process, and a loop for each device. No interval helps them. */
function inProcess(t) {
  const folder = folderFor(t);
  const [laptop, phone, cloud] = ["laptop", "phone", "cloud"].map((name) =>
    sideIn(t, folder, name),
  );
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.db,
    clock: cloud.clock,
    objectStorage: cloud.objects,
  });
  const errors = [];
  const loops = [laptop, phone].map((side) => {
    const engine = engineOf(side, { transport, remote: cloud.objects });
    const { changes } = side;
    const onError = (error) => void errors.push(error);
    return sync.createSyncLoop(engine, { changes, onError, debounceMs: 10, intervalMs: null });
  });
  t.after(() => Promise.all(loops.map((loop) => loop.stop())));
  return { laptop, phone, cloud, loops, errors };
}

test("what a device writes is at the cloud once it was told, and at another once that asks", async (t) => {
  const { laptop, phone, cloud, loops, errors } = inProcess(t);
  for (const id of ["one", "two", "three"]) await save(laptop, id);
  await until(async () => (await has(cloud, "one")) && (await has(cloud, "three")));
  loops[1].nudge();
  await until(() => has(phone, "three"));
  await until(() => loops[1].status().state === "waiting");
  const stands = loops[1].status().channels.default;
  assert.ok(stands.lastSuccessMs > 0);
  assert.deepEqual([stands.lastResult.hasMore, stands.lastResult.held], [false, []]);
  assert.deepEqual(errors, []);
});

const nextRound = (loop) =>
  new Promise((resolve) => {
    loop.subscribe(({ eventType }) => eventType === "round-began" && resolve());
  });

test("a round that was asked for within a transaction is no part of it", async (t) => {
  const { laptop, cloud, loops, errors } = inProcess(t);
  await until(() => loops[0].status().state === "waiting");
  await laptop.db.transaction(async (inner) => {
    await inner.put(record("within", at(1, "laptop")));
    const began = nextRound(loops[0]);
    loops[0].nudge();
    await began;
    for (let turn = 0; turn < 5; turn += 1) await flush();
  });
  assert.deepEqual(errors, []);
  loops[0].nudge();
  await until(async () => (await cloud.db.get("within")) !== null);
  await until(() => loops[0].status().state === "waiting");
  assert.deepEqual(errors, []);
});

test("over HTTP the news of the server bring what one device writes to the other", async (t) => {
  const folder = folderFor(t);
  const [laptop, phone, cloud] = ["laptop", "phone", "cloud"].map((name) =>
    sideIn(t, folder, name),
  );
  const server = sync.createHttpSyncServer({
    databaseAdapter: cloud.db,
    objectStorageAdapter: cloud.objects,
    clock: cloud.clock,
  });
  t.after(() => server.close());
  const { port } = await server.listen();
  const peer = { baseUrl: `http://127.0.0.1:${port}` };
  async function* events(signal) {
    const { body } = await fetch(`${peer.baseUrl}/events`, { signal });
    for await (const text of body.pipeThrough(new TextDecoderStream()))
      if (text.includes("event:")) yield text;
  }
  const news = [];
  const loops = [laptop, phone].map((side) => {
    const engine = engineOf(side, {
      transport: sync.createHttpSyncTransport(peer),
      remote: sync.createHttpObjectStorage(peer),
    });
    const onEvent = ({ eventType }) => eventType === "news-began" && news.push(side);
    const { changes } = side;
    return sync.createSyncLoop(engine, { changes, events, onEvent, intervalMs: null });
  });
  t.after(() => Promise.all(loops.map((loop) => loop.stop())));
  await until(() => news.length === 2);
  await save(laptop, "there");
  await until(() => has(phone, "there"));
  await save(phone, "back");
  await until(() => has(laptop, "back"));
  await Promise.all(loops.map((loop) => loop.stop()));
});

test("one loop keeps the records and the rows of an app", async (t) => {
  const [shared, app] = [{ appSyncableSource: undefined }, { syncSharedRecords: false }];
  const [drive, apps] = [makeCloud({ options: shared }), makeCloud({ options: app })];
  const [records, rows] = [
    makeNode("a", drive, { engine: shared }),
    makeNode("a", apps, { engine: app }),
  ];
  const changes = sync.createChangeNotifier();
  const clock = fakeClock();
  const engines = { drive: records.engine, photos: rows.engine };
  const loop = sync.createSyncLoop(engines, { changes, clock, intervalMs: null });
  t.after(() => loop.stop());
  const isQuiet = () => loop.status().state === "waiting";
  await until(isQuiet);
  write(records, "SR", "record");
  write(rows, "AW", "row");
  changes.emit(change({ originAppId: "photos" }));
  await clock.advance(300);
  await until(isQuiet);
  assert.deepEqual([ids(drive, "SR"), ids(apps, "AW")], [[], ["row"]]);
  changes.emit(change());
  await clock.advance(300);
  await until(isQuiet);
  assert.deepEqual([ids(drive, "SR"), ids(apps, "AW")], [["record"], ["row"]]);
});
