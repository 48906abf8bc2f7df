// What a caller may do that is let in: over logs and over watermarks, in front of a server and of `node:http`.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { text } from "./support/hlc.mjs";
import {
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";
import { untilNoMore } from "./support/rounds.mjs";

const LINES = [{ name: "lines", pkColumns: ["id"] }];
const APPS = ["notes", "tasks"];

/** A side with two apps, over this package's own stores or over an app's. */
async function sideOf(t, nodeId, kind) {
  const clock = sync.createHLCClock({ nodeId });
  const isNative = kind === "native";
  const path = isNative && join(folderFor(t), "one.db");
  const records = isNative
    ? sync.createSqliteDatabaseAdapter({ path })
    : memoryDatabase({ nodeWatermarks: true });
  const rows = isNative
    ? sync.createSqliteAppRows({ path })
    : memoryAppRows({ nodeWatermarks: true });
  if (isNative) t.after(() => Promise.all([records.close(), rows.close()]));
  await records.init?.();
  for (const app of APPS)
    await rows.register(app, isNative ? { tables: LINES, filesEnabled: false } : LINES);
  const line = (appId, id, stamp) => ({
    timestamp: stamp,
    appId,
    table: "lines",
    op: "insert",
    row: { id, words: id, updated_at: text(stamp), deleted_at: null },
  });
  return {
    nodeId,
    clock,
    records,
    rows,
    objects: memoryObjects(),
    put: (id, stamp = clock.now()) => records.put(record(id, stamp)),
    line: (app, id, stamp = clock.now()) => rows.applier.apply(line(app, id, stamp)),
    async holding() {
      const found = (await records.query({ limit: 1000 })).records.map(({ id }) => id);
      const lines = APPS.map((app) => rows.applier.scanSince(app, "lines", "", {}));
      const ids = (await Promise.all(lines)).flatMap((page) => page.rows.map(({ row }) => row.id));
      return [...found, ...ids].sort();
    },
  };
}

const optionsOf = (side) => ({
  databaseAdapter: side.records,
  objectStorageAdapter: side.objects,
  appSyncableSource: side.rows,
  clock: side.clock,
});

/** The URL at which a side answers. */
async function serve(t, side, front, options) {
  if (front === "server") {
    const server = sync.createHttpSyncServer({ ...optionsOf(side), ...options });
    t.after(() => server.close());
    return `http://127.0.0.1:${(await server.listen(0)).port}`;
  }
  const handler = sync.createHttpSyncHandler({ ...optionsOf(side), ...options });
  const server = createServer((req, res) => void handler(req, res)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.close(), server.closeAllConnections()));
  return `http://127.0.0.1:${server.address().port}`;
}

const engineAt = (side, baseUrl) =>
  sync.createSyncEngine({
    localDatabaseAdapter: side.records,
    localObjectStorage: side.objects,
    remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
    clock: side.clock,
    transport: sync.createHttpSyncTransport({ baseUrl }),
    syncState: memoryState(),
    appSyncableSource: side.rows,
  });

const codesOf = ({ held = [] }) => [...new Set(held.map(({ code }) => code))];

for (const front of ["server", "handler"]) {
  for (const kind of ["native", "adapters"]) {
    describe(`a ${front} over ${kind}`, () => {
      async function both(t, options) {
        t.mock.method(console, "warn", () => {});
        const [cloud, laptop] = [await sideOf(t, "cloud", kind), await sideOf(t, "laptop", kind)];
        const url = await serve(t, cloud, front, options);
        return { cloud, laptop, url, engine: engineAt(laptop, url) };
      }

      test("of a caller that may only read nothing is taken in, and it gets everything", async (t) => {
        const { cloud, laptop, url, engine } = await both(t, {
          authorize: () => ({ readOnly: true }),
        });
        await cloud.put("theirs");
        await cloud.line("notes", "their line");
        await laptop.put("mine");
        await laptop.line("tasks", "my line");
        const result = await untilNoMore(engine);
        assert.deepEqual(codesOf(result), ["FORBIDDEN"]);
        assert.deepEqual(await cloud.holding(), ["their line", "theirs"]);
        assert.deepEqual(await laptop.holding(), ["mine", "my line", "their line", "theirs"]);
        for (const method of ["PUT", "DELETE"]) {
          const body = method === "PUT" ? "x" : undefined;
          const answer = await fetch(`${url}/files/f`, { method, body });
          assert.deepEqual([answer.status, (await answer.json()).code], [403, "FORBIDDEN"]);
        }
        assert.equal((await fetch(`${url}/files/f`)).status, 404);
      });

      test("items of other nodes than the caller's are refused by item, the others taken in", async (t) => {
        const { cloud, laptop, engine } = await both(t, {
          authorize: () => ({ nodeIds: ["laptop"] }),
        });
        const stranger = sync.createHLCClock({ nodeId: "stranger" });
        await laptop.put("forged", stranger.now());
        await laptop.put("mine");
        await laptop.line("notes", "forged line", stranger.now());
        await laptop.line("notes", "my line");
        const result = await untilNoMore(engine);
        assert.deepEqual(await cloud.holding(), ["mine", "my line"]);
        assert.deepEqual(codesOf(result), ["FORBIDDEN"]);
        assert.ok(result.held.every(({ nodeId }) => nodeId === "stranger"));
      });

      for (const [where, options] of Object.entries({
        "a caller": { authorize: () => ({ apps: ["notes"] }) },
        "a channel": { apps: ["notes"] },
      })) {
        test(`rows of other apps than those of ${where} neither go out nor come in`, async (t) => {
          const { cloud, laptop, engine } = await both(t, options);
          await cloud.put("theirs");
          for (const app of APPS) await cloud.line(app, `their ${app}`);
          await laptop.put("mine");
          for (const app of APPS) await laptop.line(app, `my ${app}`);
          const result = await untilNoMore(engine);
          const shared = ["mine", "my notes", "their notes", "theirs"];
          assert.deepEqual(await cloud.holding(), [...shared, "their tasks"].sort());
          assert.deepEqual(await laptop.holding(), [...shared, "my tasks"].sort());
          assert.deepEqual(codesOf(result), ["FORBIDDEN"]);
          await cloud.line("notes", "later");
          await untilNoMore(engine);
          assert.ok((await laptop.holding()).includes("later"));
          if (kind === "native") {
            await engine.reconcile();
            assert.ok(!(await laptop.holding()).includes("their tasks"));
          }
        });
      }

      test("what was refused is taken in once it is allowed", async (t) => {
        let readOnly = true;
        const { cloud, laptop, engine } = await both(t, { authorize: () => ({ readOnly }) });
        await laptop.put("mine");
        await laptop.line("notes", "my line");
        await untilNoMore(engine);
        assert.deepEqual(await cloud.holding(), []);
        readOnly = false;
        await untilNoMore(engine);
        await untilNoMore(engine);
        assert.deepEqual(await cloud.holding(), ["mine", "my line"]);
      });

      test("it is asked in one form, for every route", async (t) => {
        const asked = [];
        const { laptop, url, engine } = await both(t, {
          apps: ["notes"],
          authorize(request, wanted) {
            asked.push(wanted);
            for (const part of ["method", "channel", "route", "key", "appId", "remoteAddress"])
              assert.deepEqual(request[part], wanted[part], part);
            assert.equal(request.headers["user-agent"], wanted.headers["user-agent"]);
            return true;
          },
        });
        await laptop.put("mine");
        await untilNoMore(engine);
        await fetch(`${url}/files/%70rivate/diary`, { headers: { "x-token": "7" } });
        const file = asked.at(-1);
        assert.deepEqual(
          [file.method, file.channel, file.route, file.key, file.appId, file.headers["x-token"]],
          ["GET", "/", "file", "private/diary", "notes", "7"],
        );
        assert.match(file.remoteAddress, /127\.0\.0\.1$/);
        assert.equal(asked[0].route, "exchange");
        assert.equal(asked[0].key, null);
      });

      test("a grant that cannot be read lets nobody in", async (t) => {
        let answer;
        const { url } = await both(t, { authorize: () => answer });
        for (answer of [
          { readonly: true },
          { nodeIds: "laptop" },
          { apps: [1] },
          { readOnly: "yes" },
          [],
          null,
          1,
        ]) {
          const response = await fetch(`${url}/files/f`);
          assert.equal(response.status, 500, JSON.stringify(answer));
        }
      });
    });
  }
}

test("channels have prefixes, and a guarded server tells nothing of those that it has not", async (t) => {
  const side = await sideOf(t, "cloud", "native");
  const asked = [];
  const authorize = ({ channel, route }) => (asked.push([channel, route]), false);
  const channel = { ...optionsOf(side), authorize };
  const guarded = sync.createHttpSyncServer({ channels: { "/apps/a": channel, "/b/": channel } });
  t.after(() => guarded.close());
  const url = `http://127.0.0.1:${(await guarded.listen(0)).port}`;
  const statusOf = async (path, method = "GET") => (await fetch(url + path, { method })).status;
  for (const path of ["/apps/a/files/x", "/b/files/..%2f", "/b/nowhere", "/c/files/x", "/"]) {
    assert.equal(await statusOf(path), 401, path);
  }
  assert.equal(await statusOf("/b/sync/exchange"), 401);
  assert.equal(await statusOf("/health"), 200);
  assert.deepEqual(asked, [
    ["/apps/a", "file"],
    ["/b", "file"],
    ["/b", "unknown"],
    ["/b", "unknown"],
  ]);
});

test("a transport of the app's own is not shown what the caller may not write", async (t) => {
  t.mock.method(console, "warn", () => {});
  const seen = [];
  const side = await sideOf(t, "cloud", "adapters");
  const transport = {
    async exchange({ records = [], appSyncableRows = [] }) {
      seen.push(...records.map(({ id }) => id), ...appSyncableRows.map(({ row }) => row.id));
      const stamp = side.clock.now();
      const row = { id: "secret", updated_at: text(stamp), deleted_at: null };
      const hidden = { timestamp: stamp, appId: "tasks", table: "lines", op: "insert", row };
      return { records: [], appSyncableRows: [hidden], hasMore: false };
    },
  };
  const url = await serve(t, side, "server", {
    transport,
    databaseAdapter: undefined,
    appSyncableSource: undefined,
    clock: undefined,
    authorize: () => ({ nodeIds: ["laptop"], apps: ["notes"] }),
  });
  const stamp = sync.createHLCClock({ nodeId: "laptop" }).now();
  const forged = { ...stamp, nodeId: "stranger" };
  const response = await fetch(`${url}/sync/exchange`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      watermarks: {},
      records: [record("mine", stamp), record("forged", forged)],
      appSyncableRows: [],
    }),
  });
  const answer = await response.json();
  assert.deepEqual(seen, ["mine"]);
  assert.deepEqual(answer.appSyncableRows, []);
  assert.deepEqual(
    answer.refused.map(({ id, code }) => [id, code]),
    [["forged", "FORBIDDEN"]],
  );
});
