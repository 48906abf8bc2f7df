// One store file, several processes: what one writes the others see, and the file stays whole.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

const WRITER = fileURLToPath(new URL("./support/store-writer.mjs", import.meta.url));
const WRITERS = 4;
const EACH = 60;

async function runWriter(file, name) {
  const child = spawn(process.execPath, [WRITER, file, name, String(EACH)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  assert.equal(code, 0, `${name}: ${said}`);
}

async function everything(database) {
  const all = [];
  for (let cursor; ;) {
    const page = await database.query({ limit: 50, cursor });
    all.push(...page.records);
    if (!page.hasMore) return all;
    cursor = page.nextCursor;
  }
}

test(
  "several processes write to one store: nothing is lost, and each sees what the others wrote",
  { timeout: 600_000 },
  async (t) => {
    const file = join(folderFor(t), "records.db");
    const database = sync.createSqliteDatabaseAdapter({ path: file });
    await database.init();
    await database.put(record("shared", at(0, "parent")));
    const names = Array.from({ length: WRITERS }, (_, index) => `w${index}`);
    const running = Promise.all(names.map((name) => runWriter(file, name)));
    for (let i = 0; i < EACH; i += 1) await database.put(record(`parent-${i}`, at(i, "parent")));
    await running;
    const ids = new Set((await everything(database)).map(({ id }) => id));
    for (const name of [...names, "parent"])
      for (let i = 0; i < EACH; i += 1) assert.ok(ids.has(`${name}-${i}`), `${name}-${i} is there`);
    const marks = await database.getNodeWatermarks();
    assert.deepEqual(Object.keys(marks).sort(), ["parent", ...names].sort());
    assert.equal(await database.healthCheck(), true);
    await database.close();

    // In a process of its own, for another SQLite library must not open a file that is open here.
    const { stdout, code } = await integrity(file);
    assert.deepEqual([code, stdout.trim()], [0, "whole"]);
  },
);

async function integrity(file) {
  const child = spawn(process.execPath, [WRITER, file, "check", "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  const [code] = await once(child, "close");
  return { stdout, code };
}
