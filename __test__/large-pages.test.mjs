// Pages are counted in items, messages in bytes: what is too large for its receiver goes in smaller pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";

async function world(t, { maxBodyBytes, maxAnswerBytes, fetch }) {
  const side = (name) => ({
    db: memoryDatabase({ nodeWatermarks: true }),
    objects: memoryObjects(),
    clock: clockFor(name),
  });
  const [laptop, cloud] = [side("laptop"), side("cloud")];
  const server = sync.createHttpSyncServer({
    databaseAdapter: cloud.db,
    objectStorageAdapter: cloud.objects,
    clock: cloud.clock,
    maxBodyBytes,
  });
  const { port } = await server.listen();
  t.after(() => server.close());
  const baseUrl = `http://127.0.0.1:${port}`;
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: laptop.db,
    localObjectStorage: laptop.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    transport: sync.createHttpSyncTransport({ baseUrl, maxAnswerBytes, fetch }),
    clock: laptop.clock,
    syncState: memoryState(),
  });
  return { laptop, cloud, engine };
}

const idsOf = ({ db }) =>
  db
    .all()
    .map(({ id }) => id)
    .sort();

async function fill(side, nodeId, note = "n".repeat(2000)) {
  for (let i = 0; i < 60; i += 1) {
    await side.db.put(record(`${nodeId}-${i}`, at(i, nodeId), { note }));
  }
}

async function drain(engine) {
  for (let round = 0; round < 200; round += 1) {
    const { applied, shipped, hasMore } = await engine.exchange();
    if (applied === 0 && shipped === 0 && !hasMore) return;
  }
  assert.fail("it never ends");
}

for (const [way, fetch] of [
  ["native", undefined],
  ["fetch", globalThis.fetch],
]) {
  test(`a page that the peer finds too large goes in smaller ones, ${way}`, async (t) => {
    const w = await world(t, { maxBodyBytes: 20_000, fetch });
    await fill(w.laptop, "laptop");
    await drain(w.engine);
    assert.deepEqual(idsOf(w.cloud), idsOf(w.laptop));
    assert.equal(idsOf(w.cloud).length, 60);
  });

  test(`an answer that is too large here comes in smaller ones, ${way}`, async (t) => {
    const w = await world(t, { maxAnswerBytes: 20_000, fetch });
    await fill(w.cloud, "cloud");
    await drain(w.engine);
    assert.deepEqual(idsOf(w.laptop), idsOf(w.cloud));
    assert.equal(idsOf(w.laptop).length, 60);
  });

  test(`a single item that is too large is an error that says so, ${way}`, async (t) => {
    const w = await world(t, { maxBodyBytes: 1000, fetch });
    await fill(w.laptop, "laptop");
    await assert.rejects(w.engine.exchange(), { code: "SYNC_ERROR", message: /413/ });
    assert.deepEqual(idsOf(w.cloud), []);
  });
}
