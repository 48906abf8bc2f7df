// An object is what its item says it is, whoever stores it and whichever way it goes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { peerAt } from "./support/http-peers.mjs";
import {
  clockFor,
  entry,
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

const bytes = (words) => new TextEncoder().encode(words);
const hashOf = (data) => createHash("sha256").update(data).digest("hex");
const OLD = bytes("Buy milk");
const NEW = bytes("Buy milk and bread");

/** A storage of the app's that says what it has. */
function telling(objects = memoryObjects()) {
  return {
    ...objects,
    async stat(key) {
      const found = await objects.get(key);
      return found && { size: found.data.length, contentHash: hashOf(found.data) };
    },
  };
}

const STORAGES = {
  "a folder": (t) => sync.createFsObjectStorage({ root: folderFor(t) }),
  "JavaScript that can say what it has": () => telling(),
};

const WAYS = {
  "in process": async (_, cloud) => ({
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: cloud.db,
      objectStorage: cloud.objects,
      clock: cloud.clock,
    }),
    remote: cloud.objects,
  }),
  "over HTTP": (t, cloud) => overHttp(t, cloud, true, {}),
  "over HTTP with fetch": (t, cloud) => overHttp(t, cloud, true, { fetch: globalThis.fetch }),
  "over the handler for node:http": (t, cloud) => overHttp(t, cloud, false, {}),
};

async function overHttp(t, cloud, native, options) {
  const channel = {
    databaseAdapter: cloud.db,
    objectStorageAdapter: cloud.objects,
    clock: cloud.clock,
  };
  let port;
  if (native) {
    const server = sync.createHttpSyncServer(channel);
    ({ port } = await server.listen());
    t.after(() => server.close());
  } else {
    const server = createServer(sync.createHttpSyncHandler(channel));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.closeAllConnections());
    t.after(() => server.close());
    ({ port } = server.address());
  }
  const baseUrl = `http://127.0.0.1:${port}`;
  return {
    transport: sync.createHttpSyncTransport({ baseUrl, ...options }),
    remote: sync.createHttpObjectStorage({ baseUrl, ...options }),
  };
}

const sideOf = (name, objects) => ({
  db: memoryDatabase({ nodeWatermarks: true }),
  objects,
  clock: clockFor(name),
});

const engineOf = (side, { transport, remote }, options = {}) =>
  sync.createSyncEngine({
    localDatabaseAdapter: side.db,
    localObjectStorage: side.objects,
    remoteObjectStorage: remote,
    transport,
    clock: side.clock,
    syncState: memoryState(),
    ...options,
  });

const note = (time, data, fields = {}, node = "ada") =>
  record("note", at(time, node), {
    objectStorageKey: "notes/1",
    contentHash: hashOf(data),
    sizeBytes: data.length,
    ...fields,
  });

async function write(side, time, data, fields, node) {
  await side.objects.put("notes/1", data);
  await side.db.put(note(time, data, fields, node));
}

const told = async (side, key = "notes/1") => {
  const found = await side.objects.get(key);
  return found && Buffer.from(found.data).toString();
};
const codes = ({ held }) => held.map(({ key, code, direction }) => [key, code, direction]);

for (const [way, connect] of Object.entries(WAYS)) {
  for (const [storage, create] of Object.entries(STORAGES)) {
    describe(`${way}, ${storage} at both ends`, () => {
      async function world(t, options) {
        const [laptop, cloud] = [sideOf("laptop", create(t)), sideOf("cloud", create(t))];
        const ends = await connect(t, cloud);
        return { laptop, cloud, engine: engineOf(laptop, ends, options) };
      }

      for (const [direction, [from, to]] of Object.entries({
        up: ["laptop", "cloud"],
        down: ["cloud", "laptop"],
      })) {
        test(`${direction}: a file that was changed under its key arrives with its record`, async (t) => {
          const w = await world(t);
          await write(w[from], 10, OLD);
          await w.engine.exchange();
          await write(w[from], 20, NEW);
          const result = await w.engine.exchange();
          assert.deepEqual([codes(result), await told(w[to])], [[], "Buy milk and bread"]);
          assert.equal((await w[to].db.get("note")).sizeBytes, NEW.length);
        });

        test(`${direction}: a changed file whose bytes are nowhere is held, and nothing is overwritten`, async (t) => {
          const w = await world(t, { verifyContentHash: true });
          await write(w[from], 10, OLD);
          await w.engine.exchange();
          await w[from].db.put(note(20, bytes("Buy soap")));
          const [[key, code]] = codes(await w.engine.exchange());
          assert.deepEqual([key, code], ["notes/1", "HASH_MISMATCH"]);
          assert.equal(await told(w[to]), "Buy milk");
          await w[from].objects.put("notes/1", bytes("Buy soap"));
          assert.deepEqual(codes(await w.engine.exchange()), []);
          assert.equal(await told(w[to]), "Buy soap");
        });

        test(`${direction}: a file of another size than its record says is held`, async (t) => {
          const w = await world(t);
          await write(w[from], 10, OLD, { sizeBytes: 30, contentHash: "" });
          const [[key, code]] = codes(await w.engine.exchange());
          assert.deepEqual([key, code], ["notes/1", "SIZE_MISMATCH"]);
          assert.equal(await w[to].objects.has("notes/1"), false);
        });
      }

      test("an older version never takes the place of a newer one's file", async (t) => {
        const w = await world(t);
        await write(w.laptop, 10, OLD, {}, "laptop");
        await write(w.cloud, 20, NEW, {}, "phone");
        assert.deepEqual(codes(await w.engine.exchange()), []);
        assert.deepEqual(
          [await told(w.laptop), await told(w.cloud)],
          Array(2).fill("Buy milk and bread"),
        );
      });

      test("of two items of one key the newest decides, in whichever page it comes", async (t) => {
        const w = await world(t, { pageLimit: 1 });
        await w.laptop.db.put({ ...note(10, OLD), id: "older" });
        await write(w.laptop, 20, NEW);
        let result;
        do result = await w.engine.exchange();
        while (result.hasMore);
        assert.deepEqual([codes(result), await told(w.cloud)], [[], "Buy milk and bread"]);
        assert.ok((await w.cloud.db.get("older")) && (await w.cloud.db.get("note")));
      });
    });
  }
}

test("a file that was deleted and created again under its key is the new one everywhere", async (t) => {
  const [laptop, cloud] = ["laptop", "cloud"].map((name) =>
    sideOf(name, sync.createFsObjectStorage({ root: folderFor(t) })),
  );
  const engine = engineOf(laptop, await WAYS["in process"](t, cloud));
  await write(laptop, 10, OLD);
  await engine.exchange();
  await laptop.db.put({ ...note(20, OLD), deletedAt: at(20, "ada") });
  await laptop.db.put({ ...note(30, NEW), id: "again" });
  await laptop.objects.put("notes/1", NEW);
  assert.deepEqual(codes(await engine.exchange()), []);
  assert.equal(await told(cloud), "Buy milk and bread");
});

test("an older row never takes the place of the file of a newer one", async (t) => {
  const sides = ["laptop", "cloud"].map((name) => {
    const objects = sync.createFsObjectStorage({ root: folderFor(t) });
    const rows = memoryAppRows();
    rows.register("photos", [{ name: "_starkeep_sync_records", pkColumns: ["id"] }]);
    return { ...sideOf(name, objects), rows };
  });
  const [laptop, cloud] = sides;
  const row = (time, data, node) =>
    entry("photos", "_starkeep_sync_records", at(time, node), {
      id: "1",
      object_storage_key: "notes/1",
      content_hash: hashOf(data),
      size_bytes: String(data.length),
    });
  for (const [side, time, data, node] of [
    [laptop, 10, OLD, "laptop"],
    [cloud, 20, NEW, "phone"],
  ]) {
    await side.objects.put("notes/1", data);
    await side.rows.applier.apply(row(time, data, node));
  }
  const transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.db,
    objectStorage: cloud.objects,
    clock: cloud.clock,
    appSyncableSource: cloud.rows,
  });
  const engine = engineOf(
    laptop,
    { transport, remote: cloud.objects },
    { appSyncableSource: laptop.rows },
  );
  assert.deepEqual(codes(await engine.exchange()), []);
  assert.deepEqual([await told(laptop), await told(cloud)], Array(2).fill("Buy milk and bread"));
});

test("with verifyContentHash a wrong file that was there before is found by reading it", async (t) => {
  const cloud = sideOf("cloud", memoryObjects());
  const root = folderFor(t);
  const laptop = sideOf("laptop", sync.createFsObjectStorage({ root }));
  writeFileSync(join(root, "photo"), "the phot0");
  await cloud.objects.put("photo", bytes("the photo"));
  const about = { objectStorageKey: "photo", contentHash: hashOf(bytes("the photo")) };
  await cloud.db.put(note(10, OLD, { ...about, sizeBytes: 9 }));
  const ends = await WAYS["in process"](t, cloud);
  const result = await engineOf(laptop, ends, { verifyContentHash: true }).exchange();
  assert.deepEqual([codes(result), await told(laptop, "photo")], [[], "the photo"]);
});

for (const [name, options] of Object.entries({ native: {}, fetch: { fetch: globalThis.fetch } })) {
  describe(`files by ${name} of a server that does not say that it speaks the protocol`, () => {
    const storageAt = (baseUrl, more) =>
      sync.createHttpObjectStorage({ baseUrl, ...options, ...more });

    async function exchanged(t, { baseUrl }, from) {
      const [laptop, cloud] = [sideOf("laptop", memoryObjects()), sideOf("cloud", memoryObjects())];
      const side = from === "cloud" ? cloud : laptop;
      await side.objects.put("notes/1", OLD);
      await side.db.put(note(10, OLD, { contentHash: "" }));
      const { transport } = await WAYS["in process"](t, cloud);
      const result = await engineOf(laptop, { transport, remote: storageAt(baseUrl) }).exchange();
      return { result, laptop, cloud };
    }

    for (const [what, headers] of Object.entries({
      "a login page": { "Content-Type": "text/html" },
      "the same short text": { "Content-Type": "text/plain" },
    })) {
      test(`${what} for everything is no file, and takes none`, async (t) => {
        const portal = await peerAt(t, (_, res) => res.writeHead(200, headers).end("<html>"));
        const down = await exchanged(t, portal, "cloud");
        assert.equal(down.result.held.length, 1);
        assert.equal(await told(down.laptop), null);
        const up = await exchanged(t, portal, "laptop");
        assert.deepEqual([up.result.shipped, up.result.held.length], [0, 1]);
        assert.equal(await up.cloud.db.get("note"), null);
      });
    }

    test("a file that goes on past its size, or ends before it, is not stored", async (t) => {
      for (const body of ["Buy milk and bread", "Buy"]) {
        const proxy = await peerAt(t, (_, res) => {
          res.write(body);
          res.end();
        });
        const { result, laptop } = await exchanged(t, proxy, "cloud");
        assert.deepEqual(codes(result), [["notes/1", "SIZE_MISMATCH", "inbound"]]);
        assert.equal(await told(laptop), null);
      }
    });

    test("HEAD that is not allowed is made up for by GET, and 403 means what the option says", async (t) => {
      const peer = await peerAt(t, ({ method, path }, res) => {
        if (path.endsWith("secret")) return res.writeHead(403).end();
        if (method === "HEAD") return res.writeHead(405).end();
        if (path.endsWith("none")) return res.writeHead(404).end();
        return res.writeHead(206, { "Content-Range": "bytes 0-0/8" }).end("B");
      });
      const storage = storageAt(peer.baseUrl);
      assert.deepEqual([await storage.has("there"), await storage.has("none")], [true, false]);
      await assert.rejects(storage.has("secret"), { code: "SYNC_ERROR", message: /403/ });
      const asS3 = storageAt(peer.baseUrl, { forbiddenMeansAbsent: true });
      assert.deepEqual([await asS3.has("secret"), await asS3.get("secret")], [false, null]);
    });
  });
}
