// Rows of a table that an app has written to itself, other than this package or the releases would.
import assert from "node:assert/strict";
import * as sync from "@starkeep/sync-engine";
import { at, clockFor, text } from "../support/hlc.mjs";
import { memoryObjects, record } from "../support/memory.mjs";
import { needing } from "./suite.mjs";

const ask = (databaseAdapter, watermarks, limit = 10) =>
  sync
    .createInProcessSyncTransport({
      databaseAdapter,
      objectStorage: memoryObjects(),
      clock: clockFor("there"),
    })
    .exchange({ watermarks, limit });

const idsOf = ({ records }) => records.map((one) => one.id).sort();

const put = async (app, stamps) => {
  for (const [id, stamp] of Object.entries(stamps)) await app.put(record(id, stamp));
};

/** What an app, or a step that brought its table up to date, may have left as the node of a row. */
const NODES = {
  "that of another node": "'z'",
  "an empty text": "''",
  "its node in capitals": "upper(node_id)",
};

/** @type {Record<string, (store: null, of: any, t: any) => Promise<void>>} */
export const ODD_ROWS = {
  async "a row whose time has other digits is exchanged by its time"(_, of, t) {
    const db = await of.over(t, async ({ db: sqlite, app }) => {
      await put(app, { 1: at(1, "a"), 2: at(2, "a"), 3: at(3, "b") });
      const { wallTime } = at(9, "a");
      sqlite.exec(
        `UPDATE shared_records SET updated_at = '0000${wallTime.toString(16)}:7:a' WHERE id = '1'`,
      );
    });
    assert.deepEqual(idsOf(await ask(db, { a: at(8, "a") })), ["1", "3"]);
    assert.deepEqual(idsOf(await ask(db, { a: at(9, "a", 7) })), ["3"]);
  },
};

for (const [what, node] of Object.entries(NODES)) {
  ODD_ROWS[`a row whose node_id is ${what} is exchanged by its time, once`] = async (_, of, t) => {
    const db = await of.over(t, async ({ db: sqlite, app }) => {
      await put(app, { 1: at(1, "a"), 2: at(2, "a"), 3: at(9, "z"), 4: at(3, "A") });
      if (of.shape === "0.2") {
        sqlite.exec(`UPDATE shared_records SET node_id = ${node} WHERE id IN ('1', '2')`);
      }
    });
    assert.deepEqual(idsOf(await ask(db, {})), ["1", "2", "3", "4"]);
    assert.deepEqual(idsOf(await ask(db, { z: at(9, "z") })), ["1", "2", "4"]);
    assert.deepEqual(idsOf(await ask(db, { A: at(3, "A"), a: at(1, "a") })), ["2", "3"]);
    const page = await ask(db, { z: at(9, "z") }, 1);
    assert.deepEqual([idsOf(page), page.hasMore], [["1"], true]);
    if (db.getNodeWatermarks !== undefined) {
      assert.deepEqual(
        { ...(await db.getNodeWatermarks()) },
        { a: at(2, "a"), z: at(9, "z"), A: at(3, "A") },
      );
    }
    await db.put(record("1", at(20, "z")));
    assert.deepEqual(idsOf(await ask(db, { z: at(9, "z"), a: at(1, "a") })), ["1", "2", "4"]);
  };
}

ODD_ROWS["a table that was given its node_id later is exchanged whole"] = async (_, of, t) => {
  const db = await of.over(t, async ({ db: sqlite, app }) => {
    await put(app, { 1: at(1, "a"), 2: at(2, "b") });
    if (of.shape === "0.2") {
      sqlite.exec(`ALTER TABLE shared_records DROP COLUMN node_id;
        ALTER TABLE shared_records ADD COLUMN node_id TEXT`);
    }
  });
  assert.deepEqual(idsOf(await ask(db, {})), ["1", "2"]);
  assert.deepEqual(idsOf(await ask(db, { a: at(1, "a") })), ["2"]);
  assert.deepEqual(idsOf(await ask(db, { b: at(2, "b") })), ["1"]);
};

ODD_ROWS["nodes that are one up to a NUL are two"] = needing(
  "text behind a NUL",
  async (_, of, t) => {
    const nodes = ["n", "n\0m", "n\0"];
    const db = await of.over(t, async ({ db: sqlite, app }) => {
      await put(app, Object.fromEntries(nodes.map((name, i) => [i, at(i, name)])));
      for (const [i, name] of nodes.entries()) {
        const set = sqlite.prepare("UPDATE shared_records SET updated_at = ? WHERE id = ?");
        set.run(text(at(i, name)), `${i}`);
      }
    });
    assert.deepEqual(idsOf(await ask(db, { n: at(5, "n") })), ["1", "2"]);
    assert.deepEqual(idsOf(await ask(db, { "n\0m": at(5, "n\0m"), n: at(5, "n") })), ["2"]);
  },
);
