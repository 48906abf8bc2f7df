// What an engine and an answering side say through an app's logger, and what they tell those that trace.
import assert from "node:assert/strict";
import { tracingChannel } from "node:diagnostics_channel";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";
import { sideOf, writeFile, writeNotes } from "./support/reconciling.mjs";

/** A logger in the shape of `console` and pino that keeps its lines. */
function keeper() {
  const lines = [];
  const at = (level) => (line) => lines.push([level, line]);
  return {
    lines,
    of: (level) => lines.filter(([name]) => name === level).map(([, line]) => line),
    ...Object.fromEntries(["debug", "info", "warn", "error"].map((name) => [name, at(name)])),
  };
}

const engineOf = (side, hub, more, answering) =>
  sync.createSyncEngine({
    localDatabaseAdapter: side.db,
    localObjectStorage: side.objects,
    remoteObjectStorage: hub.objects,
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: hub.db,
      clock: hub.clock,
      ...answering,
    }),
    clock: side.clock,
    syncState: side.state,
    ...more,
  });

const memoryPlace = (name) => ({
  nodeId: name,
  db: memoryDatabase({ nodeWatermarks: true }),
  objects: memoryObjects(),
  state: memoryState(),
  clock: clockFor(name),
});

const PLACES = { native: sideOf, memory: async (_, name) => memoryPlace(name) };

for (const [kind, place] of Object.entries(PLACES)) {
  test(`${kind}: a round that moves something is a line, a quiet one is for debug alone`, async (t) => {
    const [a, hub] = await Promise.all(["a", "hub"].map((name) => place(t, name)));
    const logger = keeper();
    const engine = engineOf(a, hub, { logger });
    await writeFile(a, 1, "words");
    await engine.drain();
    await engine.exchange();
    assert.equal(logger.of("info").length, 1);
    assert.match(
      logger.of("info")[0],
      /^exchange: shipped 1, applied 0, sent 5 bytes, received 0 bytes, \d+ ms$/,
    );
    assert.deepEqual(logger.of("debug"), [], "info is the default");
    const all = keeper();
    await engineOf(a, hub, { logger: all, logLevel: "debug" }).exchange();
    assert.equal(all.of("debug").length, 1);
  });

  test(`${kind}: what waits is told once, in one line without a stack, and not on the console`, async (t) => {
    const [a, hub] = await Promise.all(["a", "hub"].map((name) => place(t, name)));
    const logger = keeper();
    const engine = engineOf(a, hub, { logger });
    await a.objects.delete(await writeFile(a, 1));
    const said = await warningsOf(t, async () => {
      for (let round = 0; round < 5; round += 1) await engine.exchange();
    });
    assert.deepEqual(said, []);
    const warned = logger.of("warn");
    assert.equal(new Set(warned).size, warned.length, "no line comes twice");
    assert.ok(warned.every((line) => !line.includes("\n")));
    assert.ok(
      warned.some((line) => line.includes("BLOB_MISSING")),
      warned.join("\n"),
    );
  });
}

test("a round that fails is an error with its code; its stack is for debug alone", async () => {
  const [a, hub] = [memoryPlace("a"), memoryPlace("hub")];
  a.state.getWatermarks = () =>
    Promise.reject(Object.assign(new Error("no disk"), { code: "EIO" }));
  for (const [logLevel, lines] of [
    ["info", 1],
    ["debug", 2],
  ]) {
    const logger = keeper();
    await assert.rejects(engineOf(a, hub, { logger, logLevel }).exchange(), /no disk/);
    const [line] = logger.of("error");
    assert.match(line, /^exchange failed:/);
    assert.match(line, /no disk/);
    assert.ok(line.split("\n").length >= lines && (lines > 1 || !line.includes("\n")));
  }
});

test("silent says nothing, a logger that throws ends no round, and wrong ones are refused", async () => {
  const [a, hub] = [memoryPlace("a"), memoryPlace("hub")];
  await a.db.put(record("r1", { wallTime: 1, counter: 0, nodeId: "a" }));
  const silent = keeper();
  await engineOf(a, hub, { logger: silent, logLevel: "silent" }).exchange();
  assert.deepEqual(silent.lines, []);
  const throwing = Object.fromEntries(
    ["debug", "info", "warn", "error"].map((name) => [
      name,
      () => {
        throw new Error("full");
      },
    ]),
  );
  assert.equal((await engineOf(a, hub, { logger: throwing }).exchange()).shipped, 0);
  for (const wrong of [{ logger: {} }, { logger: () => {} }, { logLevel: "loud" }])
    assert.throws(() => engineOf(a, hub, wrong), { code: "INVALID_ARGUMENT" });
});

test("an answering side says its warnings through its own logger", async (t) => {
  const [a, hub] = [memoryPlace("a"), memoryPlace("hub")];
  const [ofCaller, ofHub] = [keeper(), keeper()];
  for (const id of ["r1", "r2"])
    await a.db.put(record(id, { wallTime: Number(id[1]), counter: 0, nodeId: "a" }));
  const { put } = hub.db;
  hub.db.put = (item) => (item.id === "r2" ? Promise.reject(new Error("refused here")) : put(item));
  const said = await warningsOf(t, () =>
    engineOf(a, hub, { logger: ofCaller }, { logger: ofHub }).exchange(),
  );
  assert.deepEqual(said, []);
  assert.ok(ofHub.of("warn").some((line) => line.includes("refused here")));
});

test("the numbers of rounds can be traced by diagnostics_channel", async (t) => {
  const [a, hub] = await Promise.all(["a", "hub"].map((name) => sideOf(t, name)));
  const traced = [];
  const channel = tracingChannel("starkeep:sync.exchange");
  const handlers = {
    start: ({ operation }) => traced.push(["start", operation]),
    asyncEnd: ({ result }) => traced.push(["end", result.shipped]),
    error: ({ error }) => traced.push(["error", error.code]),
  };
  channel.subscribe(handlers);
  t.after(() => channel.unsubscribe(handlers));
  const engine = engineOf(a, hub);
  await writeNotes(a, 0, 3);
  await engine.exchange();
  assert.deepEqual(traced, [
    ["start", "exchange"],
    ["end", 3],
  ]);
});
