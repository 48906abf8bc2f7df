// A server whose database or bucket cannot be reached now: callers are told to come again, and what syncs goes on once it is
// back.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { needsS3 } from "../scripts/test-servers.mjs";
import { exchange, FRONTS, recordOf, serveWith, storesFor } from "./support/answering.mjs";
import { blobFields, bytes, record } from "./support/memory.mjs";
import { openNode } from "./support/native-node.mjs";
import { folderFor, warningsOf } from "./support/native.mjs";
import { needsPostgres, startPostgres } from "./support/postgres.mjs";
import { beforeS3, s3At } from "./support/s3.mjs";

const limited = (needs = {}) => ({ ...needs, timeout: 120_000 });

/** Stores behind one of both faces. */
async function frontFor(t, front, stores) {
  if (front === "handler") return serveWith(t, sync.createHttpSyncHandler(stores));
  const server = sync.createHttpSyncServer(stores);
  const { port } = await server.listen();
  t.after(() => server.close());
  return { port, url: `http://127.0.0.1:${port}` };
}

/** Asks again until it is so; the runner's limit ends what never is. */
async function until(isSo) {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What the call rejects with. */
const errorOf = (promise) =>
  promise.then(
    () => assert.fail("it is rejected"),
    (error) => error,
  );

/** A device with stores of its own, and a loop that exchanges with the server. */
function deviceFor(t, { url }, loopOptions) {
  const side = openNode(folderFor(t), "laptop");
  t.after(() => side.close());
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: side.db,
    localObjectStorage: side.objects,
    syncState: side.state,
    clock: side.clock,
    transport: sync.createHttpSyncTransport({ baseUrl: url }),
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl: url }),
  });
  const errors = [];
  const loop = sync.createSyncLoop(engine, {
    backoff: { firstMs: 20, mostMs: 100 },
    intervalMs: 50,
    onError: (error) => void errors.push(error),
    ...loopOptions,
  });
  t.after(() => loop.stop());
  return { ...side, engine, errors, loop, channel: () => loop.status().channels.default };
}

/** What is said of a store that is away, and nothing of where that is. */
const AWAY = {
  error: "the server cannot reach what it keeps its data in; try again in a second",
  code: "STORE_AWAY",
};

function assertIsAway({ status, headers, json }) {
  assert.deepEqual([status, headers.get("retry-after"), json], [503, "1", AWAY]);
}

/** What a request of a file is answered. */
async function fileAt({ url }, key, init) {
  const response = await fetch(`${url}/files/${key}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text && JSON.parse(text) };
}

/** A database at a port where nothing listens. */
function ofDeadDatabase(t) {
  const adapter = sync.createPostgresDatabaseAdapter({
    connectionString: "postgres://cloud@127.0.0.1:9/none",
  });
  t.after(() => adapter.close());
  return adapter;
}

/** What an error says to an app of it. */
function assertMayBeTriedAgain(error, operation) {
  const { code, reason, status, peerCode, retryable } = error;
  assert.ok(sync.isStarkeepError(error));
  assert.deepEqual(
    { code, reason, status, peerCode, retryable, operation: error.operation },
    {
      code: "SYNC_ERROR",
      reason: "status",
      status: 503,
      peerCode: "STORE_AWAY",
      retryable: true,
      operation,
    },
  );
}

for (const front of FRONTS) {
  test(
    `${front}: a database that is away is 503, a loop goes on by its backoff, and syncs once it is back`,
    limited(needsPostgres),
    async (t) => {
      const postgres = await startPostgres();
      t.after(() => postgres.end());
      const connectionString = postgres.url;
      const databaseAdapter = sync.createPostgresDatabaseAdapter({ connectionString });
      t.after(() => databaseAdapter.close());
      const stores = { ...storesFor(t, "native"), databaseAdapter };
      const server = await frontFor(t, front, stores);
      const asked = { watermarks: {}, records: [recordOf("before", stores.clock.now())] };
      assert.equal((await exchange(server, asked)).status, 200);

      await postgres.say("stop");
      const transport = sync.createHttpSyncTransport({ baseUrl: server.url });
      const said = await warningsOf(t, async () => {
        const asking = [exchange(server, asked), errorOf(transport.exchange(asked))];
        const [answer, error] = await Promise.all(asking);
        assertIsAway(answer);
        assertMayBeTriedAgain(error, "/sync/exchange");
      });
      assert.match(said.join(), /nothing listens there; start the server/);
      const device = deviceFor(t, server);
      await device.db.put(record("during", device.clock.now()));
      device.loop.kick();
      await until(() => device.channel().attempts >= 2);
      for (const error of device.errors) assertMayBeTriedAgain(error, "/sync/exchange");

      await postgres.say("start");
      await until(async () => (await databaseAdapter.get("during")) !== null);
      await until(async () => (await device.db.get("before")) !== null);
      await until(() => device.channel().attempts === 0);
      assert.equal(device.channel().lastError, null);
    },
  );

  test(
    `${front}: a bucket that is away is 503, the item waits, and arrives with its file once it is back`,
    limited(needsS3),
    async (t) => {
      const away = { is: false };
      const place = await beforeS3(t, await s3At(t), (_, res) => away.is && !!res.destroy());
      const bucket = place.storage();
      const stores = { ...storesFor(t, "native"), objectStorageAdapter: bucket };
      const server = await frontFor(t, front, stores);
      const objects = sync.createHttpObjectStorage({ baseUrl: server.url });
      await objects.put("before", bytes("before"));

      away.is = true;
      const body = bytes("other");
      const inits = [{}, { method: "HEAD" }, { method: "DELETE" }, { method: "PUT", body }];
      const [error, ...answers] = await Promise.all([
        errorOf(objects.get("before")),
        ...inits.map((init) => fileAt(server, "before", init)),
      ]);
      assertMayBeTriedAgain(error, "GET /files/before");
      for (const [at, { json, ...answer }] of answers.entries())
        assertIsAway({ ...answer, json: inits[at].method === "HEAD" ? AWAY : json });
      const device = deviceFor(t, server);
      await device.objects.put("during", bytes("during"));
      await device.db.put(record("during", device.clock.now(), blobFields("during")));
      device.loop.kick();
      await until(() => device.channel().lastResult?.held.length === 1);
      const [{ direction, id, code }] = device.channel().lastResult.held;
      assert.deepEqual([direction, id, code], ["outbound", "during", "SYNC_ERROR"]);
      assert.equal(await stores.databaseAdapter.get("during"), null);

      away.is = false;
      await until(async () => (await stores.databaseAdapter.get("during")) !== null);
      assert.deepEqual(Buffer.from((await bucket.get("during")).data), Buffer.from("during"));
      assert.deepEqual(Buffer.from((await bucket.get("before")).data), Buffer.from("before"));
      await until(() => device.channel().lastResult.held.length === 0);
    },
  );

  test(
    `${front}: what an app's own adapter throws is 500, which may pass too, and a loop goes on`,
    limited(),
    async (t) => {
      const stores = storesFor(t, "adapters");
      let fault = null;
      const databaseAdapter = new Proxy(stores.databaseAdapter, {
        get: (own, name) => (typeof own[name] === "function" && fault !== null ? fault : own[name]),
      });
      const server = await frontFor(t, front, { ...stores, databaseAdapter });
      const device = deviceFor(t, server);
      const asked = { watermarks: {} };
      for (const [id, error] of [
        ["own", new Error("connect ECONNREFUSED 10.0.0.7:5432")],
        ["handed-on", await errorOf(ofDeadDatabase(t).get("x"))],
      ]) {
        fault = () => Promise.reject(error);
        const said = await warningsOf(t, async () => {
          const { status, json } = await exchange(server, asked);
          assert.deepEqual([status, json.code], [500, "INTERNAL_ERROR"]);
          assert.equal(json.error, "the server could not answer; its log says why");
        });
        assert.ok(said.join().includes(error.message), "the log has it");
        await device.db.put(record(id, device.clock.now()));
        device.loop.kick();
        await until(() => device.channel().attempts >= 2);
        const { lastError } = device.channel();
        assert.deepEqual([lastError.status, lastError.retryable], [500, true]);
        fault = null;
        await until(async () => (await databaseAdapter.get(id)) !== null);
        await until(() => device.channel().attempts === 0);
      }
    },
  );
}
