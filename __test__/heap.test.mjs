// Many items, and nothing left of them once a round is over.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as sync from "@starkeep/sync-engine";
import { gc } from "./support/gc.mjs";
import { EPOCH } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";

const COUNT = 100_000;
const MEGABYTE = 1024 * 1024;

/** Live bytes: one collection lets finalizers run, the next takes what they let go, and so on. */
async function liveBytes() {
  for (let i = 0; i < 8; i += 1) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return process.memoryUsage().heapUsed;
}

function pair() {
  const [here, there] = [memoryDatabase(), memoryDatabase()];
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: there,
    objectStorage: memoryObjects(),
    clock: clockFor("cloud"),
  });
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: here,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport,
    clock: clockFor("a"),
    syncState: memoryState(),
    pageLimit: 20_000,
  });
  return { here, there, engine };
}

test(
  "a hundred thousand records go across, and later rounds do not grow the heap",
  { timeout: 600_000 },
  async () => {
    const { here, there, engine } = pair();
    for (let i = 0; i < COUNT; i += 1) {
      const stamp = { wallTime: EPOCH + i, counter: 0, nodeId: `n${i % 5}` };
      await here.put(record(String(i).padStart(8, "0"), stamp));
    }
    let shipped = 0;
    for (let more = true; more;) {
      const result = await engine.exchange();
      shipped += result.shipped;
      more = result.hasMore;
    }
    assert.equal(shipped, COUNT);
    assert.equal(there.all().length, COUNT);

    await engine.exchange();
    const before = await liveBytes();
    for (let i = 0; i < 6; i += 1) assert.equal((await engine.exchange()).hasMore, false);
    const grown = (await liveBytes()) - before;
    assert.ok(
      grown < 4 * MEGABYTE,
      `six quiet rounds over ${COUNT} records left ${(grown / MEGABYTE).toFixed(1)} MB`,
    );
  },
);

test(
  "an engine that is let go lets go of the adapters that it was given",
  { timeout: 600_000 },
  async () => {
    const gone = new Set();
    const registry = new FinalizationRegistry((name) => gone.add(name));
    const use = async () => {
      const { here, there, engine } = pair();
      registry.register(engine, "engine");
      registry.register(here, "adapter of the engine");
      registry.register(there, "adapter of the transport");
      await here.put(record("1", { wallTime: EPOCH, counter: 0, nodeId: "a" }));
      await engine.exchange();
    };
    for (let i = 0; i < 5; i += 1) await use();
    for (let i = 0; i < 5; i += 1) await liveBytes();
    assert.deepEqual([...gone].sort(), [
      "adapter of the engine",
      "adapter of the transport",
      "engine",
    ]);
  },
);

test("engines that are let go are let go whole", { timeout: 600_000 }, async () => {
  const round = async () => {
    const { here, engine } = pair();
    for (let i = 0; i < 2000; i += 1)
      await here.put(
        record(
          `${i}`,
          { wallTime: EPOCH + i, counter: 0, nodeId: "a" },
          { body: "x".repeat(500) + i },
        ),
      );
    await engine.exchange();
  };
  await round();
  const before = await liveBytes();
  for (let i = 0; i < 15; i += 1) await round();
  const grown = (await liveBytes()) - before;
  assert.ok(grown < 8 * MEGABYTE, `fifteen engines left ${(grown / MEGABYTE).toFixed(1)} MB`);
});

test(
  "a worker that is ended leaves nothing of its engines behind",
  { timeout: 600_000 },
  async () => {
    const endWorkers = async (count) => {
      for (let ended = 0; ended < count; ended += 1) {
        const worker = new Worker(new URL("./support/many-engines.mjs", import.meta.url), {
          workerData: { engines: 3_000 },
        });
        await once(worker, "message");
        await worker.terminate();
      }
      await liveBytes();
      return process.memoryUsage().rss;
    };
    const before = await endWorkers(10);
    const grown = (await endWorkers(30)) - before;
    assert.ok(
      grown < 16 * MEGABYTE,
      `90,000 engines of ended workers left ${(grown / MEGABYTE).toFixed(1)} MB`,
    );
  },
);
