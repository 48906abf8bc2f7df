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
  record,
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

const RECORDS = [
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
];
const STATE = [
  "getWatermarks",
  "setWatermarks",
  "getPeerWatermarks",
  "setPeerWatermarks",
  "getHlcClockState",
  "setHlcClockState",
];

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
    functions: STATE,
  },
  createPostgresDatabaseAdapter: {
    make: () =>
      sync.createPostgresDatabaseAdapter({ connectionString: "postgres://a@127.0.0.1/a" }),
    functions: RECORDS,
  },
  createSqliteDatabaseAdapter: {
    make: (t) => sync.createSqliteDatabaseAdapter({ path: join(folderFor(t), "records.db") }),
    functions: RECORDS,
  },
  createSqliteSyncStateStore: {
    make: (t) => sync.createSqliteSyncStateStore({ path: join(folderFor(t), "state.db") }),
    functions: STATE,
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
