// The change log behind an app's own `DatabaseSync`: what happens to records and rows that timestamps alone would lose.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, text } from "./support/hlc.mjs";
import { memoryObjects, memoryState } from "./support/memory.mjs";
import { DatabaseSync, folderFor, needsSqlite, warningsOf } from "./support/native.mjs";
import {
  answering,
  appSide,
  counting,
  engineOf,
  nativeSide,
  writing,
} from "./support/logged-app.mjs";
import { drain } from "./support/rounds.mjs";

const sides = {
  "both are an app's own database": async (t) => [
    appSide(join(folderFor(t), "a.db")),
    appSide(join(folderFor(t), "b.db")),
  ],
  "the caller is an app's own database": async (t) => [
    appSide(join(folderFor(t), "a.db")),
    await nativeSide(folderFor(t)),
  ],
  "the answering side is an app's own database": async (t) => [
    await nativeSide(folderFor(t)),
    appSide(join(folderFor(t), "b.db")),
  ],
  "both put records by the app's own put": async (t) => [
    appSide(join(folderFor(t), "a.db"), { apply: "put" }),
    appSide(join(folderFor(t), "b.db"), { apply: "put" }),
  ],
};

/** Both sides hold the same. */
async function assertEqual(here, there) {
  assert.deepEqual(await here.labels(), await there.labels());
  assert.deepEqual(await here.lines(), await there.lines());
}

/** The engine of `here` against `there`, over each way. */
const ways = {
  "in process": async (_t, there) => answering(there),
  "over HTTP": async (t, there) => {
    const server = sync.createHttpSyncServer({
      databaseAdapter: there.records,
      objectStorageAdapter: memoryObjects(),
      appSyncableSource: there.rows,
      clock: sync.createHLCClock({ nodeId: "hub" }),
      authorize: () => true,
    });
    const { port } = await server.listen();
    t.after(() => server.close());
    return sync.createHttpSyncTransport({ baseUrl: `http://127.0.0.1:${port}` });
  },
};

for (const [who, make] of Object.entries(sides)) {
  test(
    `what is stamped late, or by a clock that went back, arrives: ${who}`,
    needsSqlite,
    async (t) => {
      const [here, there] = await make(t);
      const engine = engineOf(here, answering(there));
      await here.put("first", at(50, "device"));
      await here.line("p", 1, at(50, "device"), "one");
      await there.put("theirs", at(60, "hub"));
      await drain(engine);
      await here.put("late", at(10, "device"));
      await here.line("p", 2, at(11, "device"), "two");
      await there.put("theirs-late", at(5, "hub"));
      await there.line("p", 3, at(6, "hub"), "three");
      const result = await drain(engine);
      await assertEqual(here, there);
      assert.deepEqual(Object.keys(await here.labels()), [
        "first",
        "late",
        "theirs",
        "theirs-late",
      ]);
      assert.deepEqual(await there.lines(), { "p/1": "one", "p/2": "two", "p/3": "three" });
      assert.equal(result.inSync, true);
    },
  );

  test(`nothing comes back: ${who}`, needsSqlite, async (t) => {
    const [here, there] = await make(t);
    const peer = counting(answering(there));
    const engine = engineOf(here, peer);
    await drain(engine);
    for (let i = 0; i < 20; i += 1) {
      await here.put(`h${i}`, at(i, "device"));
      await here.line("h", i, at(i, "device"), `${i}`);
      await there.put(`t${i}`, at(i, "hub"));
      await there.line("t", i, at(i, "hub"), `${i}`);
    }
    Object.assign(peer.counts, { sent: 0, answered: 0 });
    const result = await drain(engine);
    await assertEqual(here, there);
    assert.equal(result.inSync, true);
    assert.deepEqual([peer.counts.sent, peer.counts.answered], [40, 40]);
  });

  test(
    `of equal timestamps the greater version stands on both sides: ${who}`,
    needsSqlite,
    async (t) => {
      const [here, there] = await make(t);
      const engine = engineOf(here, answering(there));
      await drain(engine);
      await here.put("1", at(5, "same"), "a");
      await there.put("1", at(5, "same"), "b");
      await here.put("2", at(5, "same"), "d");
      await there.put("2", at(5, "same"), "c");
      await here.line("p", 1, at(5, "same"), "a");
      await there.line("p", 1, at(5, "same"), "b");
      await here.line("p", 2, at(5, "same"), "d");
      await there.line("p", 2, at(5, "same"), "c");
      await warningsOf(t, () => drain(engine));
      const result = await drain(engine);
      assert.deepEqual(await here.labels(), { 1: "b", 2: "d" });
      assert.deepEqual(await here.lines(), { "p/1": "b", "p/2": "d" });
      await assertEqual(here, there);
      assert.equal(result.inSync, true);
    },
  );

  test(`deleted is deleted, and stays so: ${who}`, needsSqlite, async (t) => {
    const [here, there] = await make(t);
    const engine = engineOf(here, answering(there));
    await here.put("1", at(1, "device"));
    await drain(engine);
    await here.records.delete("1", at(2, "device"));
    await drain(engine);
    assert.deepEqual(await there.labels(), {});
  });
}

for (const [way, open] of Object.entries(ways)) {
  test(`two machines with one node id lose nothing ${way}`, needsSqlite, async (t) => {
    const hub = appSide(join(folderFor(t), "hub.db"));
    const peer = await open(t, hub);
    const [a, b] = [appSide(), appSide()];
    const engines = [a, b].map((side) => engineOf(side, peer, { nodeId: "twin" }));
    for (let i = 0; i < 30; i += 1) {
      a.put(`a${i}`, at(i, "twin"));
      b.put(`b${i}`, at(i + 1000, "twin"));
      b.line("b", i, at(i + 1000, "twin"), "b");
      a.line("a", i, at(i, "twin"), "a");
      if (i % 7 === 0) await warningsOf(t, () => engines[i % 2].exchange());
    }
    await warningsOf(t, async () => {
      for (let round = 0; round < 3; round += 1) for (const engine of engines) await drain(engine);
    });
    assert.equal(Object.keys(hub.labels()).length, 60);
    assert.equal(Object.keys(hub.lines()).length, 60);
    await assertEqual(a, hub);
    await assertEqual(b, hub);
  });
}

test(
  "a database that was lost is filled again, whatever the state says",
  needsSqlite,
  async (t) => {
    const hub = appSide(join(folderFor(t), "hub.db"));
    const state = memoryState();
    const first = appSide(join(folderFor(t), "first.db"));
    for (let i = 0; i < 30; i += 1) hub.put(`r${i}`, at(i, "hub"));
    hub.line("p", 1, at(1, "hub"), "one");
    await drain(engineOf(first, answering(hub), { state }));
    await assertEqual(first, hub);
    const second = appSide(join(folderFor(t), "second.db"));
    await drain(engineOf(second, answering(hub), { state }));
    await assertEqual(second, hub);
    // And an older copy of the hub.
    const older = appSide(join(folderFor(t), "older.db"));
    for (let i = 0; i < 10; i += 1) older.put(`r${i}`, at(i, "hub"));
    await drain(engineOf(second, answering(older), { state }));
    await assertEqual(second, older);
  },
);

test(
  "an app that goes back to no package at all is undisturbed, and is exchanged in full when it comes again",
  needsSqlite,
  async (t) => {
    const path = join(folderFor(t), "app.db");
    const hub = appSide(join(folderFor(t), "hub.db"));
    const app = appSide(path);
    for (let i = 0; i < 10; i += 1) {
      app.put(`r${i}`, at(i, "device"));
      app.line("p", i, at(i, "device"), `${i}`);
    }
    await drain(engineOf(app, answering(hub)));
    app.close();
    const plain = new DatabaseSync(path);
    const write = writing(plain);
    write.put("new", at(3, "device"));
    write.put("r1", at(40, "device"), "replaced");
    plain.exec(
      `UPDATE shared_records SET label = 'updated', updated_at = '${text(at(41, "device"))}' WHERE id = 'r2'`,
    );
    plain.exec("DELETE FROM shared_records WHERE id = 'r3'");
    write.line("p", 100, at(2, "device"), "new");
    plain.exec(
      `UPDATE notes_syncable_lines SET words = 'updated', updated_at = '${text(at(42, "device"))}' WHERE line = 4`,
    );
    plain.exec(`INSERT INTO notes_syncable_lines (page, line, words, updated_at, node_id)
    VALUES ('p', 5, 'upserted', '${text(at(43, "device"))}', 'device')
    ON CONFLICT DO UPDATE SET words = excluded.words, updated_at = excluded.updated_at`);
    plain.exec("VACUUM");
    plain.close();
    const again = appSide(path);
    await warningsOf(t, () => drain(engineOf(again, answering(hub))));
    await assertEqual(again, hub);
    assert.equal(hub.labels().new, "new");
    assert.equal(hub.labels().r1, "replaced");
    assert.equal(hub.labels().r2, "updated");
    assert.equal(hub.lines()["p/4"], "updated");
    assert.equal(hub.lines()["p/5"], "upserted");
    assert.equal(hub.lines()["p/100"], "new");
  },
);

test(
  "a table that is rebuilt while it is open is followed, with what was written meanwhile",
  needsSqlite,
  async (t) => {
    const hub = appSide(join(folderFor(t), "hub.db"));
    const app = appSide(join(folderFor(t), "app.db"));
    const engine = engineOf(app, answering(hub));
    for (let i = 0; i < 5; i += 1) app.put(`r${i}`, at(i, "device"));
    app.line("p", 1, at(1, "device"), "one");
    await drain(engine);
    const [{ sql }] = app.db
      .prepare("SELECT sql FROM sqlite_schema WHERE name = 'shared_records'")
      .all();
    app.db.exec("BEGIN");
    app.db.exec(sql.replace("shared_records", "new_records"));
    app.db.exec("INSERT INTO new_records SELECT * FROM shared_records");
    app.db.exec("DROP TABLE shared_records");
    app.db.exec("ALTER TABLE new_records RENAME TO shared_records");
    app.put("during", at(1, "device"));
    app.db.exec("COMMIT");
    app.put("after", at(2, "device"));
    app.db.exec(`ALTER TABLE notes_syncable_lines RENAME TO old_lines;
    CREATE TABLE notes_syncable_lines (page TEXT NOT NULL, line INTEGER NOT NULL, words TEXT, more TEXT,
      updated_at TEXT NOT NULL, deleted_at TEXT, node_id TEXT NOT NULL, PRIMARY KEY (page, line));
    INSERT INTO notes_syncable_lines SELECT page, line, words, NULL, updated_at, deleted_at, node_id FROM old_lines;
    DROP TABLE old_lines`);
    app.line("p", 2, at(1, "device"), "two");
    await warningsOf(t, async () => {
      await drain(engine);
    });
    assert.deepEqual(Object.keys(hub.labels()), ["after", "during", "r0", "r1", "r2", "r3", "r4"]);
    assert.equal((await app.labels()).after, "after");
  },
);

test(
  "a log that is dropped or altered is made again, and nothing is lost",
  needsSqlite,
  async (t) => {
    for (const harm of [
      (db) => {
        const names = db
          .prepare(
            "SELECT name, type FROM sqlite_schema WHERE name LIKE 'starkeep_%log%' AND sql IS NOT NULL AND type IN ('trigger', 'table')",
          )
          .all();
        for (const { name, type } of names.sort((a) => (a.type === "trigger" ? -1 : 1)))
          db.exec(`DROP ${type} "${name}"`);
      },
      (db) => db.exec("DELETE FROM starkeep_records_log; DELETE FROM starkeep_rows_log"),
      (db) =>
        db.exec(
          "DROP TRIGGER starkeep_records_log_1_insert; DROP TRIGGER starkeep_rows_log_1_insert",
        ),
      (db) =>
        db.exec(
          "DELETE FROM starkeep_records_log_generations; DELETE FROM starkeep_rows_log_generations",
        ),
    ]) {
      const hub = appSide(join(folderFor(t), "hub.db"));
      const app = appSide(join(folderFor(t), "app.db"));
      const engine = engineOf(app, answering(hub));
      app.put("before", at(9, "device"));
      app.line("p", 1, at(9, "device"), "one");
      await drain(engine);
      harm(app.db);
      app.put("after", at(3, "device"));
      app.line("p", 2, at(3, "device"), "two");
      hub.put("theirs", at(3, "hub"));
      await warningsOf(t, async () => {
        await drain(engine);
        await engine.reconcile?.();
        await drain(engine);
      });
      await assertEqual(app, hub);
      assert.deepEqual(Object.keys(hub.labels()), ["after", "before", "theirs"], String(harm));
    }
  },
);

test(
  "an app's transaction that is open during a round is left open, and may be rolled back",
  needsSqlite,
  async (t) => {
    const hub = appSide(join(folderFor(t), "hub.db"));
    const app = appSide(join(folderFor(t), "app.db"));
    const engine = engineOf(app, answering(hub));
    app.put("first", at(1, "device"));
    await drain(engine);
    app.db.exec("BEGIN");
    app.put("dropped", at(2, "device"));
    app.line("p", 1, at(2, "device"), "dropped");
    hub.put("theirs", at(2, "hub"));
    await drain(engine);
    assert.equal(app.labels().theirs, "theirs");
    app.db.exec("ROLLBACK");
    app.put("kept", at(3, "device"));
    app.line("p", 2, at(3, "device"), "kept");
    await warningsOf(t, async () => {
      for (let i = 0; i < 3; i += 1) await drain(engine);
    });
    assert.equal(hub.labels().kept, "kept");
    assert.equal(hub.lines()["p/2"], "kept");
    assert.equal(app.labels().theirs, "theirs", "what was taken in and rolled back comes again");
    // A savepoint of it that is rolled back, between two rounds.
    app.db.exec("BEGIN; SAVEPOINT inner_one");
    app.put("inner", at(4, "device"));
    await drain(engine);
    app.db.exec("ROLLBACK TO inner_one");
    app.put("other", at(5, "device"));
    await drain(engine);
    app.db.exec("COMMIT");
    app.put("last", at(1, "device"));
    await warningsOf(t, () => drain(engine));
    for (const id of ["other", "last"]) assert.equal(hub.labels()[id], id);
  },
);

test(
  "the answering side's own transaction may be rolled back under a round",
  needsSqlite,
  async (t) => {
    const hub = appSide(join(folderFor(t), "hub.db"));
    const app = appSide(join(folderFor(t), "app.db"));
    const engine = engineOf(app, answering(hub));
    await drain(engine);
    app.put("first", at(1, "device"));
    hub.db.exec("BEGIN");
    hub.put("dropped", at(2, "hub"));
    await drain(engine);
    assert.equal(hub.labels().first, "first");
    hub.db.exec("ROLLBACK");
    hub.put("kept", at(3, "hub"));
    hub.put("kept-2", at(3, "hub"));
    app.put("second", at(1, "device"));
    await warningsOf(t, async () => {
      for (let i = 0; i < 3; i += 1) await drain(engine);
    });
    for (const id of ["first", "second", "kept"]) {
      assert.equal(hub.labels()[id], id);
      assert.equal(app.labels()[id], id);
    }
  },
);
