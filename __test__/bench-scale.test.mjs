// The bench over PostgreSQL, with little data: that it runs, what it counts, and that it leaves nothing behind.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needsPostgres } from "../scripts/test-servers.mjs";
import { folderFor } from "./support/native.mjs";

const RUN = fileURLToPath(new URL("../bench/run.mjs", import.meta.url));
const RECORDS = 1200;

function bench(folder, ...args) {
  // PostgreSQL runs as another user than root, and has a folder in it.
  chmodSync(folder, 0o755);
  return spawnSync(process.execPath, [RUN, "--scale", ...args], {
    encoding: "utf8",
    // The first run installs, and npm would leave a cache of compiled code there.
    env: { ...process.env, TMPDIR: folder, NODE_DISABLE_COMPILE_CACHE: "1" },
    timeout: 240_000,
  });
}

test("the bench counts what servers over PostgreSQL ask of it", needsPostgres, (t) => {
  const folder = folderFor(t);
  const [json, page] = [join(folder, "figures.json"), join(folder, "page.md")];
  writeFileSync(page, "# A page\n\n<!-- scale -->\nreplaced\n<!-- /scale -->\n\nThe rest.\n");
  const size = ["--quick", "--records", `${RECORDS}`, "--nodes", "3"];
  const { status, stdout, stderr } = bench(folder, ...size, "--json", json, "--markdown", page);
  const [notInstalled] = /npm ci in bench\/scale failed.*/.exec(stderr) ?? [];
  if (notInstalled) return t.skip(notInstalled);
  // Of little data no bar means anything.
  assert.ok(status === 0 || status === 1, stderr);
  assert.match(stdout, /small data, no evidence\n/);
  assert.deepEqual(readdirSync(folder).sort(), ["figures.json", "page.md"]);

  const { found, bars } = JSON.parse(readFileSync(json, "utf8"));
  const [theirs] = found.theirs;
  assert.equal(theirs.queries / theirs.exchanges, 3 + Math.ceil(RECORDS / 500));
  assert.ok(found.ours[0].exchanges > theirs.exchanges, "both did something");
  // Memory answers; the database is looked at once a second for all callers.
  const { queries, exchanges } = found.ours[0];
  assert.ok(queries < exchanges / 10, `${queries} queries for ${exchanges} exchanges`);
  const { ours, theirs: single } = found.pages.queries;
  assert.ok(ours < 50 && single >= 1000, `${ours} statements for a page beside ${single}`);
  assert.ok(bars.length >= 3);

  const written = readFileSync(page, "utf8");
  assert.match(written, /^# A page\n\n<!-- scale -->\n\n.*medians of 1\.\n\n\| /);
  assert.match(written, /\| Assumed on \d{4}-\d\d-\d\d: /);
  assert.match(written, /\n\n<!-- \/scale -->\n\nThe rest\.\n$/);
  assert.doesNotMatch(written, /replaced/);
});

test("a count that is none is refused with what there is", (t) => {
  const { status, stderr } = bench(folderFor(t), "--records", "many");
  assert.equal(status, 2);
  assert.match(stderr, /--records takes a whole number from 1, got many/);
});
