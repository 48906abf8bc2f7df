// Options that a function does not know, or that are not what they must be, are told where they are given.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import ts from "typescript";
import options from "../js/options.js";
import { at } from "./support/hlc.mjs";
import {
  clockFor,
  makeCloud,
  makeNode,
  memoryDatabase,
  memoryObjects,
  write,
} from "./support/index.mjs";
import { folderFor } from "./support/native.mjs";
import { BUCKET } from "./support/s3.mjs";
import { channelOptions, database, engineOptions, refusal, saidIn } from "./support/wiring.mjs";

/* Unknown options ------------------------------------------------------------------------------ */

/** The table of `js/options.js`. */
function knownOptions() {
  return new Map(
    Object.entries(options.OPTIONS).map(([name, { known, refuses }]) => [
      name,
      { others: refuses ? "Refused" : "Warned", known: Object.keys(known).sort() },
    ]),
  );
}

/** The names of the options that the declarations of a factory know, of all its signatures. */
function declaredOptions() {
  const file = new URL("../index.d.ts", import.meta.url).pathname;
  const program = ts.createProgram([file], { strict: true, skipLibCheck: true });
  const checker = program.getTypeChecker();
  const declared = new Map();
  for (const node of program.getSourceFile(file).statements) {
    if (!ts.isFunctionDeclaration(node) || !/^(create|with)[A-Z]/.test(node.name.text)) continue;
    const options = node.parameters.at(-1);
    const names = declared.get(node.name.text) ?? new Set();
    declared.set(node.name.text, names);
    if (options === undefined) continue;
    const branches = (written) =>
      ts.isConditionalTypeNode(written)
        ? [written.trueType, written.falseType].flatMap(branches)
        : [checker.getTypeFromTypeNode(written)];
    for (const type of branches(options.type))
      for (const part of type.isUnion() ? type.types : [type])
        for (const { name } of part.getProperties()) names.add(name);
  }
  return declared;
}

test("each factory knows the options that its declaration has, and no others", () => {
  const table = knownOptions();
  const declared = declaredOptions();
  // What all channels of a server share is an option of the server.
  assert.deepEqual(
    [...table.get("createHttpSyncServer(channels)").known, "maxMemoryBytes"].sort(),
    table.get("createHttpSyncHandler").known,
  );
  table.delete("createHttpSyncServer(channels)");
  assert.deepEqual([...table.keys()].sort(), [...declared.keys()].sort());
  for (const [name, names] of declared) {
    assert.deepEqual(table.get(name).known, [...names].sort(), name);
  }
});

const POSTGRES = "postgres://nobody@127.0.0.1:9/nothing";

/** Per factory how it is called with options, and options that it takes. */
const REFUSING = {
  createFsObjectStorage: (t, more) => sync.createFsObjectStorage({ root: folderFor(t), ...more }),
  createHLCClock: (t, more) => sync.createHLCClock({ nodeId: "a", ...more }),
  createHttpObjectStorage: (t, more) =>
    sync.createHttpObjectStorage({ baseUrl: "http://127.0.0.1", ...more }),
  createId: (t, more) => sync.createId(more),
  createHttpSyncServer: (t, more) => sync.createHttpSyncServer(channelOptions(more)),
  "createHttpSyncServer(channels)": (t, more) =>
    sync.createHttpSyncServer({ channels: { "/a": channelOptions(more) } }),
  createPostgresAppRows: (t, more) =>
    sync.createPostgresAppRows({ connectionString: POSTGRES, ...more }),
  createPostgresSyncStateStore: (t, more) =>
    sync.createPostgresSyncStateStore({ connectionString: POSTGRES, scope: "a", ...more }),
  createPostgresDatabaseAdapter: (t, more) =>
    sync.createPostgresDatabaseAdapter({ connectionString: POSTGRES, ...more }),
  createS3ObjectStorage: (t, more) => sync.createS3ObjectStorage({ ...BUCKET, ...more }),
  createSqliteAppRows: (t, more) =>
    sync.createSqliteAppRows({ path: join(folderFor(t), "rows.db"), ...more }),
  createSqliteDatabaseAdapter: (t, more) =>
    sync.createSqliteDatabaseAdapter({ path: ":memory:", ...more }),
  createSyncLoop: (t, more) => sync.createSyncLoop({}, { autoStart: false, ...more }),
  withSqliteAppRows: (t, more) => sync.withSqliteAppRows({ db: database(), ...more }),
  withSqliteDelta: (t, more) => sync.withSqliteDelta(memoryDatabase(), { db: database(), ...more }),
};

const WARNING = {
  createChangeNotifier: (more) => sync.createChangeNotifier(more),
  createFileSyncEngine: (more) => sync.createFileSyncEngine(more),
  createHttpSyncHandler: (more) => sync.createHttpSyncHandler(channelOptions(more)),
  createHttpSyncTransport: (more) =>
    sync.createHttpSyncTransport({ baseUrl: "http://127.0.0.1", ...more }),
  createInProcessSyncTransport: (more) =>
    sync.createInProcessSyncTransport(channelOptions({ objectStorageAdapter: undefined, ...more })),
  createSqliteSyncStateStore: (more) =>
    sync.createSqliteSyncStateStore({ path: ":memory:", ...more }),
  createSyncEngine: (more) => sync.createSyncEngine(engineOptions(more)),
};

test("every factory is tried with an option that it does not know", () => {
  const of = (others) =>
    [...knownOptions()].filter(([, row]) => row.others === others).map(([name]) => name);
  assert.deepEqual(Object.keys(REFUSING).sort(), of("Refused").sort());
  assert.deepEqual(Object.keys(WARNING).sort(), of("Warned").sort());
});

for (const [name, make] of Object.entries(REFUSING)) {
  test(`${name} refuses an option that it does not know`, (t) => {
    assert.throws(() => make(t, { frobnicate: 1 }), refusal(/unknown option `frobnicate`/));
  });
}

for (const [name, make] of Object.entries(WARNING)) {
  test(`${name} warns of an option that it does not know, once for each name`, async (t) => {
    const said = await saidIn(t, async () => {
      for (const more of [{ frobnicate: 1 }, { frobnicate: 2 }, { frobnicator: 1 }]) make(more);
    });
    assert.equal(said.length, 2);
    assert.ok(said[0].includes(`${name}: unknown option \`frobnicate\``), said[0]);
    assert.ok(said[1].includes("`frobnicator`"), said[1]);
  });
}

test("a server whose authorize is misspelt does not open, and is told the name", () => {
  const options = channelOptions({ authorise: () => false });
  const words = /unknown option `authorise`; did you mean `authorize`\?/;
  assert.throws(() => sync.createHttpSyncServer(options), refusal(words));
  assert.throws(() => sync.createHttpSyncServer({ channels: { "/a": options } }), refusal(words));
});

test("the nearest name is told for slips of the keyboard, of capitals, and for names that are longer", () => {
  const slips = {
    baseURL: "baseUrl",
    retry: "retries",
    timeout: "timeoutMs",
    getAuthHeaders: "getAuthHeader",
  };
  for (const [slip, name] of Object.entries(slips)) {
    assert.throws(
      () => sync.createHttpObjectStorage({ baseUrl: "http://127.0.0.1", [slip]: 1 }),
      refusal(new RegExp(`unknown option \`${slip}\`; did you mean \`${name}\``)),
    );
  }
});

test("options that are undefined, inherited or symbols are none", (t) => {
  class Options {
    constructor(root) {
      this.root = root;
    }
    get frobnicate() {
      return 1;
    }
  }
  assert.ok(sync.createFsObjectStorage(new Options(folderFor(t))));
  const root = folderFor(t);
  assert.ok(sync.createFsObjectStorage({ root, frobnicate: undefined, [Symbol("own")]: 1 }));
  assert.ok(sync.createFsObjectStorage(Object.create({ root, frobnicate: 1 })));
});

/* Messages ------------------------------------------------------------------------------------- */

const GOT = [
  [-1, "-1"],
  [Number.NaN, "NaN"],
  [1e300, "1e300"],
  ["abc", '"abc"'],
  ["x".repeat(1000), "a string"],
  [true, "true"],
  [{}, "an object"],
  [[], "an array"],
  [() => {}, "a function"],
  [1n, "a bigint"],
  [Symbol("s"), "a symbol"],
  [Promise.resolve(), "a Promise: await it first"],
];

test("a wrong option says what it must be and what it is, briefly", () => {
  for (const [pageLimit, got] of GOT) {
    assert.throws(() => sync.createSyncEngine(engineOptions({ pageLimit })), {
      code: "INVALID_ARGUMENT",
      message: `createSyncEngine(pageLimit): must be a positive integer, got ${got}`,
    });
  }
});

test("what may be a secret is not shown", () => {
  const secret = "Bearer 123";
  for (const name of ["getAuthHeader", "signRequest", "fetch"]) {
    assert.throws(
      () => sync.createHttpSyncTransport({ baseUrl: "http://127.0.0.1", [name]: secret }),
      (error) => {
        assert.match(error.message, /must be a function, got a string/);
        return !error.message.includes(secret);
      },
    );
  }
});

test("options that are none are told as such", () => {
  for (const make of [sync.createSyncEngine, sync.createFsObjectStorage, sync.withSqliteAppRows]) {
    assert.throws(
      () => make(undefined),
      refusal(/must be called with an options object, got undefined/),
    );
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
