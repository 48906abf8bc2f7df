// Every object storage.
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import { folderObjects } from "../support/folder-objects.mjs";
import { clockFor } from "../support/hlc.mjs";
import { memoryDatabase, memoryObjects } from "../support/memory.mjs";
import { folderFor } from "../support/native.mjs";
import { s3At } from "../support/s3.mjs";
import { needsS3 } from "../../scripts/test-servers.mjs";

const ANY_KEY = "any text is a key of a map";
const ANY_VALUE = "the app keeps whatever it is given";
const ENCODED = "the app writes its files under names of its own";

async function begun(t, storage) {
  await storage.init();
  t.after(() => storage.close());
  return storage;
}

const folder = (t) => sync.createFsObjectStorage({ root: join(folderFor(t), "objects") });

/** The server that tests have makes a longer name of a key, which its file system must hold. */
const SERVED = { ...needsS3, longestName: 100 };

const inBucket = async (t) => (await s3At(t)).storage();

/** A peer over this storage, and a client of it. */
function overHttp(makeStorage, { fetch, cannot = {}, ...more } = {}) {
  return {
    ...more,
    async make(t) {
      const server = sync.createHttpSyncServer({
        databaseAdapter: memoryDatabase(),
        objectStorageAdapter: await begun(t, await makeStorage(t)),
        clock: clockFor("there"),
      });
      const { port } = await server.listen();
      t.after(() => server.close());
      const baseUrl = `http://127.0.0.1:${port}`;
      return begun(t, sync.createHttpObjectStorage({ baseUrl, ...(fetch ? { fetch } : {}) }));
    },
    cannot: {
      lists: "a peer tells nobody which objects it has; the keys are in the records",
      metadata: "objects go over HTTP with their content type alone",
      "objects without a type": "an answer of HTTP names a type, if only that of any bytes",
      ...cannot,
    },
  };
}

const plain = () => memoryObjects();
const whole = (t) => folderObjects(join(folderFor(t), "objects"));

export const OBJECT_STORES = {
  "plain JavaScript in memory": {
    make: (t) => begun(t, memoryObjects()),
    cannot: { "refusing keys": ANY_KEY, "refusing what is no bytes": ANY_VALUE },
  },
  "plain JavaScript in memory that answers at once": {
    make: (t) => begun(t, memoryObjects({ plain: true })),
    cannot: { "refusing keys": ANY_KEY, "refusing what is no bytes": ANY_VALUE },
  },
  "plain JavaScript, whole files": {
    make: (t) => begun(t, whole(t)),
    cannot: { "refusing keys": ENCODED },
  },
  "a native folder": { make: (t) => begun(t, folder(t)) },
  "a bucket": { make: async (t) => begun(t, await inBucket(t)), ...SERVED },
  "a peer over a native folder": overHttp(folder),
  "a peer over a bucket": overHttp(inBucket, SERVED),
  "a peer over plain JavaScript": overHttp(plain),
  "a peer over whole files of JavaScript": overHttp(whole),
  "a peer over a native folder, by an app's fetch": overHttp(folder, { fetch: globalThis.fetch }),
  "a peer over plain JavaScript, by an app's fetch": overHttp(plain, { fetch: globalThis.fetch }),
};
