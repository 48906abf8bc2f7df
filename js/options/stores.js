"use strict";

/** The options of the functions that open a store of this package, or stand over a database of the app's. */

const { credentials } = require("../credentials.js");
const { password } = require("../password.js");
const {
  any,
  count,
  flag,
  ifGiven,
  isFrom,
  isNullish,
  optional,
  place,
  refusing,
  text,
  time,
  timeOrNull,
  warning,
} = require("./kinds.js");

const permissions = optional('"private" or "umask"', (value) =>
  ["private", "umask"].includes(value),
);

/** Of a storage, which kind of object stands for it: one with `stat` only if that is asked for. */
const objectsKind = (must, option, value) =>
  flag(must, option, value) === true ? "statObjects" : "objects";

const SQLITE = { path: place("the path of a SQLite file"), busyTimeoutMs: count, permissions };

const port = optional("an integer from 1 to 65535", (value) => isFrom(1, value, 65535));
const POSTGRES = {
  connectionString: ifGiven(place('a URL, like "postgres://user@host:5432/database"')),
  host: ifGiven(place("the name of a server")),
  port,
  user: ifGiven(place("the name of a role")),
  database: ifGiven(place("the name of a database")),
  password,
  tls: flag,
  schema: ifGiven(place("the name of a schema")),
  max: count,
  maxLifetimeMs: time,
  connectTimeoutMs: time,
  statementTimeoutMs: timeOrNull,
  prepare: flag,
  dialect: optional('"postgres" or "dsql"', (value) => value === "postgres" || value === "dsql"),
};

const [LEAST_PART, LARGEST_PART] = [5 * 2 ** 20, 5 * 2 ** 30];
const partSize = optional("an integer of bytes from 5 MiB to 5 GiB", (value) =>
  isFrom(LEAST_PART, value, LARGEST_PART),
);

exports.STORES = {
  createFsObjectStorage: refusing({
    root: place("the path of a folder"),
    permissions,
    stat: objectsKind,
  }),
  createPostgresAppRows: refusing(POSTGRES),
  createPostgresDatabaseAdapter: refusing({ ...POSTGRES, transactionTimeoutMs: timeOrNull }),
  createPostgresSyncStateStore: refusing({
    ...POSTGRES,
    scope: place("a name for the state of this caller"),
  }),
  createS3ObjectStorage: refusing({
    bucket: place("the name of a bucket"),
    endpoint: ifGiven(place("the URL of an S3 server")),
    region: place('the name of a region, like "eu-central-1"'),
    keyPrefix: text,
    credentials,
    forcePathStyle: flag,
    partSize,
    timeoutMs: timeOrNull,
  }),
  createSqliteAppRows: refusing(SQLITE),
  createSqliteDatabaseAdapter: refusing({ ...SQLITE, transactionTimeoutMs: timeOrNull }),
  createSqliteSyncStateStore: warning({
    path: (must, option, value) =>
      isNullish(value) ? undefined : SQLITE.path(must, option, value),
    db: any,
    busyTimeoutMs: count,
    permissions,
  }),
  withSqliteAppRows: refusing({ db: any, namespaces: any }),
  withSqliteDelta: refusing({ db: any, table: any, apply: any }),
};
