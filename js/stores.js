"use strict";

/**
 * The objects that stand for this package's stores: which methods they have, and what each must be called with. The
 * functions behind them are the native side's (`src/node/stores`). They take the arguments as one text of JSON, and
 * behind it the arguments as they are.
 */

const { bridge } = require("./bridge/index.js");
const { isStamp } = require("./bridge/items.js");
const { asRead } = require("./bridge/as-read.js");
const { isWellFormed } = require("./well-formed.js");

const TIMESTAMP = "a timestamp { wallTime, counter, nodeId }";

const isNullish = (value) => value === undefined || value === null;
const json = (value) => bridge.textOf(value) ?? "null";
/** The text, as far as UTF-8 can express it; nothing of another value. */
const lossy = (value) => (typeof value === "string" ? value.toWellFormed() : undefined);
const none = () => [];

/** What makes such an object; `brand` makes it stand for its native half. */
exports.createStores = function createStores({ mustBe, describe, brand }, fault) {
  const invalid = (place, what) => fault("INVALID_ARGUMENT", place, what);

  /** A text, which `place` names. */
  function text(place, value) {
    if (typeof value !== "string") throw mustBe(place, "a string", value, true);
    return value;
  }

  /** A text that UTF-8 can express. */
  function utf8(place, value, called = place) {
    if (isWellFormed(text(place, value))) return value;
    throw invalid(called, "must be well-formed Unicode, got a lone surrogate");
  }

  function stamp(place, value) {
    const { wallTime, counter, nodeId } = value ?? {};
    const read = { wallTime, counter, nodeId };
    if (!isStamp(read)) throw mustBe(place, TIMESTAMP, value);
    return read;
  }

  function list(place, value) {
    if (!Array.isArray(value)) throw mustBe(place, "an array", value, true);
    return value;
  }

  /** The option `limit`, if it is a number; `null` is no limit. */
  function limitIn(place, { limit }) {
    if (typeof limit !== "number") return null;
    const fits = limit === Infinity || (Number.isSafeInteger(limit) && limit > 0);
    if (!fits) throw mustBe(place, "a positive integer", limit);
    return limit === Infinity ? null : limit;
  }

  function metadataIn(metadata) {
    if (typeof metadata !== "object" || metadata === null) return undefined;
    const entries = Object.keys(metadata).map((name) => [name.toWellFormed(), metadata[name]]);
    for (const [, value] of entries)
      if (typeof value !== "string")
        throw mustBe.got(
          "put(options.metadata)",
          "an object of strings",
          `${describe(value, true)} in it`,
        );
    return Object.fromEntries(entries.map(([name, value]) => [name, lossy(value)]));
  }

  function putOptions(options, keeps) {
    if (isNullish(options)) return {};
    const contentType = lossy(options.contentType);
    return { contentType, metadata: keeps ? metadataIn(options.metadata) : undefined };
  }

  /** What is known of an object that is to be put to a url; `null` of a url to get one from. */
  function toPut(method, options) {
    if (method !== "GET" && method !== "PUT")
      throw mustBe("presign(method)", '"GET" or "PUT"', method);
    if (method === "GET") return null;
    const { contentType, size, contentHash } = options ?? {};
    const fits = isNullish(size) || (Number.isSafeInteger(size) && size >= 0);
    if (!fits) throw mustBe("presign(options.size)", "an integer from 0", size);
    return { contentType: lossy(contentType), size, contentHash: lossy(contentHash) };
  }

  function step(operation, index) {
    const place = (part) => `batch(operations[${index}].${part})`;
    const type = operation?.type;
    if (type === "put") return { put: asRead(operation.record) };
    if (type !== "delete") throw mustBe(place("type"), '"put" or "delete"', type);
    const { id, hlc } = operation;
    if (typeof id !== "string") throw mustBe(place("id"), "a string", id);
    return { delete: { id: utf8("id", id), hlc: stamp(place("hlc"), hlc) } };
  }

  function table(method, app, name) {
    if (typeof app === "string" && typeof name === "string") return [app, name];
    const got = `got ${describe(app, true)} and ${describe(name, true)}`;
    throw invalid(method, `must be called with an appId and a table, both strings, ${got}`);
  }

  const key = (method) => (given) => [text(`${method}(key)`, given)];
  const metadata = (typeId, id) => [utf8("typeId", typeId), utf8("recordId", id)];
  const open = { init: none, close: none, healthCheck: none };
  const transaction = {
    put: (record) => [record],
    get: (id) => [utf8("get(id)", id)],
    delete: (id, hlc) => [utf8("delete(id)", id), stamp("delete(hlc)", hlc)],
    query: (query) => [query ?? {}],
  };

  /** By kind of object, of each method what it is called with. */
  const kinds = {
    transaction,
    records: {
      ...open,
      ...transaction,
      batch: (steps) => [list("batch(operations)", steps).map(step)],
      putMetadata: (typeId, row) => [
        utf8("putMetadata(typeId)", typeId),
        utf8("putMetadata(row.recordId)", row?.recordId, "recordId"),
        row,
      ],
      getMetadata: metadata,
      getMetadataByIds: (typeId, ids) => [
        utf8("typeId", typeId),
        list("getMetadataByIds(recordIds)", ids).map((id, index) =>
          utf8(`getMetadataByIds(recordIds[${index}])`, id, "recordId"),
        ),
      ],
      deleteMetadata: metadata,
      getNodeWatermarks: none,
    },
    state: {
      getWatermarks: none,
      getPeerWatermarks: none,
      getHlcClockState: none,
      close: none,
      setWatermarks: (value) => [value],
      setPeerWatermarks: (value) => [value],
      setHlcClockState: (value) => [value],
    },
    objects: {
      ...open,
      put: (given, data, options) => [text("put(key)", given), putOptions(options, true)],
      get: key("get"),
      has: key("has"),
      delete: key("delete"),
      list: (prefix, page) => [
        utf8("list(prefix)", prefix),
        limitIn("list(limit)", page ?? {}),
        lossy(page?.cursor) ?? null,
      ],
    },
    source: {
      register: (appId, tables) => [utf8("register(appId)", appId), tables],
      healthCheck: none,
      close: none,
    },
    applier: {
      apply: none,
      scanSince: (app, name, since, page) => [
        ...table("scanSince", app, name),
        [since, page?.cursor].filter((time) => typeof time === "string" && time !== ""),
        limitIn("scanSince(limit)", page ?? {}),
      ],
      getNodeWatermarks: (app, name) => table("getNodeWatermarks", app, name),
    },
  };
  /** What is known of objects is told only if the app asked for that when it opened the storage. */
  kinds.statObjects = { ...kinds.objects, stat: key("stat") };
  /** A bucket always knows, and hands out urls. */
  kinds.bucket = {
    ...kinds.statObjects,
    presign: (given, method, options) => [text("presign(key)", given), toPut(method, options)],
  };
  /** A peer keeps no metadata, and names no keys. */
  kinds.files = {
    ...kinds.objects,
    put: (given, data, options) => [text("put(key)", given), putOptions(options, false)],
    list: none,
  };

  /** An object of this kind around the functions. What is wrong with an argument rejects the promise. */
  function objectOf(kind, functions) {
    const methods = Object.entries(kinds[kind]).map(([name, read]) => ({
      [name](...given) {
        let values;
        try {
          values = read(...given).map(json);
        } catch (error) {
          return Promise.reject(error);
        }
        return functions[name](values.length > 0 ? `[${values.join(",")}]` : "null", ...given);
      },
    }));
    return Object.assign({}, ...methods);
  }

  /** The two objects of a source, of which the namespaces answer at once. */
  function rows(functions, native) {
    const applier = objectOf("applier", functions);
    const namespaces = {
      get(appId) {
        text("namespaces.get(appId)", appId);
        return functions.list().find((namespace) => namespace.appId === appId) ?? null;
      },
      list: () => functions.list(),
    };
    for (const object of [namespaces, applier]) brand(object, native);
    return { ...objectOf("source", functions), namespaces, applier };
  }

  /** What records have that is not data alone. */
  const recordsWith = (functions, { getMetadataByIds }) => ({
    getMetadataByIds: async (...given) => new Map(await getMetadataByIds(...given)),
    async transaction(callback) {
      if (typeof callback === "function")
        return functions.transaction((inner) => callback(objectOf("transaction", inner)));
      throw mustBe("transaction(callback)", "a function", callback, true);
    },
  });

  /** By the objects that stand for stores, what purges one batch of such a store. */
  const purgers = new WeakMap();
  const purgerOf = (object) => purgers.get(object);

  /** The object of this kind around the functions of a store. */
  function standFor(kind, functions, native) {
    const purge = (asked) => functions.purge(json([asked]));
    if (kind === "rows") {
      const source = rows(functions, native);
      purgers.set(source.applier, purge);
      return source;
    }
    const object = objectOf(kind, functions);
    if (kind === "records") Object.assign(object, recordsWith(functions, object));
    if (kind === "records") purgers.set(object, purge);
    brand(object, native);
    return object;
  }
  return { standFor, purgerOf };
};
