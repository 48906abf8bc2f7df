// What a caller learns of the inside of a server, and what it can write into its log.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { format } from "node:util";
import * as sync from "@starkeep/sync-engine";
import { FRONTS, SIDES, exchange, recordOf, sideFor } from "./support/answering.mjs";
import { memoryAppRows } from "./support/app-rows.mjs";
import { at } from "./support/hlc.mjs";
import { memoryDatabase, memoryObjects } from "./support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite } from "./support/native.mjs";

/** What a log has of what is said while `work` runs, as the console writes it. */
async function logOf(t, work) {
  const said = [];
  const spies = ["warn", "error"].map((name) =>
    t.mock.method(console, name, (...words) => said.push(format(...words))),
  );
  await work();
  for (let wait = 0; wait < 100 && said.length === 0; wait += 1) await setTimeout(10);
  spies.forEach((spy) => spy.mock.restore());
  return said.join("\n");
}

const onUnix = {
  skip: process.platform === "win32" && "making links and pipes needs rights on Windows",
};

for (const front of FRONTS) {
  test(
    `what is in the way in a folder of objects gives away no path: ${front}`,
    onUnix,
    async (t) => {
      const root = join(folderFor(t), "secret-root");
      const outside = join(folderFor(t), "secret-outside");
      const objectStorageAdapter = sync.createFsObjectStorage({ root });
      t.after(() => objectStorageAdapter.close());
      writeFileSync(outside, "secret");
      mkdirSync(join(root, "folder"));
      symlinkSync(outside, join(root, "link"));
      symlinkSync(folderFor(t), join(root, "linked"));
      assert.equal(spawnSync("mkfifo", [join(root, "pipe")]).status, 0);
      const side = await sideFor(t, { front, kind: "native", options: { objectStorageAdapter } });
      const keys = [
        "link",
        "linked/x",
        "pipe",
        "pipe/x",
        "folder",
        "x".repeat(256),
        "a/".repeat(2000),
      ];
      const refused = [];
      for (const key of keys) {
        for (const method of ["GET", "HEAD", "DELETE", "PUT"]) {
          const body = method === "PUT" ? "body" : undefined;
          const response = await fetch(`${side.url}/files/${key}`, { method, body });
          const said = `${JSON.stringify([...response.headers])}${await response.text()}`;
          assert.doesNotMatch(said, /secret|sync-engine-test/, `${method} ${key}: ${said}`);
          if (response.status === 400 && method !== "HEAD")
            refused.push(JSON.parse(said.slice(said.indexOf("]]") + 2)).code);
        }
      }
      assert.ok(refused.length >= 10 && refused.every((code) => code === "INVALID_KEY"), refused);
    },
  );
}

const SECRET = "/srv/secret.db: UNIQUE constraint failed: secret_table.column";
const refusing = (code) => ({
  ...memoryDatabase({ nodeWatermarks: true }),
  async applyRecords(records) {
    return records.map(() => ({
      status: "failed",
      error: Object.assign(new Error(SECRET), { code }),
    }));
  },
});

for (const front of FRONTS) {
  for (const code of ["CONSTRAINT_VIOLATION", "INVALID_KEY", "FORBIDDEN", "MY_OWN", undefined]) {
    test(`what an app's adapter throws stays in the server's log: ${code}, ${front}`, async (t) => {
      const options = { databaseAdapter: refusing(code) };
      const side = await sideFor(t, { front, kind: "adapters", options });
      const log = await logOf(t, async () => {
        const records = [recordOf("1", at(1, "laptop"))];
        const { json } = await exchange(side, { watermarks: {}, records });
        const own = ["MY_OWN", undefined].includes(code);
        assert.deepEqual(
          json.refused.map(({ id, code }) => [id, code]),
          [["1", own ? "APP_ERROR" : code]],
        );
        assert.match(json.refused[0].reason, /\w/);
        assert.doesNotMatch(JSON.stringify(json), /secret/i);
      });
      assert.match(log, /secret_table/);
    });
  }
}

for (const front of FRONTS) {
  test(
    `what SQLite says of its tables stays in the server's log: ${front}`,
    needsSqlite,
    async (t) => {
      const path = join(folderFor(t), "rows.db");
      const before = sync.createSqliteAppRows({ path });
      await before.register("notes", {
        tables: [{ name: "pages", pkColumns: ["id"], columns: ["title"] }],
      });
      await before.close();
      const db = new DatabaseSync(path);
      const [{ name }] = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%pages'")
        .all();
      db.exec(`CREATE UNIQUE INDEX secret ON "${name}" (title || 'secret')`);
      db.close();
      const appSyncableSource = sync.createSqliteAppRows({ path });
      t.after(() => appSyncableSource.close());
      const side = await sideFor(t, { front, kind: "native", options: { appSyncableSource } });
      const log = await logOf(t, async () => {
        const appSyncableRows = ["1", "2"].map((id, n) => ({
          timestamp: at(n, "laptop"),
          appId: "notes",
          table: "pages",
          op: "insert",
          row: { id, title: "x" },
        }));
        const { json } = await exchange(side, { watermarks: {}, appSyncableRows });
        assert.deepEqual(
          json.refused.map(({ code }) => code),
          ["CONSTRAINT_VIOLATION"],
        );
        assert.doesNotMatch(JSON.stringify(json.refused), /secret|index|UNIQUE/);
      });
      assert.match(log, /secret/);
    },
  );
}

/* Lines of a log ------------------------------------------------------------------------------- */

const EVIL = "x\nFORGED by\r\nFORGED \u001b[2J\u009b\u202e\u2028FORGED\u0000";
const LONG = `${EVIL}${"long".repeat(20_000)}`;

/** No line of it begins as a name of elsewhere would have it, and nothing moves a cursor or turns text around. */
function assertHonest(log) {
  const shown = JSON.stringify(log.slice(0, 2000));
  assert.doesNotMatch(log, /^\s*FORGED/m, shown);
  assert.doesNotMatch(log, /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]/, shown);
  const longest = Math.max(...log.split("\n").map((line) => line.length));
  assert.ok(longest < 5000, `${longest} characters in a line`);
}

for (const { front, kind, title } of SIDES) {
  test(`names that a caller makes up begin no line of a log: ${title}`, async (t) => {
    const rows =
      kind === "native"
        ? sync.createSqliteAppRows({ path: join(folderFor(t), "r.db") })
        : memoryAppRows();
    t.after(() => rows.close?.());
    const side = await sideFor(t, { front, kind, options: { appSyncableSource: rows } });
    const row = (appId, table, node, wall = 1) => ({
      timestamp: at(wall, node),
      appId,
      table,
      op: "insert",
      row: { id: EVIL },
    });
    for (const request of [
      { records: [recordOf(EVIL, at(1e12, "fast"))] },
      { records: [recordOf("1", at(1e12, EVIL))] },
      {
        records: [recordOf("2", at(1, "key"), { objectStorageKey: EVIL })],
        appSyncableRows: [row("app", LONG, "a")],
      },
      { appSyncableRows: [row(EVIL, "table", "b")] },
      { appSyncableRows: [row(LONG, EVIL, EVIL)] },
      { appSyncableRows: [row("app", EVIL, EVIL, 1e12)] },
      { records: [recordOf(LONG, at(1e12, "long"))] },
    ]) {
      const log = await logOf(t, async () => {
        const { status } = await exchange(side, { watermarks: {}, ...request });
        assert.ok([200, 422].includes(status), `${status}`);
      });
      assert.match(log, /starkeep sync/);
      assertHonest(log);
    }
  });
}

test("what a peer answers begins no line of a log either", async (t) => {
  const refusal = {
    kind: "record",
    id: "mine",
    timestamp: at(1, "laptop"),
    code: EVIL,
    reason: LONG,
  };
  const withheld = [
    { kind: "record", id: EVIL, timestamp: at(1, EVIL), code: "IO_ERROR", reason: EVIL },
    {
      kind: "appRow",
      appId: EVIL,
      table: LONG,
      timestamp: at(2, "x"),
      code: "IO_ERROR",
      reason: EVIL,
    },
  ];
  const localDatabaseAdapter = memoryDatabase();
  await localDatabaseAdapter.put(recordOf("mine", at(1, "laptop")));
  const engine = sync.createSyncEngine({
    localDatabaseAdapter,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport: {
      exchange: async () => ({
        records: [recordOf(EVIL, at(1e12, EVIL))],
        appSyncableRows: [],
        hasMore: false,
        refused: [refusal],
        withheld,
      }),
    },
    clock: sync.createHLCClock({ nodeId: "laptop" }),
    syncState: undefined,
  });
  const log = await logOf(t, async () => {
    const { held } = await engine.exchange();
    assert.ok(held.length >= 3);
    held.forEach(({ reason }) => assertHonest(reason.slice(0, 1000)));
  });
  assertHonest(log);
});
