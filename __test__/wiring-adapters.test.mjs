// Adapters that an engine or an answering side cannot work with are told where they are given.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { memoryAppRows, memoryDatabase, memoryObjects, memoryState } from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";
import { channelOptions, database, engineOptions, refusal, saidIn } from "./support/wiring.mjs";

/* One storage ---------------------------------------------------------------------------------- */

test("one storage as local and remote is refused", () => {
  const storage = memoryObjects();
  const options = engineOptions({ localObjectStorage: storage, remoteObjectStorage: storage });
  assert.throws(() => sync.createSyncEngine(options), refusal(/remoteObjectStorage.*no object/));
});

test("two storages of one folder are refused, two of two folders are not", (t) => {
  const root = folderFor(t);
  const make = (...path) => sync.createFsObjectStorage({ root: join(root, ...path) });
  const engine = (local, remote) =>
    sync.createSyncEngine(
      engineOptions({ localObjectStorage: local, remoteObjectStorage: remote }),
    );
  assert.throws(() => engine(make("a"), make("b", "..", "a")), refusal(/no object would move/));
  assert.equal(typeof engine(make("a"), make("b")).exchange, "function");
});

/* No state ------------------------------------------------------------------------------------- */

test("engines without syncState are warned of once", async (t) => {
  const said = await saidIn(t, async () => {
    for (let made = 0; made < 3; made += 1) {
      sync.createSyncEngine(engineOptions({ syncState: undefined }));
    }
  });
  assert.equal(said.length, 1);
  assert.match(said[0], /`syncState`.*createSqliteSyncStateStore/);
});

test("an engine with syncState is not warned of", async (t) => {
  assert.deepEqual(await saidIn(t, async () => void sync.createSyncEngine(engineOptions())), []);
});

/* Adapters ------------------------------------------------------------------------------------- */

const rows = () => {
  const made = memoryAppRows();
  return { namespaces: made.namespaces, applier: made.applier };
};

const ADAPTERS = [
  "localDatabaseAdapter",
  "localObjectStorage",
  "remoteObjectStorage",
  "transport",
  "clock",
  "syncState",
  "appSyncableSource",
];

for (const name of ADAPTERS) {
  test(`a promise as ${name} is told when the engine is made`, () => {
    const options = engineOptions({ [name]: Promise.resolve({}) });
    assert.throws(
      () => sync.createSyncEngine(options),
      refusal(new RegExp(`${name}\\): must be .*, got a Promise: await it first`)),
    );
  });
}

test("a promise within appSyncableSource is told when the engine is made", () => {
  for (const part of ["namespaces", "applier"]) {
    const appSyncableSource = { ...rows(), [part]: Promise.resolve({}) };
    assert.throws(
      () => sync.createSyncEngine(engineOptions({ appSyncableSource })),
      refusal(/must be an adapter, got a Promise: await it first/),
    );
  }
});

const LACKING = {
  "localDatabaseAdapter.query": { localDatabaseAdapter: { get() {}, put() {} } },
  "transport.exchange": { transport: {} },
  "syncState.setPeerWatermarks": { syncState: { ...memoryState(), setPeerWatermarks: undefined } },
  "appSyncableSource.namespaces.list": { appSyncableSource: { ...rows(), namespaces: {} } },
};

for (const [name, changes] of Object.entries(LACKING)) {
  test(`an engine without ${name} is told when it is made`, () => {
    assert.throws(
      () => sync.createSyncEngine(engineOptions(changes)),
      (error) => {
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert.ok(error.message.includes(name), error.message);
        assert.match(error.message, /must be a function, got undefined/);
        return true;
      },
    );
  });
}

test("an adapter that is not given at all is told when the engine is made", () => {
  for (const name of ["localDatabaseAdapter", "transport"]) {
    assert.throws(
      () => sync.createSyncEngine(engineOptions({ [name]: undefined })),
      refusal(/must be an adapter, got undefined/),
    );
  }
});

test("a promise as the adapter of withSqliteDelta is told", () => {
  assert.throws(
    () => sync.withSqliteDelta(Promise.resolve(memoryDatabase()), { db: database() }),
    refusal(/withSqliteDelta\(adapter\): must be a DatabaseAdapter, got a Promise: await it first/),
  );
});

test("what only some rounds need may be missing when the engine is made", async () => {
  const { query } = memoryDatabase();
  const engine = sync.createSyncEngine(
    engineOptions({
      localDatabaseAdapter: { query },
      localObjectStorage: {},
      remoteObjectStorage: {},
      clock: {},
      appSyncableSource: { namespaces: { list: () => [] }, applier: {} },
    }),
  );
  assert.equal((await engine.exchange()).shipped, 0);
});

test("with syncSharedRecords false no adapter of records is looked at", async () => {
  const options = engineOptions({ localDatabaseAdapter: undefined, syncSharedRecords: false });
  assert.equal((await sync.createSyncEngine(options).exchange()).shipped, 0);
});

test("functions of getters, of prototypes and of proxies are functions", async () => {
  const made = memoryDatabase();
  class Database {
    get query() {
      return made.query;
    }
  }
  const anything = new Proxy({}, { get: (_, name) => made[name] });
  for (const localDatabaseAdapter of [new Database(), anything]) {
    const engine = sync.createSyncEngine(engineOptions({ localDatabaseAdapter }));
    assert.equal((await engine.exchange()).shipped, 0);
  }
});

test("answering sides are told of what they lack when they are made", () => {
  const lacking = { databaseAdapter: {} };
  const words = refusal(/databaseAdapter\.query\): must be a function, got undefined/);
  assert.throws(() => sync.createInProcessSyncTransport(channelOptions(lacking)), words);
  assert.throws(() => sync.createHttpSyncServer(channelOptions(lacking)), words);
  assert.throws(
    () => sync.createHttpSyncServer(channelOptions({ transport: {} })),
    refusal(/transport\.exchange\): must be a function/),
  );
  const promised = channelOptions({ objectStorageAdapter: Promise.resolve({}) });
  for (const make of [sync.createHttpSyncServer, sync.createHttpSyncHandler]) {
    assert.throws(() => make(promised), refusal(/got a Promise: await it first/));
  }
});

test("a handler that is only asked for files needs no store of records", () => {
  const options = channelOptions({ databaseAdapter: {} });
  assert.equal(typeof sync.createHttpSyncHandler(options), "function");
});

test("a function that is missing in the round is told with its adapter", async () => {
  const localDatabaseAdapter = memoryDatabase();
  const engine = sync.createSyncEngine(engineOptions({ localDatabaseAdapter }));
  localDatabaseAdapter.query = "none";
  await assert.rejects(
    engine.exchange(),
    refusal(/localDatabaseAdapter\.query: must be a function, got a string/),
  );
});
