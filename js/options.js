"use strict";

/**
 * The options of the package's functions: which each knows, and what each of them must be.
 *
 * An option that is misspelt is one that is not given: a server without its `authorize` is open. Apps of 0.1 may
 * pass what 0.1 ignored, so its functions only warn of names that they do not know. `__test__/wiring.test.mjs` holds
 * the table against `index.d.ts`. Defaults are the native side's, and those of a loop are in `js/loop`.
 */

const { authorizer, isTexts } = require("./authorize.js");
const { credentials } = require("./credentials.js");
const { isPromise } = require("./describe.js");
const { housekeeping } = require("./housekeeping/options.js");
const { purging } = require("./housekeeping/purge.js");
const { LEVELS, createLogger } = require("./engine/logger.js");
const { nearest } = require("./nearest.js");
const { knownTo } = require("./known.js");
const { loopOptions } = require("./loop/options.js");
const { password } = require("./password.js");
const { TLS, pem, tls } = require("./tls.js");
const { isWellFormed } = require("./well-formed.js");

const isNullish = (value) => value === undefined || value === null;
const isObject = (value) =>
  (typeof value === "object" && value !== null) || typeof value === "function";
const isFrom = (least, value, most = Number.MAX_SAFE_INTEGER) =>
  Number.isSafeInteger(value) && value >= least && value <= most;

/* Kinds of options: each is given `must`, which throws where something does not hold, the option's name, its value,
   and all options; it answers the value for the native side. */

const optional = (what, fits, hides) => (must, option, value) => {
  if (isNullish(value)) return undefined;
  must(fits(value), option, what, value, hides);
  return value;
};

/** As `optional`, but that `null` says something. */
const orNull = (what, fits) => (must, option, value) =>
  value === null ? null : optional(`${what}, or null`, fits)(must, option, value);

const flag = optional("true or false", (value) => typeof value === "boolean");
const count = optional("a positive integer", (value) => value === Infinity || isFrom(1, value));
const tries = optional("an integer from 0", (value) => isFrom(0, value, 2 ** 32 - 1));
const isTime = (value) => typeof value === "number" && value > 0;
const time = optional("a positive number of milliseconds", isTime);
const timeOrNull = orNull("a positive number of milliseconds", isTime);
const skew = orNull(
  "a number of milliseconds from 0",
  (value) => typeof value === "number" && value >= 0,
);
const callback = optional("a function", (value) => typeof value === "function", true);
const text = optional(
  "a string",
  (value) => typeof value === "string" && isWellFormed(value),
  true,
);
const texts = optional("an array of strings", isTexts);
const [LEAST_PART, LARGEST_PART] = [5 * 2 ** 20, 5 * 2 ** 30];
const partSize = optional("an integer of bytes from 5 MiB to 5 GiB", (value) =>
  isFrom(LEAST_PART, value, LARGEST_PART),
);
const any = (must, option, value) => value;

/** A text that must be given, and not be empty. */
const place = (what) => (must, option, value) => {
  text(must, option, value);
  must(!isNullish(value) && value !== "", option, what, value);
  return value;
};

/** An object that is called later. Whether it is there, and has what is called, is found out then. */
const calledLater = (must, option, value) => {
  const can = isNullish(value) || (isObject(value) && !isPromise(value));
  must(can, option, "an adapter", value, true);
  return value;
};

/** Whether the object has the function, as far as can be seen: a getter may throw now and not later. */
function mayCall(object, name) {
  try {
    return typeof object[name] === "function";
  } catch {
    return true;
  }
}

/** An object whose functions of these names every exchange calls: one that is missing is told at once. */
const called =
  (...names) =>
  (must, option, value) => {
    calledLater(must, option, value);
    must(!isNullish(value), option, "an adapter", value, true);
    for (const name of names)
      if (!mayCall(value, name)) must(false, `${option}.${name}`, "a function", value[name], true);
    return value;
  };

/** The state of a clock as an app persists it; nothing is where a clock begins. */
function clockState(must, option, state) {
  if (isNullish(state)) return undefined;
  const isCount = (part) => Number.isSafeInteger(part) && part >= 0;
  for (const part of ["wallTime", "counter"])
    must(isCount(state[part]), `${option}.${part}`, "a non-negative integer", state[part]);
  return state;
}

const ifGiven = (kind) => (must, option, value) =>
  isNullish(value) ? undefined : kind(must, option, value);

/** A store of records. One that cannot find its delta itself has to be scanned at every exchange. */
function records(must, option, value, { syncSharedRecords }) {
  if (syncSharedRecords === false) return undefined;
  called()(must, option, value);
  const instead = ["queryUnseen", "getNodeWatermarks"].some((name) => mayCall(value, name));
  return instead ? value : called("query")(must, option, value);
}

/** `{ namespaces, applier }`. `lists` says, of the applier, whether every exchange asks for the namespaces. */
const rows = (lists) =>
  ifGiven((must, option, source) => {
    const can = isObject(source) && !isPromise(source);
    must(can, option, "{ namespaces, applier }", source, true);
    const { namespaces, applier } = source;
    calledLater(must, `${option}.applier`, applier);
    const kind = lists(applier) ? called("list") : calledLater;
    return { namespaces: kind(must, `${option}.namespaces`, namespaces), applier };
  });

/** A logger, with the level from which on it hears: the function that warnings go to, which holds the others too. */
function logging(must, option, value, { logLevel }) {
  if (isNullish(value)) return undefined;
  called("debug", "info", "warn", "error")(must, option, value);
  const logger = createLogger(value, logLevel ?? undefined);
  return Object.assign((message, error) => logger.warn(message, error), logger);
}
const isLevel = (value) => LEVELS.includes(value);
const LOGGING = {
  logger: logging,
  logLevel: optional(`one of ${LEVELS.join(", ")}`, isLevel),
};

/** The answering side: over stores, or over the app's own `transport`, which needs none of them. */
function answering({ transport, databaseAdapter, lists }) {
  const own = (kind) => (must, option, value, options) =>
    isNullish(options.transport) ? kind(must, option, value, options) : undefined;
  return {
    transport,
    syncSharedRecords: own(flag),
    databaseAdapter: own(databaseAdapter),
    appSyncableSource: own(rows(lists)),
    clock: own(calledLater),
    maxClockSkewMs: own(skew),
    ...LOGGING,
  };
}

/** Whether an answering side with this applier asks for the namespaces at every exchange. */
const isScanned = (applier) => isObject(applier) && mayCall(applier, "scanSince");

const CHANNEL = {
  ...answering({
    transport: ifGiven(called("exchange")),
    databaseAdapter: records,
    lists: isScanned,
  }),
  objectStorageAdapter: calledLater,
  authorize: (must, option, value) => {
    callback(must, option, value);
    return isNullish(value) ? undefined : authorizer(must, value);
  },
  apps: (must, option, value) => {
    texts(must, option, value);
    return isNullish(value) ? undefined : JSON.stringify({ apps: value });
  },
  maxBodyBytes: count,
  maxFileBytes: count,
  maxItems: count,
};

/** Of a handler of 0.1 it is found out at a request what its adapters lack. */
const HANDLER = {
  ...CHANNEL,
  ...answering({
    transport: ifGiven(calledLater),
    databaseAdapter: (must, option, value, { syncSharedRecords }) =>
      syncSharedRecords === false ? undefined : calledLater(must, option, value),
    lists: () => false,
  }),
};

const PEER = {
  baseUrl: (must, option, value) => {
    text(must, option, value);
    if (isNullish(value)) throw must.error("baseUrl", "a string like https://…", value);
    return value;
  },
  fetch: callback,
  retries: tries,
  getAuthHeader: callback,
  signRequest: callback,
  timeoutMs: time,
  maxAnswerBytes: count,
};

const WITHOUT_STATE =
  "an engine without `syncState` forgets what was exchanged when the process ends, and then reads and " +
  "exchanges everything again; pass createSqliteSyncStateStore({ path }) as its `syncState`";

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

const CHANNELS = "createHttpSyncServer(channels)";

/** Options by prefix. An `authorize` beside the channels would guard none of them. */
function channels(must, option, value, options) {
  if (isNullish(value)) return undefined;
  const wrong = (what) => must.invalid(CHANNELS, what);
  must(typeof value === "object", option, "an object of options by path prefix", value);
  for (const name of Object.keys(CHANNEL))
    if (!isNullish(options[name]))
      throw wrong(`must have no ${name} beside it; give it to each channel`);
  const read = new Map();
  for (const [name, channel] of Object.entries(value)) {
    if (!isWellFormed(name)) throw wrong("must have prefixes of well-formed Unicode");
    const prefix = name.replace(/\/+$/, "");
    if ((prefix !== "" && !prefix.startsWith("/")) || /[?#]/.test(prefix)) {
      const what = `must have prefixes like "/apps/photos", or "/" for the root`;
      throw wrong(`${what}, got ${must.describe(name)}`);
    }
    // What a URL does not spell so is the path of no request.
    const { pathname } = new URL(`http://localhost${prefix}`);
    if (prefix !== "" && pathname !== prefix)
      throw wrong(
        `must have prefixes as a URL spells them, ${must.describe(pathname)} instead of ${must.describe(prefix)}`,
      );
    if (read.has(prefix))
      throw wrong(`must name each prefix once, got ${must.describe(prefix)} twice`);
    read.set(prefix, must.read(CHANNELS, channel));
  }
  if (read.size === 0) throw wrong("must have at least one channel");
  return [...read];
}

/** Callers that get something of a server's own. */
const audience = optional('"loopback" or "everyone"', (value) =>
  ["loopback", "everyone"].includes(value),
);

const isSignal = (value) =>
  typeof value === "object" && typeof value.addEventListener === "function";

const ofChannelsOr = (kind) => (must, option, value, options) =>
  isNullish(options.channels) ? kind(must, option, value, options) : undefined;

/** Of the functions that 0.1 does not have. */
const refusing = (known) => ({ known, refuses: true });
/** Of those that it has: a name is warned of once. */
const warning = (known) => ({ known, refuses: false });

const signal = optional("an AbortSignal", isSignal, true);

const { loop, backoff, ending } = loopOptions({ optional, flag, callback, timeOrNull });

/** What functions are called with that make nothing, those of the package's objects, and options in options. */
const CALLS = {
  exchange: warning({
    signal: optional("an AbortSignal", isSignal, true),
    onProgress: callback,
  }),
  status: refusing({ counts: flag, backlog: flag }),
  findUnreferencedObjects: refusing(
    housekeeping({ called, rows: rows(() => true), optional, flag, callback, text, count, signal }),
  ),
  purgeTombstones: refusing(purging({ optional, flag, texts, signal })),
  reconcile: refusing({
    signal,
    onProgress: callback,
    objects: flag,
  }),
  [TLS]: refusing({ cert: pem, key: pem }),
  [backoff[0]]: refusing(backoff[1]),
  remove: refusing(ending),
  stop: refusing(ending),
};

const OPTIONS = {
  createChangeNotifier: warning({}),
  createFileSyncEngine: warning({}),
  createFsObjectStorage: refusing({
    root: place("the path of a folder"),
    permissions,
    stat: objectsKind,
  }),
  createHLCClock: refusing({
    nodeId: (must, option, value) => {
      must(typeof value === "string", option, "a string", value);
      return value;
    },
    initialState: clockState,
    state: ifGiven((must, option, state) =>
      (Array.isArray(state) ? state : [state]).map((store) => knownTo(must, option, store)),
    ),
    wallClockFunction: callback,
    onTick: callback,
  }),
  createHttpObjectStorage: refusing({ ...PEER, forbiddenMeansAbsent: flag, presign: flag }),
  createHttpSyncHandler: warning({ ...HANDLER, maxMemoryBytes: count }),
  [CHANNELS]: refusing(CHANNEL),
  createHttpSyncServer: refusing({
    channels,
    ...Object.fromEntries(
      Object.entries(CHANNEL).map(([name, kind]) => [name, ofChannelsOr(kind)]),
    ),
    allowedHosts: (must, option, value) => {
      texts(must, option, value);
      return isNullish(value) ? undefined : JSON.stringify(value);
    },
    tls,
    headerTimeoutMs: count,
    bodyTimeoutMs: count,
    idleTimeoutMs: count,
    closeTimeoutMs: count,
    maxConnections: count,
    maxConnectionsPerAddress: count,
    maxRequests: count,
    maxRequestsPerAddress: count,
    maxRequestsPerConnection: count,
    maxMemoryBytes: count,
    maxItemsPerHour: count,
    maxDeletionsPerHour: count,
    maxFilesPerHour: count,
    metrics: audience,
    statusPage: audience,
  }),
  createHttpSyncTransport: warning(PEER),
  createId: refusing({}),
  createInProcessSyncTransport: warning({
    syncSharedRecords: flag,
    databaseAdapter: records,
    appSyncableSource: rows(isScanned),
    clock: calledLater,
    objectStorage: any,
    maxClockSkewMs: skew,
    ...LOGGING,
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
  createSyncEngine: warning({
    syncSharedRecords: flag,
    localDatabaseAdapter: records,
    clock: calledLater,
    appSyncableSource: rows(() => true),
    localObjectStorage: calledLater,
    remoteObjectStorage: calledLater,
    transport: called("exchange"),
    syncState: (must, option, value) => {
      if (isNullish(value)) return must.warnOnce(WITHOUT_STATE);
      const functions = [
        "getWatermarks",
        "setWatermarks",
        "getPeerWatermarks",
        "setPeerWatermarks",
      ];
      return called(...functions)(must, option, value);
    },
    pageLimit: count,
    scanPageSize: count,
    blobConcurrency: count,
    verifyContentHash: flag,
    strictOrder: flag,
    maxClockSkewMs: skew,
    onConflict: callback,
    onDuplicate: callback,
    ...LOGGING,
  }),
  createSyncLoop: refusing(loop),
  withSqliteAppRows: refusing({ db: any, namespaces: any }),
  withSqliteDelta: refusing({ db: any, table: any, apply: any }),
};

/** Reads options. */
function createOptions({ mustBe, describe, warnOnce, isStore, purgerOf }, fault) {
  const invalid = (name, what) => fault("INVALID_ARGUMENT", name, what);
  const tableOf = (name) => OPTIONS[name] ?? CALLS[name];

  /** Refuses, or warns of, options that the function does not know. One that is `undefined` is not given. */
  function checkNames(name, options) {
    if (typeof options !== "object" || options === null) return;
    const { known, refuses } = tableOf(name);
    for (const option of Object.keys(options)) {
      if (Object.hasOwn(known, option) || options[option] === undefined) continue;
      const what = unknown(option, Object.keys(known));
      if (refuses) throw invalid(name, what);
      warnOnce(`${name}: ${what}`);
    }
  }

  /** The options of the function by this name, as the native side takes them. */
  function read(name, options) {
    if (typeof options !== "object" || options === null || isPromise(options))
      throw mustBe(name, "called with an options object", options, true);
    checkNames(name, options);
    function must(holds, option, what, value, hides) {
      if (!holds) throw mustBe(`${name}(${option})`, what, value, hides);
    }
    Object.assign(must, { error: mustBe, invalid, describe, read, warnOnce, isStore, clockState });
    Object.assign(must, { purgerOf });
    const values = {};
    for (const [option, kind] of Object.entries(tableOf(name).known))
      values[option] = kind(must, option, options[option], options);
    return values;
  }

  return { checkNames, read };
}

function unknown(name, known) {
  const short = [...name].slice(0, 64).join("");
  const near = nearest(name, known);
  if (near !== undefined) return `unknown option \`${short}\`; did you mean \`${near}\`?`;
  if (known.length === 0) return `unknown option \`${short}\`; it takes none`;
  return `unknown option \`${short}\`; the options are \`${known.join("`, `")}\``;
}

module.exports = { OPTIONS, createOptions };
