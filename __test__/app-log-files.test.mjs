// The file of an app's own `DatabaseSync` with a change log: where there can be none, where several processes write to it,
// and where it may only be read.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { DatabaseSync, folderFor, needsSqlite, warningsOf } from "./support/native.mjs";
import { SqliteApp } from "./support/sqlite-app.mjs";
import { answering, appSide, createRows, engineOf } from "./support/logged-app.mjs";
import { drain } from "./support/rounds.mjs";

/** Both sides hold the same. */
async function assertEqual(here, there) {
  assert.deepEqual(await here.labels(), await there.labels());
  assert.deepEqual(await here.lines(), await there.lines());
}

test(
  "where there can be no log the older way is used, and it is said once",
  needsSqlite,
  async (t) => {
    const hub = appSide(join(folderFor(t), "hub.db"));
    const db = new DatabaseSync(":memory:");
    db.exec("PRAGMA encoding = 'UTF-16le'");
    const app = appSide(undefined, { db });
    const engine = engineOf(app, answering(hub));
    app.put("1", at(1, "device"));
    hub.put("2", at(1, "hub"));
    let result;
    const said = await warningsOf(t, async () => {
      result = await drain(engine);
      await drain(engine);
    });
    await assertEqual(app, hub);
    assert.equal(result.inSync, undefined);
    assert.equal(said.filter((one) => /change log/.test(one)).length, 1, said.join("\n"));
  },
);

test("an adapter that is not wrapped has no log", needsSqlite, async (t) => {
  const hub = appSide(join(folderFor(t), "hub.db"));
  const app = appSide(undefined, { isWrapped: false });
  const engine = engineOf(app, answering(hub));
  app.put("1", at(1, "device"));
  const result = await drain(engine);
  assert.equal(result.inSync, undefined);
  assert.deepEqual(hub.labels(), { 1: "1" });
  const tables = app.db
    .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'starkeep_records_log%'")
    .all();
  assert.deepEqual(tables, []);
});

test(
  "several processes write to one file and exchange it at once, and nothing is lost",
  { ...needsSqlite, timeout: 600_000 },
  async (t) => {
    for (const mode of ["WAL", "DELETE"]) {
      const folder = folderFor(t);
      const [path, peerPath] = [join(folder, "app.db"), join(folder, "hub.db")];
      for (const one of [path, peerPath]) {
        const { db, close } = appSide(one);
        db.exec(`PRAGMA journal_mode = ${mode}`);
        close();
      }
      const writer = fileURLToPath(new URL("./support/log-writer.mjs", import.meta.url));
      const names = ["a", "b", "c"];
      const run = promisify(execFile);
      await Promise.all(
        names.map((name) => run(process.execPath, [writer, path, peerPath, name, "12"])),
      );
      const [app, hub] = [appSide(path), appSide(peerPath)];
      await warningsOf(t, () => drain(engineOf(app, answering(hub), { nodeId: "laptop" })));
      assert.equal(Object.keys(app.labels()).length, 2 * 3 * 12, mode);
      assert.equal(Object.keys(app.lines()).length, 3 * 12, mode);
      await assertEqual(app, hub);
    }
  },
);

test("a file that only may be read is exchanged the older way", needsSqlite, async (t) => {
  const path = join(folderFor(t), "app.db");
  const written = new DatabaseSync(path);
  createRows(written);
  const app = appSide(undefined, { db: written });
  await app.records.getNodeWatermarks();
  app.put("1", at(1, "device"));
  app.close();
  const db = new DatabaseSync(path, { readOnly: true });
  const hub = appSide(join(folderFor(t), "hub.db"));
  const records = sync.withSqliteDelta(new SqliteApp(db, { late: true }), { db });
  const engine = engineOf({ records, rows: undefined }, answering({ ...hub, rows: undefined }));
  const said = await warningsOf(t, async () => {
    for (let round = 0; round < 2; round += 1) {
      // What comes back cannot be stored, as it always was.
      await engine.exchange().catch(({ code }) => assert.equal(code, "READ_ONLY"));
    }
  });
  assert.deepEqual(hub.labels(), { 1: "1" });
  assert.equal(said.filter((one) => /change log/.test(one)).length, 1, said.join("\n"));
});
