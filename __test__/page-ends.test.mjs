// Which page of an adapter is its last, and what becomes of one that does not say.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import {
  clockFor,
  ids,
  makeCloud,
  makeNode,
  memoryDatabase,
  record,
  write,
} from "./support/index.mjs";
import { warningsOf } from "./support/native.mjs";

/** What the package says while `work` runs. */
const saidIn = async (t, work) =>
  (await warningsOf(t, work)).filter((words) => words.startsWith("[starkeep sync]"));

const refusal = (words) => ({ code: "INVALID_ARGUMENT", message: words });

/** An adapter whose pages are as `shape` makes them of `{ records, nextCursor, hasMore }`. */
function shapedDatabase(shape) {
  const database = memoryDatabase();
  const { query } = database;
  database.query = async (asked) => shape(await query(asked));
  return database;
}

/** A node whose adapter answers such pages, two records to a page, and its cloud. */
function nodeOverPages(shape) {
  const cloud = makeCloud({ coverage: false });
  const db = shapedDatabase(shape);
  const node = makeNode("a", cloud, { engine: { localDatabaseAdapter: db, scanPageSize: 2 } });
  const put = async () => {
    for (const id of ["1", "2", "3", "4", "5"]) await db.put(record(id, at(Number(id), "a")));
  };
  return { cloud, node, put };
}

test("pages without hasMore are followed by their cursor", async () => {
  const { cloud, node, put } = nodeOverPages(({ records, nextCursor }) => ({
    records,
    nextCursor,
  }));
  await put();
  assert.equal((await node.engine.exchange()).shipped, 5);
  assert.deepEqual(ids(cloud), ["1", "2", "3", "4", "5"]);
});

const LOSSY = {
  "hasMore without a cursor": ({ records, hasMore }) => ({ records, hasMore }),
  "neither hasMore nor a cursor": ({ records }) => ({ records }),
};

for (const [what, shape] of Object.entries(LOSSY)) {
  test(`a page of query with ${what} ends the round, and no watermark moves`, async () => {
    const { cloud, node, put } = nodeOverPages(shape);
    await put();
    await assert.rejects(node.engine.exchange(), refusal(/localDatabaseAdapter\.query: .*hasMore/));
    assert.deepEqual(ids(cloud), []);
    assert.deepEqual(node.state.peer(), {});
  });

  test(`a page of query with ${what} fails the answering side`, async () => {
    const databaseAdapter = shapedDatabase(shape);
    for (const id of ["1", "2"]) await databaseAdapter.put(record(id, at(Number(id), "z")));
    const { query } = databaseAdapter;
    databaseAdapter.query = ({ cursor }) => query({ limit: 1, cursor });
    const transport = sync.createInProcessSyncTransport({
      databaseAdapter,
      clock: clockFor("cloud"),
    });
    await assert.rejects(
      transport.exchange({ watermarks: {} }),
      refusal(/databaseAdapter\.query: .*hasMore/),
    );
  });
}

test("an empty page that says no more is the last", async () => {
  const { node } = nodeOverPages(() => ({ records: [] }));
  assert.deepEqual(
    { ...(await node.engine.exchange()) },
    { applied: 0, shipped: 0, hasMore: false },
  );
});

test("empty pages with one and the same cursor are an error, and no loop", async () => {
  const { node } = nodeOverPages(() => ({ records: [], nextCursor: "x", hasMore: true }));
  await assert.rejects(node.engine.exchange(), refusal(/localDatabaseAdapter\.query: .*for ever/));
});

test("hasMore counts as in JavaScript", async () => {
  const shape = ({ records, nextCursor, hasMore }) => ({
    records,
    nextCursor,
    hasMore: hasMore ? 1 : 0,
  });
  const { cloud, node, put } = nodeOverPages(shape);
  await put();
  await node.engine.exchange();
  assert.deepEqual(ids(cloud), ["1", "2", "3", "4", "5"]);
});

/** A node whose applier answers pages of one row as `shape` makes them, and what was said in its round. */
async function roundOverRows(t, shape) {
  const cloud = makeCloud({ coverage: false });
  const node = makeNode("a", cloud, {
    engine: ({ rows }) => ({
      scanPageSize: 1,
      appSyncableSource: {
        namespaces: rows.namespaces,
        applier: {
          apply: rows.applier.apply,
          scanSince: async (...place) => shape(await rows.applier.scanSince(...place)),
        },
      },
    }),
  });
  for (const id of ["1", "2", "3"]) write(node, "AW", id);
  const said = await saidIn(t, () => node.engine.exchange());
  return { cloud, said };
}

test("pages of rows without hasMore are followed by their cursor", async (t) => {
  const { cloud, said } = await roundOverRows(t, ({ rows, nextCursor }) => ({ rows, nextCursor }));
  assert.deepEqual(ids(cloud, "AW"), ["1", "2", "3"]);
  assert.deepEqual(said, []);
});

test("a page of rows that cannot be followed leaves its table out, and says why", async (t) => {
  for (const shape of [
    ({ rows }) => ({ rows }),
    ({ rows, hasMore }) => ({ rows, hasMore, nextCursor: null }),
  ]) {
    const { cloud, said } = await roundOverRows(t, shape);
    assert.deepEqual(ids(cloud, "AW"), []);
    assert.match(said.join("\n"), /applier\.scanSince: .*hasMore/);
  }
});

test("a page of queryUnseen without hasMore is not used, and nothing is lost", async (t) => {
  const cloud = makeCloud({ coverage: false });
  const node = makeNode("a", cloud, {
    engine: ({ db }) => ({
      localDatabaseAdapter: {
        ...db,
        queryUnseen: async () => ({ records: (await db.query({ limit: 1 })).records }),
      },
    }),
  });
  for (const id of ["1", "2"]) write(node, "SR", id);
  const said = await saidIn(t, () => node.engine.exchange());
  assert.deepEqual(ids(cloud), ["1", "2"]);
  assert.match(said.join("\n"), /queryUnseen answered a page without `hasMore`/);
});
