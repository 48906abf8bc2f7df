// `exchange --watch`: when it exchanges, and how it ends.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { watch } from "../js/command/watch.mjs";
import { certificateFor } from "./support/certificates.mjs";
import {
  assertEnded,
  jsonLines,
  ok,
  stallingProxy,
  terminal,
  until,
  write,
} from "./support/command.mjs";
import { fakeClock, flush } from "./support/loops.mjs";
import { memoryObjects, record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

/** Nothing is brought by an interval of a day. */
const DAY = ["--interval", "86400"];
const notOnWindows = { skip: process.platform === "win32" ? "Windows has no such signals" : false };

const begun = (watching) => watching.has("out", /hold the same/);

test("what is put beside it goes out at once, and what comes to the peer comes in at once", async (t) => {
  const at = terminal(t);
  const { url } = await at.serve("cloud");
  const watching = at.start(["exchange", "--watch", ...DAY, "--url", url, "--data", "a"]);
  await begun(watching);
  write(at.cwd, "x", "from here");
  await ok(at, ["put", "x", "--data", "a"]);
  await watching.has("out", /^1 sent/m);
  write(at.cwd, "y", "from there");
  await ok(at, ["put", "y", "--data", "b"]);
  assert.match(await ok(at, ["exchange", "--url", url, "--data", "b"]), /^1 sent .* 1 received/);
  await watching.has("out", /, 1 received/);
  assert.equal(await ok(at, ["get", "y", "--data", "a"]), "from there");
});

test("news come by TLS, with a token", async (t) => {
  const at = terminal(t);
  const { cert, key } = certificateFor(["127.0.0.1"]);
  write(at.cwd, "cert.pem", cert);
  write(at.cwd, "key.pem", key);
  chmodSync(write(at.cwd, "token", randomBytes(20).toString("hex")), 0o600);
  const token = ["--token-file", "token"];
  const tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
  const { url } = await at.serve("cloud", [...token, ...tls]);
  const peer = [...token, "--ca", "cert.pem", "--url", url];
  const watching = at.start(["exchange", "--watch", ...DAY, ...peer, "--data", "a"]);
  await begun(watching);
  write(at.cwd, "x", "news");
  await ok(at, ["put", "x", "--data", "b"]);
  await ok(at, ["exchange", ...peer, "--data", "b"]);
  await watching.has("out", /, 1 received/);
});

test("a token that is renewed in its file is taken up", notOnWindows, async (t) => {
  const at = terminal(t);
  const tokens = Array.from({ length: 2 }, () => randomBytes(20).toString("hex"));
  const set = (file, token) => chmodSync(write(at.cwd, file, token), 0o600);
  for (const file of ["here", "there"]) set(file, tokens[0]);
  const server = await at.serve("cloud", ["--token-file", "there"]);
  const peer = ["--url", server.url, "--token-file", "here", "--data", "a"];
  const watching = at.start(["exchange", "--watch", ...DAY, ...peer]);
  await begun(watching);
  server.kill("SIGTERM");
  await server.ended;
  for (const file of ["here", "there"]) set(file, tokens[1]);
  const { port } = new URL(server.url);
  const again = ["serve", "--data", "cloud", "--port", port, "--token-file", "there"];
  await at.start(again).has("out", /serves/);
  write(at.cwd, "x", "after that");
  await ok(at, ["put", "x", "--data", "a"]);
  await watching.has("out", /^1 sent/m);
  // The id of a record may have these digits.
  assert.ok(!/\b401\b/.test(watching.printed.err), watching.printed.err);
});

test("a peer without news is said to have none, and is asked at intervals", async (t) => {
  const at = terminal(t);
  const path = join(folderFor(t), "peer.db");
  const database = sync.createSqliteDatabaseAdapter({ path });
  const clock = sync.createHLCClock({ nodeId: "peer", state: database });
  const handler = sync.createHttpSyncHandler({
    databaseAdapter: database,
    objectStorageAdapter: memoryObjects(),
    clock,
  });
  const server = createServer(async (request, response) => {
    if (!(await handler(request, response))) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await database.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  const args = ["exchange", "--watch", "--interval", "1", "--url", url, "--data", "a"];
  const watching = at.start(args);
  await watching.has("err", /the peer tells no news \(GET \/events: 404\); it is asked every 1 s/);
  await begun(watching);
  await database.put(record("later", clock.now()));
  await watching.has("out", /, 1 received/);
  assert.equal(watching.printed.err.split("no news").length, 2, "it is said once");
});

test(
  "a failure says when the next try is, and news of the peer end the wait",
  notOnWindows,
  async (t) => {
    const at = terminal(t);
    const server = await at.serve("cloud");
    const args = ["exchange", "--watch", ...DAY, "--json", "--url", server.url, "--data", "a"];
    const watching = at.start(args);
    await watching.has("out", /"inSync":true/);
    server.kill("SIGTERM");
    await server.ended;
    write(at.cwd, "x", "written while the peer is away");
    await ok(at, ["put", "x", "--data", "a"]);
    await watching.has("out", /"waitMs":\d+/);
    const { port } = new URL(server.url);
    const again = at.start(["serve", "--data", "cloud", "--port", port]);
    await again.has("out", /serves/);
    await watching.has("out", /"shipped":1/);
    watching.kill("SIGINT");
    const ended = await watching.ended;
    assertEnded(ended, 0, "exchange --watch");
    const failures = jsonLines(ended.out).filter((line) => !line.ok);
    for (const { error, waitMs } of failures)
      assert.deepEqual([error.reason, waitMs > 0], ["unreachable", true]);
    assert.ok(failures[0].waitMs <= 1000, "the first wait is at most a second");
  },
);

test(
  "a signal breaks off an upload that stands still, and it ends well",
  notOnWindows,
  async (t) => {
    const at = terminal(t);
    write(at.cwd, "large", randomBytes(12_000_000));
    await ok(at, ["put", "large", "--data", "a"]);
    const { url } = await at.serve("cloud");
    const proxy = await stallingProxy(t, url, 4_000_000);
    const watching = at.start(["exchange", "--watch", "--url", proxy.url, "--data", "a"]);
    await until(
      () => proxy.isStalled,
      () => "an upload that stands still",
    );
    watching.kill("SIGTERM");
    assertEnded(await watching.ended, 0, "exchange --watch");
    assert.match(
      await ok(at, ["exchange", "--url", url, "--data", "a"]),
      /^1 sent .*hold the same/,
    );
  },
);

/** `watch` over a place of its own, with exchanges that fail as they are told to. */
async function watchFor(t, exchange, signal) {
  const folder = folderFor(t);
  const database = sync.createSqliteDatabaseAdapter({ path: join(folder, "sync.db") });
  t.after(() => database.close());
  const clock = fakeClock();
  const waits = [];
  const call = { values: { interval: 30 }, signal, warn: assert.fail };
  // Nothing listens at this port.
  const peer = { baseUrl: "http://127.0.0.1:1" };
  const place = { folder, nodeId: "a", database };
  const onFailure = async (error, waitMs) => waits.push([error.message, waitMs]);
  const ended = watch(call, place, { peer, exchange, onFailure, clock });
  return { clock, waits, ended };
}

const failing = (message, code) => async () => {
  throw Object.assign(new Error(message), { code });
};

test("the wait doubles after each failure", async (t) => {
  const stop = new AbortController();
  const { clock, waits, ended } = await watchFor(t, failing("away", "SYNC_ERROR"), stop.signal);
  for (let count = 1; count <= 4; count += 1)
    await until(
      async () => {
        await flush();
        if (waits.length < count) return false;
        await clock.advance(waits[count - 1][1]);
        return true;
      },
      () => `failure ${count}`,
    );
  stop.abort();
  await ended;
  assert.deepEqual(
    waits.slice(0, 4),
    [1000, 2000, 4000, 8000].map((waitMs) => ["away", waitMs]),
  );
});

test("what no further try will mend ends it", async (t) => {
  const { signal } = new AbortController();
  const { waits, ended } = await watchFor(t, failing("closed", "STORE_CLOSED"), signal);
  await assert.rejects(ended, { message: "closed", code: "STORE_CLOSED" });
  assert.deepEqual(waits, []);
});
