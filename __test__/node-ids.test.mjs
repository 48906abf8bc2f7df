// Node ids are for ever: a peer that makes them up stops no other, and what says that it is of this node is not taken on trust.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { SIDES, exchange, recordOf, sideFor } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState } from "./support/memory.mjs";

const MOST = 16_384;
const nodes = (count, from = 0) => Array.from({ length: count }, (_, n) => `node-${from + n}`);
const recordsOf = (names, n = 1) => names.map((node) => recordOf(`r-${node}`, at(n, node)));
const stored = async (side) => Object.keys(await side.databaseAdapter.getNodeWatermarks()).length;
const quiet = (t) => t.mock.method(console, "warn", () => {});

for (const { front, kind, title } of SIDES) {
  describe(title, () => {
    test("node ids beyond the bound are refused item by item, and all others go on", async (t) => {
      quiet(t);
      const side = await sideFor(t, { front, kind });
      const first = await exchange(side, {
        watermarks: {},
        records: recordsOf(nodes(100)),
        limit: 1,
      });
      assert.equal(first.status, 200);
      const made = recordsOf(nodes(MOST, 100));
      const { status, json } = await exchange(side, { watermarks: {}, records: made, limit: 1 });
      assert.equal(status, 200);
      assert.equal(await stored(side), MOST);
      assert.equal(json.refused.length, 100);
      assert.deepEqual([...new Set(json.refused.map(({ code }) => code))], ["TOO_MANY_NODES"]);
      const newer = recordsOf(nodes(50), 9);
      await exchange(side, { watermarks: {}, records: newer, limit: 1 });
      assert.deepEqual((await side.databaseAdapter.get("r-node-7")).updatedAt, at(9, "node-7"));
    });

    test("node ids that are long together are refused too", async (t) => {
      quiet(t);
      const side = await sideFor(t, { front, kind });
      const long = nodes(300).map((node) => node.padEnd(4000, "x"));
      const { json } = await exchange(side, { watermarks: {}, records: recordsOf(long), limit: 1 });
      assert.equal(await stored(side), Math.floor((1024 * 1024) / 4000));
      assert.ok(json.refused.every(({ code }) => code === "TOO_MANY_NODES"));
    });

    test("what a caller of several says of this node's future is refused, and named", async (t) => {
      quiet(t);
      const side = await sideFor(t, { front, kind, options: { authorize: () => true } });
      const nodeId = side.clock.getState?.().nodeId ?? "cloud";
      const own = (ms) => ({ wallTime: Date.now() + ms, counter: 0, nodeId });
      const records = [
        recordOf("past", at(1, nodeId)),
        recordOf("future", own(60_000)),
        recordOf("other", { ...own(60_000), nodeId: "phone" }),
      ];
      const { json } = await exchange(side, { watermarks: {}, records });
      const { records: held } = await side.databaseAdapter.query({});
      const refused = json.refused.map(({ id, code }) => `${id} ${code}`);
      assert.deepEqual(held.map(({ id }) => id).sort(), ["other", "past"]);
      assert.deepEqual(refused, ["future FORBIDDEN"]);
      assert.match(json.refused[0].reason, /forged|another machine/);
    });
  });
}

test("an engine takes in node ids of its peer up to the bound, and goes on with those that it knows", async (t) => {
  quiet(t);
  const [mine, theirs] = [
    memoryDatabase({ nodeWatermarks: true }),
    memoryDatabase({ nodeWatermarks: true }),
  ];
  for (const record of recordsOf(nodes(MOST + 5))) await theirs.put(record);
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: mine,
    localObjectStorage: memoryObjects(),
    remoteObjectStorage: memoryObjects(),
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: theirs,
      objectStorage: memoryObjects(),
      clock: clockFor("cloud"),
    }),
    clock: clockFor("laptop"),
    syncState: memoryState(),
    pageLimit: 5000,
  });
  let result;
  do result = await engine.exchange();
  while (result.hasMore);
  assert.equal(Object.keys(await mine.getNodeWatermarks()).length, MOST);
  assert.ok(result.held.length > 0);
  assert.ok(result.held.every(({ code, error }) => (code ?? error.code) === "TOO_MANY_NODES"));
  await theirs.put(recordOf("r-node-3", at(9, "node-3")));
  do result = await engine.exchange();
  while (result.hasMore);
  assert.deepEqual((await mine.get("r-node-3")).updatedAt, at(9, "node-3"));
});
