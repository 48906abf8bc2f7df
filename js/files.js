"use strict";

/** Which files are missing where, and which are on their way: `createFileSyncEngine()`, and `residencyOf()`. */

const { isPromise } = require("./describe.js");

const isNullish = (value) => value === undefined || value === null;
const isObject = (value) => typeof value === "object" && value !== null;

/** `native` copies a file from one storage to another, and describes values in errors. */
exports.createFiles = ({ mustBe, copyObject }, fault) => {
  /** What the storage that came in as `name` answers. */
  async function ask(storage, name, method, key) {
    const asked = storage?.[method];
    if (typeof asked === "function") return Reflect.apply(asked, storage, [key]);
    if ((!isObject(storage) && typeof storage !== "function") || isPromise(storage))
      throw mustBe(name, "an adapter", storage, true);
    throw mustBe(`${name}.${method}`, "a function", asked, true);
  }

  function keysOf(entries) {
    if (!Array.isArray(entries))
      throw mustBe("entries", "an array of { key, mimeType? }", entries, true);
    return entries.map((entry, index) => {
      const key = isObject(entry) ? entry.key : undefined;
      if (typeof key === "string") return key;
      throw mustBe(`entries[${index}]`, "an object with a string `key`", entry, true);
    });
  }

  /** The entries that one storage has and the other lacks, as manifests. */
  async function missing([having, havingName], [lacking, lackingName], entries) {
    const manifests = [];
    for (const [index, key] of keysOf(entries).entries()) {
      if (await ask(lacking, lackingName, "has", key)) continue;
      const object = await ask(having, havingName, "get", key);
      if (object === undefined || object === null) continue;
      const { mimeType } = entries[index];
      manifests.push({ fileHash: key, objectStorageKey: key, sizeBytes: object.size, mimeType });
    }
    return manifests;
  }

  function createFileSyncEngine() {
    const inFlight = new Set();
    return {
      isTransferInFlight: (key) => inFlight.has(key),
      getFilesToPush: async (local, remote, entries) =>
        missing([local, "localStorage"], [remote, "remoteStorage"], entries),
      getFilesToPull: async (local, remote, entries) =>
        missing([remote, "remoteStorage"], [local, "localStorage"], entries),
      async transferFile(manifest, source, destination) {
        const key = isObject(manifest) ? manifest.objectStorageKey : undefined;
        if (typeof key !== "string") {
          const [place, what] = [
            "transferFile(manifest)",
            "an object with a string `objectStorageKey`",
          ];
          if (!isObject(manifest)) throw mustBe(place, what, manifest, true);
          throw fault("INVALID_ARGUMENT", place, `must be ${what}, got an object without one`);
        }
        if (inFlight.has(key)) return false;
        inFlight.add(key);
        try {
          return await copyObject(key, manifest.mimeType, source, destination);
        } finally {
          inFlight.delete(key);
        }
      },
    };
  }

  /** Whether this side has the row, and what belongs to it. */
  async function residencyOf(recordRow, localStorage) {
    if (isNullish(recordRow)) return "absent";
    const { deleted_at: deletedAt, object_storage_key: key } = recordRow;
    if (!isNullish(deletedAt)) return "tombstoned";
    if (typeof key === "string")
      return (await ask(localStorage, "localStorage", "has", key)) ? "resident" : "staged";
    throw mustBe("residencyOf(recordRow.object_storage_key)", "a string", key, true);
  }

  return { createFileSyncEngine, residencyOf };
};
