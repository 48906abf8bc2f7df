// What an app sees of a round while it runs, how it calls it off, and what it knows of its engine between rounds.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, createServer as createTcpServer } from "node:net";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import * as sync from "@starkeep/sync-engine";
import { bytes, clockFor, memoryDatabase, memoryObjects, record } from "./support/index.mjs";
import { engineOf, inProcess, sideOf, writeFile, writeNotes } from "./support/reconciling.mjs";
import { drain } from "./support/rounds.mjs";

const LARGE = 24 * 1024 * 1024;

/** A server over a side. Answers its URL. */
async function serve(t, side) {
  const server = sync.createHttpSyncServer({
    databaseAdapter: side.db,
    objectStorageAdapter: side.objects,
    clock: side.clock,
  });
  const { port } = await server.listen();
  t.after(() => server.close());
  return `http://127.0.0.1:${port}`;
}

/** A proxy that lets bytes of requests through as long as `gate` says so. */
async function gated(t, target, gate) {
  const { port } = new URL(target);
  const proxy = createTcpServer((socket) => {
    const up = connect(Number(port), "127.0.0.1");
    socket.on("data", async (piece) => {
      socket.pause();
      await gate(piece.length);
      up.write(piece);
      socket.resume();
    });
    up.on("data", (piece) => socket.write(piece));
    for (const [from, to] of [
      [socket, up],
      [up, socket],
    ]) {
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  return `http://127.0.0.1:${proxy.address().port}`;
}

/** Both ways of a client. */
const CLIENTS = { native: {}, fetch: { fetch: (...args) => fetch(...args) } };

const engineAt = (side, baseUrl, how = {}) =>
  sync.createSyncEngine({
    localDatabaseAdapter: side.db,
    localObjectStorage: side.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, retries: 0, ...how }),
    transport: sync.createHttpSyncTransport({ baseUrl, retries: 0, ...how }),
    clock: side.clock,
    syncState: side.state,
  });

const PLAIN = ["applied", "shipped", "hasMore"];

test("a result lists the three fields of old, and knows what was moved", async () => {
  const [a, b] = [memoryPlace("a"), memoryPlace("b")];
  await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }, fileFields("k", 5)));
  await a.objects.put("k", bytes("words"));
  const result = await plainEngine(a, b).exchange();
  assert.deepEqual(result, { applied: 0, shipped: 1, hasMore: false });
  assert.deepEqual(Object.keys(result), PLAIN);
  const { bytesSent, bytesReceived, objectsSent, objectsReceived, rowsApplied } = result;
  assert.deepEqual(
    { bytesSent, bytesReceived, objectsSent, objectsReceived, rowsApplied },
    { bytesSent: 5, bytesReceived: 0, objectsSent: 1, objectsReceived: 0, rowsApplied: 0 },
  );
  assert.ok(result.durationMs >= 0);
  const back = await plainEngine(b, a).exchange();
  assert.deepEqual([back.bytesSent, back.objectsSent], [0, 0], "nothing goes back");
});

for (const [client, how] of Object.entries(CLIENTS)) {
  describe(`over HTTP, ${client}`, () => {
    test("the bytes of messages and objects are counted, in both directions", async (t) => {
      const [a, b, cloud] = await sides(t, "a", "b", "cloud");
      const url = await serve(t, cloud);
      await writeFile(a, 1, "x".repeat(100_000));
      const up = await engineAt(a, url, how).drain();
      assert.deepEqual([up.shipped, up.objectsSent, up.objectsReceived], [1, 1, 0]);
      assert.ok(up.bytesSent > 100_000 && up.bytesSent < 110_000, `${up.bytesSent} bytes`);
      assert.ok(up.bytesReceived > 0 && up.bytesReceived < 10_000, `${up.bytesReceived} bytes`);
      const down = await engineAt(b, url, how).drain();
      assert.deepEqual([down.applied, down.objectsSent, down.objectsReceived], [1, 0, 1]);
      assert.ok(down.bytesReceived > 100_000 && down.bytesReceived < 110_000);
    });

    test("a round that is called off breaks the transfer off, and leaves nothing half-written", async (t) => {
      const [a, cloud] = await sides(t, "a", "cloud");
      const controller = new AbortController();
      let [passed, isOpen] = [0, false];
      const url = await gated(t, await serve(t, cloud), async (length) => {
        passed += length;
        if (isOpen || passed < 2_000_000) return;
        controller.abort(new Error("enough"));
        while (!isOpen) await setTimeout(5);
      });
      const key = await writeLarge(a);
      const engine = engineAt(a, url, how);
      await assert.rejects(engine.exchange({ signal: controller.signal }), /^Error: enough$/);
      assert.equal(await cloud.objects.has(key), false);
      assert.equal(await cloud.db.get("large"), null);
      assert.equal((await engine.status()).lastError, null, "to be called off is no failure");
      isOpen = true;
      const done = await engine.drain();
      assert.deepEqual([done.shipped, done.held], [1, []]);
      assert.equal((await cloud.objects.get(key)).size, LARGE);
      for (let wait = 0; wait < 300 && leftovers(cloud).length > 0; wait += 1) await setTimeout(10);
      assert.deepEqual(leftovers(cloud), []);
    });
  });
}

test("a single large file moves the bar, and the end of each phase is told", async (t) => {
  const [a, cloud] = await sides(t, "a", "cloud");
  // Slow enough that several tenths of a second go by, whatever the machine.
  let held = 0;
  const url = await gated(t, await serve(t, cloud), async (length) => {
    held += length;
    if (held < 2_000_000) return;
    held = 0;
    await setTimeout(60);
  });
  await writeLarge(a);
  const heard = [];
  await engineAt(a, url).exchange({ onProgress: (progress) => heard.push(progress) });
  const uploads = heard.filter(({ phase }) => phase === "upload");
  const bars = new Set(uploads.map((progress) => progress.bytes));
  assert.ok(bars.size >= 3, `${[...bars]} bytes`);
  assert.ok(
    uploads.every(({ bytes, bytesOf, of }) => bytes <= LARGE && bytesOf === LARGE && of === 1),
  );
  assert.deepEqual(uploads.at(-1), {
    phase: "upload",
    done: 1,
    of: 1,
    bytes: LARGE,
    bytesOf: LARGE,
  });
  const items = heard.filter(({ phase }) => phase === "items");
  assert.equal(items.at(-1).done, 1);
  assert.ok(items.every((progress) => progress.bytes > 0));
});

test("what a listener throws, or rejects with, is a warning, and the round goes on", async (t) => {
  const [a, b] = [memoryPlace("a"), memoryPlace("b")];
  await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }));
  const said = t.mock.method(console, "warn", () => {});
  const onProgress = () => {
    throw new Error("no bar here");
  };
  const result = await plainEngine(a, b).exchange({ onProgress });
  assert.equal(result.shipped, 1);
  assert.match(String(said.mock.calls[0].arguments), /onProgress of exchange threw.*no bar here/);
});

describe("a round over adapters of an app", () => {
  test("is called off while an adapter does not answer, and the next one brings everything over", async () => {
    const [a, b] = [memoryPlace("a"), memoryPlace("b")];
    await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }, fileFields("k", 5)));
    await a.objects.put("k", bytes("words"));
    const controller = new AbortController();
    const { put } = b.objects;
    let answer;
    b.objects.put = () => {
      controller.abort("stop");
      return new Promise((resolve) => (answer = resolve));
    };
    const engine = plainEngine(a, b);
    const round = engine.exchange({ signal: controller.signal });
    assert.equal(
      await round.then(
        () => "done",
        (reason) => reason,
      ),
      "stop",
    );
    assert.equal(await b.db.get("r1"), null);
    b.objects.put = put;
    answer();
    const result = await engine.drain();
    assert.equal(result.shipped, 1);
    assert.equal((await b.db.get("r1")).id, "r1");
    assert.equal(await b.objects.has("k"), true);
  });

  test("does nothing if it was called off before it began, or while it waits for its turn", async () => {
    const [a, b] = [memoryPlace("a"), memoryPlace("b")];
    await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }));
    const engine = plainEngine(a, b);
    await assert.rejects(engine.exchange({ signal: AbortSignal.abort() }), { name: "AbortError" });
    assert.equal(await b.db.get("r1"), null);
    let go;
    const { getNodeWatermarks, query } = a.db;
    assert.equal(getNodeWatermarks, undefined);
    a.db.query = (...args) => new Promise((resolve) => (go = () => resolve(query(...args))));
    const first = engine.exchange();
    const controller = new AbortController();
    const second = engine.exchange({ signal: controller.signal });
    controller.abort();
    await assert.rejects(second, { name: "AbortError" });
    a.db.query = query;
    go();
    assert.equal((await first).shipped, 1);
  });
});

test("what 0.1 ignored is ignored: an argument that is no object", async () => {
  const [a, b] = [memoryPlace("a"), memoryPlace("b")];
  const engine = plainEngine(a, b);
  for (const argument of [null, 1, "x", undefined])
    assert.deepEqual(await engine.exchange(argument), { applied: 0, shipped: 0, hasMore: false });
  await assert.rejects(engine.exchange({ signal: "now" }), { code: "INVALID_ARGUMENT" });
});

test("drain goes on until neither side has more, and adds up what was moved", async (t) => {
  const [a, b] = await sides(t, "a", "b");
  await writeNotes(a, 0, 25);
  const done = await engineOf(a, b, { pageLimit: 10 }).drain();
  assert.equal(done.shipped, 25);
  assert.ok(done.rounds >= 3);
  assert.deepEqual([done.hasMore, done.inSync, done.held], [false, true, []]);
  assert.ok(Object.keys(done).includes("bytesSent"), "all fields are listed");
});

test("status knows what waits, since when and how often it was tried, and forgets what came", async (t) => {
  const [a, b] = await sides(t, "a", "b");
  const engine = engineOf(a, b);
  assert.deepEqual(await engine.status(), {
    state: "idle",
    lastSuccessMs: null,
    lastError: null,
    waiting: [],
    inSync: null,
    hasMore: null,
    counts: null,
  });
  await writeNotes(a, 0, 2);
  const key = await writeFile(a, 7);
  await a.objects.delete(key);
  await drain(engine);
  const first = await engine.status();
  assert.equal(first.waiting.length, 1);
  const { direction, kind, code, sinceMs, attempts } = first.waiting[0];
  assert.deepEqual([direction, kind, code], ["outbound", "record", "BLOB_MISSING"]);
  assert.ok(Math.abs(sinceMs - Date.now()) < 60_000 && attempts >= 1);
  assert.doesNotThrow(() => JSON.stringify(first));
  await engine.exchange();
  const second = await engine.status();
  assert.equal(second.waiting[0].sinceMs, sinceMs);
  assert.equal(second.waiting[0].attempts, attempts + 1);
  await a.objects.put(key, bytes("words of 7"));
  await drain(engine);
  const last = await engine.status();
  assert.deepEqual([last.waiting, last.inSync], [[], true]);
});

test("status names the last error until a round succeeds", async () => {
  const [a, b] = [memoryPlace("a"), memoryPlace("b")];
  const engine = plainEngine(a, b);
  const { query } = a.db;
  const thrown = new Error("the disk is gone");
  a.db.query = () => Promise.reject(thrown);
  await assert.rejects(engine.exchange(), thrown);
  const { lastError, lastSuccessMs, state } = await engine.status();
  assert.equal(lastError.error, thrown);
  assert.deepEqual(
    [lastError.code, lastError.message, lastSuccessMs, state],
    ["APP_ERROR", "the disk is gone", null, "idle"],
  );
  a.db.query = query;
  await engine.exchange();
  assert.equal((await engine.status()).lastError, null);
});

test("status counts records by what of them is here", async (t) => {
  const [a, b] = await sides(t, "a", "b");
  await writeNotes(a, 0, 3);
  await writeFile(a, 10);
  const gone = await writeFile(a, 11);
  await a.objects.delete(gone);
  await a.db.delete("note-000001", a.clock.now());
  const { counts } = await engineOf(a, b).status({ counts: true });
  assert.deepEqual(counts, { absent: 0, staged: 1, resident: 3, tombstoned: 1 });
});

test("an engine that is closed lets what runs end, and begins nothing more", async () => {
  const [a, b] = [memoryPlace("a"), memoryPlace("b")];
  await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }));
  const engine = plainEngine(a, b);
  const running = engine.exchange();
  assert.equal((await engine.status()).state, "exchanging");
  await engine.close();
  assert.equal((await b.db.get("r1")).id, "r1");
  assert.equal((await running).shipped, 1);
  for (const call of [() => engine.exchange(), () => engine.drain(), () => engine.reconcile()])
    await assert.rejects(call(), { code: "STORE_CLOSED", message: /the engine is closed/ });
  assert.equal((await engine.status()).state, "closed");
  await engine.close();
});

const sides = (t, ...names) => Promise.all(names.map((name) => sideOf(t, name)));

const fileFields = (objectStorageKey, sizeBytes) => ({
  objectStorageKey,
  sizeBytes,
  contentHash: "",
});

async function writeLarge(side) {
  const key = "files/large";
  const data = Buffer.alloc(LARGE, "starkeep ");
  await side.objects.put(key, data, { contentType: "application/octet-stream" });
  const stamp = { wallTime: 1_700_000_000_000, counter: 0, nodeId: side.nodeId };
  await side.db.put(record("large", stamp, fileFields(key, LARGE)));
  return key;
}

/** What is left of objects that were being written. */
function leftovers(side) {
  const root = side.path.replace(/node\.db$/, "objects");
  return readdirSync(root, { recursive: true }).filter((name) =>
    /writing.[^.]+[/\\]/.test(String(name)),
  );
}

function memoryPlace(nodeId) {
  return { nodeId, db: memoryDatabase(), objects: memoryObjects(), clock: clockFor(nodeId) };
}

const plainEngine = (a, b) =>
  sync.createSyncEngine({
    localDatabaseAdapter: a.db,
    localObjectStorage: a.objects,
    remoteObjectStorage: b.objects,
    transport: inProcess(b),
    clock: a.clock,
  });
