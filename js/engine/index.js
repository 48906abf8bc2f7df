"use strict";

const { createAlone } = require("./alone.js");
const { unlessCalledOff } = require("./called-off.js");
const { createConflicts } = require("./conflicts.js");
const { createDuplicates } = require("./duplicates.js");
const { conflictsOf, listed, reconciledOf } = require("./result.js");
const { logged } = require("./lines.js");
const { peerOf } = require("./peers.js");
const { createStanding } = require("./standing.js");
const { traced } = require("./tracing.js");
const { createWatched } = require("./watched.js");

/** What of a result is added up over the rounds of a `drain`. */
const SUMS = [
  "applied",
  "shipped",
  "rowsApplied",
  "bytesSent",
  "bytesReceived",
  "objectsSent",
  "objectsReceived",
  "conflicts",
  "durationMs",
];

/** The engine of the package around its native half, which runs one round or reconciliation at a time. */
exports.createEngineFactory = (
  { readOptions, warn, residencyOf, pagesOf, createNotifier, nativeOf },
  fault,
) =>
  function createEngine(native, read) {
    const { localDatabaseAdapter, localObjectStorage, clock, logger, transport } = read;
    const alone = createAlone(localDatabaseAdapter, nativeOf);
    const storages = [localObjectStorage, read.remoteObjectStorage];
    const { onConflict, onDuplicate } = read;
    const warned = logger === undefined ? warn : (message, error) => logger.warn(message, error);
    const conflictNotifier = createNotifier();
    const settleConflicts = createConflicts(
      { notifier: conflictNotifier, onConflict, clock, alone },
      { fault, warn: warned },
    );
    const settleDuplicates = createDuplicates(
      { onDuplicate, clock, database: localDatabaseAdapter, alone, storages },
      { pagesOf, warn: warned },
    );
    const standing = createStanding(Date.now);
    const threw = (what) => (error) =>
      warned(`onProgress of ${what} threw; the work goes on`, error);
    const watchedOf = (what) =>
      createWatched((options, listener) => native.begin(what, options, listener), threw(what));
    const [watchedRound, watchedReconciliation] = [watchedOf("exchange"), watchedOf("reconcile")];
    const peer = peerOf(transport);
    let isClosed = false;

    /**
     * Runs `begin`, unless the engine is closed, and keeps in mind that it runs. `begin` is given what hears of objects on
     * their way, if anything does.
     */
    function run(what, begin, signal) {
      if (isClosed) return Promise.reject(closed(what));
      const isCalledOff = () => signal?.aborted === true;
      const running = traced(what, { engine, ...(peer !== undefined && { peer }) }, begin);
      const promise = standing.follow(what, running, isCalledOff);
      return logger === undefined ? promise : logged(logger, what, promise, isCalledOff);
    }
    const closed = (what) =>
      fault("STORE_CLOSED", what, "the engine is closed; create another one to go on");

    /** What is no object was ignored by 0.1, as in `promise.then(engine.exchange)`. */
    function exchange(options) {
      if (typeof options !== "object" || options === null)
        return run("exchange", (transfers) => settled(watchedRound({}, transfers)));
      return given("exchange", options, (read) =>
        run(
          "exchange",
          (transfers) => settled(watchedRound(read, transfers), read.signal),
          read.signal,
        ),
      );
    }

    /**
     * The result of a round once the app has heard of what it can settle. What is written then is to be shipped. An app
     * may ask a person, so the signal is heeded meanwhile; an answer that comes later still counts.
     */
    const settled = (round, signal) =>
      round.then((result) => {
        const mayHaveTwins = onDuplicate !== undefined && result.held.length > 0;
        if (result.conflicts === 0 && !mayHaveTwins) return result;
        return unlessCalledOff(settle(result, mayHaveTwins), signal);
      });

    async function settle(result, mayHaveTwins) {
      const merged = await settleConflicts(conflictsOf(result));
      const keptOne = mayHaveTwins && (await settleDuplicates(result.held));
      if (merged || keptOne) result.hasMore = true;
      return result;
    }

    /** The result of a reconciliation once the app has heard of its conflicts. The next round ships what is written then. */
    async function reconciled(work) {
      const result = reconciledOf(await work);
      await settleConflicts(conflictsOf(result));
      return result;
    }

    async function drain(options) {
      const sum = { rounds: 0 };
      for (;;) {
        const result = listed(await exchange(options ?? {}));
        for (const name of SUMS) sum[name] = (sum[name] ?? 0) + result[name];
        sum.rounds += 1;
        if (!result.hasMore) return { ...result, ...sum };
      }
    }

    function given(what, options, begin) {
      try {
        return begin(readOptions(what, options));
      } catch (error) {
        return Promise.reject(error);
      }
    }

    /** How many records are at which residency. */
    async function residencies() {
      const counts = { absent: 0, staged: 0, resident: 0, tombstoned: 0 };
      for (const { direction, kind } of standing.read().waiting)
        if (direction === "inbound" && kind === "record") counts.absent += 1;
      const ask = (cursor) => localDatabaseAdapter.query({ limit: 500, cursor });
      for await (const records of pagesOf("localDatabaseAdapter.query", "records", ask))
        for (const { deletedAt, objectStorageKey } of records) {
          const row = { deleted_at: deletedAt, object_storage_key: objectStorageKey };
          const hasNone = objectStorageKey === "" && (deletedAt ?? null) === null;
          counts[hasNone ? "resident" : await residencyOf(row, localObjectStorage)] += 1;
        }
      return counts;
    }

    const engine = {
      exchange,
      drain,
      changeNotifier: native.changeNotifier,
      conflictNotifier,
      reconcile: (options) =>
        given("reconcile", options ?? {}, (read) =>
          run(
            "reconcile",
            (transfers) => reconciled(watchedReconciliation(read, transfers)),
            read.signal,
          ),
        ),
      async status(options) {
        const { counts, backlog } = readOptions("status", options ?? {});
        const lacking = backlog === true ? ((await native.backlog()) ?? undefined) : undefined;
        const read = standing.read();
        const state = isClosed && read.state === "idle" ? "closed" : read.state;
        const canCount = counts === true && (localDatabaseAdapter ?? null) !== null;
        const status = { ...read, state, counts: canCount ? await residencies() : null };
        return lacking === undefined ? status : { ...status, backlog: lacking };
      },
      async close() {
        isClosed = true;
        await standing.quiet();
      },
    };
    return engine;
  };
