// What an app sees of the stores in PostgreSQL beyond what every store does.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { gc } from "./support/gc.mjs";
import { at, text } from "./support/hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import {
  needsPostgres,
  postgresDatabase,
  postgresSchema,
  startPostgres,
} from "./support/postgres.mjs";
import { warningsOf } from "./support/native.mjs";
import { sql } from "./support/postgres-sql.mjs";

/** An adapter with a schema of its own, which goes away with the test. */
async function database(t, more = {}) {
  const adapter = sync.createPostgresDatabaseAdapter({ ...(await postgresSchema()), ...more });
  t.after(() => adapter.close());
  return adapter;
}

test("options are checked before anything is sent, and none is shown that may be a secret", () => {
  const refuses = (options, message) =>
    assert.throws(() => sync.createPostgresDatabaseAdapter(options), {
      code: "INVALID_ARGUMENT",
      message,
    });
  refuses({}, /host must be the name of a server/);
  refuses({ host: "db", user: "me", port: 70_000 }, /port/);
  refuses({ host: "db" }, /user must be the name of a role/);
  refuses({ connectionString: "postgres://me:secret@db/x", max: 0 }, /max/);
  refuses({ connectionString: "postgres://me:secret@:port" }, /^(?!.*secret).*connectionString/s);
  refuses({ host: "db", user: "me", password: 7 }, /password/);
  refuses({ host: "db", user: "me", dialect: "mysql" }, /dialect.*must be "postgres" or "dsql"/);
  assert.throws(() => sync.createPostgresSyncStateStore({ host: "db", user: "me" }), /scope/);
});

test("a server that is not there is told with what to do, and may be there later", async () => {
  const adapter = sync.createPostgresDatabaseAdapter({
    connectionString: "postgres://me:secret@127.0.0.1:9/x",
  });
  await assert.rejects(adapter.get("a"), {
    code: "DATABASE_ERROR",
    reason: "unreachable",
    retryable: true,
    url: "postgres://127.0.0.1:9/x",
    message: /^(?!.*secret).*nothing listens there/s,
  });
  assert.equal(await adapter.healthCheck(), false);
  await adapter.close();
});

test(
  "a password is asked of a function, in its context, once for each connection",
  needsPostgres,
  async (t) => {
    const context = new AsyncLocalStorage();
    const asked = [];
    const adapter = await context.run("here", () =>
      database(t, {
        max: 2,
        async password() {
          asked.push(context.getStore());
          if (asked.length === 1) throw new TypeError("no token today");
          return "any";
        },
      }),
    );
    await assert.rejects(adapter.init(), new TypeError("no token today"));
    await adapter.init();
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => adapter.put(record(`${i}`, at(i, "a")))),
    );
    assert.ok(asked.length <= 3, `${asked.length}`);
    assert.ok(asked.every((where) => where === "here"));
  },
);

test(
  "a function for the password outlives the options, and the store that it was first given to",
  needsPostgres,
  async (t) => {
    const place = await postgresSchema();
    const open = (password) => sync.createPostgresDatabaseAdapter({ ...place, password, max: 2 });
    // The first store is let go of at once; the second has the same function, and so the same connections.
    const second = ((password) => [open(password), open(password)])(() => "any")[1];
    t.after(() => second.close());
    for (let pass = 0; pass < 3; pass += 1) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await second.init();
    await Promise.all([1, 2, 3].map((i) => second.put(record(`${i}`, at(i, "a")))));
    assert.equal((await second.query({ limit: 10 })).records.length, 3);
  },
);

test("a clock begins behind what the database holds", needsPostgres, async (t) => {
  const adapter = await database(t, { password: () => "any" });
  const ahead = { wallTime: Date.now() + 60_000, counter: 3, nodeId: "other" };
  await adapter.put(record("1", ahead));
  const clock = sync.createHLCClock({ nodeId: "here", state: adapter });
  assert.ok(sync.compareHLC(clock.now(), ahead) > 0);
});

test(
  "a clock over a database that was not reached yet says so instead of waiting for ever",
  needsPostgres,
  async (t) => {
    const adapter = await database(t, { password: () => "any" });
    assert.throws(() => sync.createHLCClock({ nodeId: "here", state: adapter }), {
      code: "STORE_BUSY",
      message: /await init\(\)/,
    });
    await adapter.init();
    sync.createHLCClock({ nodeId: "here", state: adapter });
  },
);

test("two servers over one database answer as one", needsPostgres, async (t) => {
  const options = await postgresSchema();
  // Neither is opened before: both find an empty database at the same moment.
  const answering = (nodeId) => {
    const databaseAdapter = sync.createPostgresDatabaseAdapter(options);
    t.after(() => databaseAdapter.close());
    const clock = sync.createHLCClock({ nodeId });
    return sync.createInProcessSyncTransport({
      databaseAdapter,
      objectStorage: memoryObjects(),
      clock,
    });
  };
  const engine = (nodeId, transport, local = memoryDatabase()) => ({
    local,
    engine: sync.createSyncEngine({
      localDatabaseAdapter: local,
      localObjectStorage: memoryObjects(),
      remoteObjectStorage: memoryObjects(),
      transport,
      clock: sync.createHLCClock({ nodeId }),
      syncState: memoryState(),
    }),
  });
  const [first, second] = [answering("cloud-1"), answering("cloud-2")];
  const [laptop, phone] = [engine("laptop", first), engine("phone", second)];
  for (let i = 0; i < 30; i += 1) {
    await laptop.local.put(record(`l${i}`, at(i, "laptop")));
    await phone.local.put(record(`p${i}`, at(i, "phone")));
  }
  await Promise.all([laptop.engine.exchange(), phone.engine.exchange()]);
  await Promise.all([laptop.engine.exchange(), phone.engine.exchange()]);
  for (const { local } of [laptop, phone])
    assert.equal((await local.query({ limit: 100 })).records.length, 60);
});

test(
  "rows of an app that Starkeep's cloud has are read and written as they are",
  needsPostgres,
  async (t) => {
    const { connectionString } = await postgresDatabase();
    await sql(
      connectionString,
      `CREATE SCHEMA shared; CREATE SCHEMA app_my_notes;
     CREATE TABLE shared.app_syncable_namespaces (app_id text PRIMARY KEY, tables_json text NOT NULL,
       files_enabled boolean NOT NULL DEFAULT false);
     INSERT INTO shared.app_syncable_namespaces VALUES ('my-notes', '[{"name":"pages","pkColumns":["id"]}]');
     CREATE TABLE app_my_notes.pages (id text PRIMARY KEY, done boolean, size int, updated_at text NOT NULL,
       node_id text NOT NULL, deleted_at text);
     INSERT INTO app_my_notes.pages VALUES ('1', true, 7, '${text(at(1, "a"))}', 'a')`,
    );
    const rows = sync.createPostgresAppRows({ connectionString });
    t.after(() => rows.close());
    assert.deepEqual(rows.namespaces.list()[0].tableNames, ["pages"]);
    const found = await rows.applier.scanSince("my-notes", "pages", "");
    const { done, size } = found.rows[0].row;
    assert.deepEqual([done, size], [true, 7]);
    const updated = { timestamp: at(2, "b"), appId: "my-notes", table: "pages", op: "update" };
    await rows.applier.apply({ ...updated, where: { id: "1" }, row: { done: false } });
    assert.deepEqual(
      await sql(connectionString, "SELECT done, size, node_id FROM app_my_notes.pages"),
      [["f", "7", "b"]],
    );
  },
);

test(
  "a transaction whose connection ends is undone, and its error says that it may be tried again",
  needsPostgres,
  async (t) => {
    const server = await startPostgres();
    t.after(() => server.end());
    const adapter = sync.createPostgresDatabaseAdapter({ connectionString: server.url });
    t.after(() => adapter.close());
    await adapter.put(record("1", at(1, "a")));
    await assert.rejects(
      adapter.transaction(async (inside) => {
        await inside.put(record("1", at(2, "a")));
        await server.say("restart");
        await inside.put(record("2", at(3, "a")));
      }),
      (error) => error.retryable === true,
    );
    assert.deepEqual((await adapter.get("1")).updatedAt, at(1, "a"));
    assert.equal(await adapter.get("2"), null);
  },
);

test(
  "a table without a column for fields that it does not know says once that it drops them",
  needsPostgres,
  async (t) => {
    const place = await postgresSchema();
    const first = sync.createPostgresDatabaseAdapter(place);
    await first.init();
    await first.close();
    const table = `${place.schema}.records`;
    await sql(place.connectionString, `ALTER TABLE ${table} DROP COLUMN extra_json`);
    const adapter = sync.createPostgresDatabaseAdapter(place);
    t.after(() => adapter.close());
    const said = await warningsOf(t, async () => {
      for (const id of ["1", "2"]) await adapter.put(record(id, at(1, "n"), { stars: 5 }));
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    assert.equal(said.filter((line) => /dropped/.test(line)).length, 1, said.join("\n"));
    const { id, stars } = await adapter.get("1");
    assert.deepEqual([id, stars], ["1", undefined]);
  },
);
