// Requests of one channel run beside each other, those with nothing to do need no store, and what does not fit is asked
// to come again.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { exchange, recordOf, serveWith, sideFor } from "./support/answering.mjs";
import { at } from "./support/hlc.mjs";
import { memoryObjects } from "./support/memory.mjs";
import { needsPostgres, postgresSchema } from "./support/postgres.mjs";

/** A caller with a change log of its own. */
function callerOf(name) {
  let own = 1;
  let known;
  return {
    request(...records) {
      own += records.length;
      const upto = `${name}.${own}`;
      const cursor = known?.records.cursor;
      const since = cursor === undefined ? {} : { presumes: cursor, since: [cursor] };
      const plane = {
        id: name,
        history: [upto],
        follows: known?.records.have ?? 0,
        upto,
        ...since,
      };
      const log = {
        ...(known ? {} : { hello: true }),
        records: plane,
        streams: known?.streams ?? 0,
      };
      return { watermarks: {}, records, limit: 100, log };
    },
    hear(answer) {
      known = answer.log;
      own += answer.records.length;
      return answer.records.map(({ id }) => id);
    },
  };
}

const written = (id) => recordOf(id, at(1, "node"));

/** A transaction of the app's that is open until it is let go of. */
async function heldOpen(adapter) {
  let letGo;
  let running;
  await new Promise((resolve) => {
    running = adapter.transaction(async () => {
      resolve();
      await new Promise((go) => (letGo = go));
    });
  });
  return async () => {
    letGo();
    await running;
  };
}

test("one that waits for the database holds up no other, and what is too much is asked to come again", async (t) => {
  const side = await sideFor(t, {
    front: "server",
    kind: "native",
    options: { maxRequests: 2, maxRequestsPerAddress: 2 },
  });
  const quiet = callerOf("quiet");
  const asksQuietly = async () => {
    const answer = await exchange(side, quiet.request());
    if (answer.status === 200) quiet.hear(answer.json);
    return answer;
  };
  assert.equal((await asksQuietly()).status, 200);
  const letGo = await heldOpen(side.databaseAdapter);
  const first = exchange(side, callerOf("one").request(written("a")));
  for (let n = 0; n < 5; n += 1) assert.equal((await asksQuietly()).status, 200);
  const second = exchange(side, callerOf("two").request(written("b")));
  let third = await asksQuietly();
  for (let n = 0; n < 500 && third.status === 200; n += 1) third = await asksQuietly();
  assert.equal(third.status, 503);
  assert.equal(third.headers.get("retry-after"), "1");
  assert.equal(third.json.code, "BUSY");
  await letGo();
  for (const { status } of await Promise.all([first, second])) assert.equal(status, 200);
  assert.deepEqual(quiet.hear((await exchange(side, quiet.request())).json).sort(), ["a", "b"]);
});

test(
  "a pool of which every connection is in use has its callers asked to come again",
  needsPostgres,
  async (t) => {
    // The first exchange has to connect within it, also on a busy machine.
    const options = { ...(await postgresSchema()), max: 1, connectTimeoutMs: 2000 };
    const databaseAdapter = sync.createPostgresDatabaseAdapter(options);
    t.after(() => databaseAdapter.close());
    const server = sync.createHttpSyncServer({
      databaseAdapter,
      objectStorageAdapter: memoryObjects(),
      clock: sync.createHLCClock({ nodeId: "cloud" }),
    });
    const { port } = await server.listen();
    t.after(() => server.close());
    const side = { url: `http://127.0.0.1:${port}` };
    const caller = callerOf("one");
    caller.hear((await exchange(side, caller.request())).json);
    const letGo = await heldOpen(databaseAdapter);
    const request = caller.request(written("a"));
    const refused = await exchange(side, request);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "1");
    assert.equal(refused.json.code, "STORE_BUSY");
    await letGo();
    assert.equal((await exchange(side, request)).status, 200);
    assert.notEqual(await databaseAdapter.get("a"), null);
  },
);

/** Ways to ask an answering side over these stores; each answers what `exchange` of `support/answering.mjs` does. */
const WAYS = {
  async server(t, stores) {
    const server = sync.createHttpSyncServer(stores);
    const { port } = await server.listen();
    t.after(() => server.close());
    return (request) => exchange({ url: `http://127.0.0.1:${port}` }, request);
  },
  async handler(t, stores) {
    const side = await serveWith(t, sync.createHttpSyncHandler(stores));
    return (request) => exchange(side, request);
  },
  async "transport in this process"(t, { databaseAdapter, clock }) {
    const transport = sync.createInProcessSyncTransport({ databaseAdapter, clock });
    return async (request) => ({ status: 200, json: await transport.exchange(request) });
  },
};

for (const [way, ask] of Object.entries(WAYS))
  test(`a quiet caller of a ${way} needs no connection to a database`, needsPostgres, async (t) => {
    const databaseAdapter = sync.createPostgresDatabaseAdapter({
      ...(await postgresSchema()),
      max: 1,
    });
    t.after(() => databaseAdapter.close());
    const clock = sync.createHLCClock({ nodeId: "cloud" });
    const asks = await ask(t, { databaseAdapter, objectStorageAdapter: memoryObjects(), clock });
    const caller = callerOf("one");
    const quietly = async () => {
      const { status, json } = await asks(caller.request());
      assert.equal(status, 200);
      return caller.hear(json);
    };
    for (let n = 0; n < 3; n += 1) assert.deepEqual(await quietly(), []);
    // What was read counts for a second, which a busy machine may need for less than this.
    let answered = false;
    for (let n = 0; n < 20 && !answered; n += 1) {
      await quietly();
      const began = performance.now();
      const letGo = await heldOpen(databaseAdapter);
      const asked = quietly().then(
        (ids) => (answered = performance.now() - began < 900 && ids.length === 0),
      );
      await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 900))]);
      await letGo();
      await asked;
    }
    assert.equal(answered, true);
  });
