// Pages are counted in items, messages in bytes: what is too large for its receiver goes in smaller pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { drain } from "./support/rounds.mjs";

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

  test(`an item that is by itself too large for the peer holds its node and nothing else, ${way}`, async (t) => {
    const w = await world(t, { maxBodyBytes: 20_000, fetch });
    const text = "x".repeat(30_000);
    await w.laptop.db.put(record("large", at(0, "scanner"), { note: text }));
    await fill(w.laptop, "laptop");
    await fill(w.cloud, "cloud");
    const { held } = await drain(w.engine);
    assert.deepEqual(
      held.map(({ id, code, nodeId, direction }) => [id, code, nodeId, direction]),
      [["large", "ITEM_TOO_LARGE", "scanner", "outbound"]],
    );
    assert.deepEqual(
      idsOf(w.laptop).filter((id) => id !== "large"),
      idsOf(w.cloud),
    );
    assert.equal(idsOf(w.cloud).length, 120);
  });

  test(`an item that is by itself too large for this side is named by the peer, and the rest comes, ${way}`, async (t) => {
    const w = await world(t, { maxAnswerBytes: 20_000, fetch });
    await w.cloud.db.put(record("large", at(0, "scanner"), { note: "x".repeat(30_000) }));
    await fill(w.laptop, "laptop");
    await fill(w.cloud, "cloud");
    const { held } = await drain(w.engine);
    assert.deepEqual(
      held.map(({ id, code, nodeId, direction, item }) => [id, code, nodeId, direction, item]),
      [["large", "ITEM_TOO_LARGE", "scanner", "inbound", null]],
    );
    assert.deepEqual(
      idsOf(w.cloud).filter((id) => id !== "large"),
      idsOf(w.laptop),
    );
  });

  test(`thousands of items with one timestamp that are together too large are held, and the rest goes, ${way}`, async (t) => {
    const w = await world(t, { maxBodyBytes: 20_000, fetch });
    for (let i = 0; i < 2000; i += 1) await w.laptop.db.put(record(`one-${i}`, at(0, "import")));
    await fill(w.laptop, "laptop");
    const { held } = await drain(w.engine);
    assert.deepEqual(
      held.map(({ code, nodeId }) => [code, nodeId]),
      [["ITEM_TOO_LARGE", "import"]],
    );
    assert.equal(idsOf(w.cloud).length, 60);
  });
}
