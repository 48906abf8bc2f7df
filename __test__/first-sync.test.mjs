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

for (const direction of ["up", "down"]) {
  test(`${direction}, a round says that there is more until the last page has moved, which is full`, async () => {
    const hub = makeHub();
    const device = makeDevice("laptop", hub);
    await fill(direction === "up" ? device : hub, RECORDS, ["phone", "laptop"]);
    const said = [];
    for (let round = 0; round <= RECORDS / PAGE; round += 1)
      said.push((await device.engine.exchange()).hasMore);
    const pages = Array.from({ length: RECORDS / PAGE }, (_, page) => page < RECORDS / PAGE - 1);
    assert.deepEqual(said, [...pages, false]);
  });
}

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

/** A hub of `count` records, and a device of which the calls are noted in `calls`. */
async function noted(count, { failing, stored = [] } = {}) {
  const hub = makeHub();
  await fill(hub, count, ["phone"], { stride: 1 });
  const calls = [];
  const db = memoryDatabase();
  for (const one of stored) await db.put(one);
  const noting = {
    ...db,
    get: async (id) => {
      calls.push(`get ${id}`);
      return db.get(id);
    },
    put: async (one) => {
      calls.push(`put ${one.id}`);
      if (one.id === failing?.id) throw failing.error;
      return db.put(one);
    },
  };
  const clock = clockFor("laptop", Date.now());
  const receive = (stamp) => {
    calls.push(`receive ${stamp.wallTime}`);
    return clock.receive(stamp);
  };
  const { exchange } = sync.createSyncEngine({
    localDatabaseAdapter: noting,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: hub.objects,
    transport: hub.transport,
    clock: { ...clock, receive },
    syncState: memoryState(),
  });
  return { hub, db, calls, exchange };
}

const idAt = (index) => `r-${String(index).padStart(5, "0")}`;

test("a record that is new is looked up, the clock hears of it, and it is stored, one after the other", async () => {
  const { calls, exchange } = await noted(150);
  assert.equal((await exchange()).applied, 150);
  const expected = Array.from({ length: 150 }, (_, i) => [
    `get ${idAt(i)}`,
    `receive ${at(i, "phone").wallTime}`,
    `put ${idAt(i)}`,
  ]);
  assert.deepEqual(calls, expected.flat());
});

test("a record that the adapter does not store is held with what it threw, and the others are stored", async () => {
  const error = new Error("disk full");
  const { calls, db, exchange } = await noted(150, { failing: { id: idAt(70), error } });
  const { applied, held } = await exchange();
  assert.equal(applied, 149);
  assert.deepEqual(
    held.map(({ id, error: why }) => [id, why === error || why.cause === error]),
    [[idAt(70), true]],
  );
  assert.equal(db.all().length, 149);
  assert.equal(calls.filter((call) => call === `get ${idAt(71)}`).length, 1);
});

test("of what is stored already the older is replaced and the newer stays, and none is looked up twice", async () => {
  const older = record(idAt(5), at(0, "laptop"));
  const newer = record(idAt(6), at(1000, "laptop"));
  const { calls, db, exchange } = await noted(20, { stored: [older, newer] });
  await exchange();
  assert.equal((await db.get(older.id)).updatedAt.nodeId, "phone");
  assert.deepEqual(await db.get(newer.id), newer);
  const lookups = calls.filter((call) => call.startsWith("get"));
  // The newer one went out in the same round, and came back.
  const expected = Array.from({ length: 20 }, (_, i) => `get ${idAt(i)}`);
  assert.deepEqual(
    lookups,
    expected.filter((call) => call !== `get ${newer.id}`),
  );
  assert.equal(calls.includes(`put ${newer.id}`), false);
});

test("an adapter without the function that is wanted is named, as where it is called by itself", async () => {
  const hub = makeHub();
  await fill(hub, 3, ["phone"]);
  const { put, ...unable } = memoryDatabase();
  const { exchange } = sync.createSyncEngine({
    localDatabaseAdapter: unable,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: hub.objects,
    transport: hub.transport,
    clock: clockFor("laptop", Date.now()),
    syncState: memoryState(),
  });
  assert.equal(typeof put, "function");
  await assert.rejects(exchange(), /localDatabaseAdapter\.put.*must be a function/);
});
