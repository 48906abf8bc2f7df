// What the peer does not take in is held at its sender, with the peer's reason; everything else goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { wayTo } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

for (const front of ["handler", "server", "in process"]) {
  for (const kind of ["adapters", "native"]) {
    test(`what the peer does not take in is held with the peer's reason: ${kind}, ${front}`, async (t) => {
      const said = await warningsOf(t, async () => {
        const far = clockFor("laptop");
        const { cloud, remoteObjectStorage, transport } = await wayTo(t, { front, kind });
        const local = memoryDatabase();
        await local.put(record("ahead", at(1e12, "fast")));
        await local.put(record("good", at(1, "other")));
        const engine = sync.createSyncEngine({
          localDatabaseAdapter: local,
          localObjectStorage: memoryObjects(),
          remoteObjectStorage,
          transport,
          clock: far,
          syncState: memoryState(),
        });
        const { held } = await drain(engine);
        assert.deepEqual(
          held.map(({ id, code, nodeId, direction }) => [id, code, nodeId, direction]),
          [["ahead", "CLOCK_AHEAD", "fast", "outbound"]],
        );
        assert.match(held[0].reason, /ahead of this machine's clock/);
        assert.equal((await cloud.databaseAdapter.get("good"))?.id, "good");
        assert.equal(await cloud.databaseAdapter.get("ahead"), null);
      });
      assert.ok(
        said.some(
          (words) => /ahead/.test(words) && /fast/.test(words) && /not taken in/.test(words),
        ),
        `the peer's log names item, node and reason: ${said}`,
      );
    });
  }
}

for (const responderWatermarks of [undefined, { album: at(2, "album") }]) {
  test(`what the peer refuses is a gap in what it is known to hold: it ${responderWatermarks ? "says that it holds more" : "does not say what it holds"}`, async (t) => {
    await warningsOf(t, async () => {
      const local = memoryDatabase();
      for (let i = 0; i < 3; i += 1) await local.put(record(`r${i}`, at(i, "album")));
      const refusal = {
        kind: "record",
        id: "r1",
        timestamp: at(1, "album"),
        code: "CONSTRAINT_VIOLATION",
        reason: "it must be unique",
      };
      const answer = { records: [], appSyncableRows: [], hasMore: false, refused: [refusal] };
      const transport = { exchange: async () => ({ ...answer, responderWatermarks }) };
      const syncState = memoryState();
      const engine = sync.createSyncEngine({
        localDatabaseAdapter: local,
        localObjectStorage: memoryObjects(),
        remoteObjectStorage: memoryObjects(),
        transport,
        clock: clockFor("laptop"),
        syncState,
      });
      for (let again = 0; again < 2; again += 1) {
        const { held } = await drain(engine);
        assert.deepEqual(
          held.map(({ id, code }) => [id, code]),
          [["r1", "CONSTRAINT_VIOLATION"]],
        );
        assert.deepEqual(await syncState.getPeerWatermarks(), { album: at(0, "album") });
      }
    });
  });
}
