// In-memory doubles in the shape of the two peer packages. Each is written as
// functions that answer at once; `promised` turns them into the usual kind.
import { promised } from "./faulty.mjs";
import { compare, text, watermarksOf } from "./hlc.mjs";

export { clockFor } from "./hlc.mjs";
export { memoryAppRows } from "./app-rows.mjs";
export { faulty, promised } from "./faulty.mjs";

const shaped = (methods, plain) => (plain ? methods : promised(methods));

/** A map that hands out its keys in order without sorting at every page. */
function orderedMap() {
  const map = new Map();
  let order = null;
  return {
    map,
    set(key, value) {
      if (!map.has(key)) order = null;
      map.set(key, value);
    },
    delete(key) {
      if (map.delete(key)) order = null;
    },
    clear() {
      map.clear();
      order = null;
    },
    keys: () => (order ??= [...map.keys()].sort()),
  };
}

/** The first place in `sorted` whose key is greater than `cursor`. */
function placeAfter(sorted, cursor) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] > cursor) high = middle;
    else low = middle + 1;
  }
  return low;
}

const orderOf = (a, b) => {
  if (a !== null && typeof a === "object" && b !== null && typeof b === "object")
    return compare(a, b);
  if (a === b) return 0;
  return a < b ? -1 : 1;
};

function sortedBy(records, sort) {
  return [...records].sort((a, b) => {
    for (const { field, direction } of sort) {
      const order = orderOf(a[field], b[field]) * (direction === "desc" ? -1 : 1);
      if (order !== 0) return order;
    }
    return orderOf(a.id, b.id);
  });
}

/** One page of `rows`, in id order unless the query sorts. */
function page(rows, { type, sort, limit = Infinity, cursor }) {
  const found = [];
  const wanted = (record) => type === undefined || record.type === type;
  if (sort !== undefined && sort.length > 0) {
    const all = sortedBy([...rows.map.values()].filter(wanted), sort);
    const start = cursor === undefined ? 0 : all.findIndex((record) => record.id === cursor) + 1;
    found.push(...all.slice(start, start + limit + 1));
  } else {
    const ids = rows.keys();
    for (
      let i = cursor ? placeAfter(ids, cursor) : 0;
      i < ids.length && found.length <= limit;
      i += 1
    ) {
      const record = rows.map.get(ids[i]);
      if (wanted(record)) found.push(record);
    }
  }
  const hasMore = found.length > limit;
  const records = hasMore ? found.slice(0, limit) : found;
  return { records, nextCursor: hasMore ? records[records.length - 1].id : null, hasMore };
}

function metadataTables() {
  const tables = new Map();
  const table = (typeId) => tables.get(typeId) ?? tables.set(typeId, new Map()).get(typeId);
  return {
    putMetadata: (typeId, row) => void table(typeId).set(row.recordId, row),
    getMetadata: (typeId, recordId) => table(typeId).get(recordId) ?? null,
    getMetadataByIds: (typeId, ids) =>
      new Map(ids.filter((id) => table(typeId).has(id)).map((id) => [id, table(typeId).get(id)])),
    deleteMetadata: (typeId, recordId) => void table(typeId).delete(recordId),
  };
}

/** The timestamp of a record, if it has one that can be read. */
function stampsOf(one) {
  try {
    return typeof one.updatedAt.nodeId === "string" ? [one.updatedAt] : [];
  } catch {
    return [];
  }
}

/**
 * A database adapter. `nodeWatermarks` gives it the call that 0.2 adapters have;
 * `plain` makes it answer with values rather than promises.
 */
export function memoryDatabase({ nodeWatermarks = false, plain = false } = {}) {
  const rows = orderedMap();
  const core = {
    init: () => {},
    close: () => {},
    healthCheck: () => true,
    put: (record) => rows.set(record.id, record),
    get: (id) => rows.map.get(id) ?? null,
    delete(id, hlc) {
      const record = rows.map.get(id);
      if (record !== undefined) rows.set(id, { ...record, deletedAt: hlc, updatedAt: hlc });
    },
    query: (query) => page(rows, query ?? {}),
    batch(operations) {
      for (const step of operations) {
        if (step.type === "put") core.put(step.record);
        else core.delete(step.id, step.hlc);
      }
    },
    ...metadataTables(),
  };
  if (nodeWatermarks) {
    core.getNodeWatermarks = () => watermarksOf([...rows.map.values()].flatMap(stampsOf));
  }
  const adapter = shaped(core, plain);
  adapter.transaction = async (callback) => {
    const before = new Map(rows.map);
    try {
      return await callback(promised(core));
    } catch (error) {
      rows.clear();
      for (const [id, record] of before) rows.set(id, record);
      throw error;
    }
  };
  return Object.assign(adapter, { all: () => [...rows.map.values()], wipe: () => rows.clear() });
}

/** An object storage adapter; `keys()` and `wipe()` are for tests. */
export function memoryObjects({ plain = false } = {}) {
  const objects = orderedMap();
  const core = {
    init: () => {},
    close: () => {},
    healthCheck: () => true,
    put: (key, data, options = {}) => objects.set(key, { ...options, data, size: data.length }),
    get: (key) => objects.map.get(key) ?? null,
    has: (key) => objects.map.has(key),
    delete: (key) => objects.delete(key),
    list(prefix, { limit = Infinity, cursor } = {}) {
      const keys = objects
        .keys()
        .filter((key) => key.startsWith(prefix) && (!cursor || key > cursor));
      const hasMore = keys.length > limit;
      const shown = hasMore ? keys.slice(0, limit) : keys;
      return { keys: shown, nextCursor: hasMore ? shown[shown.length - 1] : null, hasMore };
    },
  };
  return Object.assign(shaped(core, plain), {
    keys: () => [...objects.map.keys()],
    wipe: () => objects.clear(),
  });
}

/** Text there and back, as a state store on disk would do it. */
const copy = (value) => (value === null ? null : JSON.parse(JSON.stringify(value)));

/** A state store. `own()` and `peer()` show what is persisted, `lose()` forgets some of it. */
export function memoryState({ plain = false } = {}) {
  const kept = { own: {}, peer: {}, clock: null };
  const core = {
    getWatermarks: () => copy(kept.own),
    setWatermarks: (watermarks) => void (kept.own = copy(watermarks)),
    getPeerWatermarks: () => copy(kept.peer),
    setPeerWatermarks: (watermarks) => void (kept.peer = copy(watermarks)),
    getHlcClockState: () => copy(kept.clock),
    setHlcClockState: (state) => void (kept.clock = copy(state)),
  };
  return Object.assign(shaped(core, plain), {
    own: () => copy(kept.own),
    peer: () => copy(kept.peer),
    lose(...which) {
      for (const one of which) kept[one] = {};
    },
  });
}

let made = 0;

/** A shared record, frozen: nobody may write to an item that only passes through. */
export function record(id, updatedAt, fields = {}) {
  made += 1;
  return Object.freeze({
    id,
    kind: "data",
    type: "note",
    createdAt: Object.freeze({ ...updatedAt }),
    updatedAt: Object.freeze({ ...updatedAt }),
    ownerId: "owner",
    deletedAt: null,
    version: 1,
    contentHash: "",
    objectStorageKey: "",
    mimeType: "text/plain",
    sizeBytes: 0,
    originalFilename: `file-${made}.txt`,
    originAppId: "drive",
    parentId: null,
    ...fields,
  });
}

/** The fields that make a record point at a blob; a size of 0 says nothing. */
export const blobFields = (key, size = 0) => ({
  objectStorageKey: key,
  contentHash: `sha256:${key}`,
  sizeBytes: size,
});

/** An app row as an entry on the wire. */
export function entry(appId, table, timestamp, row, op = "insert") {
  return {
    timestamp,
    appId,
    table,
    op,
    row: { updated_at: text(timestamp), deleted_at: null, ...row },
  };
}

/** Some bytes that tell where they came from. */
export const bytes = (words) => new TextEncoder().encode(words);
