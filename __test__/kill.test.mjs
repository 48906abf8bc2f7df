// Processes that are killed at random moments, with real stores and a real socket between them.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { checkPlaces, killOften } from "./support/kill.mjs";
import { DatabaseSync, folderFor } from "./support/native.mjs";

test(
  "a server and two nodes, killed again and again, lose nothing and come to hold the same",
  { timeout: 300_000 },
  async (t) => {
    const seed = Number(process.env.SYNC_KILL_SEED ?? randomInt(2 ** 32));
    t.diagnostic(`seed ${seed} (SYNC_KILL_SEED), which decides who is killed, and when`);
    if (DatabaseSync === null)
      t.diagnostic(
        "PRAGMA integrity_check needs node:sqlite; here the store's own health check runs",
      );
    const outcome = await killOften({ folder: folderFor(t), kills: 12, seed });
    const { records } = await checkPlaces(outcome);
    assert.ok(records > 0, "something was written");
  },
);
