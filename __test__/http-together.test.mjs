// This package's client against its own answering sides: two laptops and a cloud end equal, over whatever
// stores either of them has, and whatever happens to the connection.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { FRONTS, SIDES, STORES, recordOf, serveWith } from "./support/answering.mjs";
import { text } from "./support/hlc.mjs";
import { memoryAppRows, memoryDatabase, memoryObjects, memoryState } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";
import { FILES, NOTES, TABLES } from "./support/world.mjs";

const APPS = ["photos", "notes"];
const CHANNELS = ["drive", ...APPS];
const LONG = "long enough to be packed ".repeat(100);
const LARGE = 300_000;

/** Stores of a side with the tables of both apps: doubles in memory, or native ones. */
async function storesOf(t, kind, nodeId) {
  const clock = sync.createHLCClock({ nodeId });
  if (kind === "adapters") {
    const rows = memoryAppRows({ nodeWatermarks: true });
    for (const app of APPS) rows.register(app, TABLES);
    const states = Object.fromEntries(CHANNELS.map((channel) => [channel, memoryState()]));
    const [db, objects] = [memoryDatabase({ nodeWatermarks: true }), memoryObjects()];
    return { nodeId, clock, db, objects, rows, states };
  }
  const folder = folderFor(t);
  const path = join(folder, "node.db");
  const db = sync.createSqliteDatabaseAdapter({ path });
  const rows = sync.createSqliteAppRows({ path });
  const objects = sync.createFsObjectStorage({ root: join(folder, "objects") });
  const states = Object.fromEntries(
    CHANNELS.map((channel) => [
      channel,
      sync.createSqliteSyncStateStore({ path: join(folder, `${channel}.db`) }),
    ]),
  );
  t.after(async () => {
    for (const store of [db, rows, objects, ...Object.values(states)]) await store.close();
  });
  await db.init();
  const tables = [{ name: NOTES, pkColumns: ["id"] }];
  for (const app of APPS) await rows.register(app, { tables, filesEnabled: true });
  return { nodeId, clock, db, objects, rows, states };
}

/** The rows of one app alone, as the source of its channel. */
function sourceOf({ rows: { namespaces, applier } }, app) {
  return {
    applier,
    namespaces: {
      get: async (appId) => (appId === app ? namespaces.get(appId) : null),
      list: async () => (await namespaces.list()).filter(({ appId }) => appId === app),
    },
  };
}

/** What an answering side is made of, by the prefix of its channel. */
function channelsOf(side, options) {
  const common = {
    databaseAdapter: side.db,
    objectStorageAdapter: side.objects,
    clock: side.clock,
    ...options,
  };
  const ofApp = (app) => ({
    ...common,
    syncSharedRecords: false,
    appSyncableSource: sourceOf(side, app),
  });
  return {
    "/": common,
    ...Object.fromEntries(APPS.map((app) => [`/apps/${app}`, ofApp(app)])),
  };
}

/** A cloud behind a server, or behind handlers that a router has below their prefixes. */
async function cloudOf(t, { front, kind, options = {} }) {
  const side = await storesOf(t, kind, "cloud");
  const channels = channelsOf(side, options);
  if (front === "server") {
    const server = sync.createHttpSyncServer({ channels });
    const { port } = await server.listen();
    t.after(() => server.close());
    return { ...side, server, port, url: `http://127.0.0.1:${port}` };
  }
  const { "/": root, ...apps } = Object.fromEntries(
    Object.entries(channels).map(([prefix, one]) => [prefix, sync.createHttpSyncHandler(one)]),
  );
  const place = await serveWith(t, async (req, res) => {
    const prefix = Object.keys(apps).find((one) => req.url.startsWith(`${one}/`));
    if (prefix !== undefined) req.url = req.url.slice(prefix.length);
    if (!(await (apps[prefix] ?? root)(req, res))) res.writeHead(404).end();
  });
  return { ...side, ...place };
}

/** A laptop with an engine for each channel. */
async function laptopOf(t, kind, nodeId, url, { transport = {}, storage = {}, engine = {} } = {}) {
  const side = await storesOf(t, kind, nodeId);
  const engineOf = (channel) => {
    const baseUrl = channel === "drive" ? url : `${url}/apps/${channel}`;
    return sync.createSyncEngine({
      localDatabaseAdapter: side.db,
      localObjectStorage: side.objects,
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl, ...storage }),
      transport: sync.createHttpSyncTransport({ baseUrl, ...transport }),
      clock: side.clock,
      syncState: side.states[channel],
      pageLimit: 3,
      ...(channel === "drive"
        ? {}
        : { syncSharedRecords: false, appSyncableSource: sourceOf(side, channel) }),
      ...engine,
    });
  };
  const engines = Object.fromEntries(CHANNELS.map((channel) => [channel, engineOf(channel)]));
  return { ...side, engines };
}

const contentOf = (key) => {
  const length = key.endsWith("large") ? LARGE : key.length;
  return new Uint8Array(Buffer.alloc(length, key));
};

/** A record, a row and a row with a file in each app; every one a file of its own where it has one. */
async function write(side, name) {
  const put = async (key) => {
    await side.objects.put(key, contentOf(key), { contentType: "text/plain" });
    return { key, size: contentOf(key).length };
  };
  const id = `${name}-${side.nodeId}`;
  const { key, size } = await put(`drive/${id}`);
  const fields = { objectStorageKey: key, sizeBytes: size, originalFilename: LONG };
  await side.db.put(recordOf(id, side.clock.now(), fields));
  for (const appId of APPS) {
    const apply = (table, row) => {
      const timestamp = side.clock.now();
      const columns = { ...row, id, updated_at: text(timestamp), deleted_at: null };
      return side.rows.applier.apply({ timestamp, appId, table, op: "insert", row: columns });
    };
    const file = await put(`${appId}/${id}`);
    await apply(NOTES, { body: `${LONG} of ${id}` });
    await apply(FILES, {
      object_storage_key: file.key,
      content_hash: "",
      mime_type: "text/plain",
      size_bytes: file.size,
      original_filename: null,
      origin_app_id: appId,
    });
  }
}

/** Rounds of every channel until nobody has more; what is held fails, unless it may be. */
async function drain(side, mayHold = false) {
  const results = [];
  for (const [channel, engine] of Object.entries(side.engines)) {
    let result;
    for (let round = 0; round === 0 || result.hasMore; round += 1) {
      assert.ok(round < 50, `${side.nodeId} comes to an end with ${channel}`);
      result = await engine.exchange();
      if (!mayHold) assert.deepEqual(result.held, []);
      results.push(result);
    }
  }
  return results;
}

const byId = (items) => items.sort((a, b) => (a.id < b.id ? -1 : 1));

/** All that a side holds, the bytes of its files included. */
async function contents({ db, rows, objects }) {
  const held = { records: byId((await db.query({})).records), files: {} };
  const keys = held.records.map(({ objectStorageKey }) => objectStorageKey);
  for (const app of APPS) {
    for (const table of [NOTES, FILES]) {
      const page = await rows.applier.scanSince(app, table, "", {});
      held[`${app} ${table}`] = byId(page.rows.map(({ row }) => row));
      keys.push(...held[`${app} ${table}`].flatMap((row) => row.object_storage_key ?? []));
    }
  }
  for (const key of keys) {
    const object = await objects.get(key);
    held.files[key] = object && Buffer.from(object.data).equals(contentOf(key));
  }
  return JSON.parse(JSON.stringify(held));
}

/** Fails unless all sides hold the same: what was written `count` times, and every file whole. */
async function assertEqual(sides, count) {
  const [first, ...others] = await Promise.all(sides.map(contents));
  assert.equal(first.records.length, count);
  for (const app of APPS)
    for (const table of [NOTES, FILES]) assert.equal(first[`${app} ${table}`].length, count);
  assert.equal(Object.keys(first.files).length, count * (1 + APPS.length));
  assert.ok(
    Object.values(first.files).every((isWhole) => isWhole === true),
    "every file is whole",
  );
  for (const other of others) assert.deepEqual(other, first);
}

async function settle(a, b) {
  for (const laptop of [a, b, a]) await drain(laptop);
}

const NAMES = ["1", "2", "3", "4", "large"];

/** Both laptops write while the other does not know, meet at the cloud, change a record, and meet again. */
async function play(cloud, a, b) {
  for (const name of NAMES) for (const laptop of [a, b]) await write(laptop, name);
  await settle(a, b);
  await assertEqual([cloud, a, b], NAMES.length * 2);
  const record = await b.db.get("1-a");
  await b.db.put({ ...record, ownerId: "changed", updatedAt: b.clock.now(), version: 2 });
  await settle(b, a);
  await assertEqual([cloud, a, b], NAMES.length * 2);
  assert.equal((await a.db.get("1-a")).ownerId, "changed");
  for (const laptop of [a, b])
    for (const { applied, shipped } of await drain(laptop))
      assert.deepEqual([applied, shipped], [0, 0]);
}

for (const { front, kind, title } of SIDES) {
  for (const own of STORES) {
    test(`laptops over ${own} and a ${title} end equal, in every channel`, async (t) => {
      const cloud = await cloudOf(t, { front, kind });
      const a = await laptopOf(t, own, "a", cloud.url);
      const b = await laptopOf(t, own, "b", cloud.url);
      await play(cloud, a, b);
    });
  }
}

test("a laptop with adapters, one with native stores, one with a fetch of its own end equal", async (t) => {
  const cloud = await cloudOf(t, { front: "server", kind: "native" });
  const way = { fetch: globalThis.fetch };
  const [a, b] = [
    await laptopOf(t, "adapters", "a", cloud.url, { transport: way, storage: way }),
    await laptopOf(t, "native", "b", cloud.url),
  ];
  await play(cloud, a, b);
});

/** A socket in front of `port` that writes down what goes through, and may cut it. */
async function tapFor(t, port, { isCut = () => false, farMs = 0 } = {}) {
  const said = { asked: "", answered: "" };
  const server = createServer((inner) => {
    const outer = connect(port, "127.0.0.1");
    for (const socket of [inner, outer]) socket.on("error", () => {});
    inner.on("close", () => outer.destroy());
    outer.on("close", () => inner.destroy());
    inner.on("data", (bytes) => {
      said.asked += bytes.toString("latin1");
      if (farMs > 0) setTimeout(() => outer.write(bytes), farMs);
      else outer.write(bytes);
    });
    outer.on("data", (bytes) => {
      said.answered += bytes.toString("latin1");
      if (isCut(bytes)) inner.end(bytes.subarray(0, bytes.length / 2), () => inner.destroy());
      else if (inner.writable) inner.write(bytes);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { said, url: `http://127.0.0.1:${server.address().port}` };
}

for (const front of FRONTS) {
  test(`${front}: messages are packed both ways`, async (t) => {
    const cloud = await cloudOf(t, { front, kind: "native" });
    const { said, url } = await tapFor(t, cloud.port, { farMs: 10 });
    const [a, b] = [await laptopOf(t, "native", "a", url), await laptopOf(t, "native", "b", url)];
    await play(cloud, a, b);
    assert.match(said.asked, /content-encoding: gzip/i);
    assert.match(said.answered, /content-encoding: gzip/i);
    const shown = said.asked.split(LONG).length - 1;
    assert.ok(shown <= 2 * 3 * CHANNELS.length, `only first requests are plain, ${shown} were`);
  });

  test(`${front}: what is signed is let in, and nothing else`, async (t) => {
    const secret = "a secret of both";
    const sign = (...parts) => createHmac("sha256", secret).update(parts.join("\n")).digest("hex");
    const seen = [];
    const authorize = ({ method, url, headers }) => {
      seen.push(method);
      // A router has cut the prefix off, a server leaves it.
      const path = url.replace(/^\/apps\/[^/]+/, "");
      const hash = headers["x-body"] ?? "";
      return headers["x-signature"] === sign(method, path, hash);
    };
    const signRequest = (method, path, body) => {
      const hash = body === undefined ? "" : createHmac("sha256", "").update(body).digest("hex");
      return { "x-body": hash, "x-signature": sign(method, path, hash) };
    };
    const cloud = await cloudOf(t, { front, kind: "native", options: { authorize } });
    const signed = { transport: { signRequest }, storage: { signRequest } };
    const a = await laptopOf(t, "native", "a", cloud.url, signed);
    const b = await laptopOf(t, "adapters", "b", cloud.url, signed);
    await play(cloud, a, b);
    assert.deepEqual([...new Set(seen)].sort(), ["GET", "HEAD", "POST", "PUT"]);

    const before = await contents(cloud);
    const stranger = await laptopOf(t, "native", "stranger", cloud.url);
    await write(stranger, "1");
    const round = await stranger.engines.drive.exchange().catch((error) => error);
    assert.match(round.message, /401/);
    assert.deepEqual(await contents(cloud), before);
  });

  test(`${front}: an answer that is cut off loses nothing`, async (t) => {
    const cloud = await cloudOf(t, { front, kind: "native" });
    let answers = 0;
    // The cloud has done what it was asked for, and the laptop does not hear of it, or half of it.
    const isCut = (bytes) => {
      if (!bytes.toString("latin1").startsWith("HTTP/1.1 200")) return false;
      answers += 1;
      return answers <= 30 && answers % 3 === 0;
    };
    const { url } = await tapFor(t, cloud.port, { isCut });
    const [a, b] = [await laptopOf(t, "native", "a", url), await laptopOf(t, "adapters", "b", url)];
    for (const name of NAMES) for (const laptop of [a, b]) await write(laptop, name);
    let failures = 0;
    for (let round = 0; round < 50 && answers <= 30; round += 1)
      for (const { engines } of [a, b])
        for (const engine of Object.values(engines)) {
          const result = await engine.exchange().catch((error) => error);
          if (result instanceof Error || result.held.length > 0) failures += 1;
        }
    assert.ok(failures > 0 && answers > 30, `${answers} answers made ${failures} rounds fail`);
    // A sweep that is under way says what it held before; the next one holds nothing.
    for (const laptop of [a, b]) await drain(laptop, true);
    await settle(a, b);
    await assertEqual([cloud, a, b], NAMES.length * 2);
  });
}

test("a server that restarts between two rounds and in the middle of one loses nothing", async (t) => {
  for (const kind of STORES) {
    const cloud = await cloudOf(t, { front: "server", kind });
    const a = await laptopOf(t, "native", "a", cloud.url);
    const b = await laptopOf(t, "adapters", "b", cloud.url);
    for (const name of NAMES) for (const laptop of [a, b]) await write(laptop, name);
    for (let restart = 0; restart < 4; restart += 1) {
      const round = a.engines.drive.exchange().catch((error) => error);
      await cloud.server.close();
      const down = await b.engines.photos.exchange().catch((error) => error);
      assert.ok(
        down instanceof sync.SyncError || down.held.length > 0,
        "nobody is there, or the files cannot be brought",
      );
      await round;
      await cloud.server.listen(cloud.port);
      await a.engines.photos.exchange();
    }
    await settle(a, b);
    await assertEqual([cloud, a, b], NAMES.length * 2);
  }
});
