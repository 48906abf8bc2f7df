// The stores of this package, as an app with the peer packages opens them.
import {
  type PostgresAppRows,
  type PostgresDatabaseAdapterOptions,
  type PostgresOptions,
  type PostgresSyncStateStoreOptions,
  type S3Credentials,
  type S3ObjectStorage,
  type S3ObjectStorageOptions,
  type SqliteAppRows,
  type StorePermissions,
  createFsObjectStorage,
  createPostgresAppRows,
  createPostgresDatabaseAdapter,
  createPostgresSyncStateStore,
  createS3ObjectStorage,
  createSqliteAppRows,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
} from "@starkeep/sync-engine";

const database = createSqliteDatabaseAdapter({ path: "records.db", transactionTimeoutMs: null });
const permissions: StorePermissions = "umask";
const objects = createFsObjectStorage({ root: "objects", permissions });
const state = createSqliteSyncStateStore({ path: "state.db", permissions });
const dated = createFsObjectStorage({ root: "objects", stat: true });
void Promise.resolve(dated.stat("key")).then((found) => [
  found?.size,
  found?.contentHash,
  found?.modifiedMs,
]);
// @ts-expect-error: it is asked for
void objects.stat("key");
// @ts-expect-error: true or false
createFsObjectStorage({ root: "objects", stat: 1 });
// @ts-expect-error: "private" or "umask", no mode in numbers
createFsObjectStorage({ root: "objects", permissions: 0o600 });
const rows: SqliteAppRows = createSqliteAppRows({
  path: "records.db",
  busyTimeoutMs: 100,
  permissions: "private",
});

const bucketOptions: S3ObjectStorageOptions = {
  bucket: "photos",
  endpoint: "https://s3.example",
  region: "eu-central-1",
  keyPrefix: "apps/photos/",
  credentials: {
    accessKeyId: "a",
    secretAccessKey: "s",
    sessionToken: "t",
    expiration: new Date(),
  },
  forcePathStyle: true,
  partSize: 16 * 2 ** 20,
  timeoutMs: null,
};
const bucket: S3ObjectStorage = createS3ObjectStorage(bucketOptions);
const session = async (): Promise<S3Credentials> => ({ accessKeyId: "a", secretAccessKey: "s" });
void bucket.stat("key").then((found) => found?.contentHash);
void bucket.presign("key", "PUT", { size: 5 }).then((put) => [put?.url, put?.headers["x"]]);
// @ts-expect-error: "GET" or "PUT"
void bucket.presign("key", "DELETE");
// @ts-expect-error: a region is needed
createS3ObjectStorage({ bucket: "photos", credentials: session });
// @ts-expect-error: a secret is needed
createS3ObjectStorage({ ...bucketOptions, credentials: { accessKeyId: "a" } });
const postgresOptions: PostgresDatabaseAdapterOptions = {
  connectionString: "postgres://cloud@db.example/starkeep",
  host: "db.example",
  port: 5432,
  user: "cloud",
  database: "starkeep",
  password: async () => "secret",
  tls: true,
  schema: "shared",
  max: 4,
  maxLifetimeMs: 60_000,
  connectTimeoutMs: 5_000,
  statementTimeoutMs: null,
  prepare: false,
  dialect: "dsql",
  transactionTimeoutMs: null,
};
createPostgresDatabaseAdapter(postgresOptions);
// @ts-expect-error: no such dialect
createPostgresDatabaseAdapter({ ...postgresOptions, dialect: "mysql" });
const anyPostgres: PostgresOptions = { connectionString: "postgres://a@b/c", password: "p" };
void createPostgresDatabaseAdapter(anyPostgres).getNodeWatermarks();
const postgresRows: PostgresAppRows = createPostgresAppRows(anyPostgres);
void postgresRows.register("notes", { tables: [{ name: "pages", pkColumns: ["id"] }] });
const scoped: PostgresSyncStateStoreOptions = { ...anyPostgres, scope: "me" };
void createPostgresSyncStateStore(scoped).close();
// @ts-expect-error: a scope is needed
createPostgresSyncStateStore(anyPostgres);
// @ts-expect-error: a port is a number
createPostgresDatabaseAdapter({ host: "a", port: "5432" });

// What does not fit

// @ts-expect-error: a path is a string
createSqliteDatabaseAdapter({ path: 5 });
// @ts-expect-error: this one has no `db`
createSqliteDatabaseAdapter({ db: 5 });
// @ts-expect-error: a path is needed
createSqliteAppRows({});
// @ts-expect-error: a table has a name
void rows.register("notes", { tables: [{ pkColumns: ["id"] }] });
// @ts-expect-error: a folder is needed
createFsObjectStorage({});
// @ts-expect-error: one of `db` and `path`
createSqliteSyncStateStore({});

export { state };
