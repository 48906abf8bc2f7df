// Sides that keep logs beside one that keeps none, over adapters of an app: they go by watermarks, and what comes into
// a log in another order than it was stamped reaches the other side all the same.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { faulty, throwingFor } from "./support/faulty.mjs";
import { at } from "./support/hlc.mjs";
import {
  copyOf,
  engineAt,
  holding,
  nativePlace,
  openFor,
  plainPlace,
  serve,
} from "./support/logged-places.mjs";
import { blobFields, bytes, memoryObjects } from "./support/memory.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

/** A state of this package's own, which keeps how far logs were looked at. */
function stateFor(t) {
  const state = sync.createSqliteSyncStateStore({ path: join(folderFor(t), "state.db") });
  t.after(() => state.close());
  return state;
}

/** A cloud and a laptop with logs, a laptop without, and an engine for each of the two; they can begin again. */
async function three(t, { pageLimit = 3 } = {}) {
  const cloud = await openFor(t, nativePlace, "cloud");
  const [logged, plain] = [await openFor(t, nativePlace, "logged"), plainPlace("plain")];
  const remote = faulty(memoryObjects());
  const { baseUrl } = await serve(t, cloud);
  const [mine, theirs] = [memoryObjects(), memoryObjects()];
  const state = stateFor(t);
  const common = { remoteObjectStorage: remote, pageLimit };
  return {
    cloud,
    logged,
    plain,
    remote,
    objects: { logged: mine, plain: theirs },
    byLogs: engineAt(logged, baseUrl, { ...common, localObjectStorage: mine }),
    begin: () =>
      engineAt(plain, baseUrl, { ...common, localObjectStorage: theirs, syncState: state }),
  };
}

/** A record with an object of its own. */
async function putWithObject(place, objects, id, stamp) {
  const key = `files/${id}`;
  await objects.put(key, bytes(id));
  await place.put(id, stamp, id, blobFields(key, id.length));
}

async function assertQuiet(engine) {
  const { applied, shipped, hasMore, held } = await engine.exchange();
  assert.deepEqual(
    { applied, shipped, hasMore, held },
    { applied: 0, shipped: 0, hasMore: false, held: [] },
  );
}

for (const restarts of [false, true]) {
  const when = restarts ? "that begins again before every round" : "that stays";
  test(`what waited for its object comes to a laptop without a log ${when}`, async (t) => {
    const { cloud, logged, plain, remote, objects, byLogs, begin } = await three(t);
    let engine = begin();
    const exchange = async () => {
      if (restarts) engine = begin();
      await drain(engine);
    };
    await plain.put("mine", at(5, "plain"));
    for (const n of [1, 2, 3, 4, 5, 6, 7])
      await putWithObject(logged, objects.logged, `r${n}`, at(n, "logged"));
    remote.plan.put = throwingFor(new Error("the network is away"), (key) => key === "files/r2");
    await warningsOf(t, async () => {
      for (let round = 0; round < 5; round += 1) await byLogs.exchange();
      await exchange();
      assert.equal((await plain.labels()).r7, "r7");
      assert.equal((await plain.labels()).r2, undefined);
      remote.plan.put = undefined;
      await drain(byLogs);
    });
    await exchange();
    await drain(byLogs);
    assert.deepEqual(await holding(plain), await holding(cloud));
    assert.deepEqual(await holding(logged), await holding(cloud));
    assert.equal(Object.keys(await plain.labels()).length, 8);
    assert.deepEqual(Buffer.from((await objects.plain.get("files/r2")).data).toString(), "r2");
    await assertQuiet(engine);
  });
}

test("records and rows that are sent side by side all come to a laptop without a log", async (t) => {
  const { cloud, logged, plain, byLogs, begin } = await three(t);
  for (let n = 0; n < 20; n += 1) {
    await logged.put(`r${n}`, at(1000 + n, "logged"));
    await logged.line("page", n, at(n, "logged"), `${n}`);
  }
  let engine = begin();
  for (let more = true; more;) {
    ({ hasMore: more } = await byLogs.exchange());
    await drain(engine);
    engine = begin();
  }
  await drain(engine);
  const { records, rows } = await holding(plain);
  assert.deepEqual({ records, rows }, await holding(cloud));
  assert.deepEqual([Object.keys(records).length, Object.keys(rows).length], [20, 20]);
});

test("a cloud that is put back, and writes on, gets all from a laptop without a log", async (t) => {
  const folder = folderFor(t);
  const plain = plainPlace("plain");
  let cloud = await nativePlace(folder, "cloud");
  let server = await serve(t, cloud);
  const state = stateFor(t);
  const engine = () => engineAt(plain, server.baseUrl, { syncState: state, pageLimit: 3 });
  await cloud.put("before", at(1, "cloud"));
  await drain(engine());
  await server.close();
  await cloud.close();
  const copy = copyOf(cloud);
  cloud = await nativePlace(folder, "cloud");
  server = await serve(t, cloud);
  for (let n = 0; n < 10; n += 1) {
    await cloud.put(`lost-${n}`, at(10 + n, "cloud"));
    await plain.put(`mine-${n}`, at(10 + n, "plain"));
  }
  await drain(engine());
  await server.close();
  await cloud.close();
  copy.putBack();
  cloud = await nativePlace(folder, "cloud");
  t.after(() => cloud.close());
  server = await serve(t, cloud);
  // It goes on behind what it has lost.
  await cloud.put("after", at(100, "cloud"));
  await drain(engine());
  const { records } = await holding(cloud);
  assert.equal(Object.keys(records).length, 22);
  assert.deepEqual(await holding(plain), { records, rows: {} });
  await assertQuiet(engine());
});

/** A cloud without a log, a laptop with one, and an engine of the laptop that can begin again. */
async function besidePlainCloud(t) {
  const folder = folderFor(t);
  const cloud = plainPlace("cloud");
  const { baseUrl } = await serve(t, cloud);
  const state = stateFor(t);
  const open = async () => {
    const laptop = await nativePlace(folder, "laptop");
    t.after(() => laptop.close());
    const engine = engineAt(laptop, baseUrl, { syncState: state, pageLimit: 3 });
    return { ...laptop, engine };
  };
  return { cloud, open };
}

test("what is stored late, by whichever program, comes to a cloud without a log", async (t) => {
  const { cloud, open } = await besidePlainCloud(t);
  let laptop = await open();
  await laptop.put("on time", at(100, "laptop"));
  await laptop.line("page", 0, at(101, "laptop"), "on time");
  await drain(laptop.engine);
  await laptop.close();
  // Another program has stamped earlier, stores now, and ends without an exchange.
  const other = await open();
  for (let n = 0; n < 10; n += 1) {
    await other.put(`late-${n}`, at(10 + n, "laptop"));
    await other.line("late", n, at(30 + n, "laptop"), `${n}`);
  }
  await other.close();
  laptop = await open();
  await drain(laptop.engine);
  assert.deepEqual(await holding(cloud), await holding(laptop));
  assert.equal(Object.keys(await cloud.labels()).length, 11);
  assert.equal(Object.keys(await cloud.lines()).length, 11);
  await assertQuiet(laptop.engine);
});

test("what a laptop had from another one in another order comes to a cloud without a log", async (t) => {
  const { cloud, open } = await besidePlainCloud(t);
  const laptop = await open();
  const phone = await openFor(t, nativePlace, "phone");
  const { baseUrl } = await serve(t, laptop);
  const byCable = engineAt(phone, baseUrl);
  for (const [n, stamp] of [50, 20, 70, 10, 60, 40, 30].entries()) {
    await phone.put(`r${n}`, at(stamp, "phone"));
    await phone.line("page", n, at(100 - stamp, "phone"), `${stamp}`);
    await drain(byCable);
    await drain(laptop.engine);
  }
  assert.deepEqual(await holding(cloud), await holding(phone));
  await assertQuiet(laptop.engine);
});

test("a laptop whose file is put back, and its state is not, gets all again from a cloud without a log", async (t) => {
  const { cloud, open } = await besidePlainCloud(t);
  let laptop = await open();
  await laptop.put("early", at(5, "laptop"));
  await drain(laptop.engine);
  await laptop.close();
  const copy = copyOf(laptop);
  laptop = await open();
  for (let n = 0; n < 8; n += 1) {
    await laptop.put(`r${n}`, at(10 + n, "laptop"));
    await cloud.put(`c${n}`, at(10 + n, "cloud"));
  }
  await drain(laptop.engine);
  await laptop.close();
  copy.putBack();
  laptop = await open();
  await laptop.put("after", at(100, "laptop"));
  await cloud.put("after too", at(100, "cloud"));
  await warningsOf(t, () => drain(laptop.engine));
  assert.deepEqual(await holding(laptop), await holding(cloud));
  assert.equal(Object.keys(await laptop.labels()).length, 19);
  await assertQuiet(laptop.engine);
});

test("two laptops with logs and a cloud of an older package between them lose nothing, also once it is a new one", async (t) => {
  const cloud = plainPlace("cloud");
  const today = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.records,
    objectStorage: memoryObjects(),
    appSyncableSource: cloud.rows,
    clock: sync.createHLCClock({ nodeId: "cloud" }),
  });
  let isOlder = true;
  const transport = {
    // Neither of the two messages of an older package has more than this.
    async exchange(request) {
      if (!isOlder) return today.exchange(request);
      const { watermarks, records, appSyncableRows, limit } = request;
      const answer = await today.exchange({ watermarks, records, appSyncableRows, limit });
      const { hasMore } = answer;
      return { records: answer.records, appSyncableRows: answer.appSyncableRows, hasMore };
    },
  };
  const laptops = [
    await openFor(t, nativePlace, "one"),
    await openFor(t, nativePlace, "two", { apart: true }),
  ];
  const engines = laptops.map((laptop) =>
    engineAt(laptop, "", { transport, syncState: stateFor(t), pageLimit: 3 }),
  );
  const rounds = async () => {
    for (let n = 0; n < 2; n += 1) for (const engine of engines) await drain(engine);
  };
  for (const [stage, older] of [true, true, false].entries()) {
    isOlder = older;
    for (const laptop of laptops) {
      for (let n = 0; n < 10; n += 1) {
        const stamp = at(stage * 100 + n, laptop.nodeId);
        await laptop.put(`${laptop.nodeId}-${stage}-${n}`, stamp);
        await laptop.line(laptop.nodeId, stage * 100 + n, stamp, `${n}`);
      }
    }
    await rounds();
    for (const laptop of laptops) assert.deepEqual(await holding(laptop), await holding(cloud));
    assert.equal(Object.keys(await cloud.labels()).length, (stage + 1) * 20);
    assert.equal(Object.keys(await cloud.lines()).length, (stage + 1) * 20);
    for (const engine of engines) await assertQuiet(engine);
  }
});
