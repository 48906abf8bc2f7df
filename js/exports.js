"use strict";

const { createBrands } = require("./brands.js");
const { bridge } = require("./bridge/index.js");
const { createMustBe, describe } = require("./describe.js");
const { errorsWith, hide, isStarkeepError, traced } = require("./errors.js");
const { createAskedHeaders, fetchAnswer } = require("./fetch.js");
const { createEngineFactory } = require("./engine/index.js");
const { createFiles } = require("./files.js");
const { createPurging } = require("./housekeeping/purge.js");
const { createHousekeeping } = require("./housekeeping/unreferenced.js");
const { createHandlerFactory } = require("./http-handler.js");
const { createIds } = require("./ids.js");
const { binary } = require("./loader.js");
const { createLoops } = require("./loop/index.js");
const { createNotifier } = require("./notifier.js");
const { createOptions } = require("./options.js");
const { createPagesOf } = require("./pages.js");
const { withPeer } = require("./engine/peers.js");
const { resultOf } = require("./engine/result.js");
const { setOwn } = require("./set-own.js");
const { createServerFactory } = require("./server.js");
const { sqliteDelta } = require("./sqlite/index.js");
const { logOf } = require("./sqlite/log.js");
const { stateOver } = require("./sqlite/state.js");
const { createStores } = require("./stores.js");
const { createApart, createTransactions } = require("./transactions.js");
const { createWatermarks } = require("./watermarks.js");

/** The console of where this code runs, not of where the binary was loaded: a test runner may have one for each file. */
const warn = (message, ...more) =>
  globalThis.console?.warn?.(`[starkeep sync] ${message}`, ...more);

/** Says a warning the first time. */
function createWarnOnce() {
  const said = new Set();
  return (message) => {
    if (said.has(message)) return;
    said.add(message);
    warn(message);
  };
}

const transactions = createTransactions();

/** The package as one of its entries shows it, with the error classes that this entry could load. */
exports.exportsWith = function exportsWith(peer) {
  const { StarkeepError, SyncError, fault } = errorsWith(peer);
  const mustBe = createMustBe(fault);
  const warnOnce = createWarnOnce();
  const brands = createBrands();
  const notifierOf = (what, option) =>
    createNotifier(
      (error) => warn(`${what} threw`, error),
      (listener) => mustBe(option, "a function", listener, true),
    );
  const notifier = () => notifierOf("a change listener", "subscribe(listener)");
  const conflictListeners = () =>
    notifierOf("a listener of conflicts", "conflictNotifier.subscribe(listener)");
  const arrivals = () => notifierOf("a listener of onExchange", "onExchange(listener)");
  const { standFor, purgerOf } = createStores({ mustBe, describe, ...brands }, fault);
  const { factories, helpers, ...functions } = binary.makeExports({
    fault(said, cause) {
      const { code, operation, message, more } = JSON.parse(said);
      return fault(code, operation, message, cause, more);
    },
    traced,
    hide,
    setOwn,
    resultOf,
    warn,
    warnOnce,
    describe,
    logOf,
    ...brands,
    standFor,
    fetchAnswer,
    askedHeaders: createAskedHeaders({ describe }, fault),
    ...transactions,
    ...bridge,
    createNotifier: notifier,
  });
  const js = { ...helpers, mustBe, describe, warnOnce, purgerOf };
  const options = createOptions(js, fault);

  /** The factory of this name, around the native one, which takes options that were read. */
  const factory = (name, create = factories[name]) => ({
    [name]: (given) => create(options.read(name, given), given),
  });
  const { createHttpSyncHandler, createHttpSyncServer, createHttpSyncTransport } = factories;
  const { createSqliteSyncStateStore, createSyncEngine } = factories;
  const { createFileSyncEngine, residencyOf } = createFiles(js, fault);
  const { createId, toId } = createIds(js);
  const engineAround = createEngineFactory(
    {
      readOptions: options.read,
      warn,
      residencyOf,
      pagesOf: createPagesOf(mustBe),
      createNotifier: conflictListeners,
      nativeOf: brands.nativeOf,
    },
    fault,
  );
  const findUnreferencedObjects = createHousekeeping({ ...js, nativeOf: brands.nativeOf }, fault);
  const purgeTombstones = createPurging(purgerOf);
  const loopEvents = () => notifierOf("a listener of a sync loop", "loop.subscribe(listener)");
  return {
    StarkeepError,
    SyncError,
    isStarkeepError,
    ...functions,
    residencyOf,
    async findUnreferencedObjects(given) {
      return findUnreferencedObjects(options.read("findUnreferencedObjects", given));
    },
    async purgeTombstones(given) {
      return purgeTombstones(options.read("purgeTombstones", given));
    },
    ...createWatermarks(js),
    ...Object.assign({}, ...Object.keys(factories).map((name) => factory(name))),
    createChangeNotifier(given) {
      options.checkNames("createChangeNotifier", given);
      return notifier();
    },
    createFileSyncEngine(given) {
      options.checkNames("createFileSyncEngine", given);
      return createFileSyncEngine();
    },
    createId(given) {
      options.checkNames("createId", given);
      return createId();
    },
    toId,
    ...factory("createHttpSyncHandler", createHandlerFactory(createHttpSyncHandler)),
    ...factory(
      "createHttpSyncServer",
      createServerFactory(createHttpSyncServer, { ...js, createNotifier: arrivals }),
    ),
    ...factory("createHttpSyncTransport", (read, given) =>
      withPeer(createHttpSyncTransport(read, given), read.baseUrl),
    ),
    ...factory("createSqliteSyncStateStore", (read) =>
      read.path === undefined ? stateOver(read.db, js) : createSqliteSyncStateStore(read),
    ),
    ...factory("createSyncEngine", (read) => engineAround(createSyncEngine(read), read)),
    createSyncLoop: createLoops(
      { mustBe, warn, createNotifier: loopEvents, createApart, read: options.read },
      fault,
    ),
    ...sqliteDelta({ ...js, checkOptions: options.checkNames }, fault),
  };
};
