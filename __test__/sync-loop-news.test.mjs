// News of the server: each causes a round, and a stream that has ended is opened again.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { exchange, recordOf, sideFor } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { QUIET, flush, held, loopFor, scripted } from "./support/loops.mjs";
import { warningsOf } from "./support/native.mjs";

/** A stream that says what it is told to; `signal` and `returned` say how it was let go. */
function stream() {
  const waiting = [];
  const values = [];
  const settle = (step) => {
    if (waiting.length > 0) waiting.shift()(step);
    else values.push(step);
    return flush();
  };
  const made = {
    returned: 0,
    signal: undefined,
    say: (value) => settle(Promise.resolve({ done: false, value })),
    end: () => settle(Promise.resolve({ done: true })),
    fail: (error) => settle(Promise.reject(error)),
    [Symbol.asyncIterator]: () => made,
    next: () =>
      values.length > 0 ? values.shift() : new Promise((resolve) => waiting.push(resolve)),
    return() {
      made.returned += 1;
      return Promise.reject(new Error("of a stream that was let go"));
    },
  };
  return made;
}

/** A function that answers streams, which it keeps. */
function source() {
  const streams = [];
  const open = (signal) => {
    streams.push(Object.assign(stream(), { signal }));
    return streams.at(-1);
  };
  return { open, streams };
}

const FAULT = new Error("planned");
const OPTIONS = { intervalMs: null, backoff: { firstMs: 10, mostMs: 1000 } };

test("each piece of news causes a round at once, and while one runs one more after it", async (t) => {
  const rounds = held();
  const engine = scripted(rounds.answer);
  const events = stream();
  const { named } = loopFor(t, engine, { ...OPTIONS, events });
  await flush();
  assert.equal(engine.rounds, 1);
  for (const value of ["ready", { event: "change" }, undefined]) await events.say(value);
  await rounds.end();
  assert.equal(engine.rounds, 2);
  await rounds.end();
  assert.equal(engine.rounds, 2);
  await events.say("change");
  assert.equal(engine.rounds, 3);
  assert.equal(named("news-began").length, 1);
});

test("news that names a channel is of that channel, other news of all", async (t) => {
  const rounds = held();
  const [one, other] = [scripted((round) => (round < 4 ? QUIET : rounds.answer())), scripted()];
  const events = stream();
  const { loop } = loopFor(t, { one, other }, { ...OPTIONS, events });
  await flush();
  await events.say({ channel: "one" });
  assert.deepEqual([one.rounds, other.rounds], [2, 1]);
  await events.say({ channel: "elsewhere" });
  assert.deepEqual([one.rounds, other.rounds], [3, 2]);
  loop.nudge("one");
  await flush();
  const removed = loop.remove("one");
  await events.say({ channel: "one" });
  assert.deepEqual([one.rounds, other.rounds], [4, 3], "one is a channel no more");
  await rounds.end();
  await removed;
});

test("a function is called again when its stream ends or fails, after a backoff", async (t) => {
  const { open, streams } = source();
  const heard = [];
  const onError = (error, failure) => void heard.push([error, failure]);
  const engine = scripted();
  const { clock, named } = loopFor(t, engine, { ...OPTIONS, events: open, onError });
  await flush();
  await streams[0].end();
  await clock.advance(9);
  assert.equal(streams.length, 1);
  await clock.advance(1);
  assert.equal(streams.length, 2);
  await streams[1].fail(FAULT);
  await clock.advance(19);
  assert.equal(streams.length, 2);
  await clock.advance(1);
  await streams[2].say("ready");
  await streams[2].end();
  await clock.advance(10);
  assert.equal(streams.length, 4, "news has come: the backoff begins anew");
  assert.deepEqual(heard, [[FAULT, { channel: null, attempt: 2 }]]);
  assert.deepEqual(
    named("news-ended").map(({ error, attempt }) => [error, attempt]),
    [
      [null, 1],
      [FAULT, 2],
      [null, 1],
    ],
  );
  assert.equal(engine.rounds, 2);
});

test("a stream may be promised, and one that cannot be opened is tried again", async (t) => {
  const answers = [
    () => {
      throw FAULT;
    },
    async () => Promise.reject(FAULT),
    () => "no stream",
    async () => last,
  ];
  const last = stream();
  const heard = [];
  const onError = (error) => void heard.push(error);
  const engine = scripted();
  const events = () => answers.shift()();
  const { clock } = loopFor(t, engine, { ...OPTIONS, events, onError });
  await clock.advance(10 + 20 + 40);
  assert.deepEqual([heard[0], heard[1], heard[2].code], [FAULT, FAULT, "INVALID_ARGUMENT"]);
  assert.match(heard[2].message, /events\): must be an AsyncIterable/);
  await last.say("ready");
  assert.equal(engine.rounds, 2);
});

test('after "retry" the stream is opened at once, once in a row', async (t) => {
  const { open, streams } = source();
  const { clock } = loopFor(t, scripted(), { ...OPTIONS, events: open, onError: () => "retry" });
  await flush();
  await streams[0].fail(FAULT);
  assert.equal(streams.length, 2);
  await streams[1].fail(FAULT);
  assert.equal(streams.length, 2);
  await clock.advance(20);
  assert.equal(streams.length, 3);
});

test("kick opens the stream at once", async (t) => {
  const { open, streams } = source();
  const { loop, clock } = loopFor(t, scripted(), { ...OPTIONS, events: open });
  await flush();
  loop.kick();
  await flush();
  assert.equal(streams.length, 1, "one that is open stays");
  await streams[0].end();
  loop.kick("default");
  await flush();
  assert.equal(streams.length, 1);
  loop.kick();
  await flush();
  assert.deepEqual([streams.length, clock.waiting()], [2, 0]);
});

test("an iterable is read once, and its failure is told", async (t) => {
  for (const end of ["end", "fail"]) {
    const heard = [];
    const onError = (error, { channel }) => {
      heard.push([error, channel]);
      return "retry";
    };
    const events = stream();
    const { loop, clock } = loopFor(t, scripted(), { ...OPTIONS, events, onError });
    let opened = 0;
    events[Symbol.asyncIterator] = () => {
      opened += 1;
      return events;
    };
    await flush();
    await events[end](FAULT);
    loop.kick();
    await loop.pause();
    loop.resume();
    await clock.advance(1e6);
    assert.deepEqual([opened, clock.waiting()], [1, 0]);
    assert.deepEqual(heard, end === "fail" ? [[FAULT, null]] : []);
  }
});

test("a pause lets go of the stream of a function, and a resume opens another", async (t) => {
  const { open, streams } = source();
  const engine = scripted();
  const { loop, clock, named } = loopFor(t, engine, { ...OPTIONS, events: open });
  await flush();
  await loop.pause();
  assert.deepEqual([streams[0].signal.aborted, streams[0].returned], [true, 1]);
  await streams[0].say("too late");
  assert.equal(named("news-began").length, 0);
  loop.resume();
  await flush();
  assert.deepEqual([streams.length, engine.rounds], [2, 2]);
  await streams[1].say("ready");
  assert.equal(engine.rounds, 3);
  await streams[1].fail(FAULT);
  await loop.pause();
  await clock.advance(1e6);
  assert.equal(streams.length, 2);
  loop.resume();
  await clock.advance(0);
  assert.equal(streams.length, 3);
  assert.equal(named("news-ended").length, 1, "what is let go has not failed");
});

test("news while a loop is paused is in the round that follows", async (t) => {
  const events = stream();
  const engine = scripted();
  const { loop } = loopFor(t, engine, { ...OPTIONS, events });
  await flush();
  await loop.pause();
  await events.say("change");
  assert.equal(engine.rounds, 1);
  loop.resume();
  await flush();
  assert.equal(engine.rounds, 2);
  await events.say("change");
  assert.deepEqual([engine.rounds, events.returned], [3, 0]);
});

test("stop lets go of a stream that says nothing more, and waits for none", async (t) => {
  for (const kind of ["iterable", "function", "promise that is kept waiting"]) {
    const { open, streams } = source();
    const iterable = stream();
    const late = deferred();
    const sources = {
      iterable,
      function: open,
      "promise that is kept waiting": () => late.promise,
    };
    const { loop, clock } = loopFor(t, scripted(), { ...OPTIONS, events: sources[kind] });
    await flush();
    await loop.stop();
    late.resolve(iterable);
    await clock.advance(1e6);
    const read = streams[0] ?? iterable;
    assert.ok(read.returned >= 1, kind);
    assert.equal(clock.waiting(), 0);
  }
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

test("news begins with the loop", async (t) => {
  const { open, streams } = source();
  const { loop } = loopFor(t, scripted(), { ...OPTIONS, events: open, autoStart: false });
  await flush();
  assert.equal(streams.length, 0);
  loop.start();
  await flush();
  assert.equal(streams.length, 1);
  loop.start();
  await flush();
  assert.equal(streams.length, 1);
});

test("news does not cut a backoff short", async (t) => {
  const events = stream();
  const engine = scripted((round) => (round === 1 ? Promise.reject(FAULT) : QUIET));
  const { clock } = loopFor(t, engine, { ...OPTIONS, events });
  await flush();
  await events.say("change");
  await clock.advance(9);
  assert.equal(engine.rounds, 1);
  await clock.advance(1);
  assert.equal(engine.rounds, 2);
});

test("without onError a stream that cannot be opened is a warning", async (t) => {
  const said = await warningsOf(t, async () => {
    const events = () => Promise.reject(FAULT);
    const { clock } = loopFor(t, scripted(), { ...OPTIONS, events, onError: undefined });
    await clock.advance(100);
  });
  assert.equal(said.length, 1);
  assert.match(said[0], /the stream of news failed.*planned/);
});

test("the events of a server of this package are news", async (t) => {
  const side = await sideFor(t, { front: "server", kind: "native" });
  async function* events(signal) {
    const response = await fetch(`${side.url}/events`, { signal });
    const decoded = response.body.pipeThrough(new TextDecoderStream());
    for await (const text of decoded) if (text.includes("event:")) yield text;
  }
  const ended = [];
  const until = (count) =>
    new Promise((resolve) => {
      const check = () => (ended.length >= count ? resolve() : setTimeout(check, 5));
      check();
    });
  const loop = sync.createSyncLoop(scripted(), {
    events,
    intervalMs: null,
    onEvent: (event) => event.eventType === "round-ended" && ended.push(event),
  });
  t.after(() => loop.stop());
  await until(2);
  const before = ended.length;
  await exchange(side, { watermarks: {}, records: [recordOf("one", at(1, "a"))] });
  await until(before + 1);
  await loop.stop();
});
