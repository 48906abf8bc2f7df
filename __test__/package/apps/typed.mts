// An app of strict TypeScript with adapters of its own, written against the peer packages.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyRecord, StarkeepError, type StarkeepId } from "@starkeep/protocol-primitives";
import type { GetResult, ObjectStorageAdapter } from "@starkeep/storage-adapter";
import {
  type ExchangeResult,
  type SyncTransport,
  createHLCClock,
  createInProcessSyncTransport,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
} from "@starkeep/sync-engine";

class MemoryStorage implements ObjectStorageAdapter {
  readonly #objects = new Map<string, GetResult>();
  async init(): Promise<void> {}
  async close(): Promise<void> {}
  async healthCheck(): Promise<boolean> {
    return true;
  }
  async put(key: string, data: Uint8Array): Promise<void> {
    this.#objects.set(key, { data, size: data.length });
  }
  async get(key: string): Promise<GetResult | null> {
    return this.#objects.get(key) ?? null;
  }
  async has(key: string): Promise<boolean> {
    return this.#objects.has(key);
  }
  async delete(key: string): Promise<void> {
    this.#objects.delete(key);
  }
  async list(): Promise<{ keys: string[]; nextCursor: null; hasMore: boolean }> {
    return { keys: [...this.#objects.keys()], nextCursor: null, hasMore: false };
  }
}

const folder = mkdtempSync(join(tmpdir(), "sync-engine-app-"));

function open(nodeId: string) {
  return {
    databaseAdapter: createSqliteDatabaseAdapter({ path: join(folder, `${nodeId}.db`) }),
    syncState: createSqliteSyncStateStore({ path: join(folder, `${nodeId}.db`) }),
    objectStorage: new MemoryStorage(),
    clock: createHLCClock({ nodeId }),
  };
}
type Side = ReturnType<typeof open>;

const laptop = open("laptop");
const phone = open("phone");
const cloud = open("cloud");
const inProcess = createInProcessSyncTransport({
  databaseAdapter: cloud.databaseAdapter,
  objectStorage: cloud.objectStorage,
  clock: cloud.clock,
});

function round(side: Side, transport: SyncTransport = inProcess): Promise<ExchangeResult> {
  return createSyncEngine({
    localDatabaseAdapter: side.databaseAdapter,
    localObjectStorage: side.objectStorage,
    remoteObjectStorage: cloud.objectStorage,
    transport,
    clock: side.clock,
    syncState: side.syncState,
  }).exchange();
}

function photo(): AnyRecord {
  const now = laptop.clock.now();
  return {
    id: "01JDEXAMPLE000000000000001" as StarkeepId,
    kind: "data",
    type: "photo",
    createdAt: now,
    updatedAt: now,
    ownerId: "ada",
    deletedAt: null,
    version: 1,
    contentHash: "",
    objectStorageKey: "photos/1",
    mimeType: "image/png",
    sizeBytes: 7,
    originalFilename: null,
    originAppId: "photos",
    parentId: null,
  };
}

async function main(): Promise<void> {
  await laptop.objectStorage.put("photos/1", new TextEncoder().encode("a photo"));
  await laptop.databaseAdapter.put(photo());
  const { shipped } = await round(laptop);
  const { applied, hasMore } = await round(phone);
  const found = await phone.objectStorage.get("photos/1");
  const silent = { exchange: () => Promise.reject(new StarkeepError("away", "AWAY")) };
  const error: unknown = await round(phone, silent).catch((thrown: unknown) => thrown);
  if (!(error instanceof StarkeepError)) throw error;
  const deaf = { exchange: async () => ({}) } as unknown as SyncTransport;
  const malformed: unknown = await round(phone, deaf).catch((thrown: unknown) => thrown);
  if (!(malformed instanceof StarkeepError)) throw malformed;
  for (const { databaseAdapter, syncState } of [laptop, phone, cloud])
    await Promise.all([databaseAdapter.close(), syncState.close()]);
  rmSync(folder, { recursive: true });
  const text = new TextDecoder().decode(found?.data);
  console.log(JSON.stringify({ shipped, applied, hasMore, photo: text }));
}

void main();
