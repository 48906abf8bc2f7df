// App rows in a SQLite file: the same as an app's own, as a source of the engine, and what they refuse.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { memoryAppRows } from "./support/app-rows.mjs";
import { at, text } from "./support/hlc.mjs";
import { bytes, clockFor, memoryDatabase, memoryObjects, memoryState } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

const FILES = "_starkeep_sync_records";
const TABLES = [
  { name: "pages", pkColumns: ["id"] },
  { name: "links", pkColumns: ["from", "to"] },
];

const SOURCES = {
  "the double of app rows": () => memoryAppRows({ nodeWatermarks: true }),
  "native app rows": (t) => {
    const rows = sync.createSqliteAppRows({ path: join(folderFor(t), "rows.db") });
    t.after(() => rows.close());
    return rows;
  },
};

async function made(t, make) {
  const source = make(t);
  await source.register("notes", TABLES);
  return source;
}

// The double takes the tables as a list, the native source takes a registration.
const MAKERS = {
  "the double of app rows": (t) => made(t, SOURCES["the double of app rows"]),
  "native app rows": (t) =>
    made(t, (context) => {
      const rows = SOURCES["native app rows"](context);
      return { ...rows, register: (appId, tables) => rows.register(appId, { tables }) };
    }),
};

const entry = (op, stamp, row, rest = {}) => ({
  timestamp: stamp,
  appId: "notes",
  table: "pages",
  op,
  row: { ...row, updated_at: text(stamp) },
  ...rest,
});
const page = (id, stamp, more = {}) =>
  entry("insert", stamp, { id, title: id, deleted_at: null, ...more });

const plain = (value) => JSON.parse(JSON.stringify(value));
const scan = async (source, table = "pages", since = "", options = {}) =>
  plain(await source.applier.scanSince("notes", table, since, options));

/** Each: what is applied, and what a scan then answers. @type {Record<string, (source: any) => Promise<void>>} */
const APPLIERS = {
  async "the newer of two inserts stands, whichever comes first"(source) {
    const [older, newer] = [
      page("a", at(1, "x"), { title: "old" }),
      page("a", at(2, "y"), { title: "new" }),
    ];
    for (const one of [older, newer, older]) await source.applier.apply(one);
    assert.deepEqual((await scan(source)).rows, [plain(newer)]);
  },
  async "an update changes the columns that it names of rows that are older"(source) {
    await source.applier.apply(page("a", at(1, "x"), { note: "kept" }));
    await source.applier.apply(page("b", at(9, "x")));
    const where = (id) => ({ where: { id } });
    await source.applier.apply(entry("update", at(3, "y"), { title: "changed" }, where("a")));
    await source.applier.apply(entry("update", at(3, "y"), { title: "too late" }, where("b")));
    await source.applier.apply(entry("update", at(3, "y"), { title: "nobody" }, where("c")));
    assert.deepEqual((await scan(source)).rows, [
      plain(page("a", at(3, "y"), { title: "changed", note: "kept" })),
      plain(page("b", at(9, "x"))),
    ]);
  },
  async "a deleted row stays, as a delete entry with the whole row"(source) {
    await source.applier.apply(page("a", at(1, "x"), { note: "kept" }));
    await source.applier.apply(
      entry("delete", at(2, "x"), undefined, { where: { id: "a" }, row: undefined }),
    );
    const dead = { id: "a", title: "a", note: "kept", deleted_at: text(at(2, "x")) };
    assert.deepEqual((await scan(source)).rows, [plain(entry("delete", at(2, "x"), dead))]);
  },
  async "a row that is deleted before it was seen is not brought back by an older version"(source) {
    const dead = { id: "a", title: "a", deleted_at: text(at(5, "x")) };
    await source.applier.apply(entry("delete", at(5, "x"), dead));
    await source.applier.apply(page("a", at(4, "y")));
    assert.deepEqual((await scan(source)).rows, [plain(entry("delete", at(5, "x"), dead))]);
  },
  async "rows are told apart by all columns of the primary key"(source) {
    const link = (from, to, stamp) => ({
      ...entry("insert", stamp, { from, to, deleted_at: null }),
      table: "links",
    });
    const links = [link(1, 2, at(1, "x")), link(1, 3, at(2, "x")), link(2, 2, at(3, "x"))];
    for (const one of links) await source.applier.apply(one);
    assert.deepEqual((await scan(source, "links")).rows, plain(links));
  },
  async "every JSON value goes through unchanged, also under names that mean something elsewhere"(
    source,
  ) {
    const odd = {
      yes: true,
      no: false,
      none: null,
      whole: 5,
      part: 0.1,
      small: -1e-7,
      large: 2 ** 53 - 1,
      huge: 1e300,
      digits: "007",
      empty: "",
      text: 'ü \u{1F600} "quoted" \0',
      object: { a: [1, { b: null }] },
      constructor: "c",
      'a"b; DROP TABLE x': 1,
      ID: "another column",
      starkeep_extra_json: "mine",
      node_id: "not the node",
    };
    Object.defineProperty(odd, "__proto__", { value: "own", enumerable: true });
    const sent = page("a", at(1, "x"), odd);
    assert.ok(Object.hasOwn(sent.row, "__proto__"));
    await source.applier.apply(sent);
    assert.equal(
      JSON.stringify(Object.entries((await scan(source)).rows[0].row).sort()),
      JSON.stringify(Object.entries(sent.row).sort()),
    );
  },
  async "pages follow each other without gaps, past four digits of counter too"(source) {
    const stamps = [
      at(1, "b"),
      { ...at(2, "a"), counter: 65_535 },
      { ...at(2, "a"), counter: 65_536 },
    ];
    stamps.push(at(3, "a"), at(3, "b"));
    for (const [number, stamp] of stamps.entries()) {
      await source.applier.apply(page(`p${number}`, stamp));
    }
    const seen = [];
    let cursor;
    do {
      const found = await scan(source, "pages", text(at(1, "a")), { limit: 2, cursor });
      seen.push(...found.rows.map(({ row }) => row.id));
      assert.equal(found.hasMore, found.nextCursor !== null);
      cursor = found.nextCursor;
    } while (cursor);
    assert.deepEqual(seen, ["p0", "p1", "p2", "p3", "p4"]);
    assert.deepEqual(plain(await source.applier.getNodeWatermarks("notes", "pages")), {
      a: at(3, "a"),
      b: at(3, "b"),
    });
  },
  async "the apps are answered at once"(source) {
    assert.deepEqual(source.namespaces.get("notes").tableNames, ["pages", "links"]);
    assert.deepEqual(source.namespaces.get("nobody"), null);
    assert.deepEqual(plain(source.namespaces.list()[0].tables), TABLES);
  },
  async "a row of an app that is not registered is refused"(source) {
    await assert.rejects(async () =>
      source.applier.apply({ ...page("a", at(1, "x")), appId: "nobody" }),
    );
  },
};

for (const [name, make] of Object.entries(MAKERS)) {
  describe(name, () => {
    for (const [what, check] of Object.entries(APPLIERS)) {
      test(what, async (t) => check(await make(t)));
    }
  });
}

async function native(t, name = "rows") {
  const rows = sync.createSqliteAppRows({ path: join(folderFor(t), `${name}.db`) });
  t.after(() => rows.close());
  await rows.register("notes", { tables: TABLES, filesEnabled: true });
  return rows;
}

/** A node over `source` against a cloud over `cloudSource`; objects are JavaScript's. */
function world(source, cloudSource) {
  const [local, remote] = [memoryObjects(), memoryObjects()];
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: memoryDatabase(),
    objectStorage: remote,
    clock: clockFor("cloud"),
    syncSharedRecords: false,
    appSyncableSource: cloudSource,
  });
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: memoryDatabase(),
    localObjectStorage: local,
    remoteObjectStorage: remote,
    transport,
    clock: sync.createHLCClock({ nodeId: "node" }),
    syncState: memoryState(),
    syncSharedRecords: false,
    appSyncableSource: source,
    pageLimit: 2,
  });
  return { engine, local, remote };
}

async function drain(engine) {
  for (let round = 0; round < 50; round += 1) {
    const result = await engine.exchange();
    if (!result.hasMore) return result;
  }
  return assert.fail("it does not come to an end");
}

const double = () => {
  const rows = memoryAppRows({ nodeWatermarks: true });
  rows.register("notes", [...TABLES, { name: FILES, pkColumns: ["id"] }]);
  return rows;
};

for (const [what, kinds] of Object.entries({
  "between two native sources": [native, native],
  "from a native source to one of the app": [native, double],
  "from a source of the app to a native one": [double, native],
})) {
  test(`rows and their files sync ${what}, both ways`, async (t) => {
    const [here, there] = [await kinds[0](t, "here"), await kinds[1](t, "there")];
    const { engine, local, remote } = world(here, there);
    for (let number = 1; number <= 5; number += 1) {
      await here.applier.apply(page(`here${number}`, at(number, "a"), { list: [number] }));
      await there.applier.apply(page(`there${number}`, at(number, "b")));
    }
    await local.put("files/f", bytes("file"));
    const file = { id: "f", object_storage_key: "files/f", mime_type: "text/plain" };
    await here.applier.apply({
      ...entry("insert", at(9, "a"), { ...file, size_bytes: 4, deleted_at: null }),
      table: FILES,
    });
    const result = await drain(engine);
    assert.deepEqual(result.held, []);
    assert.equal(await remote.has("files/f"), true);
    for (const [table, count] of [
      ["pages", 10],
      [FILES, 1],
    ]) {
      const rows = async (source) => {
        const found = (await scan(source, table)).rows;
        return found.map((one) => JSON.stringify(Object.entries(one.row).sort())).sort();
      };
      assert.deepEqual(await rows(there), await rows(here));
      assert.equal((await rows(here)).length, count);
    }
    assert.equal((await drain(engine)).shipped, 0);
  });
}

test("a function that the app has put in the place of one of ours is the one that is called", async (t) => {
  const [here, there] = [await native(t, "here"), await native(t, "there")];
  await there.applier.apply(page("a", at(1, "b")));
  const applied = [];
  const source = {
    ...here,
    applier: {
      ...here.applier,
      async apply(one) {
        applied.push(one.row.id);
        await here.applier.apply(one);
      },
    },
  };
  await drain(world(source, there).engine);
  assert.deepEqual(applied, ["a"]);
  assert.equal((await scan(here)).rows.length, 1);
  here.applier.apply = async () => {
    throw new Error("not today");
  };
  await there.applier.apply(page("b", at(2, "b")));
  const { held } = await drain(world(here, there).engine);
  assert.equal(held[0].error.message, "not today");
});

test("records, rows and state share one file and come back with it", async (t) => {
  const path = join(folderFor(t), "all.db");
  const open = () => [
    sync.createSqliteDatabaseAdapter({ path }),
    sync.createSqliteAppRows({ path }),
    sync.createSqliteSyncStateStore({ path }),
  ];
  for (let time = 1; time <= 2; time += 1) {
    const stores = open();
    await stores[1].register("notes", { tables: TABLES });
    await stores[1].applier.apply(page(`p${time}`, at(time, "a")));
    assert.equal((await scan(stores[1])).rows.length, time);
    assert.equal(await stores[1].healthCheck(), true);
    for (const store of stores) await store.close();
  }
});

test("what is wrong is refused with a code that says so", async (t) => {
  const rows = await native(t);
  const code = (expected) => (error) => error.code === expected && error.message.length > 20;
  const broken = join(folderFor(t), "text.db");
  writeFileSync(
    broken,
    "this is no database, but a text that is long enough to have been one".repeat(20),
  );
  assert.throws(() => sync.createSqliteAppRows({ path: broken }), code("NOT_A_DATABASE"));
  assert.throws(() => sync.createSqliteAppRows({}), code("INVALID_ARGUMENT"));
  const wrong = [
    [{ ...page("a", at(1, "x")), table: "nothing" }, "UNKNOWN_APP"],
    [{ ...page("a", at(1, "x")), op: "upsert" }, "INVALID_ARGUMENT"],
    [{ ...page("a", at(1, "x")), row: undefined }, "INVALID_ARGUMENT"],
    [entry("insert", at(1, "x"), { title: "no id" }), "INVALID_ARGUMENT"],
    [entry("update", at(1, "x"), { title: "no where" }), "INVALID_ARGUMENT"],
    [{ ...page("a", at(1, "x")), timestamp: at(2, "x") }, "INVALID_ARGUMENT"],
  ];
  for (const [one, expected] of wrong) {
    await assert.rejects(rows.applier.apply(one), code(expected), expected);
  }
  await assert.rejects(
    rows.register("Notes", { tables: [{ name: "PAGES", pkColumns: ["id"] }] }),
    code("INVALID_ARGUMENT"),
  );
  await assert.rejects(
    rows.register("notes", { tables: [{ name: "pages", pkColumns: ["other"] }] }),
    code("INVALID_ARGUMENT"),
  );
  assert.deepEqual((await scan(rows)).rows, []);
  await rows.close();
  await rows.close();
  await assert.rejects(rows.applier.apply(page("a", at(1, "x"))), code("STORE_CLOSED"));
  assert.throws(() => rows.namespaces.list(), code("STORE_CLOSED"));
});
