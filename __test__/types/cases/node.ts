// With @types/node, `db` is the DatabaseSync of node:sqlite and nothing else.
import { DatabaseSync } from "node:sqlite";
import { createServer } from "node:http";
import * as sync from "@starkeep/sync-engine";

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

declare function check<_Passes extends true>(): void;
check<Identical<sync.SqliteSyncStateStoreOptions["db"], DatabaseSync>>();

const db = new DatabaseSync(":memory:");
const store: sync.SyncStateStore = sync.createSqliteSyncStateStore({ db });
// @ts-expect-error: the app closes its own database
store.close();
// @ts-expect-error: no DatabaseSync
sync.createSqliteSyncStateStore({ db: { exec() {}, prepare() {} } });
// @ts-expect-error: one of the two
sync.createSqliteSyncStateStore({ db, path: "state.db" });
// @ts-expect-error: an option of a file
sync.createSqliteSyncStateStore({ db, permissions: "private" });
// @ts-expect-error: no such option
sync.createSqliteSyncStateStore({ path: "state.db", busyTimeout: 5 });

// A store on a file can be closed; one that may be on a database of the app's cannot.
declare const onFile: sync.SqliteSyncStateStoreFileOptions;
declare const onEither: sync.SqliteSyncStateStoreFileOptions | sync.SqliteSyncStateStoreOptions;
void sync.createSqliteSyncStateStore(onFile).close();
void sync.createSqliteSyncStateStore(JSON.parse("{}")).close();
const ofEither: sync.SyncStateStore = sync.createSqliteSyncStateStore(onEither);
// @ts-expect-error: the database may be the app's
sync.createSqliteSyncStateStore(onEither).close();
const openFile: (options: typeof onFile) => sync.ClosableSyncStateStore =
  sync.createSqliteSyncStateStore;
const openDatabase: (options: { db: DatabaseSync }) => sync.SyncStateStore =
  sync.createSqliteSyncStateStore;

// One line of an app changes; the rest of its adapter stays what it is.
declare const own: sync.DatabaseAdapter & { vacuum(): void };
const adapter = sync.withSqliteDelta(own, { db, table: "shared_records", apply: "put" });
adapter.vacuum();
const usable: sync.DatabaseAdapter & sync.DeltaCapableDatabaseAdapter = adapter;
const results: Promise<sync.ApplyResult[]> = adapter.applyRecords([], { strictOrder: true });
// @ts-expect-error: one of two ways
sync.withSqliteDelta(own, { db, apply: "later" });
// @ts-expect-error: the handle is needed
sync.withSqliteDelta(own, {});
const source: NonNullable<sync.SyncEngineOptions["appSyncableSource"]> = sync.withSqliteAppRows({
  db,
});

const data: Promise<{ data: Uint8Array } | null> = sync
  .createFsObjectStorage({ root: "objects" })
  .get("key");
const put = sync.createFsObjectStorage({ root: "objects" }).put("key", Buffer.from("bytes"));

declare const stores: sync.HttpSyncChannel;
const handler = sync.createHttpSyncHandler({
  ...stores,
  authorize: (req) => req.socket.remoteAddress === "127.0.0.1",
  maxBodyBytes: 1_000_000,
  maxItems: 10_000,
});
// The answering side finds its delta by what an engine's adapter may have.
sync.createHttpSyncServer({
  ...stores,
  databaseAdapter: { ...own, queryUnseen: async () => ({ records: [], hasMore: false }) },
});
// The signal of a loop is what a fetch takes.
async function* news(signal: AbortSignal) {
  const { body } = await fetch("https://cloud.example/events", { signal });
  if (body !== null) for await (const piece of body) yield piece;
}
const looped: sync.SyncLoopEngine = {
  async exchange({ signal }) {
    signal.throwIfAborted();
    return quiet;
  },
};
sync.createSyncLoop(looped, {
  events: news,
  clock: { now: Date.now, setTimeout, clearTimeout },
});
declare const quiet: sync.ExchangeResult;
createServer(async (req, res) => {
  if (!(await handler(req, res))) res.writeHead(404).end();
});
const server = sync.createHttpSyncServer({
  channels: {
    "/apps/photos": { ...stores, authorize: async ({ headers }) => "cookie" in headers },
  },
  maxRequests: 10,
});
const port: Promise<number> = server.listen().then((place) => place.port);
sync.createHttpSyncServer(stores).address()?.family;
// @ts-expect-error: channels, or one at the root
sync.createHttpSyncServer({ ...stores, channels: {} });
// @ts-expect-error: a server has a storage
sync.createHttpSyncServer({ maxRequests: 1 });
// @ts-expect-error: true or false
sync.createHttpSyncHandler({ ...stores, authorize: () => "yes" });
sync.createHttpSyncHandler({ ...stores, authorize: (_request, { key }) => key !== "private" });
// @ts-expect-error: an exchange has no key
sync.createHttpSyncHandler({ ...stores, authorize: (_req, { key }) => key.startsWith("a") });
const grant: sync.HttpSyncGrant = { nodeIds: ["phone"], readOnly: false, apps: ["notes"] };
const letIn = async ({ channel, route, appId, remoteAddress, headers }: sync.HttpSyncWanted) =>
  channel === "/" && route !== "unknown" && headers["cookie"] && remoteAddress && appId === "notes"
    ? grant
    : false;
sync.createHttpSyncServer({
  channels: { "/": { ...stores, apps: ["notes"], authorize: letIn } },
  allowedHosts: ["sync.home"],
  maxMemoryBytes: 2 ** 28,
  metrics: "loopback",
  statusPage: "loopback",
  maxItemsPerHour: 1_000_000,
  maxDeletionsPerHour: 10_000,
  maxFilesPerHour: Infinity,
});
const end: () => void = server.onExchange(({ channel, records, tables, refused }) => {
  console.log(channel, records.length, tables[0]?.appId, refused);
});
const answered: number = server.stats().requests.reduce((sum, { count }) => sum + count, 0);
// @ts-expect-error: one of two
sync.createHttpSyncServer({ ...stores, metrics: true });
sync.createHttpSyncServer({ ...stores, statusPage: "everyone" });
// @ts-expect-error: it says for whom it is
sync.createHttpSyncServer({ ...stores, statusPage: true });
// @ts-expect-error: a page is of a server, not of a channel
sync.createHttpSyncServer({ channels: { "/": { ...stores, statusPage: "loopback" } } });
const tls: sync.HttpSyncServerTls = { cert: "fullchain.pem", key: Buffer.from("a PEM text") };
sync.createHttpSyncServer({ ...stores, tls });
// @ts-expect-error: a certificate has a key
sync.createHttpSyncServer({ ...stores, tls: { cert: "fullchain.pem" } });
sync.createHttpSyncHandler({
  ...stores,
  authorize: (req) => !req.socket.destroyed && req.channel === "/",
});
// @ts-expect-error: a grant names what it limits
sync.createHttpSyncServer({ ...stores, authorize: () => ({ readonly: true }) });

export {
  answered,
  data,
  end,
  ofEither,
  openDatabase,
  openFile,
  port,
  put,
  results,
  source,
  usable,
};
