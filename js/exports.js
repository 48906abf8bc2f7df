"use strict";

const { bridge } = require("./bridge/index.js");
const { errorsWith, isStarkeepError, traced } = require("./errors.js");
const { fetching } = require("./fetch.js");
const { createFileEngines } = require("./files.js");
const { createHandlerFactory } = require("./http-handler.js");
const { binary } = require("./loader.js");
const { createNotifier } = require("./notifier.js");
const { createOptions } = require("./options.js");
const { sqliteDelta } = require("./sqlite/index.js");
const { stateOver } = require("./sqlite/state.js");
const { createTransactions } = require("./transactions.js");
const { createAdvance, createCompute } = require("./watermarks.js");

/** Where this code runs, not where the binary was loaded: a test runner may have a console for each file. */
const warn = (...words) => globalThis.console?.warn?.(...words);

const transactions = createTransactions();

/** The package as one of its entries shows it, with the error classes that this entry could load. */
exports.exportsWith = function exportsWith(peer) {
  const { StarkeepError, SyncError, fault } = errorsWith(peer);
  const { factories, helpers, ...functions } = binary.makeExports({
    fault,
    traced,
    warn,
    ...fetching,
    ...transactions,
    ...bridge,
    createNotifier: () => notifier(),
  });
  const { isLater, listenerThrew, mustBe } = helpers;
  const notFunction = (listener) => mustBe("subscribe(listener)", "a function", listener, true);
  const notifier = () => createNotifier(listenerThrew, notFunction);
  const options = createOptions(helpers, fault);

  /** The factory of this name, around the native one, which takes options that were read. */
  const factory = (name, create = factories[name]) => ({
    [name]: (given) => create(options.read(name, given), given),
  });
  const createFileSyncEngine = createFileEngines(helpers, fault);
  const { createHttpSyncHandler, createSqliteSyncStateStore } = factories;
  const openState = (read) =>
    read.path === undefined ? stateOver(read.db, helpers) : createSqliteSyncStateStore(read);
  const { computeRecordWatermarks, computeAppSyncableWatermarks } = functions;
  return {
    StarkeepError,
    SyncError,
    isStarkeepError,
    advanceWatermark: createAdvance(isLater),
    ...functions,
    ...Object.assign({}, ...Object.keys(factories).map((name) => factory(name))),
    createChangeNotifier(given) {
      options.checkNames("createChangeNotifier", given);
      return notifier();
    },
    createFileSyncEngine(given) {
      options.checkNames("createFileSyncEngine", given);
      return createFileSyncEngine();
    },
    ...factory("createHttpSyncHandler", createHandlerFactory(createHttpSyncHandler)),
    ...factory("createSqliteSyncStateStore", openState),
    computeRecordWatermarks: createCompute(computeRecordWatermarks, (records) =>
      mustBe("computeRecordWatermarks(records)", "an iterable of records", records),
    ),
    computeAppSyncableWatermarks: createCompute(computeAppSyncableWatermarks, (rows) =>
      mustBe("computeAppSyncableWatermarks(rows)", "an iterable of app rows", rows),
    ),
    ...sqliteDelta({ ...helpers, checkOptions: options.checkNames }, fault),
  };
};
