// The command between places: what people and scripts do with it.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { certificateFor } from "./support/certificates.mjs";
import {
  assertEnded,
  idOf,
  jsonLines,
  ok,
  stallingProxy,
  terminal,
  until,
  write,
} from "./support/command.mjs";

const LARGE = 12_000_000;
const notOnWindows = { skip: process.platform === "win32" ? "Windows has no such signals" : false };
const hashOf = (data) => createHash("sha256").update(data).digest("hex");

test("what is put on one laptop is on the other after an exchange each, byte for byte", async (t) => {
  const at = terminal(t);
  const files = {
    "note.txt": Buffer.from("Buy milk\n"),
    empty: Buffer.alloc(0),
    "tree/ünï (1).JPG": randomBytes(1000),
    "tree/deep/large.bin": randomBytes(LARGE),
    "tree/deep/copy.bin": Buffer.from("Buy milk\n"),
  };
  for (const [name, data] of Object.entries(files)) write(at.cwd, name, data);
  const put = await ok(at, [
    "put",
    "-r",
    "note.txt",
    "empty",
    "tree",
    "--type",
    "thing",
    "--data",
    "a",
  ]);
  assert.equal(put.trim().split("\n").length, 5);

  const { url } = await at.serve("cloud");
  const page = await fetch(url);
  assert.match(page.headers.get("content-type"), /^text\/html/);
  const sent = JSON.parse(await ok(at, ["exchange", "--json", "--url", url, "--data", "a"]));
  assert.deepEqual([sent.ok, sent.shipped, sent.inSync, sent.held], [true, 5, true, []]);
  assert.match(
    await ok(at, ["exchange", "--url", url, "--data", "b"]),
    /^0 sent .* 5 received .*hold the same\n$/,
  );

  for (const [name, data] of Object.entries(files)) {
    const { code, bytes } = await at.run(["get", name, "--data", "b"]);
    assert.equal(code, 0, name);
    assert.ok(bytes.equals(data), `${name} is the same at b`);
  }
  const listed = jsonLines(await ok(at, ["ls", "--json", "--data", "b"]));
  assert.deepEqual(listed.map(({ name }) => name).sort(), Object.keys(files).sort());
  for (const { id, name, sizeBytes, contentHash, residency, type } of listed) {
    assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
    const wanted = [files[name].length, hashOf(files[name]), "resident", "thing"];
    assert.deepEqual([sizeBytes, contentHash, residency, type], wanted);
  }
  const photo = listed.find(({ name }) => name.endsWith(".JPG"));
  assert.equal(photo.mimeType, "image/jpeg");
  assert.match(
    await ok(at, ["verify", "--data", "b"]),
    /^5 records, 5 objects, .*all as their records say\n$/,
  );
  assert.deepEqual(fs.readdirSync(join(at.cwd, "a", "incoming")), [], "no copy is left behind");
});

test("a place keeps the name that it got at first, and says why it is never copied", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "1");
  await ok(at, ["put", "x", "--data", "a"]);
  const [name] = fs.readFileSync(join(at.cwd, "a", "node-id"), "utf8").split("\n");
  assert.match(name, /^[a-z0-9-]+-[0-9a-f]{12}$/);
  assert.match(fs.readFileSync(join(at.cwd, "a", "node-id"), "utf8"), /must never be copied/);
  await ok(at, ["put", "x", "--data", "a"]);
  const status = JSON.parse(await ok(at, ["status", "--json", "--data", "a"]));
  assert.deepEqual([status.nodeId, status.counts.resident], [name, 2]);
  const other = await at.run(["put", "x", "--data", "a", "--node-id", "other"]);
  assertEnded(other, 2, "another name");
  assert.ok(other.err.includes(name), other.err);
  await ok(at, ["put", "x", "--data", "b", "--node-id", "chosen"]);
  assert.equal(JSON.parse(await ok(at, ["status", "--json", "--data", "b"])).nodeId, "chosen");
});

test("verify finds an object that is removed, one that is altered and one that is cut short", async (t) => {
  const at = terminal(t);
  const names = ["gone", "altered", "short", "sound"];
  for (const name of names) write(at.cwd, name, `the bytes of ${name}`);
  await ok(at, ["put", ...names, "--data", "a"]);
  const listed = jsonLines(await ok(at, ["ls", "--json", "--data", "a"]));
  const pathOf = (name) =>
    join(at.cwd, "a", "objects", listed.find((one) => one.name === name).key);
  fs.rmSync(pathOf("gone"));
  fs.writeFileSync(pathOf("altered"), "THE BYTES OF ALTERED");
  fs.truncateSync(pathOf("short"), 3);

  const result = await at.run(["verify", "--json", "--data", "a"]);
  assertEnded(result, 1, "verify");
  const { ok: isOk, records, wrong } = JSON.parse(result.out);
  assert.deepEqual([isOk, records], [false, 4]);
  assert.deepEqual(wrong.map(({ name, code }) => [name, code]).sort(), [
    ["altered", "HASH_MISMATCH"],
    ["gone", "BLOB_MISSING"],
    ["short", "SIZE_MISMATCH"],
  ]);
  const shown = await at.run(["verify", "--data", "a"]);
  assert.match(shown.out, /HASH_MISMATCH: altered has the SHA-256 .*\n[^]*; 3 wrong\n$/);
  const got = await at.run(["get", "altered", "-o", "out", "--data", "a"]);
  assertEnded(got, 1, "get of what is altered");
  assert.deepEqual(fs.readdirSync(at.cwd).sort(), ["a", ...names].sort(), "nothing is left of it");
});

test("reconcile --objects brings back an object that was lost", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "lost and found");
  await ok(at, ["put", "x", "--data", "a"]);
  const { url } = await at.serve("cloud");
  await ok(at, ["exchange", "--url", url, "--data", "a"]);
  fs.rmSync(join(at.cwd, "a", "objects", "files"), { recursive: true });
  assertEnded(await at.run(["verify", "--data", "a"]), 1, "verify");
  const args = ["reconcile", "--objects", "--json", "--url", url, "--data", "a"];
  const { ok: isOk, objects, inSync } = JSON.parse(await ok(at, args));
  assert.deepEqual([isOk, inSync, objects.received, objects.missing], [true, true, 1, []]);
  assert.match(await ok(at, ["verify", "--data", "a"]), /all as their records say/);
});

test("an item that cannot travel is listed with its code, and the exit code is 3", async (t) => {
  const at = terminal(t);
  write(at.cwd, "x", "its object is lost");
  const id = idOf(await ok(at, ["put", "x", "--data", "a"]), "x");
  fs.rmSync(join(at.cwd, "a", "objects", "files"), { recursive: true });
  const { url } = await at.serve("cloud");
  const shown = await at.run(["exchange", "--url", url, "--data", "a"]);
  assertEnded(shown, 3, "exchange");
  assert.match(shown.out, new RegExp(`\\nheld outbound ${id}: BLOB_MISSING: .+\n$`));
  const told = await at.run(["exchange", "--json", "--url", url, "--data", "a"]);
  assertEnded(told, 3, "exchange --json");
  const { ok: isOk, held } = JSON.parse(told.out);
  assert.deepEqual(
    [isOk, held.map((item) => [item.id, item.code])],
    [false, [[id, "BLOB_MISSING"]]],
  );
  const status = await ok(at, ["status", "--data", "a"]);
  assert.match(status, /0 here, 1 without their object yet/);
  assert.match(status, new RegExp(`held then +outbound ${id}: BLOB_MISSING`));
});

test("with a token a server lets in those alone that have it, and it is never printed", async (t) => {
  const at = terminal(t);
  const [token, wrong] = [randomBytes(20).toString("hex"), randomBytes(20).toString("hex")];
  for (const [name, text] of Object.entries({ token, wrong })) {
    write(at.cwd, name, `${text}\n`);
    fs.chmodSync(join(at.cwd, name), 0o600);
  }
  write(at.cwd, "x", "secret");
  await ok(at, ["put", "x", "--data", "a"]);
  const { url } = await at.serve("cloud", ["--token-file", "token", "--json"]);
  const exchange = ["exchange", "--url", url, "--data", "a", "--debug"];
  for (const more of [[], ["--token-file", "wrong"]]) {
    const refused = await at.run([...exchange, ...more]);
    assertEnded(refused, 1, `refused ${more}`);
    assert.match(refused.err, /^starkeep-sync: .*\(SYNC_ERROR, status, 401\)/m);
  }
  const unwell = await at.run(["status", "--json", "--url", url, "--data", "a"]);
  assertEnded(unwell, 1, "status without the token");
  assert.equal(JSON.parse(unwell.out).peer.error.status, 401);
  const status = ["status", "--url", url, "--data", "a", "--token-file", "token"];
  assert.match(await ok(at, status), /healthy, and lets this place in/);
  assert.match(await ok(at, exchange, { env: { STARKEEP_SYNC_TOKEN: token } }), /^1 sent/);
  // The flag counts before the environment.
  const both = { env: { STARKEEP_SYNC_TOKEN: wrong } };
  assert.match(await ok(at, [...exchange, "--token-file", "token"], both), /^0 sent/);

  // What went wrong since then takes nothing away of what went well.
  assertEnded(await at.run(exchange), 1, "without the token");
  const { lastExchange, lastFailure, newHere } = JSON.parse(
    await ok(at, ["status", "--json", "--data", "a"]),
  );
  assert.deepEqual([lastExchange.inSync, lastFailure.status, newHere], [true, 401, 0]);

  const given = await at.run(["exchange", "--token", token, "--url", url, "--data", "a"]);
  assertEnded(given, 2, "--token");
  assert.match(given.err, /there is no --token: every user of the machine can read a command line/);
  const inFile = write(at.cwd, "with-token.json", JSON.stringify({ token }));
  assertEnded(await at.run([...exchange, "--config", inFile]), 2, "a token in the configuration");
  write(at.cwd, "two-lines", `${token}\n${token}`);
  assertEnded(await at.run([...exchange, "--token-file", "two-lines"]), 2, "a token of two lines");
  for (const secret of [token, wrong]) assert.ok(!at.said().includes(secret), "it is not printed");
});

test("without a token a server listens on this machine alone", async (t) => {
  const at = terminal(t);
  const refused = await at.run(["serve", "--host", "0.0.0.0", "--port", "0", "--data", "a"]);
  assertEnded(refused, 2, "serve to all");
  assert.match(refused.err, /serve at 0\.0\.0\.0 needs a token.*--token-file/);
  write(at.cwd, "short", "sesame");
  const short = await at.run(["serve", "--token-file", "short", "--port", "0", "--data", "a"]);
  assertEnded(short, 2, "a short token");
  assert.match(short.err, /at least 16 characters, got 6/);
  assert.deepEqual(fs.readdirSync(at.cwd), ["short"], "nothing was made");
});

test("a server with TLS is trusted by --ca", async (t) => {
  const at = terminal(t);
  const { cert, key } = certificateFor(["127.0.0.1"]);
  write(at.cwd, "cert.pem", cert);
  write(at.cwd, "key.pem", key);
  const { url } = await at.serve("cloud", ["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
  assert.match(url, /^https:/);
  write(at.cwd, "x", "by TLS");
  await ok(at, ["put", "x", "--data", "a"]);
  const exchange = ["exchange", "--url", url, "--data", "a"];
  const refused = await at.run(exchange);
  assertEnded(refused, 1, "an unknown certificate");
  assert.match(refused.err, /\(SYNC_ERROR, tls\)/);
  assert.match(await ok(at, [...exchange, "--ca", "cert.pem"]), /^1 sent/);
  assertEnded(await at.run([...exchange, "--ca", "x"]), 2, "--ca without a certificate");
});

test("what is put beside a running server goes to the peers", async (t) => {
  const at = terminal(t);
  const server = await at.serve("cloud", ["--json"]);
  write(at.cwd, "x", "written beside it");
  const id = idOf(await ok(at, ["put", "x", "--data", "cloud"]), "x");
  await ok(at, ["exchange", "--url", server.url, "--data", "b"]);
  assert.equal(await ok(at, ["get", id, "--data", "b"]), "written beside it");
  await ok(at, ["rm", "x", "--data", "b"]);
  await ok(at, ["exchange", "--url", server.url, "--data", "b"]);
  await server.has("out", /"event":"exchange"/);
  assert.equal(await ok(at, ["ls", "--data", "cloud"]), "");
  assert.match(await ok(at, ["ls", "-la", "--data", "cloud"]), / {2}tombstoned {2}file {2}x\n$/);
  const gone = await at.run(["get", id, "--data", "cloud"]);
  assert.deepEqual([gone.code, /was deleted.*NOT_FOUND/.test(gone.err)], [1, true]);
  if (process.platform === "win32") return;
  server.kill("SIGTERM");
  const ended = await server.ended;
  assertEnded(ended, 0, "serve");
  const events = jsonLines(ended.out);
  assert.deepEqual(
    events.map(({ event }) => event),
    ["start", "exchange", "stop"],
  );
  assert.deepEqual([events[0].url, events[1].records], [server.url, [id]]);
});

test(
  "a server waits for what runs, and ends at once at the second signal",
  notOnWindows,
  async (t) => {
    const at = terminal(t);
    const server = await at.serve("cloud");
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    socket.write(
      `PUT /files/half HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nhalf`,
    );
    // Files that are being written lie in a folder of the storage; until one is there the request may not be in work.
    const writing = join(at.cwd, "cloud", "objects", ".starkeep-store", "writing");
    const isWriting = () =>
      fs.readdirSync(writing, { recursive: true }).some((name) => /\/./.test(name));
    await until(isWriting, () => "a file that is being written");
    server.kill("SIGTERM");
    await server.has("err", /waiting for what runs/);
    server.kill("SIGTERM");
    assertEnded(await server.ended, 130, "serve");
  },
);

test(
  "an exchange that is interrupted leaves nothing half-written, and the next one completes it",
  notOnWindows,
  async (t) => {
    const at = terminal(t);
    const data = randomBytes(LARGE);
    write(at.cwd, "large", data);
    await ok(at, ["put", "large", "--data", "a"]);
    const { url } = await at.serve("cloud");
    const proxy = await stallingProxy(t, url, LARGE / 3);
    const exchange = at.start(["exchange", "--url", proxy.url, "--data", "a"]);
    await until(
      () => proxy.isStalled,
      () => "an upload that stands still",
    );
    exchange.kill("SIGINT");
    const cut = await exchange.ended;
    assertEnded(cut, 130, "exchange");
    assert.match(cut.err, /interrupted by SIGINT: nothing is half-written/);
    assert.equal(
      await ok(at, ["ls", "--data", "cloud"]),
      "",
      "the record is not there without its file",
    );
    assert.match(
      await ok(at, ["exchange", "--url", url, "--data", "a"]),
      /^1 sent .*hold the same/,
    );
    const got = await at.run(["get", "large", "--data", "cloud"]);
    assert.ok(got.bytes.equals(data));
  },
);

test("a get that is interrupted while its reader does not read ends", notOnWindows, async (t) => {
  const at = terminal(t);
  write(at.cwd, "large", randomBytes(LARGE));
  await ok(at, ["put", "large", "--data", "a"]);
  const { child, ended } = at.start(["get", "large", "--data", "a"], { reads: false });
  await once(child.stdout, "readable");
  child.kill("SIGINT");
  const exited = await once(child, "exit");
  child.stdout.resume();
  await ended;
  assert.deepEqual(exited, [null, "SIGINT"]);
});

test(
  "--watch goes on after failures, brings what is new, and ends well when it is told to",
  notOnWindows,
  async (t) => {
    const at = terminal(t);
    const first = await at.serve("cloud");
    first.kill("SIGTERM");
    await first.ended;
    const watch = at.start([
      "exchange",
      "--watch",
      "--interval",
      "1",
      "--url",
      first.url,
      "--data",
      "b",
    ]);
    await watch.has("err", /unreachable\); next try in \d+ s/);
    const { port } = new URL(first.url);
    const again = at.start(["serve", "--data", "cloud", "--port", port]);
    await again.has("out", /serves/);
    await watch.has("out", /both sides hold the same/);
    write(at.cwd, "x", "later");
    await ok(at, ["put", "x", "--data", "cloud"]);
    await watch.has("out", /1 received/);
    watch.kill("SIGTERM");
    assertEnded(await watch.ended, 0, "exchange --watch");
    assert.equal(await ok(at, ["get", "x", "--data", "b"]), "later");
  },
);
