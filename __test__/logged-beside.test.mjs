// Writers that stamp in one order and commit in another, in one process and in several, while their file is exchanged
// over HTTP. `SYNC_BESIDE_WRITES` says how many records each of these tests writes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as sync from "@starkeep/sync-engine";
import { engineAt, nativePlace, openFor, serve } from "./support/logged-places.mjs";
import { record } from "./support/memory.mjs";
import { drain } from "./support/rounds.mjs";

const PROCESSES = 4;
/** Each process writes so many in a transaction, and as many beside it. */
const EACH = 20;
const BATCH = 2 * EACH * PROCESSES;
const WRITES = Math.ceil(Number(process.env.SYNC_BESIDE_WRITES ?? 10_000) / BATCH) * BATCH;
const WRITER = fileURLToPath(new URL("./support/beside-writer.mjs", import.meta.url));

/** Exchanges until `writing` has ended and there is nothing more; answers how many rounds that took. */
async function exchangeWhile(engine, writing) {
  let ends = false;
  const ended = writing.finally(() => (ends = true));
  let rounds = 0;
  while (!ends) {
    await engine.exchange();
    rounds += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await ended;
  await drain(engine);
  return rounds;
}

async function assertNothingIsLost(t, laptop, cloud, began, rounds) {
  const [here, there] = [await laptop.labels(), await cloud.labels()];
  const lost = Object.keys(here).filter((id) => !Object.hasOwn(there, id));
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  t.diagnostic(
    `${Object.keys(here).length} written, ${lost.length} lost, ${rounds} rounds, ${seconds} s`,
  );
  assert.deepEqual(lost, []);
  assert.equal(Object.keys(there).length, WRITES);
}

test(
  "`put` beside `transaction`, in one process, while rounds run: nothing is lost",
  { timeout: 600_000 },
  async (t) => {
    const laptop = await openFor(t, nativePlace, "laptop");
    const cloud = await openFor(t, nativePlace, "cloud");
    const engine = engineAt(laptop, (await serve(t, cloud)).baseUrl);
    const clock = sync.createHLCClock({ nodeId: "laptop" });
    const write = async () => {
      for (let from = 0; from < WRITES; from += 2 * EACH) {
        const early = Array.from({ length: EACH }, () => clock.now());
        const beside = laptop.records.transaction(async (inner) => {
          for (const [i, stamp] of early.entries()) await inner.put(record(`t${from + i}`, stamp));
        });
        for (let i = 0; i < EACH; i += 1)
          await laptop.records.put(record(`p${from + i}`, clock.now()));
        await beside;
      }
    };
    const began = performance.now();
    const rounds = await exchangeWhile(engine, write());
    await assertNothingIsLost(t, laptop, cloud, began, rounds);
    assert.equal((await engine.exchange()).inSync, true);
  },
);

test(
  "several processes write to one file while it is exchanged over HTTP: nothing is lost",
  { timeout: 600_000 },
  async (t) => {
    const laptop = await openFor(t, nativePlace, "laptop");
    const cloud = await openFor(t, nativePlace, "cloud");
    const engine = engineAt(laptop, (await serve(t, cloud)).baseUrl);
    const run = async (name) => {
      const args = [WRITER, laptop.paths.records, name, String(WRITES / PROCESSES)];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (words) => (said += words));
      const [code] = await once(child, "close");
      assert.equal(code, 0, said);
    };
    const began = performance.now();
    const writers = Array.from({ length: PROCESSES }, (_, nth) => run(`w${nth}`));
    const rounds = await exchangeWhile(engine, Promise.all(writers));
    await assertNothingIsLost(t, laptop, cloud, began, rounds);
    assert.equal((await engine.exchange()).inSync, true);
  },
);
