// The examples and the demo, as somebody at a terminal runs them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { differencesOf, hashOfFile, listFolder } from "../examples/demo/folder.mjs";
import { needsPostgres, needsS3 } from "../scripts/test-servers.mjs";
import { folderFor } from "./support/native.mjs";

const DEMO = "examples/demo/demo.mjs";
const notOnWindows = {
  skip: process.platform === "win32" ? "Windows has no such names and signals" : false,
};
const notForRoot = {
  skip: notOnWindows.skip || (process.getuid?.() === 0 ? "nothing is unreadable for root" : false),
};

/**
 * Runs a script of this repository with a temporary folder of its own.
 *
 * @returns {Promise<{ code: number, signal: string, out: string, err: string, left: string[] }>}
 */
function run(t, script, args = [], onOutput = () => {}, env = {}) {
  const temporary = folderFor(t);
  // PostgreSQL runs as another user than root, and has a folder in it.
  chmodSync(temporary, 0o755);
  const child = spawn(process.execPath, [script, ...args], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
    onOutput(child, text);
  });
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({ code, signal, out, err, left: readdirSync(temporary) }),
    );
  });
}

/** The rows of the demo's table: per step its records and objects. */
function tableOf(out) {
  const rows = out.split("\n").filter((line) => /\d\.\d\d +\S+ \S+\/s$/.test(line));
  return rows.map((row) => {
    const [number, step, records, objects] = row.split(/ {2,}/);
    return [`${number}  ${step}`, records, objects];
  });
}

/** Beside the folder there are two notes, of which one is deleted, and later on 20 photos. */
function tableFor({ records, objects }) {
  const rows = [
    ["1  folder → laptop 1", records, objects],
    ["1  laptop 1 → cloud", records + 2, objects + 2],
    ["1  cloud → laptop 2", records + 2, objects + 2],
    ["2  edit", 2, 2],
    ["3  deletion", 2, 0],
    ["4  conflict", 3, 3],
    ["5  laptop 1 catches up", 20, 20],
    ["5  cloud → laptop 2", 20, 20],
    ["6  check of every byte", 3 * (records + 21), 3 * (records + 21)],
  ];
  return rows.map((row) => row.map(String));
}

/** Makes the files of `contents`, by their paths below a new folder. */
function folderOf(t, contents) {
  const folder = folderFor(t);
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
  }
  return folder;
}

const numbered = (count) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i % 7}/${i}.txt`, `${i}`]));

for (const script of ["examples/esm.mjs", "examples/commonjs.cjs"]) {
  test(`${script} takes a note from the laptop to the phone`, async (t) => {
    const result = await run(t, script);
    assert.deepEqual(result, {
      code: 0,
      signal: null,
      out: [
        "laptop: { applied: 0, shipped: 1, hasMore: false, inSync: true }",
        "phone: { applied: 1, shipped: 0, hasMore: false, inSync: true }",
        "on the phone: Buy milk\n",
      ].join("\n"),
      err: "",
      left: [],
    });
  });
}

test("the demo syncs a folder with copies, an empty file and folders of tools", async (t) => {
  const folder = folderOf(t, {
    "a.txt": "the same",
    "sub folder/deeper/b.txt": "the same",
    "sub folder/c": "the same",
    empty: "",
    "ünï 🪐 (1).md": "unicode",
    ".hidden": "hidden",
    "-rf": "not an option",
    ".git/config": "not synced",
    "sub folder/node_modules/x.js": "not synced",
  });
  const { code, out, err, left } = await run(t, DEMO, ["--folder", folder]);
  assert.deepEqual([code, err, left], [0, "", []], out + err);
  assert.deepEqual(tableOf(out), tableFor({ records: 7, objects: 5 }));
  assert.match(out, /✓ 7 files at laptop 2, byte for byte/);
  assert.match(out, /✓ laptop 1 has nothing left to do: shipped 0, applied 0/);
  assert.match(out, /✓ laptop 2 has nothing left to do: shipped 0, applied 0/);
  assert.match(out, /✓ the cloud and both laptops hold the same 28 records/);
  assert.match(out, /todo\.txt: laptop-2's of [\d:.]+ stands, laptop-1's of [\d:.]+ lost/);
  assert.match(out, /✓ one conflict: the later edit stands at both laptops/);
  assert.match(out, /exchange --watch +in process \d+: unreachable, next try in/);
  const lines = out.split("\n");
  assert.ok(lines.length >= 40 && lines.length <= 65, `a screen of ${lines.length} lines`);
  assert.ok(
    lines.every((line) => line.length <= 120),
    "lines fit a terminal",
  );
  assert.ok(!out.includes("\r") && !out.includes("\x1b"), "there are plain lines only");
});

test("the demo syncs names that are no text, and follows no link", notOnWindows, async (t) => {
  const folder = folderOf(t, {
    "two\nlines\x1b[31m": "1",
    'quo"te\\': "2",
    ["x".repeat(255)]: "3",
  });
  symlinkSync("/", join(folder, "link"));
  symlinkSync("nowhere", join(folder, "dangling"));
  let files = 3;
  if (process.platform === "linux") {
    const raw = (byte) => Buffer.concat([Buffer.from(`${folder}/raw`), Buffer.from([byte])]);
    for (const byte of [0xfe, 0xff]) writeFileSync(raw(byte), `${byte}`);
    files += 2;
  }
  const { code, out, err, left } = await run(t, DEMO, ["--folder", folder]);
  assert.deepEqual([code, err, left], [0, "", []], out + err);
  assert.deepEqual(tableOf(out), tableFor({ records: files, objects: files }));
  assert.match(out, /2 skipped that are no regular files/);
});

test("the demo syncs more files than one round takes", async (t) => {
  const { code, out, err } = await run(t, DEMO, ["--folder", folderOf(t, numbered(1001))]);
  assert.deepEqual([code, err], [0, ""], out + err);
  assert.deepEqual(tableOf(out), tableFor({ records: 1001, objects: 1001 }));
});

const needsServers = { skip: needsPostgres.skip || needsS3.skip };

test("the demo syncs by way of PostgreSQL and a bucket", needsServers, async (t) => {
  const folder = folderOf(t, { "a.txt": "the same", "sub/b.txt": "the same", "ünï 🪐.md": "é" });
  const args = ["--folder", folder, "--cloud", "postgres"];
  const { code, out, err, left } = await run(t, DEMO, args);
  assert.deepEqual([code, err, left], [0, "", []], out + err);
  assert.match(out, /^The cloud: records in postgres:\/\/.*, files in http:.*\/demo$/m);
  assert.deepEqual(tableOf(out), tableFor({ records: 3, objects: 2 }));
  assert.match(out, /✓ the cloud and both laptops hold the same 24 records/);
  assert.match(out, /✓ one conflict: the later edit stands at both laptops/);
});

test("the demo over PostgreSQL leaves nothing behind on SIGINT", needsServers, async (t) => {
  const args = ["--folder", folderOf(t, numbered(300)), "--cloud", "postgres"];
  const result = await run(t, DEMO, args, (child, text) => {
    if (text.includes("serve --port")) child.kill("SIGINT");
  });
  assert.deepEqual([result.code, result.left], [130, []], result.err);
});

test("the demo says how to get the servers that it does not find", async (t) => {
  const folder = folderOf(t, { a: "1" });
  const args = ["--folder", folder, "--cloud", "postgres"];
  const { code, err } = await run(t, DEMO, args, undefined, { STARKEEP_TEST_SERVERS: folder });
  assert.equal(code, 1);
  assert.match(
    err,
    /^✗ --cloud postgres cannot be shown: there is no .*scripts\/test-servers\.mjs/,
  );
});

const MISTAKES = {
  "a missing folder": (t) => [["--folder", join(folderFor(t), "nowhere")], /does not exist/],
  "a file instead of a folder": () => [
    ["--folder", fileURLToPath(import.meta.url)],
    /no.* a folder/,
  ],
  "an empty folder": (t) => [["--folder", folderFor(t)], /no files to sync/],
  "a folder with nothing but empty folders": (t) => {
    const folder = folderFor(t);
    mkdirSync(join(folder, "a", "b"), { recursive: true });
    return [["--folder", folder], /no files to sync/];
  },
  "an option that it does not have": () => [["--forder", "x"], /--forder[^]*Usage: npm run demo/],
  "a folder without the option": () => [["somewhere"], /somewhere[^]*Usage: npm run demo/],
  "a cloud that it does not have": () => [["--cloud", "mysql"], /must be postgres, got "mysql"/],
  "an option without a folder": () => [["--folder"], /Usage: npm run demo/],
};

for (const [mistake, prepare] of Object.entries(MISTAKES)) {
  test(`the demo fails clearly on ${mistake}`, async (t) => {
    const [args, message] = prepare(t);
    const { code, out, err, left } = await run(t, DEMO, args);
    assert.deepEqual([code, out, left], [1, "", []]);
    assert.match(err, message);
    assert.match(err, /^✗ /);
    assert.doesNotMatch(err, /^\s+at /m, "there is no stack");
  });
}

test("the demo names a file that it may not read", notForRoot, async (t) => {
  const folder = folderOf(t, { open: "x", secret: "x" });
  chmodSync(join(folder, "secret"), 0);
  const { code, err, left } = await run(t, DEMO, ["--folder", folder]);
  assert.deepEqual([code, left], [1, []]);
  assert.match(
    err,
    /^✗ laptop 1, starkeep-sync put: ".*secret" cannot be read: permission denied$/m,
  );
});

test("the demo explains itself", async (t) => {
  const { code, out } = await run(t, DEMO, ["--help"]);
  assert.equal(code, 0);
  assert.match(out, /^Usage: npm run demo \[-- \[--folder DIR\] \[--cloud postgres\]\]/);
});

for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
  test(`the demo leaves nothing behind on ${signal}`, notOnWindows, async (t) => {
    const folder = folderOf(t, numbered(300));
    let sent = false;
    const result = await run(t, DEMO, ["--folder", folder], (child) => {
      if (!sent) child.kill(signal);
      sent = true;
    });
    assert.deepEqual([result.code, result.left], [code, []]);
    assert.match(result.err, /^✗ Stopped/);
  });
}

test("the demo leaves nothing behind where Ctrl-C is pressed again", notOnWindows, async (t) => {
  const folder = folderOf(t, numbered(300));
  const again = (child) => child.kill("SIGINT");
  const { code, signal, left } = await run(t, DEMO, ["--folder", folder], (child) => {
    again(child);
    setTimeout(again, 5, child);
  });
  // Node.js lets go of its handlers while it ends: a signal that comes then ends it, and a shell says 130 of both.
  assert.deepEqual([code ?? 128 + constants.signals[signal], left], [130, []]);
});

for (const [who, pattern] of Object.entries({
  "the cloud": /serve --port 0 .*in process (\d+)/,
  "laptop 1": /exchange --watch +in process (\d+)/,
})) {
  test(`the demo says so where ${who} breaks down`, notOnWindows, async (t) => {
    let [out, pid] = ["", undefined];
    const folder = folderOf(t, numbered(300));
    const result = await run(t, DEMO, ["--folder", folder], (_, text) => {
      out += text;
      if (pid !== undefined) return;
      pid = out.match(pattern)?.[1];
      if (pid !== undefined) process.kill(Number(pid), "SIGKILL");
    });
    assert.deepEqual([result.code, result.left], [1, []]);
    const name = who.replace("the ", "");
    assert.match(
      result.err,
      new RegExp(`^✗ .*process of ${name} .*ended early|^✗ .*nothing listens`, "m"),
    );
    assert.doesNotMatch(result.err, /^\s+at /m, "there is no stack");
  });
}

test("the check by hash tells every difference", async (t) => {
  const contents = { equal: "1", missing: "2", renamed: "3", longer: "4", changed: "5" };
  const { signal } = new AbortController();
  const folder = folderOf(t, contents);
  const { files } = await listFolder(folder, { signal, excluded: [] });
  assert.equal(files.length, 5);
  const records = await Promise.all(
    files.map(async (file) => {
      const { size, hash } = await hashOfFile(file);
      return { name: file.name, sizeBytes: size, contentHash: hash };
    }),
  );
  assert.deepEqual(await differencesOf(files, records, signal), []);
  const of = (name) => records.find((record) => record.name.endsWith(`/${name}`));
  of("renamed").name = "other";
  of("longer").sizeBytes = 2;
  of("changed").contentHash = "0".repeat(64);
  records.splice(records.indexOf(of("missing")), 1);
  const differences = await differencesOf(files, records, signal);
  assert.deepEqual(
    differences.map((text) => /\/(\w+)" is missing, or has other bytes$/.exec(text)?.[1]).sort(),
    ["changed", "longer", "missing", "renamed"],
  );
});

test("a file that is larger than a piece of reading is hashed whole", async (t) => {
  const content = Buffer.alloc(5_000_001, "starkeep");
  const path = Buffer.from(join(folderOf(t, { large: content }), "large"));
  const hash = createHash("sha256").update(content).digest("hex");
  assert.deepEqual(await hashOfFile({ path, name: "large" }), { size: content.length, hash });
});

test("two laptops with notes: live, offline, a conflict, a large file called off, a new token", async (t) => {
  const { code, out, err, left } = await run(t, "examples/notes/notes.mjs");
  assert.equal(err, "");
  assert.equal(code, 0);
  const lines = out.trim().split("\n");
  assert.equal(lines.length, 6);
  assert.ok(lines.every((line) => line.startsWith("✓ ")));
  assert.deepEqual(left, []);
});
