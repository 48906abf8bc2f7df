import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";

const event = (fields = {}) => ({
  eventType: "local-change-recorded",
  recordIds: ["1"],
  timestamp: at(1, "a"),
  ...fields,
});

test("emit calls the listeners at once, in the order of subscription, with the same event", () => {
  const notifier = sync.createChangeNotifier();
  const heard = [];
  notifier.subscribe((told) => heard.push(["first", told]));
  notifier.subscribe((told) => heard.push(["second", told]));
  const told = event({ originAppId: "photos", extra: 1 });
  assert.equal(notifier.emit(told), undefined);
  assert.deepEqual(
    heard.map(([who]) => who),
    ["first", "second"],
  );
  assert.ok(heard.every(([, same]) => same === told));
});

test("subscribe answers the function that unsubscribes", () => {
  const notifier = sync.createChangeNotifier();
  let heard = 0;
  const stop = notifier.subscribe(() => (heard += 1));
  notifier.emit(event());
  stop();
  stop();
  notifier.emit(event());
  assert.equal(heard, 1);
});

test("the same function subscribed twice is called once", () => {
  const notifier = sync.createChangeNotifier();
  let heard = 0;
  const listener = () => (heard += 1);
  notifier.subscribe(listener);
  notifier.subscribe(listener);
  notifier.emit(event());
  assert.equal(heard, 1);
});

test("unsubscribing one listener leaves the others", () => {
  const notifier = sync.createChangeNotifier();
  const heard = [];
  const stop = notifier.subscribe(() => heard.push("a"));
  notifier.subscribe(() => heard.push("b"));
  stop();
  notifier.emit(event());
  assert.deepEqual(heard, ["b"]);
});

test("a listener that throws does not silence the others", () => {
  const notifier = sync.createChangeNotifier();
  const heard = [];
  notifier.subscribe(() => {
    throw new Error("listener");
  });
  notifier.subscribe(() => heard.push("second"));
  notifier.emit(event());
  assert.deepEqual(heard, ["second"]);
});

test("a listener may unsubscribe itself while it is called", () => {
  const notifier = sync.createChangeNotifier();
  const heard = [];
  const stop = notifier.subscribe(() => {
    heard.push("once");
    stop();
  });
  notifier.subscribe(() => heard.push("always"));
  notifier.emit(event());
  notifier.emit(event());
  assert.deepEqual(heard, ["once", "always", "always"]);
});

test("a listener may emit again", () => {
  const notifier = sync.createChangeNotifier();
  const heard = [];
  notifier.subscribe((told) => {
    heard.push(told.recordIds[0]);
    if (told.recordIds[0] === "1") notifier.emit(event({ recordIds: ["2"] }));
  });
  notifier.emit(event());
  assert.deepEqual(heard, ["1", "2"]);
});

test("two notifiers share no listeners", () => {
  const one = sync.createChangeNotifier();
  let heard = 0;
  sync.createChangeNotifier().subscribe(() => (heard += 1));
  one.emit(event());
  assert.equal(heard, 0);
});
