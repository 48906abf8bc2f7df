import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import {
  clockFor,
  ids,
  makeCloud,
  makeNode,
  memoryDatabase,
  memoryObjects,
  memoryState,
  needingThis,
  record,
  throwing,
  write,
} from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";
import { BUCKET } from "./support/s3.mjs";

const required = createRequire(import.meta.url)("@starkeep/sync-engine");

const PUBLIC = [
  "StarkeepError",
  "SyncError",
  "ZERO_HLC",
  "advanceWatermark",
  "compareHLC",
  "computeAppSyncableWatermarks",
  "computeRecordWatermarks",
  "createChangeNotifier",
  "createFileSyncEngine",
  "createFsObjectStorage",
  "createHLCClock",
  "createHttpObjectStorage",
  "createHttpSyncHandler",
  "createHttpSyncServer",
  "createHttpSyncTransport",
  "createId",
  "createInProcessSyncTransport",
  "createPostgresAppRows",
  "createPostgresDatabaseAdapter",
  "createPostgresSyncStateStore",
  "createS3ObjectStorage",
  "createSqliteAppRows",
  "createSqliteDatabaseAdapter",
  "createSqliteSyncStateStore",
  "createSyncEngine",
  "createSyncLoop",
  "deserializeHLC",
  "findUnreferencedObjects",
  "isStarkeepError",
  "mergeWatermarks",
  "purgeTombstones",
  "residencyOf",
  "selectUnseen",
  "serializeHLC",
  "toId",
  "watermarkFor",
  "withSqliteAppRows",
  "withSqliteDelta",
];

test("the ESM and the CommonJS face export the same names", () => {
  for (const name of PUBLIC) {
    assert.ok(name in sync, `import has ${name}`);
    assert.ok(name in required, `require has ${name}`);
    assert.equal(typeof sync[name], typeof required[name]);
  }
  const named = (face) =>
    Object.keys(face)
      .filter((name) => name !== "default" && name !== "module.exports" && name !== "__esModule")
      .sort();
  assert.deepEqual(named(sync), PUBLIC);
  assert.deepEqual(named(sync), named(required));
});

test("the two faces work together: an engine of one with a transport of the other", async () => {
  const database = memoryDatabase();
  await database.put(record("1", at(1, "z")));
  const transport = required.createInProcessSyncTransport({
    databaseAdapter: database,
    objectStorage: memoryObjects(),
    clock: clockFor("cloud"),
  });
  const node = makeNode("a", makeCloud(), { engine: { transport, appSyncableSource: undefined } });
  assert.equal((await node.engine.exchange()).applied, 1);
  assert.deepEqual(ids(node), ["1"]);
});

const FACTORIES = {
  createChangeNotifier: {
    make: () => sync.createChangeNotifier(),
    functions: ["subscribe", "emit"],
  },
  createFileSyncEngine: {
    make: () => sync.createFileSyncEngine(),
    functions: ["isTransferInFlight", "getFilesToPush", "getFilesToPull", "transferFile"],
  },
  createInProcessSyncTransport: { make: () => makeCloud().transport, functions: ["exchange"] },
  createSyncEngine: { make: () => makeNode("a", makeCloud()).engine, functions: ["exchange"] },
  createSyncLoop: {
    make: () => sync.createSyncLoop(makeNode("a", makeCloud()).engine, { autoStart: false }),
    functions: [
      "start",
      "pause",
      "resume",
      "stop",
      "nudge",
      "kick",
      "add",
      "remove",
      "status",
      "subscribe",
    ],
  },
  createHLCClock: {
    make: () => sync.createHLCClock({ nodeId: "a" }),
    functions: ["now", "send", "receive"],
  },
  createFsObjectStorage: {
    make: (t) => sync.createFsObjectStorage({ root: folderFor(t) }),
    functions: ["init", "close", "healthCheck", "put", "get", "has", "delete", "list"],
  },
  createS3ObjectStorage: {
    make: () => sync.createS3ObjectStorage(BUCKET),
    functions: [
      "init",
      "close",
      "healthCheck",
      "put",
      "get",
      "has",
      "delete",
      "list",
      "stat",
      "presign",
    ],
  },
  createPostgresAppRows: {
    make: () => sync.createPostgresAppRows({ connectionString: "postgres://a@127.0.0.1/a" }),
    functions: ["register", "healthCheck", "close"],
  },
  createPostgresSyncStateStore: {
    make: () =>
      sync.createPostgresSyncStateStore({
        connectionString: "postgres://a@127.0.0.1/a",
        scope: "me",
      }),
    functions: [
      "getWatermarks",
      "setWatermarks",
      "getPeerWatermarks",
      "setPeerWatermarks",
      "getHlcClockState",
      "setHlcClockState",
    ],
  },
  createPostgresDatabaseAdapter: {
    make: () =>
      sync.createPostgresDatabaseAdapter({ connectionString: "postgres://a@127.0.0.1/a" }),
    functions: [
      "init",
      "close",
      "healthCheck",
      "put",
      "get",
      "delete",
      "query",
      "batch",
      "transaction",
      "putMetadata",
      "getMetadata",
      "getMetadataByIds",
      "deleteMetadata",
      "getNodeWatermarks",
    ],
  },
  createSqliteDatabaseAdapter: {
    make: (t) => sync.createSqliteDatabaseAdapter({ path: join(folderFor(t), "records.db") }),
    functions: [
      "init",
      "close",
      "healthCheck",
      "put",
      "get",
      "delete",
      "query",
      "batch",
      "transaction",
      "putMetadata",
      "getMetadata",
      "getMetadataByIds",
      "deleteMetadata",
      "getNodeWatermarks",
    ],
  },
  createSqliteSyncStateStore: {
    make: (t) => sync.createSqliteSyncStateStore({ path: join(folderFor(t), "state.db") }),
    functions: [
      "getWatermarks",
      "setWatermarks",
      "getPeerWatermarks",
      "setPeerWatermarks",
      "getHlcClockState",
      "setHlcClockState",
    ],
  },
};

for (const [factory, { make, functions }] of Object.entries(FACTORIES)) {
  test(`${factory} answers a plain object with enumerable functions of its own`, async (t) => {
    const made = make(t);
    assert.equal(Object.getPrototypeOf(made), Object.prototype);
    for (const name of functions) {
      const property = Object.getOwnPropertyDescriptor(made, name);
      assert.ok(property !== undefined, `${name} is its own`);
      assert.ok(property.enumerable, `${name} is enumerable`);
      assert.equal(typeof made[name], "function", `${name} is a function`);
    }
    assert.deepEqual(Object.keys({ ...made }).sort(), Object.keys(made).sort());
    await made.close?.();
  });
}

test("the functions of an engine, a notifier and a clock work without their object", async () => {
  const cloud = makeCloud();
  const node = makeNode("a", cloud);
  const { exchange, changeNotifier } = node.engine;
  const { subscribe, emit } = changeNotifier;
  let heard = 0;
  subscribe(() => (heard += 1));
  emit({ eventType: "remote-update-available", recordIds: [], timestamp: at(1, "a") });
  assert.equal(heard, 1);
  write(node, "SR", "1");
  assert.equal((await exchange()).shipped, 1);
  const { now, receive } = sync.createHLCClock({ nodeId: "c" });
  assert.equal(receive(now()).nodeId, "c");
});

test("a transport that was spread with a function of the app is used as it stands", async () => {
  const cloud = makeCloud();
  write(cloud, "SR", "real", { stamp: at(1, "z") });
  let asked = 0;
  const mine = async (request) => {
    asked += 1;
    const answer = await cloud.transport.exchange(request);
    return { ...answer, records: [...answer.records, record("mine", at(2, "y"))] };
  };
  const node = makeNode("a", cloud, {
    engine: { transport: { ...cloud.transport, exchange: mine } },
  });
  await node.engine.exchange();
  assert.equal(asked, 1);
  assert.deepEqual(ids(node), ["mine", "real"]);
});

test("a function put on a transport afterwards is honoured too", async () => {
  const cloud = makeCloud();
  const node = makeNode("a", cloud, { engine: { transport: cloud.transport } });
  const error = new Error("replaced");
  cloud.transport.exchange = async () => {
    throw error;
  };
  await assert.rejects(
    async () => node.engine.exchange(),
    (thrown) => thrown === error,
  );
});

test("a clock that was spread with a function of the app is used as it stands", async () => {
  const cloud = makeCloud();
  write(cloud, "SR", "1", { stamp: at(1, "z") });
  const received = [];
  const native = sync.createHLCClock({ nodeId: "a" });
  const clock = {
    ...native,
    receive(remote) {
      received.push(remote);
      return native.receive(remote);
    },
  };
  await makeNode("a", cloud, { engine: { clock } }).engine.exchange();
  assert.deepEqual(received, [at(1, "z")]);
});

for (const [face, { SyncError }] of Object.entries({ import: sync, require: required })) {
  test(`SyncError by ${face} is an error class with a code and a cause`, () => {
    const cause = { any: "thing" };
    const error = new SyncError("went wrong", cause);
    assert.ok(error instanceof SyncError && error instanceof Error);
    assert.equal(error.name, "SyncError");
    assert.equal(error.code, "SYNC_ERROR");
    assert.equal(error.message, "went wrong");
    assert.equal(error.cause, cause);
    assert.equal(new SyncError("alone").cause, undefined);
    assert.match(error.stack, /went wrong/);
    const Parent = Object.getPrototypeOf(SyncError);
    const plain = new Parent("of the parent", "SOME_CODE", cause);
    assert.ok(error instanceof Parent && plain instanceof Error && !(plain instanceof SyncError));
    assert.deepEqual(
      [plain.message, plain.code, plain.cause],
      ["of the parent", "SOME_CODE", cause],
    );
    class Own extends SyncError {}
    assert.ok(new Own("mine") instanceof SyncError);
  });
}

test("an engine made by import throws the SyncError of import, and one by require that of require", async () => {
  for (const face of [sync, required]) {
    const engine = face.createSyncEngine({
      localDatabaseAdapter: memoryDatabase(),
      localObjectStorage: memoryObjects(),
      remoteObjectStorage: memoryObjects(),
      transport: { exchange: async () => "no answer" },
      clock: clockFor("a"),
    });
    await assert.rejects(
      async () => engine.exchange(),
      (error) => error instanceof face.SyncError && error.code === "SYNC_ERROR",
    );
  }
});

test("a factory without its options throws", () => {
  for (const factory of [
    "createSyncEngine",
    "createInProcessSyncTransport",
    "createSqliteDatabaseAdapter",
    "createFsObjectStorage",
  ]) {
    assert.equal(typeof sync[factory], "function");
    assert.throws(() => sync[factory](), Error);
  }
});

test("an option of a wrong kind is named, at the latest when it is first used", async () => {
  const cloud = makeCloud();
  write(cloud, "SR", "1", { stamp: at(1, "z") });
  const right = {
    localDatabaseAdapter: memoryDatabase(),
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport: cloud.transport,
    clock: clockFor("a"),
  };
  const wrongs = {
    localDatabaseAdapter: [5, null, {}],
    transport: ["http://x", {}],
    clock: [undefined, 7],
    pageLimit: [0, -1, "many"],
    syncState: [5],
  };
  for (const [option, values] of Object.entries(wrongs)) {
    for (const value of values) {
      const attempt = async () => sync.createSyncEngine({ ...right, [option]: value }).exchange();
      await assert.rejects(
        attempt,
        (error) => error instanceof Error && error.message.includes(option),
        `${option}: ${String(value)}`,
      );
    }
  }
});

test("an option given as undefined is as good as left out", async () => {
  const node = makeNode("a", makeCloud(), {
    engine: {
      syncState: undefined,
      appSyncableSource: undefined,
      pageLimit: undefined,
      scanPageSize: undefined,
      syncSharedRecords: undefined,
    },
  });
  write(node, "SR", "1");
  assert.equal((await node.engine.exchange()).shipped, 1);
});

test("adapters are called with their own this, wherever they are called from", async () => {
  const cloud = makeCloud();
  const node = makeNode("a", cloud);
  const clock = needingThis(clockFor("a"));
  const strict = makeNode("a", cloud, {
    engine: {
      localDatabaseAdapter: needingThis(node.db),
      localObjectStorage: needingThis(node.objects),
      remoteObjectStorage: needingThis(cloud.objects),
      transport: needingThis(cloud.transport),
      clock,
      syncState: needingThis(memoryState()),
      appSyncableSource: {
        namespaces: needingThis(node.rows.namespaces),
        applier: needingThis(node.rows.applier),
      },
    },
  });
  for (const kind of ["SR", "AR", "AW"]) {
    write(node, kind, "up", { key: kind === "AW" ? "" : `up-${kind}` });
    write(cloud, kind, "down", { stamp: at(9, "z"), key: kind === "AW" ? "" : `down-${kind}` });
  }
  const result = await strict.engine.exchange();
  assert.deepEqual({ ...result }, { applied: 1, shipped: 3, hasMore: false });
  assert.ok(node.objects.keys().includes("down-SR") && cloud.objects.keys().includes("up-AR"));
});

test("the answering side calls its adapters with their own this", async () => {
  const cloud = makeCloud();
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: needingThis(cloud.db),
    objectStorage: needingThis(cloud.objects),
    clock: needingThis(cloud.clock),
    appSyncableSource: {
      namespaces: needingThis(cloud.rows.namespaces),
      applier: needingThis(cloud.rows.applier),
    },
  });
  const node = makeNode("a", cloud, { engine: { transport } });
  for (const kind of ["SR", "AR", "AW"]) write(node, kind, "up");
  assert.deepEqual(
    { ...(await node.engine.exchange()) },
    { applied: 0, shipped: 3, hasMore: false },
  );
});

test("an error of the app crosses as the same object, also where it is none", async () => {
  for (const thrown of [
    new Error("e"),
    Object.freeze({ code: 7 }),
    "a string",
    0,
    null,
    undefined,
    Symbol("s"),
    10n,
  ]) {
    const node = makeNode("a", makeCloud());
    node.via.transport.plan.exchange = throwing(thrown, 1);
    const outcome = await node.engine.exchange().then(
      () => "resolved",
      (error) => ({ error }),
    );
    assert.ok(Object.is(outcome.error, thrown), `threw ${String(thrown)}`);
    assert.deepEqual(
      await node.engine.exchange(),
      { applied: 0, shipped: 0, hasMore: false },
      "and the engine goes on",
    );
  }
});

for (const [adapter, method] of [
  ["state", "getWatermarks"],
  ["state", "getPeerWatermarks"],
  ["state", "setWatermarks"],
  ["db", "query"],
]) {
  test(`what ${method} of the app throws, at once or later, ends the round with that object`, async () => {
    for (const plain of [true, false]) {
      const error = new Error(method);
      const node = makeNode("a", makeCloud({ coverage: false }));
      write(node, "SR", "1");
      node.via[adapter].plan[method] = { ...throwing(error, 1), plain };
      await assert.rejects(
        async () => node.engine.exchange(),
        (thrown) => thrown === error,
      );
      assert.equal((await node.engine.exchange()).hasMore, false);
    }
  });
}
