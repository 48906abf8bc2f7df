"use strict";

const { createBridge } = require("./bridge/index.js");
const { errorsWith, isStarkeepError, traced } = require("./errors.js");
const { fetching } = require("./fetch.js");
const { createHandlerFactory } = require("./http-handler.js");
const { binary } = require("./loader.js");
const { sqliteDelta } = require("./sqlite/index.js");
const { logOf } = require("./sqlite/log.js");
const { createTransactions } = require("./transactions.js");
const { createAdvance, createCompute } = require("./watermarks.js");

/** Where this code runs, not where the binary was loaded: a test runner may have a console for each file. */
const warn = (...words) => globalThis.console?.warn?.(...words);

const transactions = createTransactions();

/** The package as one of its entries shows it, with the error classes that this entry could load. */
exports.exportsWith = function exportsWith(peer) {
  const { StarkeepError, SyncError, fault } = errorsWith(peer);
  const own = binary.makeExports({
    fault,
    traced,
    warn,
    ...fetching,
    ...transactions,
    createBridge,
    logOf,
  });
  const { isLater, deltaHelpers, createHttpSyncHandler, ...functions } = own;
  const { computeRecordWatermarks, computeAppSyncableWatermarks } = functions;
  const { mustBe } = deltaHelpers;
  return {
    StarkeepError,
    SyncError,
    isStarkeepError,
    advanceWatermark: createAdvance(isLater),
    createHttpSyncHandler: createHandlerFactory(createHttpSyncHandler),
    ...functions,
    computeRecordWatermarks: createCompute(computeRecordWatermarks, (records) =>
      mustBe("computeRecordWatermarks(records)", "an iterable of records", records),
    ),
    computeAppSyncableWatermarks: createCompute(computeAppSyncableWatermarks, (rows) =>
      mustBe("computeAppSyncableWatermarks(rows)", "an iterable of app rows", rows),
    ),
    ...sqliteDelta(deltaHelpers, fault),
  };
};
