// Small worlds: some nodes and one cloud, all in memory, every adapter behind a
// `faulty` coat through which the engine reaches it (`node.via.db`, …).
import assert from "node:assert/strict";
import * as sync from "@starkeep/sync-engine";
import { parse, text } from "./hlc.mjs";
import {
  blobFields,
  bytes,
  clockFor,
  entry,
  faulty,
  memoryAppRows,
  memoryDatabase,
  memoryObjects,
  memoryState,
  record,
} from "./memory.mjs";
import { assertOutcome, createModel } from "./model.mjs";

export const APP = "photos";
export const FILES = "_starkeep_sync_records";
export const NOTES = "notes";
export const TABLES = [
  { name: FILES, pkColumns: ["id"] },
  { name: NOTES, pkColumns: ["id"] },
];

const tableOf = (kind) => (kind === "AR" ? FILES : NOTES);

function makeStores(coverage) {
  const rows = memoryAppRows({ nodeWatermarks: coverage });
  rows.register(APP, TABLES);
  return { db: memoryDatabase({ nodeWatermarks: coverage }), objects: memoryObjects(), rows };
}

/**
 * A cloud. `coverage` says whether its adapters can tell what they hold (as in 0.2);
 * `options` go to `createInProcessSyncTransport`.
 */
export function makeCloud({ coverage = true, options = {} } = {}) {
  const cloud = {
    name: "cloud",
    coverage,
    clock: clockFor("cloud"),
    model: createModel(),
    ...makeStores(coverage),
  };
  cloud.via = { db: faulty(cloud.db), applier: faulty(cloud.rows.applier) };
  cloud.transport = sync.createInProcessSyncTransport({
    databaseAdapter: cloud.via.db,
    objectStorage: cloud.objects,
    clock: cloud.clock,
    appSyncableSource: { namespaces: cloud.rows.namespaces, applier: cloud.via.applier },
    ...options,
  });
  return cloud;
}

/** The transport with every request and its answer written down. */
function recorded(transport, talk) {
  return {
    async exchange(request) {
      const turn = { request, answer: null };
      talk.push(turn);
      turn.answer = await transport.exchange(request);
      return turn.answer;
    },
  };
}

/**
 * A node that syncs with `cloud`. `engine` are options of `createSyncEngine`, or a
 * function of the node that answers them;
 * `node.talk` keeps the dialogue, `node.events` what its notifier said, and
 * `node.restart()` makes a new engine over the same stores.
 */
export function makeNode(name, cloud, { coverage = cloud.coverage, start, engine = {} } = {}) {
  const node = { name, clock: clockFor(name, start), model: cloud.model, ...makeStores(coverage) };
  Object.assign(node, { state: memoryState(), talk: [], events: [], results: [] });
  node.via = {
    db: faulty(node.db),
    objects: faulty(node.objects),
    remote: faulty(cloud.objects),
    applier: faulty(node.rows.applier),
    state: faulty(node.state),
    transport: faulty(recorded(cloud.transport, node.talk)),
  };
  node.restart = () => {
    node.engine = sync.createSyncEngine({
      localDatabaseAdapter: node.via.db,
      localObjectStorage: node.via.objects,
      remoteObjectStorage: node.via.remote,
      transport: node.via.transport,
      clock: node.clock,
      syncState: node.via.state,
      appSyncableSource: { namespaces: node.rows.namespaces, applier: node.via.applier },
      ...(typeof engine === "function" ? engine(node) : engine),
    });
    node.engine.changeNotifier.subscribe((event) => node.events.push(event));
  };
  node.restart();
  return node;
}

/** A cloud and as many nodes as there are names; `options` as for `makeCloud` and `makeNode`. */
export function makeWorld(
  names,
  { coverage = true, cloud: options = {}, engine = {}, start } = {},
) {
  const cloud = makeCloud({ coverage, options });
  const nodes = names.map((name) => makeNode(name, cloud, { engine, start }));
  return { cloud, nodes };
}

const fileColumns = (key) => ({
  object_storage_key: key,
  content_hash: key === "" ? "" : `sha256:${key}`,
  mime_type: "text/plain",
  size_bytes: bytes(key).length,
  original_filename: null,
  origin_app_id: APP,
});

/**
 * A write on one side: an insert, or an update where the item is there already. With
 * `key` it has a blob, which is put beside it unless it is `lost`. Returns the stamp.
 */
export function write(
  side,
  kind,
  id,
  { stamp = side.clock.now(), key = "", lost = false, fields = {} } = {},
) {
  if (key !== "" && !lost) side.objects.put(key, bytes(key), { contentType: "text/plain" });
  if (kind === "SR") {
    side.db.put(
      record(id, stamp, { ...(key === "" ? {} : blobFields(key, bytes(key).length)), ...fields }),
    );
  } else {
    const columns = kind === "AR" ? fileColumns(key) : { body: `${id} by ${side.name}` };
    side.rows.apply(entry(APP, tableOf(kind), stamp, { id, ...columns, ...fields }));
  }
  side.model.note(kind, id, { stamp, dead: false, key });
  return stamp;
}

/** A soft delete of an item that the side holds. Returns the stamp. */
export function remove(side, kind, id, { stamp = side.clock.now() } = {}) {
  if (kind === "SR") {
    side.db.delete(id, stamp);
  } else {
    const row = side.rows.rows(APP, tableOf(kind)).find((one) => one.id === id);
    const dead = { ...row, updated_at: text(stamp), deleted_at: text(stamp) };
    side.rows.apply(entry(APP, tableOf(kind), stamp, dead, "delete"));
  }
  side.model.note(kind, id, { stamp, dead: true, key: "" });
  return stamp;
}

/** What a side holds of one kind, by id. */
export function contents(side, kind) {
  if (kind === "SR") {
    const told = (r) => ({
      stamp: r.updatedAt,
      dead: r.deletedAt !== null,
      key: r.objectStorageKey,
    });
    return new Map(side.db.all().map((r) => [r.id, told(r)]));
  }
  const told = (row) => ({
    stamp: parse(row.updated_at),
    dead: row.deleted_at !== null,
    key: row.object_storage_key ?? "",
  });
  return new Map(side.rows.rows(APP, tableOf(kind)).map((row) => [row.id, told(row)]));
}

/** The ids that a side holds of one kind, sorted. */
export const ids = (side, kind = "SR") => [...contents(side, kind).keys()].sort();

/** Rounds until nobody has more; fails where that takes more than `bound` of them. */
export async function drain(node, bound = 100) {
  const results = [];
  for (let round = 0; round < bound; round += 1) {
    const result = await node.engine.exchange();
    results.push(result);
    if (!result.hasMore) return results;
  }
  return assert.fail(`${node.name} still has more after ${bound} rounds`);
}

/** Drains each node in turn, several times over. */
export async function settle(nodes, passes = 2) {
  for (let pass = 0; pass < passes; pass += 1) for (const node of nodes) await drain(node);
}

/** Fails unless the cloud and the nodes hold what the model says. */
export function assertSettled({ cloud, nodes }) {
  assertOutcome(cloud.model, [cloud, ...nodes], contents);
}

/** The last request that the node sent, and the answer to it. */
export const lastTurn = (node) => node.talk[node.talk.length - 1];

/** What a quiet round answers. */
export const QUIET = { applied: 0, shipped: 0, hasMore: false };
