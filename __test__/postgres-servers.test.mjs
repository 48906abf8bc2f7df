// Two server processes over one PostgreSQL database and one bucket, and laptops that write, sync, and go to the other
// server where one fails. Each is a process of its own, and what the laptops say they wrote is what must be there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { needsPostgres, needsS3 } from "../scripts/test-servers.mjs";
import { checkHeld } from "./support/kill.mjs";
import { cloudFor, LAPTOPS, SERVERS } from "./support/postgres-cloud.mjs";

const needsBoth = { skip: needsPostgres.skip || needsS3.skip, timeout: 600_000 };

/** All that was written is there, at all sides; what went wrong meanwhile may be tried again. */
async function ends(t, cloud) {
  const counts = checkHeld(await cloud.settle());
  assert.ok(counts.records > 0 && counts.rows > 0 && counts.files > 0, "something was written");
  t.diagnostic(JSON.stringify({ ...counts, faults: cloud.faults.length }));
  for (const fault of cloud.faults) {
    assert.equal(fault.code, "SYNC_ERROR", JSON.stringify(fault));
    // An item that waits is tried again anyway.
    assert.ok(fault.isItem || fault.retryable === true, JSON.stringify(fault));
  }
}

test("of two servers each is killed within pages, and nothing is lost", needsBoth, async (t) => {
  const cloud = await cloudFor(t);
  cloud.work();
  await cloud.pages(LAPTOPS, 5);
  for (const [victim, other] of [SERVERS, [...SERVERS].reverse()]) {
    await cloud.pages([victim], 3);
    await cloud.kill(victim);
    // All laptops go on at the one that is left, those of the victim too.
    await cloud.pages(LAPTOPS, 5);
    await cloud.pages([other], 5);
    await cloud.serve(victim);
  }
  await cloud.pages(LAPTOPS, 3);
  await ends(t, cloud);
});

test(
  "PostgreSQL ends and starts again under load: laptops are told to try later, and nothing is lost",
  needsBoth,
  async (t) => {
    const cloud = await cloudFor(t);
    const { postgres } = cloud;
    cloud.work();
    await cloud.pages(LAPTOPS, 3);
    // The servers wait for it: laptops may notice nothing.
    await postgres.say("restart");
    await cloud.pages(LAPTOPS, 3);
    await postgres.say("kill");
    await cloud.misses();
    await postgres.say("start");
    await cloud.pages(LAPTOPS, 5);
    await ends(t, cloud);
  },
);
