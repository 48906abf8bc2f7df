// What requests take of memory together, and how many items one of them may bring, is bounded; honest ones get through.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import * as sync from "@starkeep/sync-engine";
import { SIDES, exchange, recordOf, sideFor } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState } from "./support/memory.mjs";

const quiet = (t) => t.mock.method(console, "warn", () => {});

/** Sends the head of a request and so many bytes of its body, and keeps it there. Answers how to end it. */
async function stalled(t, port, { path, method = "POST", length, sent }) {
  const socket = connect(port, "127.0.0.1");
  const said = [];
  socket.on("error", () => {});
  socket.on("data", (piece) => said.push(piece));
  t.after(() => socket.destroy());
  await once(socket, "connect");
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`,
  );
  socket.write(Buffer.alloc(sent, " "));
  return { socket, said: () => Buffer.concat(said).toString() };
}

/** Asks again until the answer has this status; the test's own limit of time ends it if that never comes. */
async function until(status, ask) {
  for (;;) {
    const answer = await ask();
    if (answer.status === status) return answer;
  }
}

for (const { front, kind, title } of SIDES) {
  describe(title, () => {
    test("bodies that are half there leave no room for others, who are told to come again", async (t) => {
      const side = await sideFor(t, { front, kind, options: { maxMemoryBytes: 250_000 } });
      const ask = () => exchange(side, { watermarks: {} });
      assert.equal((await ask()).status, 200);
      const body = { path: "/sync/exchange", length: 130_000, sent: 124_000 };
      const note = "x".repeat(4000);
      const page = { watermarks: {}, records: [recordOf("r", at(1, "a"), { note })] };
      let [waiting, refused] = [[], undefined];
      // A page that comes before all of the two is there may leave them no room instead.
      while (refused?.status !== 503) {
        for (const { socket } of waiting) socket.destroy();
        waiting = [await stalled(t, side.port, body), await stalled(t, side.port, body)];
        refused = await exchange(side, page);
      }
      assert.equal(refused.json.code, "BUSY");
      assert.equal(refused.headers.get("retry-after"), "1");
      for (const { socket } of waiting) socket.destroy();
      await until(200, () => exchange(side, page));
    });

    test("a small packed body that unpacks to more than there is room for is refused", async (t) => {
      const side = await sideFor(t, { front, kind, options: { maxMemoryBytes: 1_000_000 } });
      const bomb = gzipSync(`{"watermarks":{},"x":"${"a".repeat(5_000_000)}"}`);
      const headers = { "content-encoding": "gzip" };
      assert.equal((await exchange(side, bomb, { headers })).status, 503);
      assert.equal((await exchange(side, { watermarks: {} })).status, 200);
    });

    test("an exchange with more items than it may have is refused, and nothing of it is stored", async (t) => {
      const side = await sideFor(t, { front, kind, options: { maxItems: 10 } });
      const records = (count) =>
        Array.from({ length: count }, (_, n) => recordOf(`r${n}`, at(n + 1, "a")));
      const refused = await exchange(side, { watermarks: {}, records: records(11) });
      assert.equal(refused.status, 413);
      assert.equal(refused.json.code, "TOO_LARGE");
      assert.deepEqual((await side.databaseAdapter.query({})).records, []);
      assert.equal((await exchange(side, { watermarks: {}, records: records(10) })).status, 200);
      assert.equal((await side.databaseAdapter.query({})).records.length, 10);
    });

    test("an engine whose pages have too many items makes them smaller", async (t) => {
      quiet(t);
      const side = await sideFor(t, { front, kind, options: { maxItems: 10 } });
      const own = memoryDatabase({ nodeWatermarks: true });
      for (let n = 0; n < 45; n += 1) await own.put(recordOf(`r${n}`, at(n + 1, "laptop")));
      const engine = sync.createSyncEngine({
        localDatabaseAdapter: own,
        localObjectStorage: memoryObjects(),
        remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: side.url }),
        transport: sync.createHttpSyncTransport({ baseUrl: side.url }),
        clock: clockFor("laptop"),
        syncState: memoryState(),
      });
      let result = await engine.exchange();
      for (let round = 0; result.hasMore && round < 20; round += 1)
        result = await engine.exchange();
      assert.equal((await side.databaseAdapter.query({ limit: 100 })).records.length, 45);
    });
  });
}

for (const { front, title } of SIDES.filter(({ kind }) => kind === "adapters")) {
  test(`files that an app's storage takes whole count among what ${title} holds`, async (t) => {
    const side = await sideFor(t, {
      front,
      kind: "adapters",
      options: { maxMemoryBytes: 100_000 },
    });
    const put = (size) =>
      fetch(`${side.url}/files/key`, { method: "PUT", body: Buffer.alloc(size, 1) });
    assert.equal((await put(100_001)).status, 503);
    assert.equal(await side.objectStorageAdapter.has("key"), false);
    assert.equal((await put(90_000)).status, 200);
    const get = () => fetch(`${side.url}/files/key`);
    const whole = await get();
    assert.equal((await whole.arrayBuffer()).byteLength, 90_000);
    const upload = { path: "/files/other", method: "PUT", length: 60_000, sent: 50_000 };
    let [waiting, refused] = [undefined, undefined];
    while (refused?.status !== 503) {
      waiting?.socket.destroy();
      waiting = await stalled(t, side.port, upload);
      refused = await get();
      await refused.arrayBuffer();
    }
    waiting.socket.destroy();
    await until(200, get);
  });
}

test("an address brings so many items, deletions and files within an hour, and no more", async (t) => {
  const options = { maxItemsPerHour: 4, maxDeletionsPerHour: 2, maxFilesPerHour: 1 };
  const side = await sideFor(t, { front: "server", kind: "native", options });
  const page = (from, count, deletedAt = null) => ({
    watermarks: {},
    records: Array.from({ length: count }, (_, n) =>
      recordOf(`r${from + n}`, at(from + n, "a"), { deletedAt }),
    ),
  });
  const statusOf = async (request) => (await exchange(side, request)).status;
  assert.equal(await statusOf(page(1, 2)), 200);
  const refused = await exchange(side, page(3, 3));
  assert.equal(refused.status, 429);
  assert.equal(refused.json.code, "RATE_LIMITED");
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal(await statusOf(page(3, 1, at(3, "a"))), 200);
  const file = (method, body) => fetch(`${side.url}/files/key`, { method, body });
  assert.equal((await file("PUT", "one")).status, 200);
  assert.equal((await file("PUT", "two")).status, 429);
  assert.equal(await (await file("GET")).text(), "one");
  assert.equal((await file("DELETE")).status, 204);
  assert.equal((await file("DELETE")).status, 429);
  assert.equal(await statusOf(page(4, 1, at(4, "a"))), 429);
  assert.equal(await statusOf({ watermarks: {} }), 200, "to ask is no load");
  assert.equal((await side.databaseAdapter.query({})).records.length, 3);
});

for (const [name, options] of Object.entries({ native: {}, fetch: { fetch: globalThis.fetch } })) {
  test(`a server that answers more items than were asked for is an error of the ${name} client`, async (t) => {
    quiet(t);
    const records = Array.from({ length: 50 }, (_, n) => recordOf(`r${n}`, at(n + 1, "cloud")));
    const server = createServer((req, res) => {
      req.resume();
      res.setHeader("content-type", "application/json");
      res.end(JSON.stringify({ records, appSyncableRows: [], hasMore: false }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const baseUrl = `http://127.0.0.1:${server.address().port}`;
    const own = memoryDatabase({ nodeWatermarks: true });
    const engineWith = (pageLimit) =>
      sync.createSyncEngine({
        localDatabaseAdapter: own,
        localObjectStorage: memoryObjects(),
        remoteObjectStorage: memoryObjects(),
        transport: sync.createHttpSyncTransport({ baseUrl, ...options }),
        clock: clockFor("laptop"),
        syncState: memoryState(),
        pageLimit,
      });
    await assert.rejects(engineWith(10).exchange(), (error) => {
      assert.equal(error.code, "SYNC_ERROR");
      assert.match(error.message, /50 items where at most 20 may come/);
      return true;
    });
    assert.deepEqual((await own.query({})).records, []);
    await engineWith(25).exchange();
    assert.equal((await own.query({ limit: 100 })).records.length, 50);
  });
}
