// The command by itself: how it is called, what it says, and what it does to files.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { createProgress } from "../js/command/terminal.mjs";
import { createUlids } from "../js/command/ulid.mjs";
import { assertEnded, idOf, jsonLines, ok, terminal, write } from "./support/command.mjs";
import { record } from "./support/memory.mjs";

test("flags count before the environment, and the environment before the file", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "1");
  for (const name of ["flag", "env", "conf/file"]) await ok(at, ["put", "x", "--data", name]);
  const placeOf = async (args, env) =>
    JSON.parse(await ok(at, ["status", "--json", ...args], { env })).place.slice(
      fs.realpathSync(at.cwd).length + 1,
    );
  // A path in the file is one from its folder.
  const config = write(at.cwd, "conf/own.json", JSON.stringify({ data: "file", port: 8080 }));
  const env = { STARKEEP_SYNC_DATA: "env", STARKEEP_SYNC_CONFIG: config };
  assert.equal(await placeOf(["--data", "flag"], env), "flag");
  assert.equal(await placeOf([], env), "env");
  assert.equal(await placeOf([], { STARKEEP_SYNC_CONFIG: config }), join("conf", "file"));
  assert.equal(
    await placeOf(["--config", config], { STARKEEP_SYNC_DATA: "" }),
    join("conf", "file"),
  );
  write(at.cwd, "starkeep-sync.json", JSON.stringify({ data: "flag" }));
  assert.equal(await placeOf([], {}), "flag", "the file is found where the command is run");
  write(at.cwd, "starkeep-sync.json", `\ufeff${JSON.stringify({ data: "env" })}`);
  assert.equal(await placeOf([], {}), "env", "also one that begins with the mark of an editor");
});

test("what is wrong with the usage is said in one line, with exit code 2", async (t) => {
  const at = terminal(t);
  write(at.cwd, "list.json", "[]");
  write(at.cwd, "broken.json", "{");
  write(at.cwd, "typo.json", '{ "tokenFlie": "x" }');
  write(at.cwd, "port.json", '{ "port": "x" }');
  const data = ["--data", "a"];
  const cases = [
    [["exchagne"], /unknown "exchagne"; did you mean exchange\?/],
    [["ls", ...data, "--lnog"], /unknown "--lnog"; did you mean --long\?/],
    [["ls", ...data, "--port", "1"], /ls: unknown "--port"/],
    [["ls"], /ls needs --data DIR .*STARKEEP_SYNC_DATA/],
    [["ls", "--data"], /--data needs a value: --data DIR/],
    [["ls", "--data", "--all"], /--data needs a value: --data DIR/],
    [["ls", ...data, ...data], /--data is given twice/],
    [["ls", ...data, "x"], /ls takes no names, got also "x"/],
    [["ls", ...data, "--json=1"], /--json takes no value/],
    [["put", ...data], /put needs at least one FILE/],
    [["get", ...data, "x", "y"], /get takes one ID or NAME, got also "y"/],
    [["exchange", ...data], /exchange needs --url URL/],
    [
      ["exchange", ...data, "--url", "ftp://x"],
      /--url must be an http: or https: URL without user/,
    ],
    [
      ["serve", ...data, "--port", "65536"],
      /--port must be an integer from 0 to 65535, got "65536"/,
    ],
    [["serve", ...data, "--tls-key", "k"], /both --tls-cert and --tls-key, got only --tls-key/],
    [["ls", ...data, "--config", "absent.json"], /absent\.json" cannot be read: it does not exist/],
    [["ls", ...data, "--config", "list.json"], /list\.json" must hold an object, got \[\]/],
    [["ls", ...data, "--config", "broken.json"], /broken\.json" is no JSON/],
    [["ls", ...data, "--config", "typo.json"], /unknown "tokenFlie"; did you mean tokenFile\?/],
    [
      ["ls", ...data, "--config", "port.json"],
      /port in .*port\.json must be an integer .*, got "x"/,
    ],
    [
      ["ls", ...data],
      /unknown "STARKEEP_SYNC_DTAA"; did you mean STARKEEP_SYNC_DATA\?/,
      { STARKEEP_SYNC_DTAA: "x" },
    ],
    [
      ["ls", ...data],
      /STARKEEP_SYNC_INTERVAL must be an integer from 1 .*, got "0"/,
      { STARKEEP_SYNC_INTERVAL: "0" },
    ],
  ];
  await Promise.all(
    cases.map(async ([args, pattern, env]) => {
      const result = await at.run(args, { env });
      assertEnded(result, 2, args.join(" "));
      assert.match(result.err, pattern);
      assert.match(
        result.err,
        /^starkeep-sync: [^\n]+ \([A-Z_]+\)\n$/,
        "it is one line with a code",
      );
      assert.equal(result.out, "");
    }),
  );
  const hidden = await at.run(["exchange", ...data, "--url", "http://ada:sesame@x"]);
  assertEnded(hidden, 2, "a password in the URL");
  assert.ok(!hidden.err.includes("sesame"), hidden.err);
  assert.ok(!fs.existsSync(join(at.cwd, "a")), "nothing was made");
});

test("every command has a help with its options, an example and the exit codes", async (t) => {
  const at = terminal(t);
  const { version } = JSON.parse(
    fs.readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  assert.equal(await ok(at, ["--version"]), `${version}\n`);
  const general = await ok(at, ["--help"]);
  const names = [...general.matchAll(/^ {2}([a-z]+)(?: |$).*(?:[A-Z].*)$/gm)].map(
    ([, name]) => name,
  );
  for (const name of [
    "put",
    "get",
    "ls",
    "rm",
    "exchange",
    "serve",
    "status",
    "verify",
    "reconcile",
  ]) {
    assert.ok(names.includes(name), name);
    const help = await ok(at, [name, "--help"]);
    for (const part of [
      `starkeep-sync ${name}`,
      "Example:",
      "--data DIR",
      "STARKEEP_SYNC_DATA",
      "130  interrupted",
    ])
      assert.ok(help.includes(part), `${name}: ${part}`);
    for (const line of help.split("\n")) assert.ok(line.length <= 130, line);
  }
  const bare = await at.run([]);
  assertEnded(bare, 2, "no command");
});

test("errors are one line for people and an object for scripts; a stack is there with --debug alone", async (t) => {
  const at = terminal(t);
  const absent = ["ls", "--data", "nowhere"];
  const shown = await at.run(absent);
  assertEnded(shown, 1, "no place");
  assert.match(shown.err, /^starkeep-sync: there is no place at .*\(NOT_FOUND\)\n$/);
  const told = await at.run([...absent, "--json"]);
  assert.equal(JSON.parse(told.out).error.code, "NOT_FOUND");
  assert.match((await at.run([...absent, "--debug"])).err, /\n +at /);
  assert.deepEqual(fs.readdirSync(at.cwd), [], "looking makes nothing");
});

test("put goes on past files that cannot be read, and says which they were", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "1");
  write(at.cwd, "folder/y", "2");
  const result = await at.run(["put", "--json", "absent", "folder", "x", "--data", "folder/a"]);
  assertEnded(result, 1, "put");
  const lines = jsonLines(result.out);
  assert.deepEqual(
    lines.map(({ path, error, name }) => (error ? [path, error.code] : name)),
    [["absent", "NOT_FOUND"], ["folder", "INVALID_ARGUMENT"], "x"],
  );
  // A place within a folder that is put does not take in itself.
  assert.match(
    await ok(at, ["put", "-r", "folder", "--data", "folder/a"]),
    /^\w{26} {2}folder\/y\n$/,
  );
});

test("get replaces no file that is there, unless it is forced, and names what is named twice", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "mine");
  write(at.cwd, "y", "another");
  const id = idOf(await ok(at, ["put", "y", "--data", "a"]), "y");
  const refused = await at.run(["get", "y", "-o", "x", "--data", "a"]);
  assertEnded(refused, 1, "get over a file");
  assert.match(refused.err, /--force replaces it \(EXISTS\)/);
  assert.equal(fs.readFileSync(join(at.cwd, "x"), "utf8"), "mine");
  await ok(at, ["get", "y", "-o", "x", "--force", "--data", "a"]);
  assert.equal(fs.readFileSync(join(at.cwd, "x"), "utf8"), "another");
  await ok(at, ["put", "y", "--data", "a"]);
  const twice = await at.run(["get", "y", "--data", "a"]);
  assertEnded(twice, 1, "a name of two");
  assert.match(twice.err, new RegExp(`${id}.*AMBIGUOUS`));
  assert.equal(await ok(at, ["get", id, "--data", "a"]), "another");
});

test("a record of elsewhere reads no file outside of the objects, and writes nothing to a terminal but its name", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "1");
  await ok(at, ["put", "x", "--data", "a"]);
  write(at.cwd, "a/secret", "not an object");
  const database = sync.createSqliteDatabaseAdapter({ path: join(at.cwd, "a", "sync.db") });
  const stamp = { wallTime: 1, counter: 0, nodeId: "elsewhere" };
  const hostile = { objectStorageKey: "../secret", originalFilename: "\x1b[2Jclear\nforged line" };
  await database.put({ ...record("hostile", stamp), ...hostile });
  await database.close();
  const got = await at.run(["get", "hostile", "--data", "a"]);
  assert.deepEqual([got.code, got.out, /INVALID_KEY/.test(got.err)], [1, "", true], got.err);
  const listed = await ok(at, ["ls", "-l", "--data", "a"]);
  assert.equal(listed.trim().split("\n").length, 2);
  assert.ok(!listed.includes("\x1b"));
  const verified = await at.run(["verify", "--json", "--data", "a"]);
  assert.deepEqual(
    JSON.parse(verified.out).wrong.map(({ code }) => code),
    ["INVALID_KEY"],
  );
});

test("a bar is drawn on a terminal and nothing anywhere else", () => {
  let [drawn, time] = ["", 0];
  const stream = { isTTY: true, columns: 100, write: (text) => (drawn += text) };
  const progress = createProgress(stream, () => time);
  const at = (bytes) => ({ phase: "upload", done: 1, of: 4, bytes, bytesOf: 4_000_000 });
  progress.show(at(0));
  time = 1000;
  progress.show(at(2_000_000));
  assert.match(drawn, /upload {4}█{12}░{12} {3}50% {2}1\/4 {2}2\.0 MB {2}2\.0 MB\/s/);
  progress.clear();
  assert.ok(drawn.endsWith("\r\x1b[K"), "it goes away");
  const quiet = createProgress({ isTTY: false, write: assert.fail });
  quiet.show(at(0));
  quiet.clear();
});

test("ids rise within a millisecond, and where the clock goes back", () => {
  const times = [5, 5, 5, 4, 6];
  const ulid = createUlids(() => times.shift());
  const ids = Array.from({ length: 5 }, ulid);
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, 5);
  for (const id of ids) assert.match(id, /^0{8}[0-9A-HJKMNP-TV-Z]{18}$/);
});

test("a server that cannot answer says why, once", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "x");
  await ok(at, ["put", "x", "--data", "a"]);
  const { url, has, printed, kill, ended } = await at.serve("cloud");
  fs.rmSync(join(at.cwd, "cloud"), { recursive: true });
  const exchange = ["exchange", "--data", "a", "--url", url];
  for (let time = 0; time < 2; time += 1) {
    const { code, err } = await at.run(exchange);
    assert.equal(code, 1);
    assert.match(err, /its log says why/);
  }
  await has("err", /exchange failed for a caller: STORE_REPLACED .* replaced or removed/);
  assert.equal(printed.err.match(/exchange failed for a caller/g).length, 1);
  kill("SIGTERM");
  await ended;
});
