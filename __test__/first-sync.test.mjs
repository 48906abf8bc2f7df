// A first sync over adapters that have to be read whole: how often they are, and that nothing is missed for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor } from "./support/hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState, record } from "./support/index.mjs";

const RECORDS = 6000;
const PAGE = 500;

/** The adapter, which counts the records that it reads and the calls of `get`. */
function counted(adapter) {
  const count = { read: 0, gets: 0 };
  const query = async (options) => {
    const page = await adapter.query(options);
    count.read += page.records.length;
    return page;
  };
  const get = (id) => {
    count.gets += 1;
    return adapter.get(id);
  };
  return { ...adapter, query, get, count };
}

function makeHub() {
  const hub = { db: counted(memoryDatabase()), objects: memoryObjects(), clock: clockFor("hub") };
  hub.transport = sync.createInProcessSyncTransport({
    databaseAdapter: hub.db,
    objectStorage: hub.objects,
    clock: hub.clock,
  });
  return hub;
}

function makeDevice(name, hub) {
  const device = { db: counted(memoryDatabase()), clock: clockFor(name, Date.now()) };
  device.engine = sync.createSyncEngine({
    localDatabaseAdapter: device.db,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: hub.objects,
    transport: hub.transport,
    clock: device.clock,
    syncState: memoryState(),
    pageLimit: PAGE,
  });
  return device;
}

/** `stride`: 1 for ids in the order of timestamps; any other one that divides no count mixes them. */
async function fill({ db }, count, nodes, { name = "r", stride = 7919 } = {}) {
  for (let i = 0; i < count; i += 1) {
    const id = `${name}-${String((i * stride) % count).padStart(5, "0")}`;
    await db.put(record(id, at(i, nodes[i % nodes.length])));
  }
  Object.assign(db.count, { read: 0, gets: 0 });
}

/** Rounds until one moves nothing; `between` is told how many there were. */
async function drain(device, between = () => {}) {
  for (let round = 1; ; round += 1) {
    const { applied, shipped, hasMore } = await device.engine.exchange();
    if (applied === 0 && shipped === 0 && !hasMore) return;
    await between(round, hasMore);
  }
}

const idsOf = ({ db }) =>
  db
    .all()
    .map(({ id }) => id)
    .sort();

test("up, the hub is read a few times and not once for each page, and no record that comes back is looked up", async () => {
  const hub = makeHub();
  const device = makeDevice("laptop", hub);
  await fill(device, RECORDS, ["phone", "laptop"], { stride: 1 });
  await drain(device);
  assert.deepEqual(idsOf(hub), idsOf(device));
  assert.ok(hub.db.count.read <= 4 * RECORDS, `${hub.db.count.read} records were read of the hub`);
  assert.equal(device.db.count.gets, 0);
});

test("down, the device is read a few times and not once for each page", async () => {
  const hub = makeHub();
  const device = makeDevice("laptop", hub);
  await fill(hub, RECORDS, ["phone", "laptop"]);
  await drain(device);
  assert.deepEqual(idsOf(hub), idsOf(device));
  const { read } = device.db.count;
  assert.ok(read <= 4 * RECORDS, `${read} records were read of the device`);
});

test("what the device's app writes while pages come down goes up before a round says that nothing is left", async () => {
  const hub = makeHub();
  const device = makeDevice("laptop", hub);
  await fill(hub, RECORDS, ["phone", "laptop"]);
  const written = [];
  for (let hasMore = true; hasMore;) {
    ({ hasMore } = await device.engine.exchange());
    if (!hasMore) break;
    const id = `own-${written.length}`;
    written.push(id);
    await device.db.put(record(id, device.clock.now()));
  }
  const there = new Set(idsOf(hub));
  assert.deepEqual(
    written.filter((id) => !there.has(id)),
    [],
  );
  assert.ok(written.length > RECORDS / PAGE / 2);
});

test("what the hub's app writes while pages come up arrives", async () => {
  const hub = makeHub();
  const device = makeDevice("laptop", hub);
  await fill(device, RECORDS, ["phone", "laptop"]);
  await drain(device, (round) => {
    if (round < 12) return hub.db.put(record(`hub-${round}`, at(100_000 + round, "hub")));
  });
  assert.equal(idsOf(device).filter((id) => id.startsWith("hub-")).length, 11);
  assert.deepEqual(idsOf(hub), idsOf(device));
});

test("two devices that bring their records in turns each get those of the other", async () => {
  const hub = makeHub();
  const devices = ["laptop", "tablet"].map((name) => makeDevice(name, hub));
  await fill(devices[0], RECORDS / 2, ["laptop"], { name: "l" });
  await fill(devices[1], RECORDS / 2, ["tablet"], { name: "t" });
  for (let turn = 0; turn < RECORDS / PAGE; turn += 1) {
    for (const device of devices) await device.engine.exchange();
  }
  for (const device of devices) await drain(device);
  for (const device of devices) assert.deepEqual(idsOf(device), idsOf(hub));
  assert.equal(idsOf(hub).length, RECORDS);
});

test("a version that is newer than one that comes back stays", async () => {
  const hub = makeHub();
  const device = makeDevice("laptop", hub);
  await device.db.put(record("one", at(1, "phone")));
  const { exchange } = hub.transport;
  const newer = record("one", at(50, "laptop"));
  hub.transport.exchange = async (request) => {
    const answer = await exchange(request);
    await device.db.put(newer);
    return answer;
  };
  await device.engine.exchange();
  assert.deepEqual(await device.db.get("one"), newer);
});
