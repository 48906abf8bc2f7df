// Storages that know the age of their objects, and stores to look through.
import * as sync from "@starkeep/sync-engine";
import { EPOCH, at } from "./hlc.mjs";
import {
  blobFields,
  bytes,
  entry,
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  record,
} from "./memory.mjs";
import { APP, FILES, TABLES } from "./world.mjs";

export const DAY = 24 * 3_600_000;
/** The default of `graceMs`. */
export const GRACE = 7 * DAY;
/** When the calls of these tests are made. */
export const NOW = EPOCH + 100 * DAY;

/** A storage with `stat`: `keep(key, age)` puts an object that is so old at `NOW`. */
export function datedObjects() {
  const objects = memoryObjects();
  const modified = new Map();
  const storage = {
    ...objects,
    async stat(key) {
      const found = await objects.get(key);
      return found && { size: found.size, modifiedMs: modified.get(key) };
    },
    async keep(key, age = 30 * DAY) {
      modified.set(key, NOW - age);
      await objects.put(key, bytes(key));
    },
  };
  return storage;
}

/** A record that names the key, written `age` ago; with `deleted` it was deleted so long ago. */
export function naming(id, key, { age = 50 * DAY, deleted } = {}) {
  const stamp = at(NOW - EPOCH - (deleted ?? age), "a");
  return record(id, stamp, {
    ...blobFields(key),
    ...(deleted !== undefined && { deletedAt: stamp }),
  });
}

/** App rows, with `file(id, key, options)` for a row of a file. */
export function fileRows() {
  const rows = memoryAppRows();
  rows.register(APP, TABLES);
  const file = (id, key, { deleted, table = FILES } = {}) => {
    const stamp = at(NOW - EPOCH - (deleted ?? 50 * DAY), "a");
    rows.apply(entry(APP, table, stamp, { id, object_storage_key: key }));
    if (deleted === undefined) return;
    const dead = { id, object_storage_key: key, deleted_at: "x" };
    rows.apply(entry(APP, table, { ...stamp, counter: 1 }, dead, "delete"));
  };
  return Object.assign(rows, { file });
}

/** The function, at `NOW` and without app rows if nothing else is said. */
export const find = (options) =>
  sync.findUnreferencedObjects({ appRows: null, now: () => NOW, ...options });

export const keysOf = ({ unreferenced }) => unreferenced.map(({ key }) => key).sort();

/** A storage with these keys, a month old each, and records that name the first of them. */
export async function shelf(keys, named = 1) {
  const storage = datedObjects();
  for (const key of keys) await storage.keep(key);
  const records = memoryDatabase();
  await records.put(naming("00", "elsewhere"));
  for (const [index, key] of keys.slice(0, named).entries())
    await records.put(naming(`1${index}`, key));
  return { storage, records };
}
