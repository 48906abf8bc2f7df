// One item that cannot travel is held and named; everything else goes on, both ways.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { sideFor, storesFor, wayTo } from "./support/answering.mjs";
import { memoryAppRows } from "./support/app-rows.mjs";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { entry } from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";
import { drain } from "./support/rounds.mjs";

const circle = () => {
  const one = { inner: {} };
  one.inner.outer = one;
  return one;
};

function nested(depth) {
  let value = [];
  for (let i = 0; i < depth; i += 1) value = [value];
  return value;
}

const throwing = (name, fields = {}) =>
  Object.defineProperty({ ...record("bad", at(0, "bad"), fields) }, name, {
    enumerable: true,
    get() {
      throw new Error("not for you");
    },
  });

/** What cannot be written as JSON by anybody. */
const UNWRITABLE = {
  "a BigInt": record("bad", at(0, "bad"), { size: 5n }),
  "a cycle": record("bad", at(0, "bad"), { more: circle() }),
  "a toJSON that throws": record("bad", at(0, "bad"), {
    more: {
      toJSON() {
        throw new Error("not for you");
      },
    },
  }),
  "a field whose getter throws": throwing("note"),
  "a value that nests too deep": record("bad", at(0, "bad"), { more: nested(3000) }),
};

/** A record whose object has a key that storages refuse. */
const ODD_KEY = record("bad", at(0, "bad"), { objectStorageKey: "../outside", sizeBytes: 1 });

/** What is no record, whoever reads it. */
const MALFORMED = {
  "an updatedAt that is none": { ...record("bad", at(0, "bad")), updatedAt: "yesterday" },
  "an updatedAt whose getter throws": throwing("updatedAt"),
  "a createdAt that is none": { ...record("bad", at(0, "bad")), createdAt: "yesterday" },
  "a deletedAt that is none": { ...record("bad", at(0, "bad")), deletedAt: 5 },
  "a key whose getter throws": throwing("objectStorageKey"),
};

const others = (side) =>
  side
    .all()
    .map(({ id }) => id)
    .filter((id) => id !== "bad")
    .sort();

/** A laptop, and a cloud that it reaches over HTTP; more than a page on both sides. */
async function world(t, front, bad) {
  const cloud = await sideFor(t, { front, kind: "adapters" });
  const laptop = {
    db: memoryDatabase({ nodeWatermarks: true }),
    objects: memoryObjects(),
    clock: clockFor("laptop"),
  };
  if (bad.at === "laptop") await laptop.objects.put("../outside", new Uint8Array(1));
  const where = { laptop: laptop.db, cloud: cloud.databaseAdapter }[bad.at];
  await where.put(bad.record);
  for (let i = 0; i < 5; i += 1) {
    await laptop.db.put(record(`l${i}`, at(i + 1, "laptop")));
    await cloud.databaseAdapter.put(record(`c${i}`, at(i + 1, "cloud")));
  }
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: laptop.db,
    localObjectStorage: laptop.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: cloud.url }),
    transport: sync.createHttpSyncTransport({ baseUrl: cloud.url }),
    clock: laptop.clock,
    syncState: memoryState(),
    pageLimit: 2,
  });
  return { engine, laptop: laptop.db, cloud: cloud.databaseAdapter };
}

for (const front of ["handler", "server"]) {
  for (const place of ["laptop", "cloud"]) {
    for (const [what, bad] of Object.entries({ ...UNWRITABLE, ...MALFORMED })) {
      test(`${what} at the ${place} is held and named, and the rest goes both ways: ${front}`, async (t) => {
        await warningsOf(t, async () => {
          const w = await world(t, front, { at: place, record: bad });
          for (let again = 0; again < 2; again += 1) {
            const { held } = await drain(w.engine);
            assert.deepEqual(
              held.map(({ id, code, direction }) => [id, code, direction]),
              [["bad", "MALFORMED_ITEM", place === "laptop" ? "outbound" : "inbound"]],
            );
            assert.match(held[0].reason, /must/);
            assert.deepEqual(others(w.laptop), others(w.cloud));
            assert.equal(others(w.cloud).length, 10 + 2 * again);
            await w.laptop.put(record(`later-l`, at(20, "laptop")));
            await w.cloud.put(record(`later-c`, at(20, "cloud")));
          }
        });
      });
    }
  }
}

for (const front of ["handler", "server"]) {
  for (const place of ["laptop", "cloud"]) {
    test(`an object key that the storage refuses holds its item at the ${place} alone: ${front}`, async (t) => {
      await warningsOf(t, async () => {
        const w = await world(t, front, { at: place, record: ODD_KEY });
        const { held } = await drain(w.engine);
        assert.deepEqual(
          held.map(({ id, code, key }) => [id, code, key]),
          [["bad", "INVALID_KEY", "../outside"]],
        );
        assert.match(held[0].reason, /key/);
        assert.deepEqual(others(w.laptop), others(w.cloud));
        assert.equal(others(w.cloud).length, 10);
      });
    });
  }
}

test("an item that was mended goes, and with it what its node wrote later", async (t) => {
  await warningsOf(t, async () => {
    const w = await world(t, "server", { at: "laptop", record: UNWRITABLE["a BigInt"] });
    await w.laptop.put(record("after", at(30, "bad")));
    await drain(w.engine);
    assert.ok(!others(w.cloud).includes("after"), "nothing of its node passes it");
    await w.laptop.put(record("bad", at(0, "bad"), { size: 5 }));
    assert.deepEqual((await drain(w.engine)).held, []);
    assert.ok(others(w.cloud).includes("after"));
    assert.equal((await w.cloud.get("bad")).size, 5);
  });
});

for (const place of ["laptop", "cloud"]) {
  test(`a record whose id is no text is held for as long as it stands at the ${place}, also behind pages of others`, async (t) => {
    await warningsOf(t, async () => {
      const w = await world(t, "server", { at: place, record: record("bad", at(0, "bad")) });
      await w[place].put(record("after", at(30, "bad")));
      const query = w[place].query;
      const withoutId = (one) => (one.id === "bad" ? { ...one, id: 7 } : one);
      w[place].query = async (wanted) => {
        const page = await query.call(w[place], wanted);
        return { ...page, records: page.records.map(withoutId) };
      };
      for (let again = 0; again < 3; again += 1) {
        const { held } = await drain(w.engine);
        assert.deepEqual(
          held.map(({ nodeId, code }) => [nodeId, code]),
          [["bad", "MALFORMED_ITEM"]],
        );
      }
      const other = place === "laptop" ? w.cloud : w.laptop;
      assert.ok(!others(other).includes("after"), "nothing of its node passes it");
      w[place].query = query;
      assert.deepEqual((await drain(w.engine)).held, []);
      assert.ok((await other.get("bad")) && (await other.get("after")));
    });
  });
}

for (const front of ["handler", "server"]) {
  for (const [what, bad, code] of [
    ["a BigInt", UNWRITABLE["a BigInt"], "MALFORMED_ITEM"],
    [
      "more than the caller takes",
      record("bad", at(0, "bad"), { more: "x".repeat(99_999) }),
      "ITEM_TOO_LARGE",
    ],
  ]) {
    test(`${what} is named also by an answering side that the app passes on to: ${front}`, async (t) => {
      await warningsOf(t, async () => {
        const stores = storesFor(t, "adapters");
        const inner = sync.createInProcessSyncTransport({
          ...stores,
          objectStorage: stores.objectStorageAdapter,
        });
        const transport = { exchange: (request) => inner.exchange(request) };
        const cloud = await sideFor(t, { front, kind: "adapters", options: { transport } });
        await stores.databaseAdapter.put(bad);
        await stores.databaseAdapter.put(record("good", at(1, "cloud")));
        const local = memoryDatabase({ nodeWatermarks: true });
        await local.put(record("mine", at(1, "laptop")));
        const engine = sync.createSyncEngine({
          localDatabaseAdapter: local,
          localObjectStorage: memoryObjects(),
          remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: cloud.url }),
          transport: sync.createHttpSyncTransport({ baseUrl: cloud.url, maxAnswerBytes: 50_000 }),
          clock: clockFor("laptop"),
          syncState: memoryState(),
        });
        const { held } = await drain(engine);
        assert.deepEqual(
          held.map((item) => [item.id, item.code, item.direction]),
          [["bad", code, "inbound"]],
        );
        assert.deepEqual(others(local), ["good", "mine"]);
        assert.deepEqual(others(stores.databaseAdapter), ["good", "mine"]);
      });
    });
  }
}

/** A record as an app's own class has it. */
class Photo {
  #fields;
  constructor(fields) {
    this.#fields = fields;
  }
  get id() {
    return this.#fields.id;
  }
  get updatedAt() {
    return this.#fields.updatedAt;
  }
  get label() {
    return "holidays";
  }
}
for (const name of Object.keys(record("x", at(0, "x"))))
  if (!(name in Photo.prototype))
    Object.defineProperty(Photo.prototype, name, {
      get() {
        return record("x", at(3, "album"))[name];
      },
    });

for (const kind of ["adapters", "native"]) {
  for (const front of ["handler", "server", "in process"]) {
    test(`a record of an app's own class arrives as the app reads it: ${kind}, ${front}`, async (t) => {
      const { cloud, remoteObjectStorage, transport } = await wayTo(t, { front, kind });
      const local = memoryDatabase();
      await local.put(new Photo({ id: "photo", updatedAt: at(3, "album") }));
      const engine = sync.createSyncEngine({
        localDatabaseAdapter: local,
        localObjectStorage: memoryObjects(),
        remoteObjectStorage,
        transport,
        clock: clockFor("laptop"),
        syncState: memoryState(),
      });
      assert.deepEqual((await drain(engine)).held, []);
      const there = await cloud.databaseAdapter.get("photo");
      assert.deepEqual(
        [there.id, there.label, there.type, there.updatedAt, there.originAppId],
        ["photo", "holidays", "note", at(3, "album"), "drive"],
      );
    });
  }
}

const NOTES = [{ name: "notes", pkColumns: ["id"] }];

for (const place of ["laptop", "cloud"]) {
  test(`a row that cannot be written is held and named at the ${place}, and the rest goes both ways`, async (t) => {
    await warningsOf(t, async () => {
      const sides = { laptop: memoryAppRows(), cloud: memoryAppRows() };
      const row = (id, stamp, more) => entry("app", "notes", stamp, { id, ...more });
      for (const [name, side] of Object.entries(sides)) {
        side.register("app", NOTES);
        side.apply(row(`of-${name}`, at(1, name)));
      }
      sides[place].apply(row("bad", at(0, "bad"), { size: 5n }));
      const cloud = await sideFor(t, {
        front: "server",
        kind: "adapters",
        options: { appSyncableSource: sides.cloud },
      });
      const engine = sync.createSyncEngine({
        localDatabaseAdapter: memoryDatabase(),
        localObjectStorage: memoryObjects(),
        remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: cloud.url }),
        transport: sync.createHttpSyncTransport({ baseUrl: cloud.url }),
        clock: clockFor("laptop"),
        syncState: memoryState(),
        appSyncableSource: sides.laptop,
      });
      const { held } = await drain(engine);
      assert.deepEqual(
        held.map(({ kind, code, nodeId }) => [kind, code, nodeId]),
        [["appRow", "MALFORMED_ITEM", "bad"]],
      );
      const ids = (side) =>
        side
          .rows("app", "notes")
          .map(({ id }) => id)
          .filter((id) => id !== "bad")
          .sort();
      assert.deepEqual(ids(sides.laptop), ["of-cloud", "of-laptop"]);
      assert.deepEqual(ids(sides.cloud), ["of-cloud", "of-laptop"]);
    });
  });
}
