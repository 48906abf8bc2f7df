// The bench beside other programs, with tiny counts and only those peers that need nothing installed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { withPair } from "../bench/lib/pair.mjs";
import { DatabaseSync, folderFor } from "./support/native.mjs";

const RUN = fileURLToPath(new URL("../bench/run.mjs", import.meta.url));
const TINY = ["--records", "50", "--files", "3x4", "--large", "0", "--runs", "1"];

/** A peer that says the id of its process and never gets ready. */
const HANGING = `export const openSide = async () => ({
  serve: async () => process.pid,
  prepare: () => new Promise(() => {}),
  close: async () => {},
});`;

function bench(t, peers, args = TINY) {
  const folder = folderFor(t);
  const json = join(folder, "figures.json");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [RUN, "--peers", ...peers, ...args, "--json", json],
    { encoding: "utf8", env: { ...process.env, TMPDIR: folder }, timeout: 110_000 },
  );
  return { folder, json, status, stdout, stderr };
}

test("the bench measures this package beside SQLite and one socket, and leaves nothing behind", (t) => {
  const { folder, json, status, stdout, stderr } = bench(t, ["sqlite", "loopback"]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^\| 50 records \|.*Synced to disk \|$/m);
  assert.match(stdout, /^\| @starkeep\/sync-engine( \| [\d.,]+ (ms|MiB)){6} \| every commit/m);
  assert.match(stdout, /^\| @starkeep\/sync-engine \| [\d.,]+ ms \| every commit, every file/m);
  assert.deepEqual(readdirSync(folder), ["figures.json"]);

  const { results } = JSON.parse(readFileSync(json, "utf8"));
  assert.deepEqual(
    results.map(({ kind, rows }) => [kind, ...rows.map(({ peer }) => peer.name)]),
    [
      ["records", "@starkeep/sync-engine", "sqlite"],
      ["files", "@starkeep/sync-engine", "loopback"],
    ],
  );
  const [[, sqlite], [, loopback]] = results.map(({ rows }) => rows);
  assert.equal(loopback.runs["3x4"].length, 1);
  if (DatabaseSync === null) assert.match(sqlite.unavailable, /node:sqlite/);
  else assert.equal(sqlite.runs.up.length, 1);
});

test("the tables go into a page between its marks, and the ratios into a chart", (t) => {
  const folder = folderFor(t);
  const [page, chart] = [join(folder, "page.md"), join(folder, "chart.svg")];
  writeFileSync(page, "# A page\n\n<!-- peers -->\nreplaced\n<!-- /peers -->\n\nThe rest.\n");
  const args = ["--records", "0", "--files", "3x4", "--large", "0", "--runs", "1"];
  const { status, stderr } = bench(t, ["loopback"], [...args, "--markdown", page, "--svg", chart]);
  assert.equal(status, 0, stderr);
  const written = readFileSync(page, "utf8");
  assert.match(written, /^# A page\n\n<!-- peers -->\n\n/);
  assert.match(written, /\n\| one socket, plain files +\| [\d.,]+ ms, \*\*[\d.]+×\*\*/);
  assert.match(written, /\n\n<!-- \/peers -->\n\nThe rest\.\n$/);
  assert.doesNotMatch(written, /replaced/);
  assert.match(readFileSync(chart, "utf8"), /^<svg [^]*one socket, plain files[^]*<\/svg>\n$/);
});

test("a side that does not come to an end is told by its deadline, and is gone with its folder", async (t) => {
  const folder = folderFor(t);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  t.after(() => (before === undefined ? delete process.env.TMPDIR : (process.env.TMPDIR = before)));
  const pids = [];
  const peer = { module: `data:text/javascript,${encodeURIComponent(HANGING)}` };
  const stuck = withPair(peer, { timeoutMs: 2_000 }, async (near, far) => {
    for (const side of [near, far]) pids.push(await side.tell("serve"));
    await near.tell("prepare", {});
  });
  await assert.rejects(stuck, /^Error: prepare .*took over 2000 ms$/);
  assert.equal(pids.length, 2);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  assert.deepEqual(readdirSync(folder), []);
});

test("a peer that does not exist, and a count that is none, are refused with what there is", (t) => {
  const unknown = bench(t, ["couch"]);
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /no peer is called couch; there are sqlite,/);
  const count = bench(t, ["sqlite"], ["--records", "many"]);
  assert.equal(count.status, 2);
  assert.match(count.stderr, /--records takes a whole number from 0 to 1000000, not many/);
});
