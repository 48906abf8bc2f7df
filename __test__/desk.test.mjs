// What crosses the border as numbers and letters, where there is much of it, or where a getter of the
// app's calls into the package meanwhile.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at, entryOf, watermarksOf } from "./support/hlc.mjs";

const LONG = "x".repeat(5_000);

const recordOf = (id, updatedAt, fields = {}) => ({
  id,
  updatedAt,
  deletedAt: null,
  objectStorageKey: "",
  ...fields,
});

/** A store without pages of its own: the whole table is one. */
function makeStore(records, fields = {}) {
  const rows = new Map(records.map((record) => [record.id, record]));
  return {
    rows,
    query: async () => ({ records: [...rows.values()], nextCursor: null, hasMore: false }),
    get: async (id) => rows.get(id) ?? null,
    put: async (record) => void rows.set(record.id, record),
    ...fields,
  };
}

function makeObjects(objects = {}) {
  const stored = new Map(Object.entries(objects));
  return {
    stored,
    has: async (key) => stored.has(key),
    get: async (key) => (stored.has(key) ? { data: stored.get(key) } : null),
    put: async (key, data) => void stored.set(key, data),
  };
}

function makeState(own = {}, peer = {}) {
  const state = { own, peer };
  return {
    state,
    getWatermarks: async () => state.own,
    setWatermarks: async (next) => void (state.own = next),
    getPeerWatermarks: async () => state.peer,
    setPeerWatermarks: async (next) => void (state.peer = next),
  };
}

function connect(local, remote, { syncState = makeState(), objects, ...options } = {}) {
  const clock = () => ({ now: () => at(0, "clock"), receive() {} });
  const remoteObjects = makeObjects();
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: local,
    localObjectStorage: makeObjects(objects),
    remoteObjectStorage: remoteObjects,
    clock: clock(),
    syncState,
    transport: sync.createInProcessSyncTransport({ databaseAdapter: remote, clock: clock() }),
    ...options,
  });
  return { engine, remoteObjects, syncState };
}

test("a getter that calls into the package while its page is read disturbs no other record", async () => {
  const stamps = Array.from({ length: 50 }, (_, index) => at(index, `node-${index % 3}`));
  const inner = stamps.map((_, index) => recordOf(`inner-${index}`, at(index, "another node")));
  const meddle = () => {
    sync.selectUnseen(inner, { "another node": at(1, "another node") });
    sync.mergeWatermarks({ x: at(2, "x") }, { y: at(3, "y") });
    return sync.compareHLC(at(9, "p"), at(8, "q"));
  };
  const meddling = (record, name) => {
    const value = record[name];
    return Object.defineProperty(record, name, { enumerable: true, get: () => (meddle(), value) });
  };
  const records = stamps.map((updatedAt, index) => {
    const record = recordOf(`r-${index}`, { ...updatedAt });
    if (index % 4 === 0) meddling(record, "updatedAt");
    if (index % 4 === 1) meddling(record, "id");
    if (index % 4 === 2) meddling(record.updatedAt, "counter");
    if (index % 4 === 3) meddling(record, "objectStorageKey");
    return record;
  });
  const [local, remote] = [makeStore(records), makeStore([])];
  const { engine, syncState } = connect(local, remote);
  const { shipped, hasMore } = await engine.exchange();
  assert.deepEqual({ shipped, hasMore }, { shipped: 50, hasMore: false });
  assert.deepEqual([...remote.rows.values()], records);
  const known = Object.entries(syncState.state.peer).map(([node, hlc]) => [node, { ...hlc }]);
  assert.deepEqual(Object.fromEntries(known), watermarksOf(stamps));
});

test("ids, keys and content types of thousands of letters cross the border whole", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const record = recordOf(`id-${LONG}`, at(1, "a"), {
    objectStorageKey: `key-${LONG}`,
    mimeType: `type/${LONG}`,
    contentHash: LONG,
  });
  const [local, remote] = [makeStore([record]), makeStore([])];
  const { engine, remoteObjects } = connect(local, remote, {
    objects: { [record.objectStorageKey]: bytes },
  });
  assert.equal((await engine.exchange()).shipped, 1);
  assert.deepEqual([...remote.rows.keys()], [record.id]);
  assert.deepEqual([...remoteObjects.stored], [[record.objectStorageKey, bytes]]);
});

test("watermarks of thousands of nodes are read and written whole", async () => {
  const nodes = Array.from({ length: 5_000 }, (_, index) => `node-${index}`);
  const known = Object.fromEntries(nodes.map((node, index) => [node, at(index, node)]));
  const [local, remote] = [makeStore([]), makeStore([recordOf("1", at(9_999, "node-7"))])];
  const { engine, syncState } = connect(local, remote, {
    syncState: makeState({ ...known }, { ...known }),
  });
  assert.equal((await engine.exchange()).applied, 1);
  assert.deepEqual(syncState.state.own, { ...known, "node-7": at(9_999, "node-7") });
  assert.deepEqual(syncState.state.peer, { ...known, "node-7": at(9_999, "node-7") });
});

test("a page of more records than others have, each of a node of its own, is read whole", async () => {
  const records = Array.from({ length: 6_000 }, (_, index) =>
    recordOf(`r-${index}`, at(index, `node-${index}`)),
  );
  const [local, remote] = [makeStore(records), makeStore([])];
  const { engine, syncState } = connect(local, remote, { pageLimit: Infinity });
  assert.equal((await engine.exchange()).shipped, 6_000);
  assert.equal(remote.rows.size, 6_000);
  assert.deepEqual(entryOf(syncState.state.peer, "node-5999"), at(5_999, "node-5999"));
  assert.equal(Object.keys(syncState.state.peer).length, 6_000);
});

test("an ability whose getter throws takes no other ability with it", async () => {
  const records = [recordOf("1", at(1, "a")), recordOf("2", at(2, "a"))];
  const asked = [];
  const local = makeStore(records, {
    queryUnseen: async () => {
      asked.push("queryUnseen");
      return { records, hasMore: false };
    },
  });
  Object.defineProperty(local, "applyRecords", {
    get() {
      throw new Error("not today");
    },
  });
  const { engine } = connect(local, makeStore([]));
  assert.equal((await engine.exchange()).shipped, 2);
  assert.deepEqual(asked, ["queryUnseen"]);
});

test("an app that gives Object.prototype a setter still finds that node's watermark", async () => {
  let set = 0;
  Object.defineProperty(Object.prototype, "polluted", {
    configurable: true,
    set() {
      set += 1;
    },
  });
  try {
    const [local, remote] = [makeStore([recordOf("1", at(1, "polluted"))]), makeStore([])];
    const { engine, syncState } = connect(local, remote);
    assert.equal((await engine.exchange()).shipped, 1);
    assert.deepEqual(entryOf(syncState.state.peer, "polluted"), at(1, "polluted"));
    assert.equal(set, 0);
  } finally {
    delete Object.prototype.polluted;
  }
});
