"use strict";

/**
 * The options of the package's functions: which each knows, and what each of them must be. Those of stores are in
 * `js/options/stores.js`, and the kinds that options are of in `js/options/kinds.js`.
 *
 * An option that is misspelt is one that is not given: a server without its `authorize` is open. Apps of 0.1 may
 * pass what 0.1 ignored, so its functions only warn of names that they do not know. `__test__/wiring.test.mjs` holds
 * the table against `index.d.ts`. Defaults are the native side's, and those of a loop are in `js/loop`.
 */

const { authorizer } = require("./authorize.js");
const { isPromise } = require("./describe.js");
const { LEVELS, createLogger } = require("./engine/logger.js");
const { housekeeping } = require("./housekeeping/options.js");
const { purging } = require("./housekeeping/purge.js");
const { knownTo } = require("./known.js");
const { loopOptions } = require("./loop/options.js");
const { nearest } = require("./nearest.js");
const {
  any,
  callback,
  called,
  calledLater,
  count,
  flag,
  ifGiven,
  isNullish,
  isObject,
  mayCall,
  optional,
  refusing,
  skew,
  text,
  texts,
  time,
  timeOrNull,
  tries,
  warning,
} = require("./options/kinds.js");
const { STORES } = require("./options/stores.js");
const { TLS, pem, tls } = require("./tls.js");
const { isWellFormed } = require("./well-formed.js");

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

const signal = optional("an AbortSignal", isSignal, true);

const { loop, backoff, ending } = loopOptions({ optional, flag, callback, timeOrNull });

/** What functions are called with that make nothing, those of the package's objects, and options in options. */
const CALLS = {
  exchange: warning({
    signal,
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

/** The state of a clock as an app persists it; nothing is where a clock begins. */
function clockState(must, option, state) {
  if (isNullish(state)) return undefined;
  const isCount = (part) => Number.isSafeInteger(part) && part >= 0;
  for (const part of ["wallTime", "counter"])
    must(isCount(state[part]), `${option}.${part}`, "a non-negative integer", state[part]);
  return state;
}

const OPTIONS = {
  ...STORES,
  createChangeNotifier: warning({}),
  createFileSyncEngine: warning({}),
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
