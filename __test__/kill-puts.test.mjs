// A process that is killed while the syncs of many objects are under way.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createFsObjectStorage } from "../index.mjs";
import { chanceFrom } from "./support/kill.mjs";
import { madeObject, numberOf } from "./support/made-object.mjs";
import { folderFor } from "./support/native.mjs";

const PUTS = fileURLToPath(new URL("./support/put-many.mjs", import.meta.url));
const KILLS = 8;
const FIRST_PUT_MS = 30_000;
const LONGEST_MS = 300;
/** No process puts as many before it is killed. */
const NUMBERS = 1_000_000;

/** Lets a process put objects for a while, and kills it. The numbers of those that it said were stored. */
async function putUntilKilled(root, first, ms) {
  const child = spawn(process.execPath, [PUTS, root, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (said += chunk));
  try {
    await once(child.stdout, "data", { signal: AbortSignal.timeout(FIRST_PUT_MS) });
    await sleep(ms);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
  // A last line that the kill cut off is none.
  return said.split("\n").slice(0, -1).map(Number);
}

test("objects put at one time are whole or not there after a kill, and what was stored stays", async (t) => {
  const seed = Number(process.env.SYNC_KILL_SEED ?? randomInt(2 ** 32));
  t.diagnostic(`seed ${seed} (SYNC_KILL_SEED), which decides when the processes are killed`);
  const chance = chanceFrom(seed);
  const root = join(folderFor(t), "files");
  const stored = new Map();
  for (let kill = 0; kill < KILLS; kill++) {
    const first = kill * NUMBERS;
    for (const number of await putUntilKilled(root, first, chance() * LONGEST_MS)) {
      const { key } = madeObject(number);
      // Puts of one key overlap, so that any of one process may be the last.
      stored.set(key, first);
    }
  }
  const storage = createFsObjectStorage({ root });
  await storage.init();
  const { keys } = await storage.list("");
  assert.ok(keys.length > 0, "something was stored");
  for (const key of keys) {
    const { data, contentType } = await storage.get(key);
    const made = madeObject(numberOf(data));
    assert.equal(made.key, key);
    assert.ok(made.data.equals(data), `${key} is whole`);
    assert.equal(contentType, made.options.contentType);
  }
  for (const [key, first] of stored) {
    const found = await storage.get(key);
    assert.ok(found, `${key} was stored`);
    assert.ok(numberOf(found.data) >= first, `${key} is no older version`);
  }
  const writing = join(root, ".starkeep-store", "writing");
  const folders = readdirSync(writing, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  assert.deepEqual(
    folders.flatMap(({ name }) => readdirSync(join(writing, name))),
    [],
    "nothing is left of what was being written",
  );
  await storage.close();
});
