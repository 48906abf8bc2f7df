// What an app is told through its console.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { makeCloud, makeNode, makeWorld, record, throwingFor, write } from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";

const require = createRequire(import.meta.url);

/** The package as a test runner loads it that gives each file of tests a global object of its own. */
function loadApart(globals) {
  const context = createContext({ process, Buffer, ...globals });
  const loaded = new Map();
  const requireFrom = (folder) => (id) => {
    const file = id.startsWith(".") ? resolve(folder, id) : id;
    if (!file.endsWith(".js")) return require(file);
    if (!loaded.has(file)) {
      const module = { exports: {} };
      loaded.set(file, module);
      const source = `(function (module, exports, require, __filename) {${readFileSync(file, "utf8")}\n})`;
      const run = runInContext(source, context, { filename: file });
      run(module, module.exports, requireFrom(dirname(file)), file);
    }
    return loaded.get(file).exports;
  };
  return requireFrom("/")(require.resolve("@starkeep/sync-engine"));
}

/** What the package says, and not what Node.js says of itself meanwhile. */
const saidIn = async (t, work) =>
  (await warningsOf(t, work)).filter((words) => words.startsWith("[starkeep sync]"));

test("a lost object is warned of once in a sweep, on the way up", async (t) => {
  const {
    nodes: [a],
  } = makeWorld(["a"], { engine: { pageLimit: 1 } });
  write(a, "SR", "1", { key: "lost", lost: true, stamp: at(1, "a") });
  for (const id of ["2", "3"]) write(a, "SR", id, { stamp: at(Number(id), "b") });
  for (let sweep = 0; sweep < 2; sweep += 1) {
    const said = await saidIn(t, async () => {
      while ((await a.engine.exchange()).hasMore);
    });
    assert.equal(said.length, 1);
    assert.match(said[0], /the record "1" of node "a" waits on its way out.*"lost"/);
  }
});

test("a lost object is warned of on the way down, with the error itself", async (t) => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(cloud, "AR", "1", { key: "k", stamp: at(1, "z") });
  const error = new Error("the bucket is closed");
  a.via.remote.plan.get = throwingFor(error, () => true);
  const spy = t.mock.method(console, "warn", () => {});
  await a.engine.exchange();
  assert.equal(spy.mock.callCount(), 1);
  const [words, cause] = spy.mock.calls[0].arguments;
  assert.match(words, /a row of photos\/_starkeep_sync_records of node "z" waits on its way in/);
  assert.equal(cause, error);
});

test("a record that cannot be put is warned of, where the round goes on", async (t) => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  for (const id of ["1", "2"]) write(cloud, "SR", id, { stamp: at(Number(id), "z") });
  a.via.db.plan.put = throwingFor(new Error("duplicate"), ({ id }) => id === "1");
  const said = await saidIn(t, () => a.engine.exchange());
  assert.equal(said.length, 1);
  assert.match(said[0], /the record "1" of node "z" waits on its way in.*duplicate/);
});

test("a row that cannot be applied is warned of once, not twice", async (t) => {
  const cloud = makeCloud();
  const a = makeNode("a", cloud);
  write(cloud, "AW", "1", { stamp: at(1, "z") });
  a.via.applier.plan.apply = throwingFor(new Error("no such column"), () => true);
  const said = await saidIn(t, () => a.engine.exchange());
  assert.equal(said.length, 1);
  assert.match(said[0], /no such column/);
});

test("warnings go to the console of the code that loaded the package", async (t) => {
  const heard = [];
  const apart = loadApart({ console: { warn: (...words) => heard.push(words) } });
  const transport = apart.createInProcessSyncTransport({
    clock: sync.createHLCClock({ nodeId: "cloud" }),
    syncSharedRecords: false,
  });
  const request = { watermarks: {}, records: [record("1", at(1, "z"))] };
  const said = await saidIn(t, () => transport.exchange(request));
  assert.deepEqual(said, []);
  assert.equal(heard.length, 1);
  assert.match(heard[0][0], /dropped/);
});
