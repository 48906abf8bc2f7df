// Whatever a loop is told, and whichever rounds fail: of one channel never two rounds run at once, and every change that
// was recorded is shipped once rounds fail no more. No interval helps it.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as sync from "@starkeep/sync-engine";
import { ids, makeCloud, makeNode, write } from "./support/index.mjs";
import { change, fakeClock, flush } from "./support/loops.mjs";

const RUNS = Number(process.env.SYNC_LOOP_RUNS ?? 300);
const NAMES = ["a", "b", "c"];
const BACKOFF = { firstMs: 100, mostMs: 2000 };

const name = fc.constantFrom(...NAMES);
const maybeName = fc.option(name, { nil: undefined });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("change"), name }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(900) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("fail"), name, times: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("nudge"), name: maybeName }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("kick"), name: maybeName }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("pause", "resume", "start", "news") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove"), name, abort: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("add"), name }) },
);

const scene = fc.record({
  autoStart: fc.boolean(),
  page: fc.integer({ min: 1, max: 3 }),
  roundMs: fc.constantFrom(0, 50, 400),
  chance: fc.double({ min: 0, max: 0.99, noNaN: true }),
  answers: fc.array(fc.constantFrom("retry", "later retry", "nothing", "throws", "rejects"), {
    minLength: 1,
    maxLength: 5,
  }),
  steps: fc.array(step, { maxLength: 40, size: "max" }),
});

/** An engine that ships what was recorded when its round began, a page at a time, and fails when it is told to. */
function shipping(clock, { page, roundMs }) {
  const engine = { recorded: 0, shipped: 0, fails: 0, running: 0, most: 0 };
  engine.exchange = async ({ signal }) => {
    engine.most = Math.max(engine.most, (engine.running += 1));
    const upTo = Math.min(engine.recorded, engine.shipped + page);
    const hasMore = upTo < engine.recorded;
    try {
      if (roundMs > 0) await new Promise((resolve) => clock.setTimeout(resolve, roundMs));
      signal.throwIfAborted();
      if (engine.fails > 0) throw new Error(`planned ${(engine.fails -= 1)}`);
      const shipped = upTo - engine.shipped;
      engine.shipped = upTo;
      return { applied: 0, shipped, hasMore };
    } finally {
      engine.running -= 1;
    }
  };
  return engine;
}

/** What `onError` answers, one after the other. */
function answering(answers) {
  let asked = 0;
  return () => {
    const answer = answers[asked++ % answers.length];
    if (answer === "throws") throw new Error("of onError");
    if (answer === "rejects") return Promise.reject(new Error("of onError"));
    return answer === "later retry" ? flush().then(() => "retry") : answer;
  };
}

/** News that come when they are told to. */
function newsOf() {
  const waiting = [];
  return {
    tell: () => waiting.shift()?.(),
    async *open() {
      for (;;) yield await new Promise((resolve) => waiting.push(resolve));
    },
  };
}

function stage({ autoStart, chance, answers }, engines) {
  const clock = Object.assign(engines.clock, { chance });
  const changes = sync.createChangeNotifier();
  const news = newsOf();
  const loop = sync.createSyncLoop(engines.byName, {
    clock,
    changes,
    events: news.open,
    autoStart,
    intervalMs: null,
    backoff: BACKOFF,
    onError: answering(answers),
  });
  const present = new Set(NAMES);
  const leaving = new Map();
  return { loop, clock, changes, news, present, leaving, ...engines };
}

const DO = {
  change({ record, changes }, { name: channel }) {
    record(channel);
    changes.emit(change({ originAppId: channel }));
  },
  wait: ({ clock }, { ms }) => clock.advance(ms),
  fail: ({ fail }, { name: channel, times }) => fail(channel, times),
  nudge: (at, { name: channel }) => isHere(at, channel) && at.loop.nudge(channel),
  kick: (at, { name: channel }) => isHere(at, channel) && at.loop.kick(channel),
  pause: ({ loop }) => void loop.pause(),
  resume: ({ loop }) => loop.resume(),
  start: ({ loop }) => loop.start(),
  news: ({ news }) => void news.tell(),
  remove({ loop, present, leaving }, { name: channel, abort }) {
    if (present.delete(channel)) leaving.set(channel, loop.remove(channel, { abort }));
  },
  async add({ loop, clock, present, leaving, byName }, { name: channel }) {
    if (present.has(channel)) return;
    await clock.advance(1000);
    await leaving.get(channel);
    loop.add(channel, byName[channel]);
    present.add(channel);
  },
};

const isHere = ({ present }, channel) => channel === undefined || present.has(channel);

/** Everything is added, nothing fails any more, and time passes. */
async function conclude(at) {
  for (const channel of NAMES) {
    at.fail(channel, 0);
    await DO.add(at, { name: channel });
  }
  at.loop.resume();
  // A round may just have failed, and the answer of `onError` to it may be on its way: its backoff begins before the wait.
  await flush();
  await at.clock.advance(200 * 400 + BACKOFF.mostMs);
}

test("no two rounds of one channel at once, and all changes are shipped in the end", async (t) => {
  t.mock.method(console, "warn", () => {});
  const property = fc.asyncProperty(scene, async (made) => {
    const clock = fakeClock();
    const byName = Object.fromEntries(NAMES.map((each) => [each, shipping(clock, made)]));
    const at = stage(made, {
      clock,
      byName,
      record: (channel) => (byName[channel].recorded += 1),
      fail: (channel, times) => (byName[channel].fails = times),
    });
    for (const each of made.steps) await DO[each.do](at, each);
    await conclude(at);
    for (const [channel, { recorded, shipped, most }] of Object.entries(byName)) {
      assert.equal(shipped, recorded, `all of ${channel} is shipped`);
      assert.ok(most <= 1, `${channel} ran ${most} rounds at once`);
      assert.equal(at.loop.status().channels[channel].state, "waiting");
    }
    await at.loop.stop();
    assert.equal(clock.waiting(), 0, "no timer is left");
  });
  await fc.assert(property, { numRuns: RUNS });
});

test("the same of engines of this package, with a cloud in the process", async (t) => {
  t.mock.method(console, "warn", () => {});
  const property = fc.asyncProperty(scene, async (made) => {
    const clock = fakeClock();
    const cloud = makeCloud();
    const nodes = Object.fromEntries(NAMES.map((each) => [each, makeNode(each, cloud)]));
    const counts = Object.fromEntries(NAMES.map((each) => [each, { running: 0, most: 0 }]));
    const counted = (each) => ({
      async exchange(options) {
        const count = counts[each];
        count.most = Math.max(count.most, (count.running += 1));
        return nodes[each].engine.exchange(options).finally(() => (count.running -= 1));
      },
    });
    const byName = Object.fromEntries(NAMES.map((each) => [each, counted(each)]));
    let recorded = 0;
    const at = stage(made, {
      clock,
      byName,
      record: (channel) => write(nodes[channel], "SR", `${(recorded += 1)}`),
      fail(channel, times) {
        let left = times;
        const throws = () => (left -= 1) >= 0;
        nodes[channel].via.transport.plan.exchange = { error: new Error("planned"), throws };
      },
    });
    for (const each of made.steps) {
      await DO[each.do](at, each);
      await quiet(counts);
    }
    for (let i = 0; i < 3; i += 1) {
      await conclude(at);
      await quiet(counts);
    }
    assert.equal(ids(cloud).length, recorded, "the cloud has every record");
    for (const { most } of Object.values(counts)) assert.ok(most <= 1);
    await at.loop.stop();
  });
  await fc.assert(property, { numRuns: Math.ceil(RUNS / 10) });
});

/** Lets rounds go on until none runs. */
async function quiet(counts) {
  do await flush();
  while (Object.values(counts).some(({ running }) => running > 0));
}
