// The command: new versions of records, what is passed over, conflicts, and whether places hold the same.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertEnded, idOf, jsonLines, ok, terminal, write } from "./support/command.mjs";

const notOnWindows = { skip: process.platform === "win32" ? "Windows has no such names" : false };
const listed = async (at, data) => jsonLines(await ok(at, ["ls", "--json", "--data", data]));

test("put --update makes new versions of the records that have the names, and passes over what is as it was", async (t) => {
  const at = terminal(t);
  write(at.cwd, "notes/a.txt", "1");
  write(at.cwd, "notes/b.txt", "1");
  const first = await ok(at, ["put", "-r", "notes", "--data", "a", "--type", "note"]);
  write(at.cwd, "notes/a.txt", "changed");
  write(at.cwd, "notes/c.txt", "new");
  const second = await ok(at, ["put", "-r", "-u", "notes", "--data", "a"]);
  assert.deepEqual(
    second.split("\n").map((line) => line.slice(28)),
    ["notes/a.txt", "notes/c.txt", ""],
  );
  assert.equal(idOf(second, "notes/a.txt"), idOf(first, "notes/a.txt"));
  assert.deepEqual(
    (await listed(at, "a")).map(({ name, version, type }) => [name, version, type]),
    [
      ["notes/a.txt", 2, "note"],
      ["notes/b.txt", 1, "note"],
      ["notes/c.txt", 1, "file"],
    ],
  );
  assert.equal(await ok(at, ["get", "notes/a.txt", "--data", "a"]), "changed");
  assert.match(await ok(at, ["verify", "--data", "a"]), /^3 records, 3 objects, .* all as/);

  await ok(at, ["rm", "notes/a.txt", "--data", "a"]);
  const third = await ok(at, ["put", "-r", "-u", "notes", "--data", "a"]);
  assert.notEqual(idOf(third, "notes/a.txt"), idOf(first, "notes/a.txt"), "a deletion stands");
});

test("put --update refuses a name that several records or files have, and puts the others", async (t) => {
  const at = terminal(t);
  for (const name of ["x", "y", "one/z", "two/z"]) write(at.cwd, name, `the first ${name}`);
  await ok(at, ["put", "x", "x", "y", "--data", "a"]);
  for (const name of ["x", "y"]) write(at.cwd, name, `the second ${name}`);
  const result = await at.run(["put", "-u", "x", "y", "one/z", "two/z", "--json", "--data", "a"]);
  assertEnded(result, 1, "put --update");
  assert.deepEqual(
    jsonLines(result.out).map(({ name, path, error }) => name ?? [path, error.code]),
    [["x", "AMBIGUOUS"], [join("two", "z"), "AMBIGUOUS"], "y", "z"],
  );
});

test(
  "put passes over the names that are excluded, and takes in names that are no text",
  notOnWindows,
  async (t) => {
    const at = terminal(t);
    for (const name of [".git/config", "a.txt", "b.tmp", "deep/c.tmp", "deep/d(1)", "git"])
      write(at.cwd, `tree/${name}`, name);
    let raw = 0;
    if (process.platform === "linux")
      for (const byte of [0xfe, 0xff]) {
        const name = Buffer.concat([Buffer.from(`${at.cwd}/tree/raw`), Buffer.from([byte])]);
        writeFileSync(name, `${byte}`);
        raw += 1;
      }
    await ok(at, ["put", "-r", "tree", "--exclude", ".git,*.tmp", "--data", "a"]);
    assert.deepEqual((await listed(at, "a")).map(({ name }) => name).sort(), [
      "tree/a.txt",
      "tree/deep/d(1)",
      "tree/git",
      ...Array(raw).fill("tree/raw\ufffd"),
    ]);
    assert.match(
      await ok(at, ["verify", "--data", "a"]),
      new RegExp(`^${3 + raw} records.* all as`),
    );
  },
);

test("put refuses to exclude what could match no name, and takes spaces around names for none", async (t) => {
  const at = terminal(t);
  for (const name of [".git/config", "a.txt", "deep/b.txt", "c.tmp"])
    write(at.cwd, `tree/${name}`, name);
  for (const wrong of ["deep/b.txt", ".git/", ",", "*.tmp,"])
    assertEnded(await at.run(["put", "-r", "tree", "--exclude", wrong, "--data", "a"]), 2, wrong);
  await ok(at, ["put", "-r", "tree", "--exclude", ".git, *.tmp", "--data", "a"]);
  assert.deepEqual((await listed(at, "a")).map(({ name }) => name).sort(), [
    "tree/a.txt",
    "tree/deep/b.txt",
  ]);
});

test("of two edits of one record the later one stands at all places, and the exchange says which one lost", async (t) => {
  const at = terminal(t);
  const { url } = await at.serve("cloud");
  const exchange = (data, ...more) => ok(at, ["exchange", "--url", url, "--data", data, ...more]);
  write(at.cwd, "note.txt", "Milk");
  const id = idOf(await ok(at, ["put", "note.txt", "--data", "a", "--node-id", "ada"]), "note.txt");
  await exchange("a");
  await exchange("b", "--node-id", "bob");
  for (const [data, text] of [
    ["a", "Eggs"],
    ["b", "Bread"],
  ]) {
    write(at.cwd, "note.txt", text);
    await ok(at, ["put", "-u", "note.txt", "--data", data]);
  }
  assert.match(await exchange("a"), /^1 sent [^\n]*\n$/, "a does not know of the other edit yet");
  const met = JSON.parse(await exchange("b", "--json"));
  const [{ stands, lost, ...conflict }] = met.conflicted;
  assert.deepEqual(conflict, { id, name: "note.txt", winner: "local" });
  assert.deepEqual([met.conflicts, met.ok, stands.nodeId, lost.nodeId], [1, true, "bob", "ada"]);
  assert.ok(stands.at > lost.at);
  const status = await ok(at, ["status", "--data", "b"]);
  assert.match(status, /^last exchange .*; 1 conflict; both sides hold the same$/m);
  const line = new RegExp(
    `^conflict then +${id} note\\.txt: the version of bob \\(.*Z\\) stands, the version of ada \\(.*Z\\) lost$`,
    "m",
  );
  assert.match(status, line);
  await exchange("a");
  for (const data of ["a", "b", "cloud"])
    assert.equal(await ok(at, ["get", id, "--data", data]), "Bread");
  // What lost is a file still, where it was written.
  assert.ok(lost.key.startsWith("files/") && lost.key !== stands.key);
});

test("places that hold the same have the same fingerprint, and others another one", async (t) => {
  const at = terminal(t);
  const { url } = await at.serve("cloud");
  const fingerprint = async (data) => {
    const { fingerprint } = JSON.parse(await ok(at, ["verify", "--json", "--data", data]));
    assert.match(fingerprint, /^[0-9a-f]{64}$/);
    assert.ok(
      (await ok(at, ["verify", "--data", data])).includes(
        `; fingerprint ${fingerprint.slice(0, 16)}; all as`,
      ),
    );
    return fingerprint;
  };
  for (const name of ["x", "y"]) write(at.cwd, name, name);
  await ok(at, ["put", "x", "y", "--data", "a"]);
  for (const data of ["a", "b"]) await ok(at, ["exchange", "--url", url, "--data", data]);
  const both = await fingerprint("a");
  assert.equal(await fingerprint("b"), both);
  await ok(at, ["rm", "x", "--data", "b"]);
  assert.notEqual(await fingerprint("b"), both);
  for (const data of ["b", "a"]) await ok(at, ["exchange", "--url", url, "--data", data]);
  assert.equal(await fingerprint("b"), await fingerprint("a"));
});
