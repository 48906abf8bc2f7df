// `verifyContentHash`: the bytes that arrive are those that were meant.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import * as sync from "@starkeep/sync-engine";
import { at } from "./support/hlc.mjs";
import { clockFor, memoryDatabase, memoryObjects, memoryState, record } from "./support/memory.mjs";
import { folderFor } from "./support/native.mjs";

const RIGHT = new TextEncoder().encode("the photo ".repeat(100_000));
const WRONG = new TextEncoder().encode("the phot0 ".repeat(100_000));
const HASH = createHash("sha256").update(RIGHT).digest("hex");

const STORAGES = {
  "a folder": (t) => sync.createFsObjectStorage({ root: folderFor(t) }),
  JavaScript: () => memoryObjects(),
};

/** The cloud's files, as the laptop reaches them. */
const WAYS = {
  "in process": async (_t, cloud) => ({
    transport: sync.createInProcessSyncTransport({
      databaseAdapter: cloud.db,
      objectStorage: cloud.objects,
      clock: cloud.clock,
    }),
    remote: cloud.objects,
  }),
  "over HTTP": async (t, cloud) => {
    const server = sync.createHttpSyncServer({
      databaseAdapter: cloud.db,
      objectStorageAdapter: cloud.objects,
      clock: cloud.clock,
    });
    const { port } = await server.listen();
    t.after(() => server.close());
    const baseUrl = `http://127.0.0.1:${port}`;
    return {
      transport: sync.createHttpSyncTransport({ baseUrl }),
      remote: sync.createHttpObjectStorage({ baseUrl }),
    };
  },
};

async function world(t, { here, there, way, verifyContentHash }) {
  const side = (name, storage) => ({
    db: memoryDatabase({ nodeWatermarks: true }),
    objects: STORAGES[storage](t),
    clock: clockFor(name),
  });
  const [laptop, cloud] = [side("laptop", here), side("cloud", there)];
  const { transport, remote } = await WAYS[way](t, cloud);
  const engine = sync.createSyncEngine({
    localDatabaseAdapter: laptop.db,
    localObjectStorage: laptop.objects,
    remoteObjectStorage: remote,
    transport,
    clock: laptop.clock,
    syncState: memoryState(),
    verifyContentHash,
  });
  return { laptop, cloud, engine };
}

const photo = (contentHash) =>
  record("photo", at(10, "writer"), { objectStorageKey: "photo", contentHash });

const DIRECTIONS = { up: ["laptop", "cloud"], down: ["cloud", "laptop"] };

for (const way of Object.keys(WAYS)) {
  for (const here of Object.keys(STORAGES)) {
    for (const there of Object.keys(STORAGES)) {
      for (const [direction, [from, to]] of Object.entries(DIRECTIONS)) {
        describe(`${direction}, ${here} here, ${there} there, ${way}`, () => {
          test("bytes with another hash hold their item and are not left under the key", async (t) => {
            const w = await world(t, { here, there, way, verifyContentHash: true });
            await w[from].objects.put("photo", WRONG);
            await w[from].db.put(photo(HASH));
            const { held } = await w.engine.exchange();
            assert.deepEqual(
              held.map(({ key, code }) => [key, code]),
              [["photo", "HASH_MISMATCH"]],
            );
            assert.equal(await w[to].objects.has("photo"), false);

            await w[from].objects.put("photo", RIGHT);
            await w.engine.exchange();
            const arrived = await w[to].objects.get("photo");
            assert.deepEqual(Buffer.from(arrived.data), Buffer.from(RIGHT));
            assert.equal((await w[to].db.get("photo"))?.id, "photo");
          });

          test("the right bytes pass, with the hash in either form, or none at all", async (t) => {
            const forms = [HASH, `sha256:${HASH}`, HASH.toUpperCase(), "", "md5:abc", "photo"];
            for (const form of forms) {
              const w = await world(t, { here, there, way, verifyContentHash: true });
              await w[from].objects.put("photo", RIGHT);
              await w[from].db.put(photo(form));
              const { held } = await w.engine.exchange();
              assert.deepEqual(held, []);
              assert.equal(await w[to].objects.has("photo"), true);
            }
          });
        });
      }
    }
  }
}

test("without the option nobody looks", async (t) => {
  const w = await world(t, { here: "a folder", there: "JavaScript", way: "in process" });
  await w.laptop.objects.put("photo", WRONG);
  await w.laptop.db.put(photo(HASH));
  assert.deepEqual((await w.engine.exchange()).held, []);
  assert.equal(await w.cloud.objects.has("photo"), true);
});
