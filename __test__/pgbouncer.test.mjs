// The stores behind PgBouncer in transaction mode: each transaction may have another connection to PostgreSQL.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { answers, freePort } from "../scripts/local-servers.mjs";
import { needsPostgres } from "../scripts/test-servers.mjs";
import { at, text } from "./support/hlc.mjs";
import { memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";
import { postgresDatabase } from "./support/postgres.mjs";
import { sql } from "./support/postgres-sql.mjs";

/** Debian has it where not every user looks. */
const program = ["pgbouncer", "/usr/sbin/pgbouncer"].find(
  (name) => spawnSync(name, ["--version"]).status === 0,
);
const needsPgBouncer = {
  skip:
    needsPostgres.skip ||
    (program === undefined && "there is no PgBouncer; Debian has it as `pgbouncer`"),
};
/** Fewer than there are callers. */
const CONNECTIONS = 2;

/** Starts PgBouncer before a database of its own, and answers the options of stores. */
async function pooled(t) {
  let child;
  t.after(async () => {
    if (child?.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  });
  const { connectionString: direct } = await postgresDatabase();
  const { port, pathname } = new URL(direct);
  const folder = folderFor(t);
  chmodSync(folder, 0o755);
  const listening = await freePort();
  const file = join(folder, "pgbouncer.ini");
  writeFileSync(
    file,
    `[databases]
* = host=127.0.0.1 port=${port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listening}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${CONNECTIONS}
${process.getuid?.() === 0 ? "user = nobody\n" : ""}`,
    { mode: 0o644 },
  );
  let said = "";
  child = spawn(program, [file], { stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.setEncoding("utf8").on("data", (line) => (said += line));
  while (!(await answers(listening))) {
    assert.equal(child.exitCode, null, said);
    await pause(20);
  }
  const connectionString = `postgres://postgres@127.0.0.1:${listening}${pathname}`;
  return { direct, options: { connectionString, prepare: false } };
}

test(
  "records, rows and state are kept, by more callers than connections",
  needsPgBouncer,
  async (t) => {
    const { direct, options } = await pooled(t);
    const database = sync.createPostgresDatabaseAdapter(options);
    const rows = sync.createPostgresAppRows(options);
    const state = sync.createPostgresSyncStateStore({ ...options, scope: "here" });
    t.after(() => Promise.all([database, rows, state].map((store) => store.close())));
    await database.init();
    await rows.register("app", {
      tables: [{ name: "notes", pkColumns: ["id"], columns: ["body"] }],
    });
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const stamp = at(i, "a");
        const row = { id: `${i}`, body: "x", updated_at: text(stamp), deleted_at: null };
        const about = { timestamp: stamp, appId: "app", table: "notes", op: "insert" };
        await Promise.all([
          database.put(record(`${i}`, stamp)),
          rows.applier.apply({ ...about, row }),
          database.query({ limit: 5 }),
        ]);
      }),
    );
    await database.transaction(async (inside) => {
      await inside.put(record("0", at(50, "a")));
      await inside.delete("1", at(51, "a"));
    });
    await assert.rejects(
      database.transaction(async (inside) => {
        await inside.put(record("2", at(52, "a")));
        throw new RangeError("not after all");
      }),
      RangeError,
    );
    const found = (await database.query({ limit: 100 })).records;
    assert.equal(found.length, 40);
    const stampOf = async (id) => (await database.get(id)).updatedAt;
    assert.deepEqual(await Promise.all(["0", "1", "2"].map(stampOf)), [
      at(50, "a"),
      at(51, "a"),
      at(2, "a"),
    ]);
    assert.equal(
      (await rows.applier.scanSince("app", "notes", "", { limit: 100 })).rows.length,
      40,
    );
    const [[connections]] = await sql(
      direct,
      `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    assert.ok(Number(connections) <= CONNECTIONS, `${connections} connections to PostgreSQL`);
  },
);

test("two servers behind it exchange by their change log", needsPgBouncer, async (t) => {
  const { options } = await pooled(t);
  const laptops = ["a", "b"].map((nodeId) => {
    const databaseAdapter = sync.createPostgresDatabaseAdapter(options);
    t.after(() => databaseAdapter.close());
    const local = memoryDatabase();
    const transport = sync.createInProcessSyncTransport({
      databaseAdapter,
      objectStorage: memoryObjects(),
      clock: sync.createHLCClock({ nodeId: `cloud-${nodeId}` }),
    });
    const engine = sync.createSyncEngine({
      localDatabaseAdapter: local,
      localObjectStorage: memoryObjects(),
      remoteObjectStorage: memoryObjects(),
      transport,
      clock: sync.createHLCClock({ nodeId }),
      syncState: memoryState(),
    });
    return { nodeId, local, engine };
  });
  for (const { nodeId, local } of laptops)
    for (let i = 0; i < 30; i += 1) await local.put(record(`${nodeId}${i}`, at(i, nodeId)));
  for (let round = 0; round < 2; round += 1)
    await Promise.all(laptops.map(({ engine }) => engine.exchange()));
  for (const { local } of laptops)
    assert.equal((await local.query({ limit: 100 })).records.length, 60);
});
