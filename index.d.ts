/**
 * Types of `@starkeep/sync-engine`.
 *
 * `index.d.ts`, `index.d.mts` and `index.d.cts` hold the same text. A peer package may have one set of
 * declarations for `require` and another for `import`; which of them an import type below means depends
 * on the kind of file it stands in, so each entry of this package meets the declarations that its reader
 * uses.
 *
 * Units: every duration and every `wallTime` is in milliseconds, wall times since the Unix epoch; sizes
 * are in bytes; limits count items.
 */

/* ------------------------------------------------------------------------------------------------
 * Engines
 */

/**
 * Makes an engine: a {@link NativeSyncEngine}. Its functions need no `this`.
 *
 * An option that it does not know is a warning on the `console`, once for each name. So is an engine without
 * `syncState`, once in a process.
 *
 * @example
 * const engine = createSyncEngine({
 *   localDatabaseAdapter: database,
 *   localObjectStorage: objects,
 *   remoteObjectStorage: createHttpObjectStorage(peer),
 *   transport: createHttpSyncTransport(peer),
 *   clock,
 *   syncState: state,
 * });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type, where one storage (or two of one folder) is both
 * `localObjectStorage` and `remoteObjectStorage`, and where an adapter is a promise or lacks a function that
 * every round calls: `query`, `exchange`, `list`, or one of `syncState` for watermarks. Another function that an
 * adapter lacks is found out when it is needed, and rejects that round.
 */
// `ReturnType` and mocks see `SyncEngine`, so that a double needs no more than that has. Calls get the default.
declare function createSyncEngine<Engine extends SyncEngine = NativeSyncEngine>(
  options: SyncEngineOptions,
): NoInfer<Engine>;

/** Options of {@link createSyncEngine}. */
interface SyncEngineOptions {
  /** The shared records of this side. */
  readonly localDatabaseAdapter: DatabaseAdapter & DeltaCapableDatabaseAdapter;
  /** The objects of this side. */
  readonly localObjectStorage: ObjectStorageAdapter;
  /** The objects of the other side. Never the same storage as `localObjectStorage`. */
  readonly remoteObjectStorage: ObjectStorageAdapter;
  /** The way to the other side. */
  readonly transport: SyncTransport;
  /** The clock of this side. It hears of every timestamp that is taken in. */
  readonly clock: HLCClock;
  /**
   * Where watermarks are kept. Without it every sweep begins at nothing: all that there is is read and exchanged
   * again.
   */
  readonly syncState?: SyncStateStore;
  /** The app rows of this side. Without it none are sent, and those that come in are held. */
  readonly appSyncableSource?: {
    readonly namespaces: AppSyncableNamespaceStore;
    readonly applier: AppSyncableApplier & ScanCapableApplier;
  };
  /**
   * Whether the channel carries shared records. `true` by default; with `false` none are sent, and those
   * that come in are dropped with a warning.
   */
  readonly syncSharedRecords?: boolean;
  /** The most items in a round, each way: an integer from 1. 1000 by default. */
  readonly pageLimit?: number;
  /** How many records or rows a scan reads at a time: an integer from 1. 500 by default. */
  readonly scanPageSize?: number;
  /**
   * How far ahead of the system's clock the timestamp of an incoming item may lie, in milliseconds.
   * 24 hours by default; `null` for no limit. An item beyond it is held (`CLOCK_AHEAD`), and neither the
   * clock nor a store hears of it.
   */
  readonly maxClockSkewMs?: number | null;
  /**
   * Merges two versions of a shared record that two sides wrote without knowing of each other's. What it answers, or
   * resolves to, is stamped anew, stored with `put` of `localDatabaseAdapter` and shipped like any write, unless a newer
   * version was stored meanwhile; with nothing the later version stands, as without it. What it throws is a warning.
   * It is called before the round that meets the conflict resolves; see {@link NativeSyncEngine.conflictNotifier}.
   *
   * Let it answer the same for the two versions in either order: both sides may come to merge. Take the fields of an
   * object (`objectStorageKey`, `sizeBytes`, `contentHash`) from one of the two, whose object is under that key: where
   * both name one key, from the later one.
   *
   * @example
   * const engine = createSyncEngine({
   *   ...adapters,
   *   onConflict: (local, incoming) => ({
   *     ...incoming,
   *     originalFilename: [local.originalFilename, incoming.originalFilename].sort().join(" and "),
   *   }),
   * });
   */
  readonly onConflict?: (
    local: AnyRecord,
    incoming: AnyRecord,
  ) => AnyRecord | null | undefined | Promise<AnyRecord | null | undefined>;
  /**
   * Asked where a record is held on its way in although its object could come, because the same file was added here too: a
   * live record with its `originalFilename`, `contentHash` and `ownerId`, of which a unique index lets one in alone.
   * `true` keeps one: the record with the smaller id stays, at every side; the other gets a tombstone, and records whose
   * `parentId` is the other's point at the one that stays. Anything else, and no `onDuplicate`, leaves it held. What it
   * throws is a warning. It is called before the round resolves, for each such record in each round. It may take its time:
   * what the app writes meanwhile stands, and a record that is no duplicate any more stays. Of a record whose object is
   * on neither side, and would have to stay, it is not asked.
   *
   * @example
   * const engine = createSyncEngine({ ...adapters, onDuplicate: () => true });
   */
  readonly onDuplicate?: (local: AnyRecord, incoming: AnyRecord) => unknown;
  /**
   * Says what there is to say in lines, in place of the `console`; see {@link SyncLogger}. An engine says a line for each
   * round that moved something (`info`) or failed (`error`), for quiet ones (`debug`), and its warnings.
   */
  readonly logger?: SyncLogger;
  /** From which level on lines are said to `logger`. `"info"` by default. */
  readonly logLevel?: SyncLogLevel;
  /**
   * How many objects are moved at the same time: an integer from 1. 8 by default; and up to 32 of those of at most 128 KiB,
   * between storages of this package, as long as each takes less than half a second.
   */
  readonly blobConcurrency?: number;
  /**
   * Whether the bytes of every object are checked where its item names their SHA-256: 64 hexadecimal digits as
   * `contentHash` (`content_hash` of a row), with or without `sha256:` before them. Bytes that move are checked
   * on their way, in either direction. Bytes that are under the key already are checked by the hash that their
   * storage knows, and are read for it once an item comes by where it knows none. An item whose object has
   * other bytes is held (`HASH_MISMATCH`), and wrong bytes never take the place of others. `false` by default:
   * then only a known hash of what is already under the key is compared, and what replaces it.
   *
   * Sizes are always compared, where `sizeBytes` (`size_bytes` of a row) says one: another is held as
   * `SIZE_MISMATCH`. A size of 0 says nothing, unless the hash beside it is that of no bytes.
   */
  readonly verifyContentHash?: boolean;
  /**
   * Whether an item that could not be applied stops the later items of its nodeId until it is. `false`
   * by default: later items are applied, and only the watermark waits. Set it on a node that takes in
   * from one peer and answers others: they would take its gap for their own. An object that is missing
   * stops nothing, as the row itself is there.
   */
  readonly strictOrder?: boolean;
}

/** An engine: keeps one side and its peer equal, a round at a time. */
interface SyncEngine {
  /**
   * One round with the peer. Calls that overlap wait for their turn.
   *
   * 1. Gathers the `pageLimit` items with the smallest timestamps that the peer has not seen.
   * 2. Brings their objects to the remote storage. Of each nodeId, what follows an item whose object
   *    cannot be brought there waits with it.
   * 3. Sends the items and takes in what the peer answers, last writer wins.
   * 4. Fetches the objects of what was taken in.
   * 5. Persists how far both sides got. No watermark passes an item that is not there in full.
   *
   * Rejects with the very object that an adapter, the transport or the state store throws, and with a
   * {@link SyncError} where the answer is malformed; before step 5 no watermark has moved. A record or
   * row that cannot be stored, and an object that cannot be moved, do not reject the round: the item is
   * held. Only where a record could not be stored and nothing at all was taken in, the round rejects
   * with that error once it is over.
   */
  exchange(): Promise<ExchangeResult>;
  /** Emits `local-data-synced` after a round in which shared records were newly applied. */
  readonly changeNotifier: ChangeNotifier;
}

/** An engine of this package: its rounds can be followed and called off, it knows how it stands, and can reconcile. */
interface NativeSyncEngine extends SyncEngine {
  /**
   * One round with the peer: brings what it lacks to it, objects first, takes in what this side lacks, and persists how
   * far both sides got. Calls that overlap wait for their turn. {@link SyncEngine.exchange} has the steps.
   *
   * An item that cannot travel does not reject the round: it is in `held` of the result. Rejects with the very object
   * that an adapter, the transport or the state store throws, and with a {@link SyncError} where the answer is malformed.
   * Rejects with the `reason` of `signal` once that is aborted, at whatever the round waits for then: a transfer that
   * runs is broken off, and nothing is left half-written. What was taken in by then stays, and the next round goes on
   * from there. What an adapter of the app was asked for before goes on there, unheard.
   *
   * @example
   * const result = await engine.exchange({
   *   signal: AbortSignal.timeout(60_000),
   *   onProgress: ({ phase, done, of, bytes, bytesOf }) => bar.set(phase, bytes / (bytesOf ?? bytes)),
   * });
   * @throws `INVALID_ARGUMENT` where an option has a wrong type; `STORE_CLOSED` after `close()`.
   */
  exchange(options?: ExchangeOptions): Promise<NativeExchangeResult>;
  /**
   * Rounds until neither side has more at once. Answers the last round's result, with the counts, bytes and durations of
   * all of them added up, and all fields listed.
   *
   * @example
   * const { shipped, applied, held } = await engine.drain({ signal });
   * @throws As {@link NativeSyncEngine.exchange}.
   */
  drain(options?: ExchangeOptions): Promise<DrainResult>;
  /**
   * Tells of conflicts before the round or reconciliation that meets them resolves: of both versions, where a version
   * loses that this side had not shipped, or not seen. The last writer wins all the same; `onConflict` of the engine can
   * merge them.
   *
   * Told of is each version of this side that loses to one that comes in, on whichever page either travels, and also if
   * it went out before and lost at the peer. Each two versions are told of once; what a failed round met, the next one
   * that resolves tells. A version of this side that wins is told of where the other one comes in before it has gone out,
   * and, between sides with change logs, where a record goes out over one that this side had not seen.
   *
   * Between sides without change logs only records are told of, and only with a `syncState`: what tells the rows of an app
   * apart, their key, does not travel there, and a row is not looked at before it is applied. A reconciliation tells
   * of what comes in with it. What a program had met and not told of when it ended is not told of any more.
   *
   * @example
   * engine.conflictNotifier.subscribe(({ kind, local, incoming, winner }) => console.log(kind, winner, local, incoming));
   */
  readonly conflictNotifier: ConflictNotifier;
  /**
   * How the engine stands: what it does, how its last round ended, and what waits. It asks neither side, but for
   * `counts` and `backlog`, which ask this one.
   *
   * @example
   * const { state, waiting, inSync, backlog = 0 } = await engine.status({ backlog: true });
   * if (backlog > 0) console.log(`${backlog} still to go`);
   * for (const { id, code, reason, attempts } of waiting) console.log(id, code, reason, attempts);
   * @throws `INVALID_ARGUMENT` where an option has a wrong type or is unknown; what a store rejects with that is asked:
   * `STORE_CLOSED`, and `IN_TRANSACTION` in the callback of a transaction of it.
   */
  status(options?: StatusOptions): Promise<SyncStatus>;
  /**
   * Begins no more rounds, and resolves once what runs is over. Stores and transports stay open: they are the app's.
   * To end what runs at once, abort its signal.
   *
   * @example
   * await engine.close(); // the stores close after it
   */
  close(): Promise<void>;
  /**
   * Finds and mends what the two sides hold differently, whatever they believe to have exchanged: after a file was
   * put back, rows were deleted by hand, objects were lost, or whenever an app wants to be sure. It waits for its
   * turn among the rounds, and moves items by their rules.
   *
   * Each side holds its change log against its tables, then ranges of keys are compared and split where they
   * differ, so that little more than what differs travels: ten items among 100,000 take some 7 requests and 20 KB.
   * What was deleted by hand comes back, as no tombstone says that it is deleted.
   *
   * Where one of the sides keeps no change log (an adapter of the app's own, a peer of an earlier version), both
   * offer all that they have once more, and `inSync` is left out.
   *
   * Over HTTP it needs `POST /sync/reconcile` of the peer, beside `/sync/exchange`.
   *
   * Rejects with the `reason` of `signal` once that is aborted: what was brought over by then stays, and the next
   * round goes on from there. Rejects with a {@link SyncError} where the peer's server does not know the route, and
   * otherwise as {@link SyncEngine.exchange} does.
   *
   * @example
   * const { inSync, differing, objects } = await engine.reconcile({
   *   objects: true,
   *   signal: AbortSignal.timeout(600_000),
   *   onProgress: ({ phase, done, of }) => console.log(phase, done, of ?? ""),
   * });
   * @throws `INVALID_ARGUMENT` where an option has a wrong type or is unknown.
   */
  reconcile(options?: ReconcileOptions): Promise<ReconcileResult>;
}

/** Options of {@link NativeSyncEngine.exchange} and {@link NativeSyncEngine.drain}. */
interface ExchangeOptions {
  /** Calls the round off, at whatever it waits for. */
  readonly signal?: ReconcileSignal;
  /**
   * Hears how far the round is: at most ten times a second while objects travel, and at the end of each phase. What it
   * throws, or rejects with, is a warning on the `console`.
   */
  readonly onProgress?: (progress: ExchangeProgress) => void;
}

/** How far a round is. */
interface ExchangeProgress {
  /**
   * - `upload`: the objects of a page are brought to the peer. What is counted are objects.
   * - `items`: records and rows travel, of both directions. What is counted are items, since the round began.
   * - `download`: the objects of the peer's page are fetched. What is counted are objects.
   */
  readonly phase: "upload" | "items" | "download";
  /** How much of the phase is done: objects that are there now, were there, or could not be brought. */
  readonly done: number;
  /** How much there is in it; left out where that is not known. */
  readonly of?: number;
  /** The bytes that have travelled in this phase, those of an object that is on its way included. */
  readonly bytes: number;
  /** How many bytes there are in it, where every item says the size of its object. */
  readonly bytesOf?: number;
}

/**
 * What a round moved. In the result of a round these fields are not enumerable: an app that compares a result with the
 * three fields of 0.1 finds them alone.
 */
interface ExchangeFigures {
  /** App rows that are new here. */
  readonly rowsApplied: number;
  /**
   * Bytes that went out: of objects, and of requests as they travelled over HTTP, without their heads. Requests to a
   * peer in this process, or through a transport of the app, count nothing.
   */
  readonly bytesSent: number;
  /** Bytes that came in, likewise. */
  readonly bytesReceived: number;
  /** Objects that were brought to the peer. */
  readonly objectsSent: number;
  /** Objects that were fetched from it. */
  readonly objectsReceived: number;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** How many conflicts it met: see {@link NativeSyncEngine.conflictNotifier}. */
  readonly conflicts: number;
}

/**
 * Two versions of one item that two sides wrote without knowing of each other's.
 */
type ConflictEvent = {
  /** What happened. */
  readonly eventType: "conflict";
  /** The version that stands now, at this side and at the peer: the later one. */
  readonly winner: "local" | "incoming";
} & (
  | {
      /** A shared record. */
      readonly kind: "record";
      /** The version of this side. */
      readonly local: AnyRecord;
      /** The version of the peer. */
      readonly incoming: AnyRecord;
    }
  | {
      /** An app row. */
      readonly kind: "appRow";
      /** The version of this side. */
      readonly local: AppSyncableRowEntry;
      /** The version of the peer. */
      readonly incoming: AppSyncableRowEntry;
    }
);

/** Tells listeners of conflicts. */
interface ConflictNotifier {
  /** Answers the function that unsubscribes. A listener that is subscribed twice is called once. */
  subscribe(listener: (event: ConflictEvent) => void): () => void;
}

/** What a round of this package's engine did. */
type NativeExchangeResult = ExchangeResult &
  Required<Pick<ExchangeResult, "held">> &
  ExchangeFigures;

/** What the rounds of a {@link NativeSyncEngine.drain} did together. */
type DrainResult = NativeExchangeResult & {
  /** How many rounds it took. */
  readonly rounds: number;
};

/** Options of {@link NativeSyncEngine.status}. */
interface StatusOptions {
  /**
   * Whether records are counted by what of them is here. `false` by default. Reads every record, and asks the local
   * storage for the object of each.
   */
  readonly counts?: boolean;
  /**
   * Whether it is counted how many items the peer has not got yet: {@link SyncStatus.backlog}. `false` by default. Asks
   * each store of this side for a count by the key of its change log, which costs what there is to count.
   */
  readonly backlog?: boolean;
}

/** How an engine stands. All of it but `lastError.error` can be written as JSON. */
interface SyncStatus {
  /** What it does. `closed` once {@link NativeSyncEngine.close} was called and nothing runs any more. */
  readonly state: "idle" | "exchanging" | "reconciling" | "closed";
  /** When a round or reconciliation last succeeded, in milliseconds since the epoch; `null` if none has. */
  readonly lastSuccessMs: number | null;
  /** What the last round or reconciliation rejected with; `null` after one that succeeded. To be called off is none. */
  readonly lastError: SyncFailure | null;
  /** What waits, as of the last round. */
  readonly waiting: readonly WaitingItem[];
  /** As {@link ExchangeResult.inSync} of the last round; `null` where that is not known. */
  readonly inSync: boolean | null;
  /** As {@link ExchangeResult.hasMore} of the last round; `null` before the first. */
  readonly hasMore: boolean | null;
  /** How many records are where; `null` unless `counts` was asked for and the engine carries records. */
  readonly counts: Readonly<Record<RecordResidency, number>> | null;
  /**
   * How many records and app rows of this side the peer has not got yet, tombstones included: those that follow in the
   * change log on what the peer said last that it has, and those that wait on their way out. What came from that peer is
   * not counted; what came from another one is, until it was offered. While a round runs it is what is left behind the
   * page that is under way.
   *
   * Left out unless `backlog` was asked for, and where nothing can tell it: before this engine has heard from the peer, and
   * where one of the sides keeps no change log.
   */
  readonly backlog?: number;
}

/** What a round or reconciliation rejected with. */
interface SyncFailure {
  /** When, in milliseconds since the epoch. */
  readonly atMs: number;
  /** Its code; `APP_ERROR` where it has none. */
  readonly code: string;
  /** Its message. */
  readonly message: string;
  /** The very value. */
  readonly error: unknown;
}

/** An item that waits. The fields are those of a {@link HeldItem} of the last round. */
interface WaitingItem {
  /** `outbound` on its way to the peer, `inbound` on its way from it. */
  readonly direction: "outbound" | "inbound";
  /** Whether it is a shared record or an app row. */
  readonly kind: "record" | "appRow";
  /** As {@link HeldItemBase.id}. */
  readonly id: string | null;
  /** As {@link HeldItemBase.nodeId}. */
  readonly nodeId: string;
  /** As {@link HeldItemBase.timestamp}. */
  readonly timestamp: HLCTimestamp;
  /** As {@link HeldItemBase.key}. */
  readonly key: string | null;
  /** As {@link HeldItemBase.code}. */
  readonly code: ErrorCode | (string & {});
  /** As {@link HeldItemBase.reason}. */
  readonly reason: string;
  /** Since when this engine knows that it waits, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** After how many rounds it waited. */
  readonly attempts: number;
}

/** From which level on a {@link SyncLogger} hears. */
type SyncLogLevel = "debug" | "info" | "warn" | "error" | "silent";

/**
 * A logger, in the shape of `console` and of pino. Each line is a text without line breaks; with the level `"debug"` the
 * stack of an error follows it. A warning that was said is not said again within an hour. What a logger throws is lost.
 *
 * @example
 * const engine = createSyncEngine({ ...adapters, logger: pino(), logLevel: "debug" });
 */
interface SyncLogger {
  /** A quiet round. */
  debug(line: string): void;
  /** A round that moved something. */
  info(line: string): void;
  /** What waits, and what an app should know. */
  warn(line: string): void;
  /** A round that failed. */
  error(line: string): void;
}

/**
 * What is published of a round or a reconciliation on the channels `starkeep:sync.exchange` and `starkeep:sync.reconcile`
 * of `tracingChannel`, in `node:diagnostics_channel`. All events of one operation have one object: `start`, `end`,
 * `asyncStart` and `asyncEnd`, and before these two `error` where it rejects.
 *
 * @example
 * // subscribe is that of node:diagnostics_channel
 * subscribe("tracing:starkeep:sync.exchange:asyncEnd", (round) => {
 *   const { peer, result, error } = round as TracedRound;
 *   console.log(peer, result, error);
 * });
 */
interface TracedRound {
  /** Which function of the engine it is. */
  readonly operation: "exchange" | "reconcile";
  /** Whose round it is. */
  readonly engine: NativeSyncEngine;
  /**
   * Where the peer is, by the `baseUrl` of {@link createHttpSyncTransport}, without user, password and query; left out
   * where the engine has another transport.
   */
  readonly peer?: string;
  /** What it resolves to, in `asyncStart` and `asyncEnd`. */
  readonly result?: NativeExchangeResult | ReconcileResult;
  /** What it rejects with, in `error`, `asyncStart` and `asyncEnd`. To be called off rejects too. */
  readonly error?: unknown;
}

/**
 * What is published of an object that travels, on the channel `starkeep:sync.transfer`: the events are those of
 * {@link TracedRound}, of which each object has its own. An object that is at its destination already does not travel.
 *
 * Whether anything listens is found out when a round begins: where nothing does, the round does nothing for it.
 *
 * @example
 * subscribe("tracing:starkeep:sync.transfer:asyncEnd", (transfer) => {
 *   const { key, direction, bytes, durationMs, error } = transfer as TracedTransfer;
 *   console.log(key, direction, bytes, durationMs, error);
 * });
 */
interface TracedTransfer {
  /** That it is one. */
  readonly operation: "transfer";
  /** The object's key. */
  readonly key: string;
  /** `outbound` on its way to the peer, `inbound` on its way from it. */
  readonly direction: "outbound" | "inbound";
  /** The round or reconciliation in which it travels: the very object that is published of that. */
  readonly parent: TracedRound;
  /** The bytes that travelled, at the end; left out where it was called off. */
  readonly bytes?: number;
  /** How long it took, in milliseconds, at the end; left out where it was called off. */
  readonly durationMs?: number;
  /**
   * Why it did not arrive: what the storage of an app threw, a {@link StarkeepError} such as `BLOB_MISSING`, or the reason
   * of the signal. Left out where it arrived.
   */
  readonly error?: unknown;
}

/** What is needed of an `AbortSignal`. */
interface ReconcileSignal {
  /** Whether it was called off already. */
  readonly aborted: boolean;
  /** What the promise rejects with then. */
  readonly reason?: unknown;
  /** Asks to be told when it is called off. */
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  /** Asks to be told no longer. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Options of {@link NativeSyncEngine.reconcile}. */
interface ReconcileOptions {
  /** Calls it off: between two requests, and while the peer has not answered. */
  readonly signal?: ReconcileSignal;
  /**
   * Hears how far it is: at most ten times a second, and at the end of each phase. What it throws, or rejects with,
   * is a warning on the `console`.
   */
  readonly onProgress?: (progress: ReconcileProgress) => void;
  /**
   * Whether the objects of all items are looked for afterwards, on both storages, and brought over where one side
   * lacks them. `false` by default. Asks each storage once for each key: by `stat` where it has that, else by `has`.
   */
  readonly objects?: boolean;
}

/** How far a reconciliation is. */
interface ReconcileProgress {
  /**
   * - `verify`: each side holds its log against its tables. What is counted are sides.
   * - `compare`: ranges of keys are compared. What is counted are ranges.
   * - `items`: items travel, those that the logs have before the comparison, those that differ after it.
   * - `objects`: objects are looked for on both sides. What is counted are keys.
   *
   * Without logs on both sides there are `items` and `objects` alone.
   */
  readonly phase: "verify" | "compare" | "items" | "objects";
  /** How much of the phase is done. */
  readonly done: number;
  /** How much there is in it, as far as is known by now; left out where nothing is. */
  readonly of?: number;
}

/** What a reconciliation came to. */
interface ReconcileResult {
  /**
   * Items that the two sides held differently although their logs had nothing more to exchange. Without logs on
   * both sides, the shared records that came in.
   */
  readonly differing: number;
  /** Shared records that are new here, counted once their object is here too. */
  readonly applied: number;
  /** Shared records and app rows that were sent, without those that the peer says it did not take in. */
  readonly shipped: number;
  /** Whether both sides are proved to hold the same now; left out where one of them keeps no change log. */
  readonly inSync?: boolean;
  /** How often the peer was asked for an exchange. */
  readonly requests: number;
  /** How many conflicts it met: see {@link NativeSyncEngine.conflictNotifier}. The field is not enumerable. */
  readonly conflicts: number;
  /** What is held, as in {@link ExchangeResult.held}. */
  readonly held: readonly HeldItem[];
  /** What became of the objects; with the option `objects` alone. */
  readonly objects?: {
    /** How many keys were looked for on both sides. */
    readonly checked: number;
    /** How many objects were sent to the peer. */
    readonly sent: number;
    /** How many were fetched from it. */
    readonly received: number;
    /** Keys of which neither side has the object that its item means: at most 1000. */
    readonly missing: readonly string[];
    /** Objects that could not be brought over, at most 1000. Each is a warning on the `console` too. */
    readonly failed: readonly {
      readonly key: string;
      readonly code: ErrorCode;
      readonly reason: string;
    }[];
  };
}

/** What a round did. */
interface ExchangeResult {
  /** Shared records that are new here, counted once their object is here too. */
  readonly applied: number;
  /** Shared records and app rows that were sent, without those that the peer says it did not take in. */
  readonly shipped: number;
  /** Whether another round has something to do at once. */
  readonly hasMore: boolean;
  /**
   * What is held in the current sweep, of each nodeId and direction the first item; between two stores with change
   * logs every item that waits. A round that says that there is
   * nothing to do (`applied` and `shipped` are 0 and `hasMore` is `false`) has tried everything held in that very
   * round.
   *
   * The engines of this package always answer it (see {@link NativeSyncEngine}); it is optional so that
   * an app's own engines and test doubles may leave it out. If nothing is held it is an empty array
   * that is not enumerable: a result then compares equal to its three other fields.
   */
  readonly held?: readonly HeldItem[];
  /**
   * `true` exactly where both sides were proved to hold the same versions, by digests of all that they hold; `false`
   * where something still has to travel or waits. Left out where one of the sides keeps no change log: an adapter of
   * the app's own, or a peer of an earlier version.
   */
  readonly inSync?: boolean;
}

/** What is common to all held items. */
interface HeldItemBase {
  /** The node whose watermark waits before this item; `""` if the item has no valid timestamp. */
  readonly nodeId: string;
  /** `outbound` on its way to the peer, `inbound` on its way from it. */
  readonly direction: "outbound" | "inbound";
  /**
   * The id of a record; of an app row what its `row` or `where` has as `id`, if that is a text. A record without
   * an id that can be read is named by what its store knows it by.
   */
  readonly id: string | null;
  /** When the item was written; {@link ZERO_HLC} if it has no valid timestamp. */
  readonly timestamp: HLCTimestamp;
  /** The key of the item's object, or `null` where it has none. */
  readonly key: string | null;
  /**
   * What kind of failure it was; `APP_ERROR` where the app's own code threw. Of an item that the peer did not take
   * in, or cannot send, it is the peer's code.
   */
  readonly code: ErrorCode | (string & {});
  /** What went wrong, for people to read. What a peer says is in it. */
  readonly reason: string;
  /** The error itself; where the app's own code threw, the very object that was thrown. */
  readonly error: unknown;
}

/** A shared record that is held. */
interface HeldRecord extends HeldItemBase {
  readonly kind: "record";
  /** The version that is held; `null` if only the peer has it. */
  readonly item: AnyRecord | null;
}

/** An app row that is held. */
interface HeldAppRow extends HeldItemBase {
  readonly kind: "appRow";
  /** The version that is held; `null` if only the peer has it. */
  readonly item: AppSyncableRowEntry | null;
}

/**
 * An item that could not be sent or taken in. It stops its nodeId in its direction: no watermark passes
 * it, and it is tried again in the next sweep. Other nodeIds go on.
 *
 * An item that cannot travel is held like any other, on whichever side it lies: one that cannot be written as
 * JSON, that nests deeper than a message may, or that stands malformed in its store (`MALFORMED_ITEM`), and one
 * that is by itself larger than a message may be (`ITEM_TOO_LARGE`).
 */
type HeldItem = HeldRecord | HeldAppRow;

/** What an engine, and its app's clock, remember between rounds and restarts. */
interface SyncStateStore {
  /** What this side has fully taken in. `{}` at first. */
  getWatermarks(): Promise<Watermarks>;
  /** Stores them, whatever stood there. */
  setWatermarks(watermarks: Watermarks): Promise<void>;
  /** What the peer is known to hold. `{}` at first. */
  getPeerWatermarks(): Promise<Watermarks>;
  /** Stores them, whatever stood there. */
  setPeerWatermarks(watermarks: Watermarks): Promise<void>;
  /** The state of the app's clock, or `null` at first. An engine neither reads nor writes it. */
  getHlcClockState(): Promise<{
    wallTime: number;
    counter: number;
  } | null>;
  /** Stores it, whatever stood there. */
  setHlcClockState(state: { wallTime: number; counter: number }): Promise<void>;
}

/**
 * A {@link SyncStateStore} that also keeps how far change logs were looked at, where one of the two sides keeps one and the
 * other does not. With another one what came late into a log while no engine ran is not looked for.
 */
interface LogKeepingSyncStateStore extends SyncStateStore {
  /** What was stored last, or `null` at first. Opaque. */
  getLogPositions(): Promise<unknown>;
  /** Stores it, whatever stood there. */
  setLogPositions(positions: unknown): Promise<void>;
}

/* ------------------------------------------------------------------------------------------------
 * Stores
 */

/** Options of {@link createSqliteSyncStateStore} with a database of the app's. */
interface SqliteSyncStateStoreOptions {
  /** An open `DatabaseSync` of `node:sqlite`. It stays the app's to close. */
  readonly db: DatabaseSync;
}

/** Options of {@link createSqliteSyncStateStore} with a file that is left to this package. */
interface SqliteSyncStateStoreFileOptions {
  /**
   * The SQLite file, or `":memory:"`. It is created where it is missing; its folder is not. It may be the
   * file of a {@link createSqliteDatabaseAdapter}. While it is open here, no other SQLite library of this
   * process may open it.
   */
  readonly path: string;
  /** How long to wait for other processes that write to the file, in milliseconds. 5000 by default. */
  readonly busyTimeoutMs?: number;
  /** Which rights the file gets if it is created, and what lies beside it. `"private"` by default. */
  readonly permissions?: StorePermissions;
  readonly db?: never;
}

/** A state store on a file of its own. */
interface ClosableSyncStateStore extends SyncStateStore {
  /** Waits for what is running, then closes the store for good. Closing again does nothing. */
  close(): Promise<void>;
}

/**
 * Makes a state store: with `path` on a SQLite file that is left to this package, with `db` in a database of the app's.
 *
 * It keeps its state in the table
 * `sync_state(key TEXT PRIMARY KEY, value_json TEXT NOT NULL, updated_at INTEGER NOT NULL)`, which is created at once
 * where it is missing. Its keys are `watermarks`, `peer_watermarks`, `log_positions` and `hlc_clock`; an app may keep
 * other keys in a table of its own database. The app closes its own database, so that only a store on a file has `close()`.
 *
 * An option that it does not know is a warning on the `console`, once for each name.
 *
 * @example
 * const state = createSqliteSyncStateStore({ path: "laptop.db" });
 * const engine = createSyncEngine({ ...adapters, syncState: state });
 * @example
 * const state = createSqliteSyncStateStore({ db: new DatabaseSync("app.db") }); // of node:sqlite
 * const engine = createSyncEngine({ ...adapters, syncState: state });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type, or `db` is no `DatabaseSync`. With `path` also
 * `PATH_IN_USE`, `STORE_BUSY`, `NOT_A_DATABASE`, `READ_ONLY`, `STORAGE_FULL`, `DATABASE_ERROR` or `IO_ERROR` where the
 * file cannot be opened. Its functions reject with those, with `STORE_REPLACED` once the file was removed or another
 * was put in its place, with `IN_TRANSACTION` where they would wait for the transaction in whose callback they are
 * called, and with `STORE_CLOSED` after `close()`. With `db` it throws, and its functions reject with, what the
 * database throws.
 */
// `Parameters`, `ReturnType` and mocks see what 0.1 had: `db` alone. A call finds `Db` by the last branch, which is never
// taken: `undefined` without `db`, and what it makes is then a store on a file.
declare function createSqliteSyncStateStore<
  OfOld extends true = never,
  Db extends DatabaseSync | undefined = undefined,
>(
  options: [OfOld] extends [never]
    ? SqliteSyncStateStoreFileOptions | SqliteSyncStateStoreOptions
    : [OfOld] extends [true]
      ? SqliteSyncStateStoreOptions
      : { readonly db?: Db },
): [Db] extends [undefined] ? ClosableSyncStateStore : SyncStateStore;

/** Options of {@link createSqliteDatabaseAdapter}. */
interface SqliteDatabaseAdapterOptions {
  /**
   * The SQLite file, or `":memory:"`. It is created where it is missing; its folder is not. One adapter
   * at a time may have it, and no other SQLite library of this process.
   */
  readonly path: string;
  /** How long to wait for other processes that write to the file, in milliseconds. 5000 by default. */
  readonly busyTimeoutMs?: number;
  /** Which rights the file gets if it is created, and what lies beside it. `"private"` by default. */
  readonly permissions?: StorePermissions;
  /**
   * How long the callback of a `transaction` may take, in milliseconds; `null` or `Infinity` for no limit.
   * 60,000 by default. One that takes longer is undone, and rejects with `TRANSACTION_TIMEOUT`.
   */
  readonly transactionTimeoutMs?: number | null;
}

/**
 * Makes a store of shared records on a SQLite file. Engines and transports of this package reach it
 * without JavaScript in between.
 *
 * What is asked of it is written in the order of asking. A transaction keeps all other writers of the file
 * waiting until it ends. Its callback reads and writes by what it is given: what it calls of the adapter
 * itself, what it writes by another store on the file, and an `exchange()` that asks one of them reject at
 * once with `IN_TRANSACTION`. That is told by the asynchronous context, so calls from elsewhere only wait.
 * Once a transaction has ended, in whichever way, what its callback was given rejects.
 *
 * `close()` waits for what is running, but for callbacks of transactions only a second: then they are undone,
 * and reject with `STORE_CLOSED`.
 *
 * `healthCheck()` answers `false` where the file is not the one that was opened, or is damaged: a file of up
 * to 64 MiB is read as a whole (`PRAGMA quick_check`), of a greater one its header, its schema and the
 * beginning of every table.
 *
 * Filters of a query know the operators `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `notIn`, `like`,
 * `contains`, `startsWith`, `isNull` and `isNotNull`; timestamps are compared as such.
 *
 * A row that something else left malformed does not make a query fail. A time that is none is the text that
 * stands there, bytes that are no UTF-8 are U+FFFD, and a row whose id is no text, which nothing could name,
 * is left out. In an exchange such a row is held and named with the column to mend, never sent.
 *
 * @example
 * const database = createSqliteDatabaseAdapter({ path: "laptop.db" });
 * const { records } = await database.query({ type: "note", limit: 100 });
 * @throws `INVALID_ARGUMENT` (for an unknown option too), `PATH_IN_USE`, `STORE_BUSY`, `NOT_A_DATABASE`, `READ_ONLY`, `STORAGE_FULL`,
 * `DATABASE_ERROR` or `IO_ERROR` where the file cannot be opened. Its functions reject with those, with
 * `CONSTRAINT_VIOLATION` where the database refuses a row, with `STORE_REPLACED` once the file was removed or
 * another was put in its place, and with `STORE_CLOSED` after `close()`.
 */
declare function createSqliteDatabaseAdapter(
  options: SqliteDatabaseAdapterOptions,
): DatabaseAdapter & Required<NodeWatermarksCapable>;

/** Options of {@link createSqliteAppRows}. */
interface SqliteAppRowsOptions {
  /**
   * The path of the SQLite file. It is created if it is missing; its folder is not. May be the file of a
   * {@link createSqliteDatabaseAdapter} and of a state store. While it is open here, no other SQLite library
   * of this process may open it.
   */
  readonly path: string;
  /** How long to wait for other processes that write to the file, in milliseconds. 5000 by default. */
  readonly busyTimeoutMs?: number;
  /** Which rights the file gets if it is created, and what lies beside it. `"private"` by default. */
  readonly permissions?: StorePermissions;
}

/** What {@link SqliteAppRows.register} takes. */
interface AppRowsRegistration {
  /** The app's tables. */
  readonly tables?: readonly {
    /** The table's bare name. */
    readonly name: string;
    /** The columns that tell its rows apart. Without any, every row is another one. */
    readonly pkColumns?: readonly string[];
    /**
     * Its other columns, for who reads the file with SQL. Fields without a column are kept all the same, in
     * one column as JSON.
     */
    readonly columns?: readonly string[];
  }[];
  /** Whether rows may have files: adds the table `_starkeep_sync_records`. `false` by default. */
  readonly filesEnabled?: boolean;
}

/** App rows in a SQLite file: an `appSyncableSource` as it is. {@link createSqliteAppRows} makes one. */
interface SqliteAppRows {
  /** The apps that are registered, read from the file with every call. */
  readonly namespaces: AppSyncableNamespaceStore;
  /** Reads and writes their rows. */
  readonly applier: {
    /**
     * Applies an entry, last writer wins. An insert whose row has no `deleted_at` brings a deleted row to
     * life. Columns that the table computes are neither sent nor written.
     *
     * Rejects with code `UNKNOWN_APP` where the app or the table is not registered, `INVALID_ARGUMENT` where
     * the entry is malformed, `CONSTRAINT_VIOLATION` where the table refuses the row, also by a trigger that
     * ignores it. The error names the row and the constraint.
     */
    apply(entry: AppSyncableRowEntry): Promise<void>;
    /**
     * The rows after the later of `sinceHlcStr` and `cursor`, in the order of timestamps. Rows with one and
     * the same timestamp are never parted, so a page may be shorter than `limit`, or longer. A table that is
     * not there has no rows. Rejects with `MALFORMED_ITEM` where a row on the page cannot be read as it
     * stands, and names it; rows without a valid `updated_at` are on no page. An engine that is given this
     * store as it is holds such rows by themselves.
     */
    scanSince(
      appId: string,
      table: string,
      sinceHlcStr: string,
      options?: ScanSinceOptions,
    ): Promise<ScanSincePage>;
    /** Per node the greatest timestamp of all rows of the table, deleted ones too. */
    getNodeWatermarks(appId: string, table: string): Promise<Watermarks>;
  };
  /**
   * Registers an app and creates what is missing of its tables. Tables and columns are only ever added.
   *
   * Rejects with code `INVALID_ARGUMENT` where a name cannot be a table's, or is another app's table, or
   * where the table is registered with another primary key.
   */
  register(appId: string, registration: AppRowsRegistration): Promise<void>;
  /**
   * Whether the file is the one that was opened, and sound: one of up to 64 MiB is read as a whole, of a
   * greater one the header, the schema and the beginning of every table.
   */
  healthCheck(): Promise<boolean>;
  /** Waits for what is running, then closes the file. Afterwards everything fails with `STORE_CLOSED`. */
  close(): Promise<void>;
}

/**
 * App rows in a SQLite file that is left to this package, or in an app's file that nothing else in this
 * process has open. An engine reaches them on threads of its own, without JavaScript between.
 *
 * Existing tables are used as they are; what is added to one is indexes and, once a row needs it, a
 * nullable column for fields that have none.
 *
 * @example
 * const rows = createSqliteAppRows({ path: "laptop.db" });
 * await rows.register("notes", { tables: [{ name: "pages", pkColumns: ["id"] }] });
 * const engine = createSyncEngine({ ...adapters, appSyncableSource: rows });
 * @throws `INVALID_ARGUMENT` (for an unknown option too), `PATH_IN_USE`, `STORE_BUSY`, `NOT_A_DATABASE`, `READ_ONLY`, `STORAGE_FULL`,
 * `DATABASE_ERROR` or `IO_ERROR` where the file cannot be opened. Its functions reject with those too, with
 * `STORE_REPLACED` once the file was removed or another was put in its place, with `IN_TRANSACTION` where
 * they would wait for the transaction in whose callback they are called, and with `STORE_CLOSED` after
 * `close()`.
 */
declare function createSqliteAppRows(options: SqliteAppRowsOptions): SqliteAppRows;

/** Options of {@link withSqliteDelta}. */
interface SqliteDeltaOptions {
  /** The open `DatabaseSync` of `node:sqlite` that the adapter works on. It stays the app's to close. */
  readonly db: DatabaseSync;
  /** The table of the records. `shared_records` by default. */
  readonly table?: string;
  /**
   * How incoming records are written.
   *
   * - `sql`, the default: by statements of this package, a page in one transaction. What the adapter's own
   *   `put` does besides writing the row (telling listeners, filling a search index from JavaScript) does
   *   not happen; triggers of the table do.
   * - `put`: by the adapter's `put`. Puts that do their work at once, as over `node:sqlite`, share one
   *   transaction; a put that fails in it is called once more by itself.
   */
  readonly apply?: "sql" | "put";
}

/**
 * Gives the app's own adapter over a `DatabaseSync` of `node:sqlite` what it takes to find its delta by
 * index. Everything else of the adapter is as it was, with its own `this`. Only the handle in `db` is used;
 * no second SQLite library opens the file.
 *
 * At the first call, and after changes of the schema, missing indexes are created in the app's table; their
 * names begin with `starkeep_`. A record that is answered is what the adapter's own `get` answers. A field
 * goes into the column of its name in snake case, or of its very name; one without a column is left out, as
 * `put` would. Columns that the table computes are never written.
 *
 * A row that is no record, for its id, its type or a time is none, is not asked of `get`: it is answered as it
 * stands, with what is malformed left as it is, so that it is held and named. A field whose text is no UTF-8
 * throws `MALFORMED_ITEM` where it is read. Rows without a valid `updated_at` are what `queryMalformed`
 * answers.
 *
 * A transaction that the app has open is neither committed nor rolled back, and what is applied within it
 * shares its fate: an app must not leave one open while a round runs, unless it commits it.
 *
 * @example
 * const db = new DatabaseSync("app.db"); // of node:sqlite, the one that `ownAdapter` works on
 * const engine = createSyncEngine({
 *   ...adapters,
 *   localDatabaseAdapter: withSqliteDelta(ownAdapter, { db }),
 * });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type or is unknown. The functions reject with `STORE_CLOSED`,
 * `STORE_BUSY`, `READ_ONLY`, `STORAGE_FULL`, `DATABASE_ERROR` (the table is missing or has no such columns)
 * and with what the adapter throws; nothing of a page is written then. A single record fails with
 * `CONSTRAINT_VIOLATION` (also where a trigger ignores it) or `INVALID_ARGUMENT`, by an error that names it.
 */
declare function withSqliteDelta<Adapter extends object>(
  adapter: Adapter,
  options: SqliteDeltaOptions,
): Omit<Adapter, keyof DeltaCapableDatabaseAdapter> & SqliteDelta;

/** What {@link withSqliteDelta} adds to an adapter. */
interface SqliteDelta {
  /** See {@link NodeWatermarksCapable}. */
  getNodeWatermarks(): Promise<Record<string, HLCTimestamp>>;
  /** See {@link DeltaCapableDatabaseAdapter}. */
  queryUnseen(watermarks: Watermarks, options: { readonly limit: number }): Promise<UnseenPage>;
  /** See {@link DeltaCapableDatabaseAdapter}. */
  queryMalformed(): Promise<MalformedItem[]>;
  /** See {@link DeltaCapableDatabaseAdapter}. */
  applyRecords(records: AnyRecord[], options?: ApplyOptions): Promise<ApplyResult[]>;
}

/** Options of {@link withSqliteAppRows}. */
interface DatabaseAppRowsOptions {
  /** The open `DatabaseSync` of `node:sqlite` with the tables of the apps. It stays the app's to close. */
  readonly db: DatabaseSync;
  /** The apps that take part. Those in the table `app_syncable_namespaces` by default. */
  readonly namespaces?: AppSyncableNamespaceStore;
}

/** What {@link withSqliteAppRows} answers: an `appSyncableSource`. */
interface DatabaseAppRows {
  /** The apps that take part. */
  readonly namespaces: AppSyncableNamespaceStore;
  /** Reads and writes their rows. */
  readonly applier: ScanCapableApplier & {
    /** See {@link AppSyncableApplier}. */
    apply(entry: AppSyncableRowEntry): Promise<void>;
    /** Per nodeId the greatest timestamp of all rows of the table, deleted ones too. */
    getNodeWatermarks(appId: string, table: string): Promise<Watermarks>;
    /** See {@link AppSyncableApplier}. */
    applyRows(entries: AppSyncableRowEntry[], options?: ApplyOptions): Promise<ApplyResult[]>;
    /** See {@link AppSyncableApplier}. */
    queryMalformed(appId: string, table: string): Promise<MalformedItem[]>;
  };
}

/**
 * The app rows in the tables `<app>_syncable_<table>` of the app's own `DatabaseSync`. Missing indexes are
 * created, with names that begin with `starkeep_`.
 *
 * Rows travel as JSON. Bytes are `{ $bytes: base64 }` there, integers beyond 2^53 `{ $integer: digits }`,
 * infinities `{ $real: "Infinity" }`. A row with a column that the table lacks is held until the app has it.
 *
 * @example
 * const rows = withSqliteAppRows({ db: new DatabaseSync("app.db") });
 * const engine = createSyncEngine({ ...adapters, appSyncableSource: rows });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type or is unknown. The applier's functions reject with the codes
 * of {@link withSqliteDelta}, and with `UNKNOWN_APP` for an app or table that is not registered.
 */
declare function withSqliteAppRows(options: DatabaseAppRowsOptions): DatabaseAppRows;

/**
 * Which rights the files and folders of a store get on Unix when they are created. What is there already keeps its own;
 * on Windows they are those of the folder above.
 *
 * - `"private"`: 0600 and 0700, for the user alone that the process runs as.
 * - `"umask"`: what the `umask` of the process leaves.
 *
 * An object that is put again is a new file. SQLite gives `-wal`, `-shm` and a journal the rights of their database.
 */
type StorePermissions = "private" | "umask";

/** Options of {@link createFsObjectStorage}. */
interface FsObjectStorageOptions {
  /** The folder. It is created where it is missing, with the folders above it. */
  readonly root: string;
  /** Which rights the files and folders get that are created. `"private"` by default. */
  readonly permissions?: StorePermissions;
  /**
   * Whether the storage has `stat(key)`: the size of an object, its SHA-256 where that is known, and when its file was
   * written. `false` by default. With it {@link findUnreferencedObjects} knows how old each object is, and needs one call.
   * Engines ask this package's storages for that either way; one of the app's that spreads this one is asked by `stat`.
   */
  readonly stat?: boolean;
}

/**
 * Makes an object storage in a folder: the object `photos/x.jpg` is the file `photos/x.jpg` below the
 * root. A put is there as a whole or not at all, also after a power cut. Engines of this package reach it
 * without JavaScript in between.
 *
 * A key is a relative path of plain segments with `/` between them, at most 255 bytes each. Other keys
 * reject with `INVALID_KEY`, as do keys in the folder `.starkeep-store`, which is the storage's own, and keys
 * on whose way is a symbolic link, as none below the root is followed. Where a named pipe, a socket or a device
 * is in an object's place, `put` replaces it, and the other functions reject with `INVALID_KEY`.
 *
 * What is removed of `.starkeep-store` while the storage is open is made again. `healthCheck()` answers
 * whether the root is the folder that was opened, and a file can be written in it now.
 *
 * @example
 * const objects = createFsObjectStorage({ root: "laptop-files" });
 * await objects.put("notes/1", new TextEncoder().encode("Buy milk"), { contentType: "text/plain" });
 * @throws `INVALID_ARGUMENT` (for an unknown option too), `READ_ONLY`, `STORAGE_FULL` or `IO_ERROR` where the folder cannot be used.
 * Its functions reject with those, with `STORE_REPLACED` once the root was removed or another folder was put
 * in its place, and with `STORE_CLOSED` after `close()`.
 */
declare function createFsObjectStorage(
  options: FsObjectStorageOptions & {
    /** It has `stat`. */
    readonly stat: true;
  },
): ObjectStorageAdapter & ObjectStatCapability;
declare function createFsObjectStorage(options: FsObjectStorageOptions): ObjectStorageAdapter;

/** Credentials for a bucket. They are never part of an error or a warning. */
interface S3Credentials {
  /** The access key. */
  readonly accessKeyId: string;
  /** Its secret. */
  readonly secretAccessKey: string;
  /** The token of a session that ends, as STS gives one. */
  readonly sessionToken?: string;
  /** When the session ends: a `Date`, ISO 8601, or milliseconds since the Unix epoch. Without it the server says so. */
  readonly expiration?: Date | string | number;
}

/** Where a PostgreSQL database is, as whom, and over how many connections. */
interface PostgresOptions {
  /**
   * The database as a URL, like `"postgres://user@host:5432/database"`, or as `libpq`'s list of `name=value`. What is given
   * besides counts more. Of `sslmode` each value but `disable` compares the certificate and the name, as `verify-full`
   * does; `prefer` goes on without TLS where the server has none.
   */
  readonly connectionString?: string;
  /** The name or address of the server, or the folder of its socket. */
  readonly host?: string;
  /** Its port; 5432 by default. */
  readonly port?: number;
  /** The role. */
  readonly user?: string;
  /** The name of the database; that of the role by default. */
  readonly database?: string;
  /**
   * The password, or a function that answers one: it is called once for each new connection, in the context that the store
   * was made in. What it throws rejects the calls that wait for that connection, as the same object; the next connection
   * asks again.
   */
  readonly password?: string | (() => string | Promise<string>);
  /**
   * Whether connections are within TLS. By default as `sslmode` of the connection string says; without one `true`, but
   * `false` for this machine (`localhost`, `127.0.0.1`, `::1`, a socket). Authorities are those of the system and those of
   * `NODE_EXTRA_CA_CERTS`.
   */
  readonly tls?: boolean;
  /**
   * The schema of the tables; `"shared"` by default. Schema and tables are created at the first call if they are missing
   * and the role may.
   */
  readonly schema?: string;
  /** The most connections at one time; 8 by default. Stores of one process with the same options share them. */
  readonly max?: number;
  /**
   * How long a connection is used, in milliseconds; 3,000,000 by default. Each ends up to a tenth earlier, so that not all end
   * at once. A transaction that runs is let end.
   */
  readonly maxLifetimeMs?: number;
  /**
   * How long to wait for a connection that is free, and for a new one to be there, in milliseconds each; 10,000 by default.
   */
  readonly connectTimeoutMs?: number;
  /** How long a statement may take, in milliseconds; 30,000 by default, `null` for as long as it likes. */
  readonly statementTimeoutMs?: number | null;
  /**
   * Whether statements are prepared, once for each connection; `true` by default. `false` is for a pooler that gives each
   * transaction another connection, as PgBouncer does in transaction mode.
   */
  readonly prepare?: boolean;
  /**
   * What kind of server it is; `"postgres"` by default. `"dsql"` is Aurora DSQL, which has a part of PostgreSQL: each process
   * that uses one database must say the same. `docs/cloud.md` has what differs, as that {@link purgeTombstones} rejects. Not
   * run on DSQL itself.
   */
  readonly dialect?: "postgres" | "dsql";
}

/** Options of {@link createPostgresDatabaseAdapter}. */
interface PostgresDatabaseAdapterOptions extends PostgresOptions {
  /**
   * How long the callback of a `transaction` may take, in milliseconds; `null` or `Infinity` for no limit.
   * 60,000 by default. One that takes longer is undone, and rejects with `TRANSACTION_TIMEOUT`.
   */
  readonly transactionTimeoutMs?: number | null;
}

/**
 * Makes a store of shared records in a PostgreSQL database. Engines and answering sides of this package reach it without
 * JavaScript in between, and any number of processes may use one database.
 *
 * The records are in `records` of the `schema`, the table of Starkeep's cloud. Where there is none it is created, with one
 * column more (`extra_json`) for fields that have no column. A table that is there is used as it is; without that column
 * such fields are dropped, of which is warned once. The columns `updated_at` and `node_id` must have the collation `C`.
 *
 * Nothing is sent before the first call. `init()` connects and creates what is missing; a clock that begins behind the
 * store (`createHLCClock({ state })`) waits for the database, so await `init()` before. A page of an exchange is one
 * transaction. Calls that meet a fault which may pass (a deadlock, a server that starts again, a connection that ends) are
 * made again for about two seconds.
 *
 * `put`, `delete`, `batch` and transactions of one adapter are written one after the other, in the order of asking; pages of
 * exchanges wait for none of them. An answering side over it tells callers with nothing to do of what this process wrote at
 * once, and of what others wrote within a second. A transaction has a connection of its own until it ends. Its callback reads and writes
 * by what it is given: what it calls of the adapter itself rejects at once with `IN_TRANSACTION`.
 *
 * A text with U+0000, and a timestamp of more than 12 digits of time and 4 of its counter, cannot be stored: the item that has
 * it fails alone. `healthCheck()` answers whether the table can be read. `close()` waits for what is running, but for
 * callbacks of transactions only a second.
 *
 * @example
 * const database = createPostgresDatabaseAdapter({
 *   connectionString: "postgres://cloud@db.example.com/starkeep",
 *   password: async () => "…",
 * });
 * await database.init();
 * @throws `INVALID_ARGUMENT` (for an unknown option too). Its functions reject with `DATABASE_ERROR` where the server cannot be
 * reached or refuses, with `STORE_BUSY`, `READ_ONLY` (a role that may not write, a replica), `STORAGE_FULL`,
 * `CONSTRAINT_VIOLATION`, and with `STORE_CLOSED` after `close()`. `peerCode` is the SQLSTATE of the server, `retryable` says
 * whether the same call may succeed later, and the message what to do.
 */
declare function createPostgresDatabaseAdapter(
  options: PostgresDatabaseAdapterOptions,
): DatabaseAdapter & Required<NodeWatermarksCapable>;

/** App rows in a PostgreSQL database: an `appSyncableSource` as it is. {@link createPostgresAppRows} makes one. */
type PostgresAppRows = SqliteAppRows;

/**
 * App rows in a PostgreSQL database. The apps are those of `app_syncable_namespaces` in the `schema`; the table `pages` of the
 * app `my-notes` is `app_my_notes.pages`, as in Starkeep's cloud. `register` creates what is missing; its columns are texts,
 * and one more column (`starkeep_extra_json`) keeps what they would not give back. Tables that are there are used as they
 * are, with columns of any type. Without that column, fields that have none are dropped there, of which is warned once.
 *
 * `namespaces` answers at once, and so waits for the database. A page of an exchange is one transaction. What is said of
 * connections, of texts and of timestamps at {@link createPostgresDatabaseAdapter} holds here, too. `healthCheck()` answers
 * whether the apps can be read.
 *
 * @example
 * const rows = createPostgresAppRows({ connectionString: "postgres://cloud@db.example.com/starkeep" });
 * await rows.register("notes", { tables: [{ name: "pages", pkColumns: ["id"] }] });
 * const engine = createSyncEngine({ ...adapters, appSyncableSource: rows });
 * @throws `INVALID_ARGUMENT` (for an unknown option too). Its functions reject as those of
 * {@link createPostgresDatabaseAdapter}, and with `UNKNOWN_APP`.
 */
declare function createPostgresAppRows(options: PostgresOptions): PostgresAppRows;

/** Options of {@link createPostgresSyncStateStore}. */
interface PostgresSyncStateStoreOptions extends PostgresOptions {
  /** Whose state it is: two callers, or one that has two peers, each have a name of their own. */
  readonly scope: string;
}

/**
 * What a caller remembers between rounds, in `sync_state` of the `schema`, which is created if it is missing. For a server that
 * is itself a caller; an answering side remembers nothing. What is said of connections at
 * {@link createPostgresDatabaseAdapter} holds here, too.
 *
 * @example
 * const syncState = createPostgresSyncStateStore({
 *   connectionString: "postgres://cloud@db.example.com/starkeep",
 *   scope: "cloud-eu to cloud-us",
 * });
 * @throws `INVALID_ARGUMENT` (for an unknown option too). Its functions reject as those of
 * {@link createPostgresDatabaseAdapter}.
 */
declare function createPostgresSyncStateStore(
  options: PostgresSyncStateStoreOptions,
): ClosableSyncStateStore;

/** Options of {@link createS3ObjectStorage}. */
interface S3ObjectStorageOptions {
  /** The name of the bucket, which must be there already. */
  readonly bucket: string;
  /**
   * The `http:` or `https:` URL of the S3 server, for another one than that of AWS in the region. A path of it stands before
   * the bucket.
   */
  readonly endpoint?: string;
  /** The region of the bucket, like `"eu-central-1"`. Servers without regions mostly take `"us-east-1"`. */
  readonly region: string;
  /** What stands before every key in the bucket, as it is: `"photos/"` for one. Empty by default. */
  readonly keyPrefix?: string;
  /**
   * The credentials, or a function that answers them. The function is called before the first request, a minute before
   * `expiration`, and when the server says that the session has ended; whatever waits then shares one call. What it
   * throws rejects the calls that wait, as the same object.
   */
  readonly credentials: S3Credentials | (() => S3Credentials | Promise<S3Credentials>);
  /**
   * Whether the bucket stands in the path (`https://host/bucket/key`) and not before the host. `false` by default; it
   * always does where the endpoint is an IP address or `localhost`, or the name of the bucket has dots or capitals.
   */
  readonly forcePathStyle?: boolean;
  /**
   * The bytes of a part of a large object, from 5 MiB to 5 GiB; 8 MiB by default. What is not larger is one request. An
   * object whose size is not known beforehand has at most 10,000 parts, so at most 78 GiB by default.
   */
  readonly partSize?: number;
  /** How long nothing may move on a connection, in milliseconds; 60,000 by default, `null` for as long as it likes. */
  readonly timeoutMs?: number | null;
}

/** An object storage in a bucket. */
interface S3ObjectStorage extends ObjectStorageAdapter {
  /**
   * What is known of the object under the key; `null` where there is none. The hash is known of what this package put, of
   * an object of several parts if its item names the hash.
   */
  stat(key: string): Promise<ObjectStat | null>;
  /**
   * A url that is good for 15 minutes, for this method and key alone: `"GET"` for getting the object, `"PUT"` for putting
   * one of the type, size and hash in `about`, as far as they are named. The request must have the `headers`. `null` for
   * an object of more than 5 GiB, which S3 takes in no single request.
   */
  presign(
    key: string,
    method: "GET" | "PUT",
    about?: ObjectToUpload,
  ): Promise<{
    /** The url. It is a secret: whatever has it may do this. */
    readonly url: string;
    /** Headers that the request must have. */
    readonly headers: { readonly [name: string]: string };
  } | null>;
}

/**
 * Makes an object storage in a bucket of S3, or of a server that speaks its protocol. Engines, servers and handlers of
 * this package reach it without JavaScript in between, and objects stream: of one that is put at most four parts are in
 * memory, of one that is read what the connection holds.
 *
 * A put is there as a whole or not at all. Up to `partSize` it is one request; a larger object is an upload in parts, at
 * most four at a time, that is aborted when it fails or is called off. Where a process dies within one, its parts stay
 * in the bucket, unseen, until a lifecycle rule (`AbortIncompleteMultipartUpload`) removes them. The server compares
 * the SHA-256 of each request, and keeps it: `stat` tells it.
 *
 * A key is any text but an empty one, at most 1,024 bytes of UTF-8 with its `keyPrefix`, without segments `.` and `..`,
 * which no URL can carry. Other keys reject with `INVALID_KEY`. `list` is in the order of UTF-8. Metadata and content
 * types are kept; a content type that no header can hold is left out.
 *
 * Requests that meet a busy server (500, 502, 503, 504, 429) or a broken connection are sent again at most 4 times; a
 * read that breaks off goes on where it broke. Where S3 answers 403 `AccessDenied` to a question for an object, which it
 * does for objects that are not there unless the caller may list, there is none. `healthCheck()` answers whether the
 * keys of the bucket can be listed. `close()` waits for what runs.
 *
 * `docs/cloud.md` shows a server over it, and the rights that it needs.
 *
 * @example
 * const objects = createS3ObjectStorage({
 *   bucket: "my-photos",
 *   region: "eu-central-1",
 *   credentials: { accessKeyId: "…", secretAccessKey: "…" },
 * });
 * await objects.put("notes/1", new TextEncoder().encode("Buy milk"), { contentType: "text/plain" });
 * @throws `INVALID_ARGUMENT` (for an unknown option too). Its functions reject with `OBJECT_STORE_ERROR` where the server
 * refuses or cannot be reached: `status` and `peerCode` are those of the answer (`"NoSuchBucket"`, `"AccessDenied"`,
 * `"SignatureDoesNotMatch"`, `"RequestTimeTooSkewed"`, …), `retryable` says whether the same call may succeed later, and the
 * message what to do. And with `HASH_MISMATCH`, `STORAGE_FULL`, and with `STORE_CLOSED` after `close()`.
 */
declare function createS3ObjectStorage(options: S3ObjectStorageOptions): S3ObjectStorage;

/* ------------------------------------------------------------------------------------------------
 * Exchanges
 */

/** What a caller asks its peer. */
interface SyncExchangeRequest {
  /** What the caller has seen. */
  readonly watermarks: Watermarks;
  /** Shared records that the peer has not seen, as far as the caller knows. */
  readonly records?: AnyRecord[];
  /** App rows that the peer has not seen, as far as the caller knows. */
  readonly appSyncableRows?: AppSyncableRowEntry[];
  /** The most items in the answer, records and rows together. 1000 by default. */
  readonly limit?: number;
  /**
   * Per nodeId of which there are items: the greatest timestamp that the peer was last known to hold,
   * which the items follow on. A peer that holds less leaves that node's items out, so that its coverage
   * shows what it lost; it is then sent everything from there. Peers of old do not know the field.
   */
  readonly shippedAfter?: Watermarks;
  /**
   * The answer may have at most this many bytes as JSON. The answering side then ends its page earlier, and names
   * in `withheld` what is by itself larger. Left out, there is no limit.
   */
  readonly maxAnswerBytes?: number;
  /**
   * What sides with change logs say beside it. It is this package's own: a transport of an app's passes it on as it
   * is, both ways, or leaves it out both ways.
   */
  readonly log?: unknown;
}

/**
 * An item that the answering side did not take in, or that it has and cannot send, and why. Peers before 0.4 do
 * not know the fields that hold it, and pass them over.
 */
interface ItemRefusal {
  /** Whether it is a shared record or an app row. */
  readonly kind: "record" | "appRow";
  /** The id of a record. */
  readonly id?: string;
  /** The app of a row. */
  readonly appId?: string;
  /** The table of a row. */
  readonly table?: string;
  /** Which version; left out if it has no valid timestamp. */
  readonly timestamp?: HLCTimestamp;
  /** What is wrong, for programs. */
  readonly code: ErrorCode | (string & {});
  /** What is wrong, for people: at most 1000 bytes. */
  readonly reason: string;
}

/** What the peer answers. */
interface SyncExchangeResponse {
  /** Shared records that the caller has not seen. */
  readonly records: AnyRecord[];
  /** App rows that the caller has not seen. */
  readonly appSyncableRows: AppSyncableRowEntry[];
  /** Whether unseen items were left out because of the limit. */
  readonly hasMore: boolean;
  /**
   * Per nodeId the greatest timestamp that the answering side holds on this channel, after taking in the
   * request. It replaces what the caller knew of its peer. Left out where the side's stores cannot say.
   */
  readonly responderWatermarks?: Watermarks;
  /**
   * Items of the request that were not taken in, at most 1000. The caller holds them with these reasons. Left out
   * if there are none.
   */
  readonly refused?: readonly ItemRefusal[];
  /**
   * Items that the caller has not seen and that cannot be sent, the first of each nodeId, at most 1000. What their
   * nodeIds wrote later is not in the answer either, so that no watermark passes them. Left out if there are none.
   */
  readonly withheld?: readonly ItemRefusal[];
  /** As in {@link SyncExchangeRequest.log}. */
  readonly log?: unknown;
}

/** The way to a peer. */
interface SyncTransport {
  /** One request and its answer. What it throws comes out of the engine's `exchange()`. */
  exchange(request: SyncExchangeRequest): Promise<SyncExchangeResponse>;
}

/** Options of {@link createInProcessSyncTransport}. */
interface InProcessTransportOptions {
  /** The shared records of the answering side. */
  readonly databaseAdapter: DatabaseAdapter & DeltaCapableDatabaseAdapter;
  /** The clock of the answering side. */
  readonly clock: HLCClock;
  /**
   * The app rows of the answering side. Its applier is scanned where it is a {@link ScanCapableApplier}.
   * Without it, rows that come in are not applied.
   */
  readonly appSyncableSource?: {
    readonly namespaces: AppSyncableNamespaceStore;
    readonly applier: AppSyncableApplier;
  };
  /** The objects of the answering side. An exchange never touches them. */
  readonly objectStorage: ObjectStorageAdapter;
  /** Whether the channel carries shared records. `true` by default. */
  readonly syncSharedRecords?: boolean;
  /**
   * How far ahead of the system's clock the timestamp of an incoming item may lie, in milliseconds.
   * 24 hours by default; `null` for no limit. An item beyond it is not taken in.
   */
  readonly maxClockSkewMs?: number | null;
  /**
   * Says what there is to say in lines, in place of the `console`; see {@link SyncLogger}. An answering side says its
   * warnings.
   */
  readonly logger?: SyncLogger;
  /** From which level on lines are said to `logger`. `"info"` by default. */
  readonly logLevel?: SyncLogLevel;
}

/**
 * Makes the answering side of an exchange, for a peer in this process.
 *
 * Its `exchange` takes in the request's items, last writer wins, and answers with what the request's
 * watermarks have not seen, smallest timestamps first. Of each nodeId items are taken in in the order of
 * their timestamps, up to the first that fails; other nodeIds go on. `responderWatermarks` shows the
 * caller where each of them stands. Where the stores cannot say that, the first failure rejects the
 * exchange, so that the caller's watermarks stay.
 *
 * Rejects with a {@link SyncError} where the request is malformed, and with what a store throws.
 *
 * An option that it does not know is a warning on the `console`, once for each name.
 *
 * @example
 * const transport = createInProcessSyncTransport({
 *   databaseAdapter: createSqliteDatabaseAdapter({ path: "cloud.db" }),
 *   objectStorage: createFsObjectStorage({ root: "cloud-files" }),
 *   clock: createHLCClock({ nodeId: "cloud" }),
 * });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type, and where an adapter is a promise or lacks a function
 * that every exchange calls: `query`, and `list` where the applier has `scanSince`.
 */
declare function createInProcessSyncTransport(options: InProcessTransportOptions): SyncTransport;

/* ------------------------------------------------------------------------------------------------
 * HTTP
 */

/** What is used of a `fetch` where no types of one are there. */
type OwnFetch = (input: string, init?: any) => Promise<any>;

/** The platform's `fetch`, or a function that takes its place. */
type Fetch = Installed<PlatformFetch, OwnFetch>;

/** Headers that {@link HttpPeerOptions.signRequest} answers. Values that are `undefined` are left out. */
type SignedHeaders =
  Readonly<Record<string, string | undefined>> | Iterable<readonly [string, string]>;

/**
 * Answers the `Authorization` header; nothing, or an empty string, for none. Asked at every request and
 * every further try. What it throws rejects the call as that very object.
 */
type AuthHeader = () => string | null | undefined | Promise<string | null | undefined>;

/**
 * How to reach a peer over HTTP.
 *
 * Without `fetch`, requests go over connections of this package's own: HTTP/2 or 1.1, used again, and
 * none of their bytes pass through JavaScript on the way between stores of this package. Certificates are
 * trusted as the system trusts them (as Mozilla does where the system has none), with those of
 * `NODE_EXTRA_CA_CERTS`; a certificate that is itself in that file is trusted whatever its issuer, as long as it is valid
 * and for that name. A proxy of the environment is used where Node.js uses it, with `NODE_USE_ENV_PROXY=1`. Redirects are errors that name the place: credentials do not follow them.
 */
interface HttpPeerOptions {
  /**
   * An `http:` or `https:` URL without user and password. Slashes at its end are cut. One that cannot be
   * used is found out with the first request, which rejects with `INVALID_ARGUMENT`.
   */
  readonly baseUrl: string;
  /**
   * Makes the requests instead. It is called with the URL as a string and
   * `{ method, headers, body, signal }`: the headers a plain object, `body` and `signal` only where there
   * is one. Of its response are used `status` (or `ok`), `statusText`, `headers.get`, and `body`, or else
   * `json()`, `text()` or `arrayBuffer()`. What it throws rejects the call as that very object.
   */
  readonly fetch?: Fetch;
  /**
   * How many times a request is tried again: an integer, 0 by default. After failing to connect (but for TLS), a
   * connection that breaks and the statuses 429, 502, 503 and 504; with `fetch` after whatever it throws
   * but an `AbortError`. Pauses begin at a quarter of a second, double each time, and vary at random; a
   * `Retry-After` counts instead; none is longer than 60 seconds.
   *
   * Not counted: without a `fetch`, a request over a connection that was used before, and that ended before an
   * answer began, is sent once more at once over a fresh one.
   */
  readonly retries?: number;
}

/** Options of {@link createHttpSyncTransport}. */
interface HttpSyncTransportOptions extends HttpPeerOptions {
  /** See {@link AuthHeader}. */
  readonly getAuthHeader?: () => string | undefined;
  /**
   * Answers headers for a request, such as its signature: `method` is `"POST"`, `path` is
   * `"/sync/exchange"`, `body` the very text that is sent, which is never packed then. They replace
   * headers of the same name; `Host`, `Content-Length` and others that are HTTP's own are left to it.
   * Asked at every request and every further try.
   */
  readonly signRequest?: (
    method: string,
    path: string,
    body: string,
  ) => SignedHeaders | Promise<SignedHeaders>;
  /**
   * How long a request may take until its answer is whole, in milliseconds; `Infinity` for no limit.
   * 120,000 by default, and no limit with `fetch`. Connecting may take 30 seconds of it.
   */
  readonly timeoutMs?: number;
  /** The most bytes an answer may have, after unpacking: an integer from 1. 268,435,456 by default. */
  readonly maxAnswerBytes?: number;
}

/** Options of {@link createHttpSyncTransport} where the `Authorization` header comes later, or is null. */
interface HttpSyncTransportLaterOptions extends Omit<HttpSyncTransportOptions, "getAuthHeader"> {
  /** See {@link AuthHeader}. */
  readonly getAuthHeader?: AuthHeader;
}

/**
 * Makes the way to a peer over HTTP: `POST {baseUrl}/sync/exchange`.
 *
 * Answers may come packed with gzip; requests of more than a KiB are packed once the peer has said that
 * it takes it (`Accept-Encoding: gzip` in an answer), unless they are signed.
 *
 * Its `exchange` rejects with a {@link SyncError} for a status outside 200–299 (`/sync/exchange failed:
 * <status> <status text> <body>`, at most 4 KiB of the body), for an answer that is malformed, too long,
 * late or cut off, and where the peer cannot be reached; its `cause` says more.
 *
 * An option that it does not know is a warning on the `console`, once for each name.
 *
 * @example
 * const transport = createHttpSyncTransport({
 *   baseUrl: "https://sync.example",
 *   getAuthHeader: () => `Bearer ${token}`,
 * });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type.
 */
// `Parameters` and mocks see `HttpSyncTransportOptions`: code of old calls `getAuthHeader` and takes a string.
declare function createHttpSyncTransport<OfOld extends true = never>(
  options: [OfOld] extends [never] ? HttpSyncTransportLaterOptions : HttpSyncTransportOptions,
): SyncTransport;

/** Options of {@link createHttpObjectStorage}. */
interface HttpObjectStorageOptions extends HttpPeerOptions {
  /**
   * Of the exchange, see {@link HttpSyncTransportOptions}: taken and passed over, so that one object of options can
   * be given to both. An object's bytes have no such bound.
   */
  readonly maxAnswerBytes?: number;
  /** See {@link AuthHeader}. */
  readonly getAuthHeader?: AuthHeader;
  /**
   * Answers headers for a request, such as its signature. `path` is what follows `baseUrl`, the key
   * percent-encoded: `"/files/a%2Fb.jpg"`. `body` is `""` for requests without one, and `undefined` for
   * the bytes of an object, which are not at hand when the request is signed.
   */
  readonly signRequest?: (
    method: string,
    path: string,
    body: string | undefined,
  ) => SignedHeaders | Promise<SignedHeaders>;
  /**
   * How long a request may stand still, in milliseconds; `Infinity` for no limit. An object may take
   * longer while its bytes move. 60,000 by default, and no limit with `fetch`. What a `fetch` sends is not
   * seen to move, so its puts have no limit.
   */
  readonly timeoutMs?: number;
  /**
   * Whether a status 403 to a HEAD or a GET means that there is no such file, as with S3 where the caller may
   * not list. `false` by default: it is an error then.
   */
  readonly forbiddenMeansAbsent?: boolean;
  /**
   * Whether the bytes of objects go past the peer, as with Starkeep's cloud: to put one, `POST /files/presign` answers a
   * url, the bytes are put there, and `POST /files/confirm` says so; to get one, `GET /files/<key>/presign` answers the
   * url. `false` by default. What goes to such a url has the headers that came with it, and none of `getAuthHeader` and
   * `signRequest`; of an `https:` peer it must be `https:` too. `has`, `stat` and `delete` go to `/files/<key>` as before.
   *
   * `signRequest` is then given the path decoded, as that cloud looks at it: `"/files/a/b.jpg/presign"`,
   * `"/files/presign"` (with the text of the body), and `"/files/a/b.jpg"` for the others.
   *
   * A peer that hands out no urls is never sent the bytes instead: calls reject with `CANNOT_PRESIGN`, and in rounds the
   * item is held with that code. Leave the option out there.
   */
  readonly presign?: boolean;
}

/**
 * Makes an object storage of the files of a peer: `{baseUrl}/files/<percent-encoded key>` with HEAD, GET,
 * PUT and DELETE. Between it and a {@link createFsObjectStorage} engines move objects without holding
 * them in memory, unless `fetch` is given. Such a put is tried once, whatever `retries` says, but for a
 * connection that the peer closed while it was quiet. An object of 8 MiB or more whose item has its SHA-256 goes on with
 * the next put where the line broke, if the peer kept what it had, as servers with a {@link createFsObjectStorage} do.
 *
 * An object that arrives shorter or longer than announced is an error, and nothing of it is kept. One that was
 * packed with gzip on the way is unpacked. A web page from a server that does not say that it speaks this
 * protocol is no object, unless the item's `mimeType`, or the ending of its key, says that it is one: `has`
 * answers false, `get` rejects. A server that answers 405 or 501 to HEAD is asked for the first byte instead.
 *
 * Metadata is not carried, and keys cannot be listed: `list` rejects with `INVALID_ARGUMENT`.
 * `healthCheck` asks `GET {baseUrl}/health`. `init` and `close` do nothing.
 *
 * Its functions reject with a {@link SyncError} where the peer refuses (`PUT /files/<key> failed: <status>
 * <status text> <body>`) or cannot be reached, and with `INVALID_KEY` for keys that no URL can name: empty
 * ones, `.` and `..`, and those with a lone surrogate.
 *
 * @example
 * const remoteObjectStorage = createHttpObjectStorage({
 *   baseUrl: "https://sync.example",
 *   getAuthHeader: () => `Bearer ${token}`,
 * });
 * @throws `INVALID_ARGUMENT` where an option has a wrong type or is unknown.
 */
declare function createHttpObjectStorage(options: HttpObjectStorageOptions): ObjectStorageAdapter;

/* ------------------------------------------------------------------------------------------------
 * The answering side over HTTP
 *
 * `POST /sync/exchange` is one exchange; `HEAD`, `GET`, `PUT` and `DELETE /files/<percent-encoded key>` are
 * the objects, and {@link PresignCapability} has their urls. `docs/protocol.md` has every header and status. A refusal is JSON, `{ error, code }`, and
 * says nothing of the inside; what failed there is a warning on the `console`.
 *
 * Of a storage that {@link createFsObjectStorage} made, files stream in and out with bounded memory, and the bytes that arrived of an
 * upload whose line broke are kept for 3 days, at most 16 GiB of them together; with another adapter they are handed over
 * whole. Which of the two a storage is, is looked at with every
 * request of a handler, and when a server begins to listen.
 */

/** What the answering side over HTTP is made of. */
interface HttpSyncChannelOptions<Request> {
  /** The shared records of the answering side. */
  readonly databaseAdapter: DatabaseAdapter & DeltaCapableDatabaseAdapter;
  /**
   * The objects behind `/files/`. With a {@link PresignCapability} their bytes may go past this side; whether it has one is
   * looked at with every request of a handler, and when a server begins to listen.
   */
  readonly objectStorageAdapter: ObjectStorageAdapter & Partial<PresignCapability>;
  /** The clock of the answering side. */
  readonly clock: HLCClock;
  /**
   * Answers exchanges in place of the built-in answering side, which then reads none of the stores above
   * but `objectStorageAdapter`.
   */
  readonly transport?: SyncTransport;
  /** The app rows of the answering side, as in {@link InProcessTransportOptions}. */
  readonly appSyncableSource?: {
    readonly namespaces: AppSyncableNamespaceStore;
    readonly applier: AppSyncableApplier;
  };
  /** Whether the channel carries shared records. `true` by default. */
  readonly syncSharedRecords?: boolean;
  /**
   * How far ahead of the system's clock the timestamp of an incoming item may lie, in milliseconds.
   * 24 hours by default; `null` for no limit. An item beyond it is not taken in.
   */
  readonly maxClockSkewMs?: number | null;
  /**
   * Says what there is to say in lines, in place of the `console`; see {@link SyncLogger}. An answering side says its
   * warnings.
   */
  readonly logger?: SyncLogger;
  /** From which level on lines are said to `logger`. `"info"` by default. */
  readonly logLevel?: SyncLogLevel;
  /**
   * Whether a request is let in, and what its caller may do: `true` for everything. `false` is answered 401; whatever
   * it throws, and any other answer, 500. It is asked for every route but `/health`, before the body is read, and
   * before anything is told of channels and keys. Without it everybody comes in. Of a `POST` to `/files/presign` and
   * `/files/confirm` the body, at most 64 KiB, is read before: it has the key.
   *
   * Both arguments say what is wanted, in one form whatever the protocol and the spelling. Behind `node:http` the first
   * is the request as well, on which an app may have noted who the caller is; its `url` is what the caller wrote, and a
   * key has more than one spelling there (`/files/%70rivate`): a rule about files belongs on `key`.
   */
  readonly authorize?: (
    request: Request & HttpSyncWanted,
    wanted: HttpSyncWanted,
  ) => boolean | HttpSyncGrant | Promise<boolean | HttpSyncGrant>;
  /**
   * Only rows of these apps are taken in and go out, for every caller. Those of every registered app by default.
   * It says nothing of shared records and files.
   */
  readonly apps?: readonly string[];
  /** The greatest body of an exchange, in bytes, unpacked. 64 MiB by default. A greater one is answered 413. */
  readonly maxBodyBytes?: number;
  /** The greatest file that may be put, in bytes, unpacked. No limit by default. */
  readonly maxFileBytes?: number;
  /** The most records and rows of one exchange together. 100,000 by default. More are answered 413. */
  readonly maxItems?: number;
}

/** Options of {@link createHttpSyncHandler}. */
interface HttpSyncServerOptions extends HttpSyncChannelOptions<IncomingMessage> {
  /**
   * What all requests together may hold in memory, in bytes: bodies and answers of exchanges, what is read out of them,
   * and files that go through an `objectStorageAdapter` of the app's. 256 MiB by default. A request for which there is no
   * room is answered 503, with `Retry-After`. An exchange needs about three times its unpacked body: with less than that
   * of `maxBodyBytes`, bodies of that size are never taken.
   */
  readonly maxMemoryBytes?: number;
}

/**
 * A listener for `node:http` that knows the routes. The promise is true where it answered, false where the
 * request is not for it, and untouched. It never rejects.
 */
type HttpSyncHandler = (req: IncomingMessage, res: ServerResponse) => Promise<boolean>;

/**
 * Makes the answering side for a `node:http` server of the app's.
 *
 * The paths are those of `req.url`, the query left out: below a prefix let the router cut it off, as
 * `app.use("/apps/photos", …)` of Express does. Mount it before parsers of bodies: a message that one has
 * read is taken from `req.body`, a file that one has changed is refused.
 *
 * An option that it does not know is a warning on the `console`, once for each name.
 *
 * @example
 * const handle = createHttpSyncHandler({ ...stores, authorize });
 * createServer(async (req, res) => {
 *   if (!(await handle(req, res))) res.writeHead(404).end(); // the app's own routes
 * }).listen(8080);
 * @throws `INVALID_ARGUMENT` where an option has a wrong type. An adapter that lacks a function is found
 * out with the first request that needs it.
 */
declare function createHttpSyncHandler(options: HttpSyncServerOptions): HttpSyncHandler;

/** What a request asks for, as `authorize` sees it. */
interface HttpSyncWanted {
  /**
   * In capitals. `POST` of the route `"file"` is an upload by a url (`POST /files/presign` and `/files/confirm`): let it
   * pass where you let a `PUT` of the key pass.
   */
  readonly method: string;
  /**
   * The prefix of the channel, `"/"` for one at the root. Of a handler it is where its router has mounted it, if the
   * router says so as Express does (`req.baseUrl`).
   */
  readonly channel: string;
  /** Which of the routes it is. A server also asks for paths and methods that it does not have: they are `"unknown"`. */
  readonly route: "exchange" | "reconcile" | "file" | "events" | "unknown";
  /** The key of the file, decoded; `null` where it is none, and where no file is asked for. */
  readonly key: string | null;
  /** The app whose rows the channel carries, if its `apps` names one alone; else `null`. */
  readonly appId: string | null;
  /** By name in lower case; the values of several headers of one name are joined by `", "`. */
  readonly headers: { readonly [name: string]: string | undefined };
  /** The address of the caller, or of the proxy before it; `null` where it is not known. */
  readonly remoteAddress: string | null;
}

/** What a caller may do that `authorize` lets in. What is not named is not limited. */
interface HttpSyncGrant {
  /** Items of other nodes are not taken in from it; each is refused with `FORBIDDEN`. */
  readonly nodeIds?: readonly string[];
  /**
   * Nothing is taken in from it: items are refused with `FORBIDDEN`, and putting or deleting a file, and asking for a url
   * to put one to, with 403.
   */
  readonly readOnly?: boolean;
  /** Rows of other apps are not taken in from it, and do not go to it. They are refused with `FORBIDDEN`. */
  readonly apps?: readonly string[];
}

/** A request as `authorize` of {@link createHttpSyncServer} sees it. */
interface HttpSyncRequest {
  /**
   * The path, with the prefix of the channel and the query. The key of a file is encoded as
   * `encodeURIComponent` does it, however the caller spelt it.
   */
  readonly url: string;
}

/** A channel of {@link createHttpSyncServer}. */
type HttpSyncChannel = HttpSyncChannelOptions<HttpSyncRequest>;

/**
 * The certificate of a server and its key. Each is a PEM text, the bytes of one, or the path of a PEM file; a string with
 * `-----BEGIN` in it is a text.
 *
 * Files are read when `listen()` is called, and looked at again with a connection that comes a second or more after the
 * last look: a certificate that was renewed is shown to new connections without a restart, and old ones go on. While
 * what is there is of no use (a file is broken or missing, the key is another's) the certificate before it stays in
 * force, which the `console` is warned of once.
 */
interface HttpSyncServerTls {
  /** The server's own certificate, then those by which it is issued, but for the root. */
  readonly cert: string | Uint8Array;
  /** The private key of the first: of RSA, ECDSA or Ed25519, in PKCS#8, PKCS#1 or SEC1, without a passphrase. */
  readonly key: string | Uint8Array;
}

/** What a server allows. */
interface HttpSyncServerLimits {
  /**
   * The names by which a server is called, and the hosts of web pages that may use it, such as `"sync.home"` or
   * `"app.home:8443"`. It counts for channels without `authorize`: there a browser must not be made to write by a page
   * of elsewhere, so a `Host` that is neither loopback nor the address that was reached nor named here, and an `Origin`
   * that is neither the server's own nor named here, are answered 403; an exchange as `text/plain` or as a form, 415.
   * Empty by default.
   */
  readonly allowedHosts?: readonly string[];
  /**
   * Has the server speak TLS 1.2 and 1.3, with HTTP/2 or HTTP/1.1 as the caller agrees on it; without it, nothing of
   * TLS. Plain HTTP is then answered 400 with words that say so. Pages that came without TLS may not use channels
   * without `authorize`, except from this machine.
   */
  readonly tls?: HttpSyncServerTls;
  /**
   * From the first byte of a request to the last of its headers, in milliseconds; with `tls` also from the connection to
   * the end of the handshake. 10 seconds by default.
   */
  readonly headerTimeoutMs?: number;
  /**
   * Within this time at least 16 KiB of a body come, or its end; in milliseconds, 30 seconds by default. A
   * slower body is answered 408.
   */
  readonly bodyTimeoutMs?: number;
  /**
   * A connection without a request, or that takes nothing of an answer, is closed after this many milliseconds. 60
   * seconds by default.
   */
  readonly idleTimeoutMs?: number;
  /** How many milliseconds `close()` lets running requests go on. 10 seconds by default. */
  readonly closeTimeoutMs?: number;
  /** How many connections are open at one time; others wait. 1024 by default. */
  readonly maxConnections?: number;
  /**
   * How many connections of one address are open at one time; others of it are closed. Three quarters of
   * `maxConnections` by default. Of IPv6 the first 64 bits are the address. Behind a proxy all callers have its address.
   */
  readonly maxConnectionsPerAddress?: number;
  /**
   * How many requests are in work at one time; others are answered 503 with `Retry-After`. 256 by default. `/health`,
   * refusals, and answers of at most 64 KiB that wait to be taken do not count.
   */
  readonly maxRequests?: number;
  /** How many of them are of one address. Three quarters of `maxRequests` by default. */
  readonly maxRequestsPerAddress?: number;
  /** How many requests of one HTTP/2 connection are in work at one time; others of it wait. 64 by default. */
  readonly maxRequestsPerConnection?: number;
  /** As of {@link HttpSyncServerOptions}, for all channels together. */
  readonly maxMemoryBytes?: number;
  /**
   * The most records and rows that one address may send within an hour, 10,000,000 by default. More are answered 429, with
   * `Retry-After`. It is no limit of a household, but of a caller that means harm; behind a proxy all callers have its
   * address.
   */
  readonly maxItemsPerHour?: number;
  /** The same of records, rows and files that are deleted. 1,000,000 by default. */
  readonly maxDeletionsPerHour?: number;
  /** The same of files that are stored. 1,000,000 by default. */
  readonly maxFilesPerHour?: number;
  /**
   * Who gets the numbers of {@link HttpSyncServer.stats} from `GET /metrics`, as text in the form of OpenMetrics: callers
   * on this machine, or all. It is not there by default. A proxy on this machine is a caller on this machine: let it pass on what is
   * meant for others alone.
   */
  readonly metrics?: "loopback" | "everyone";
  /**
   * Has the server answer `GET /` with a page that shows what it does, as it happens; `GET /status` is the same as JSON,
   * and `GET /status/events` as an event stream. It has the channels, the nodes that were seen, the last 50 exchanges and
   * refusals with their reasons, and the bytes of each minute of the last hour; it is kept in memory, below 1 MiB, and begins
   * anew with the server. It is not there by default. Paths that mean something to a channel stay the channel's.
   *
   * `"loopback"` is for callers on this machine: any user and program of it, and none of `authorize` is asked. A `Host` or an
   * `Origin` that `allowedHosts` does not name is not answered, so that no web page of elsewhere reads it. A proxy on this
   * machine is a caller on this machine: do not let it pass on `/` and `/status`. `"everyone"` is for every caller,
   * and shows them ids of records and nodes and the addresses of callers: only for a network in which all may know that.
   */
  readonly statusPage?: "loopback" | "everyone";
}

/** Options of {@link createHttpSyncServer}: one channel at the root, or several by prefix. */
type HttpSyncListenerOptions = HttpSyncServerLimits &
  (
    | (HttpSyncChannel & { readonly channels?: undefined })
    | ({
        /**
         * By the prefix of their paths, such as `"/apps/photos"`; `"/"` is the root. The longest prefix that
         * fits counts. Other paths are answered 404.
         */
        readonly channels: Readonly<Record<string, HttpSyncChannel>>;
      } & { readonly [Option in keyof HttpSyncChannel]?: undefined })
  );

/** Where a server listens. */
interface HttpSyncAddress {
  /** The address in numbers. */
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
  /** The port, also where a free one was asked for. */
  readonly port: number;
}

/** A server of {@link createHttpSyncServer}. It keeps the process alive while it listens. */
interface HttpSyncServer {
  /**
   * Begins to listen: on a free port where `port` is 0 or left out, and on `127.0.0.1` alone where no host
   * is named. Adapters are called in the asynchronous context of this call.
   *
   * Rejects with `IO_ERROR` where the place is taken, the host is none of this machine's or a file of `tls` cannot be
   * read, and with `INVALID_ARGUMENT` where `port` is no integer from 0 to 65535, `host` is no string, `tls` is not a
   * certificate with its key, or the server listens already.
   *
   * @example
   * const { port } = await server.listen(7420, "127.0.0.1");
   */
  listen(port?: number, host?: string): Promise<HttpSyncAddress>;
  /** Where it listens, or `null` where it does not. */
  address(): HttpSyncAddress | null;
  /**
   * Takes no more requests, lets those in work end, for `closeTimeoutMs` at most, and frees the port. The
   * stores stay open.
   */
  close(): Promise<void>;
  /**
   * Calls `listener` after each exchange that brought something or had something refused, also what a caller of several
   * channels brought to each. What it throws is a warning. Returns what ends that.
   *
   * What a `transport` of the app's own takes in, it is not told of.
   *
   * @example
   * server.onExchange(({ channel, records, tables }) => {
   *   console.log(`${channel}: ${records.length} records, ${tables.length} tables`);
   * });
   * @throws `INVALID_ARGUMENT` where `listener` is no function.
   */
  onExchange(listener: (arrived: HttpSyncArrived) => void): () => void;
  /**
   * What the server has done since it was made, and what it does now.
   *
   * @example
   * const failed = server.stats().requests.filter(({ status }) => status >= 500);
   */
  stats(): HttpSyncStats;
}

/** An exchange that brought something. */
interface HttpSyncArrived {
  /** The prefix of the channel, `"/"` for one at the root. */
  readonly channel: string;
  /** The ids of the shared records that are new here. */
  readonly records: readonly string[];
  /** The tables of which rows are new here. */
  readonly tables: readonly { readonly appId: string; readonly table: string }[];
  /** How many records and rows were refused. */
  readonly refused: number;
  /** The address of the caller, or of the proxy before it. */
  readonly remoteAddress: string | null;
}

/** Numbers of a server. Bytes are those of bodies, packed where they go so over the line. */
interface HttpSyncStats {
  /** How many requests of a route were answered with a status. */
  readonly requests: readonly {
    readonly route: HttpSyncWanted["route"] | "health" | "metrics" | "status";
    readonly status: number;
    readonly count: number;
  }[];
  /** Requests in work now. */
  readonly requestsInWork: number;
  /** Callers that listen to `GET /events` now, and status pages that are open. */
  readonly eventStreams: number;
  /** Connections that are open now. */
  readonly connectionsOpen: number;
  /** Connections that were accepted. */
  readonly connections: number;
  /** Connections that were closed at once, because their address had its share. */
  readonly connectionsTurnedAway: number;
  /** Bytes that came. */
  readonly bytesReceived: number;
  /** Bytes that went. */
  readonly bytesSent: number;
  /** Records and rows that came with exchanges. */
  readonly itemsReceived: number;
  /** Those of them that were refused. */
  readonly itemsRefused: number;
  /** Records and rows that went with answers. */
  readonly itemsSent: number;
  /** What requests hold in memory now, in bytes; see `maxMemoryBytes`. */
  readonly memoryBytes: number;
}

/**
 * Makes a server of its own: the routes of {@link createHttpSyncHandler}, and `GET /health`, on native
 * threads. Messages are read, written and packed there; adapters are called on the JavaScript thread. Where
 * the stores of a channel and its clock are this package's own, and the clock has no functions of the app's,
 * exchanges never touch the JavaScript thread.
 *
 * It speaks HTTP/1.1 and HTTP/2, over TLS if `tls` is given. Where it is reached from outside give it that, or put what
 * ends TLS in front of it.
 *
 * @example
 * const folder = "/etc/letsencrypt/live/sync.example";
 * const server = createHttpSyncServer({
 *   ...stores,
 *   authorize,
 *   tls: { cert: `${folder}/fullchain.pem`, key: `${folder}/privkey.pem` },
 * });
 * await server.listen(443, "0.0.0.0");
 *
 * @throws `INVALID_ARGUMENT` where an option has a wrong type or is unknown, so that a misspelt `authorize` opens
 * nothing, and where an adapter is a promise or lacks a function that every exchange calls.
 */
declare function createHttpSyncServer(options: HttpSyncListenerOptions): HttpSyncServer;

/* ------------------------------------------------------------------------------------------------
 * App rows
 */

/** A table of an app whose rows are exchanged. */
interface AppSyncableTableInfo {
  /** The name as it goes over the wire, without prefixes of the database. */
  readonly name: string;
  /** The columns of the primary key. */
  readonly pkColumns: string[];
}

/** An app and its tables. */
interface AppSyncableNamespace {
  readonly appId: string;
  /** The tables whose rows are exchanged. */
  readonly tables: AppSyncableTableInfo[];
  /** Whether the app keeps files, in the table `_starkeep_sync_records`. */
  readonly filesEnabled: boolean;
  /** The names of `tables`. */
  readonly tableNames: string[];
}

/** The apps that take part. */
interface AppSyncableNamespaceStore {
  /** The app, or `null` where it does not take part. */
  get(appId: string): AppSyncableNamespace | null;
  /** All apps. */
  list(): AppSyncableNamespace[];
}

/** One version of an app's row. */
interface AppSyncableRowEntry {
  /** When this version was written. The greater one wins. */
  readonly timestamp: HLCTimestamp;
  readonly appId: string;
  /** The name as it goes over the wire, without prefixes of the database. */
  readonly table: string;
  readonly op: "insert" | "update" | "delete";
  /** The columns. Whatever they are, they go through unchanged. */
  readonly row?: Record<string, unknown>;
  /** The primary key. */
  readonly where?: Record<string, unknown>;
}

/** Writes rows into an app's tables. */
interface AppSyncableApplier {
  /**
   * Writes this version unless what is stored is as new. May answer at once or with a promise. What it
   * throws is warned of on the console and holds the node of the row (see {@link HeldItem}).
   */
  apply(entry: AppSyncableRowEntry): Promise<void> | void;
  /**
   * Per nodeId the greatest timestamp in the table, tombstones too. An applier may have it from version
   * 0.2 on; see {@link NodeWatermarksCapable}.
   */
  getNodeWatermarks?(appId: string, table: string): Promise<Watermarks> | Watermarks;
  /**
   * Takes in a page of rows at once, in the order of their timestamps. As `applyRecords` of
   * {@link DeltaCapableDatabaseAdapter} does.
   */
  applyRows?(
    entries: AppSyncableRowEntry[],
    options?: ApplyOptions,
  ): Promise<ApplyResult[]> | ApplyResult[];
  /**
   * The rows of the table that no scan shows, for what is stored as their time is no timestamp. Asked once for
   * each table at the beginning of a sweep, as `queryMalformed` of {@link DeltaCapableDatabaseAdapter} is.
   */
  queryMalformed?(appId: string, table: string): Promise<MalformedItem[]> | MalformedItem[];
}

/** Which page of a scan is wanted. */
interface ScanSinceOptions {
  /** The most rows. */
  readonly limit?: number;
  /** The `nextCursor` of the page before. Without it the scan begins after `sinceHlcStr`. */
  readonly cursor?: string;
}

/** One page of a scan. */
interface ScanSincePage {
  /** The rows, in the order of the text form of their timestamps. */
  readonly rows: AppSyncableRowEntry[];
  /** The `cursor` of the next page, or `null` where there is none. */
  readonly nextCursor: string | null;
  /**
   * Whether there is a next page. Where it is missing, `nextCursor` says it; a page that says neither, and
   * `true` without a cursor, are errors.
   */
  readonly hasMore: boolean;
}

/** An applier that can read rows as well. */
interface ScanCapableApplier extends AppSyncableApplier {
  /**
   * The rows of the table whose timestamp is greater than `sinceHlcStr`, a text form as
   * {@link serializeHLC} gives it; all rows where it is empty. A table whose scan throws is warned of and left out of the round.
   */
  scanSince(
    appId: string,
    table: string,
    sinceHlcStr: string,
    options?: ScanSinceOptions,
  ): Promise<ScanSincePage>;
}

/* ------------------------------------------------------------------------------------------------
 * Files
 */

/** A row of the table `_starkeep_sync_records`: a file of an app. Times are in text form. */
interface FileRecordRow {
  readonly id: string;
  /** The key of the file's object. */
  readonly object_storage_key: string;
  /** Lower-case hexadecimal SHA-256 of the object's bytes. */
  readonly content_hash: string;
  readonly mime_type: string;
  /** The size of the object, in bytes. */
  readonly size_bytes: number;
  readonly original_filename: string | null;
  readonly origin_app_id: string;
  readonly created_at: string;
  readonly updated_at: string;
  /** `null` while the file lives. */
  readonly deleted_at: string | null;
}

/**
 * What one side has of a file.
 *
 * - `absent`: there is no row.
 * - `staged`: there is a row, and its object is still missing.
 * - `resident`: there is a row and its object.
 * - `tombstoned`: the row is marked as deleted.
 */
type RecordResidency = "absent" | "staged" | "resident" | "tombstoned";

/**
 * What this side has of a file, by its row (`null` where there is none) and what the storage's `has`
 * says. The storage is not asked for a row that is missing or deleted. Rejects with what `has` throws.
 *
 * @example
 * if ((await residencyOf(row, objects)) === "staged") console.log("its object has not come yet");
 */
declare function residencyOf(
  recordRow: FileRecordRow | null,
  localStorage: ObjectStorageAdapter,
): Promise<RecordResidency>;

/** An object that one storage has and the other lacks. */
interface FileSyncManifest {
  /** The hash of the bytes, or the key where that is not known. */
  readonly fileHash: string;
  /** The object's key, in both storages. */
  readonly objectStorageKey: string;
  /** The size of the object, in bytes. */
  readonly sizeBytes: number;
  /** The media type, where the entry named one. */
  readonly mimeType?: string;
}

/** An object to look for. */
interface FileEntry {
  /** The object's key. */
  readonly key: string;
  /** The media type that its manifest is to name. */
  readonly mimeType?: string;
}

/** Moves objects between storages. Its functions reject with what a storage throws. */
interface FileSyncEngine {
  /** Whether this engine is transferring the key now. */
  isTransferInFlight(key: string): boolean;
  /** Manifests of the entries that the local storage has and the remote one lacks, in their order. */
  getFilesToPush(
    localStorage: ObjectStorageAdapter,
    remoteStorage: ObjectStorageAdapter,
    entries: FileEntry[],
  ): Promise<FileSyncManifest[]>;
  /** Manifests of the entries that the remote storage has and the local one lacks, in their order. */
  getFilesToPull(
    localStorage: ObjectStorageAdapter,
    remoteStorage: ObjectStorageAdapter,
    entries: FileEntry[],
  ): Promise<FileSyncManifest[]>;
  /**
   * Brings an object over. `true` where it is at the destination now; `false` where the source does not
   * have it, or where a transfer of the same key is running.
   */
  transferFile(
    manifest: FileSyncManifest,
    source: ObjectStorageAdapter,
    destination: ObjectStorageAdapter,
  ): Promise<boolean>;
}

/**
 * Makes a {@link FileSyncEngine}. Each knows only of its own transfers.
 *
 * @example
 * const files = createFileSyncEngine();
 * for (const manifest of await files.getFilesToPush(objects, remote, [{ key: "notes/1" }]))
 *   await files.transferFile(manifest, objects, remote);
 */
declare function createFileSyncEngine(): FileSyncEngine;

/* ------------------------------------------------------------------------------------------------
 * Housekeeping
 */

/** Options of {@link findUnreferencedObjects}. */
interface UnreferencedObjectsOptions {
  /**
   * The storage to look through. Its `list`, `has` and `delete` are used, and `stat` if it has one (see
   * {@link ObjectStatCapability}), for the size and the age of an object.
   */
  readonly storage: ObjectStorageAdapter & Partial<ObjectStatCapability>;
  /**
   * The records that name objects of the storage: all of them. Several stores that share one storage are given as an
   * array; `null` if no record names an object there. What none of the given stores names counts as unreferenced.
   */
  readonly records: DatabaseAdapter | readonly DatabaseAdapter[] | null;
  /**
   * The app rows that name objects of the storage, as an engine takes them, with `scanSince`; several as an array. Rows
   * of all tables of all listed apps count, by their column `object_storage_key`. With `remove` it must be given: `null`
   * says that no row names an object there. Rows of an app that is not listed keep nothing.
   */
  readonly appRows?: UnreferencedAppRows | readonly UnreferencedAppRows[] | null;
  /**
   * How long an object must be old before it counts as unreferenced, and for how long the tombstone of an item keeps its
   * object: in milliseconds, from 0. 7 days by default. It must be longer than a peer takes from bringing an object to
   * sending its item.
   */
  readonly graceMs?: number;
  /** Whether the unreferenced objects are removed. `false` by default: nothing is changed then. */
  readonly remove?: boolean;
  /** Only keys that begin with it are looked at. Empty by default: all. */
  readonly prefix?: string;
  /**
   * The `seen` of the call before. Without it no object whose age is not known is ever unreferenced.
   */
  readonly seen?: SeenObjects | null;
  /**
   * How many keys are held in memory at a time: an integer from 1. 50,000 by default. For each batch of that size all records
   * and rows are read once.
   */
  readonly maxKeys?: number;
  /** Calls it off between two calls of an adapter. What was removed by then is gone. */
  readonly signal?: ReconcileSignal;
  /**
   * Hears of each unreferenced object, one after the other, before it is removed. It is waited for, so that it can copy
   * the object elsewhere. If it answers `false`, or throws, the object stays.
   */
  readonly onFound?: (found: UnreferencedObject) => unknown;
  /** The time that ages are counted by, in milliseconds since the Unix epoch. `Date.now` by default. */
  readonly now?: () => number;
}

/** App rows that can be read: an `appSyncableSource` whose applier has `scanSince`. */
interface UnreferencedAppRows {
  /** The apps whose rows count. */
  readonly namespaces: AppSyncableNamespaceStore;
  /** Reads their rows. */
  readonly applier: Pick<ScanCapableApplier, "scanSince" | "queryMalformed">;
}

/** An object that nothing names. */
interface UnreferencedObject {
  /** Its key. */
  readonly key: string;
  /** How many bytes it has, if the storage's `stat` says so. */
  readonly sizeBytes?: number;
  /** When it was put, in milliseconds since the Unix epoch, if the storage's `stat` says so. */
  readonly modifiedMs?: number;
}

/**
 * Which objects of unknown age were unreferenced, and since when: a plain JSON value for the app to keep, and to pass to
 * the next call over the same storage and prefix. It has one entry for each such object.
 */
interface SeenObjects {
  /** The form of this value. */
  readonly version: 1;
  /** Each key, and when it was first seen without an item, in milliseconds since the Unix epoch. */
  readonly keys: readonly (readonly [key: string, sinceMs: number])[];
}

/** What {@link findUnreferencedObjects} came to. */
interface UnreferencedObjects {
  /** How many objects were looked at: `referenced`, `young`, `ageUnknown`, `kept` and `found` together. */
  readonly checked: number;
  /** How many are named by a record or a row, or by a tombstone that is younger than `graceMs`. */
  readonly referenced: number;
  /** How many are named by nothing, and younger than `graceMs`. */
  readonly young: number;
  /** How many are named by nothing, while neither their age is known nor were they seen so `graceMs` ago. */
  readonly ageUnknown: number;
  /** How many `onFound` did not let go. */
  readonly kept: number;
  /** How many are unreferenced. */
  readonly found: number;
  /** The first 10,000 of these; `onFound` hears of all. */
  readonly unreferenced: readonly UnreferencedObject[];
  /** The sizes of what is unreferenced, with `remove` of what was removed, as far as they are known. */
  readonly bytes: number;
  /** How many were removed. */
  readonly removed: number;
  /** Objects of which `stat`, `delete` or `onFound` threw, at most 1000. They stay, and stopped nothing else. */
  readonly failed: readonly {
    readonly key: string;
    readonly code: ErrorCode;
    readonly reason: string;
  }[];
  /**
   * Keys that an item came to name in the very moment in which their object was removed, at most 1000. Bring them back
   * with {@link NativeSyncEngine.reconcile} and its option `objects`.
   */
  readonly missing: readonly string[];
  /** For the next call. */
  readonly seen: SeenObjects;
}

/**
 * Finds the objects of a storage that no record and no app row names, and removes them if it is told to. Without `remove`
 * it changes nothing.
 *
 * What stays in any case: what an item names that is not deleted, or was deleted less than `graceMs` ago; what is younger
 * than `graceMs`, as its item may be on its way. An object whose age is not known, because the storage has no `stat` or it
 * says no `modifiedMs`, goes only after two calls that are `graceMs` apart have seen it unreferenced; the app keeps
 * `seen` for that. Keys that differ in capitals or in the form of accents alone keep each other.
 *
 * Objects are listed first and items read afterwards; before each 200 removals the items are asked once more. An object
 * that a peer counts on while its record is still at the peer is not seen: let it run while no round of this side runs and
 * no server answers for it, or after rounds that said `inSync`. `docs/adapters.md` says more.
 *
 * Beside `seen` and the answer, at most `maxKeys` keys with what `stat` says of them and two pages (1000 keys, 500 items)
 * are held in memory; more only where an adapter answers larger pages than it was asked for.
 *
 * @example
 * const { seen, found, bytes } = await findUnreferencedObjects({
 *   storage: objects,
 *   records: database,
 *   appRows: rows,
 *   seen: JSON.parse(await readFile("seen.json", "utf8").catch(() => "null")),
 * });
 * await writeFile("seen.json", JSON.stringify(seen));
 * console.log(`${found} objects, ${bytes} bytes`); // with `remove: true` they go
 * @throws Rejects with `INVALID_ARGUMENT` where an option has a wrong type or is unknown, where a page that an adapter
 * answers is none, and with `remove` also before anything is removed where one of the stores holds nothing at all; with
 * `MALFORMED_ITEM` where the object of an item cannot be known; with the `reason` of `signal`, and with what `list`,
 * `has`, `query`, `scanSince` or `queryMalformed` throws. What was removed by then is gone.
 */
declare function findUnreferencedObjects(
  options: UnreferencedObjectsOptions,
): Promise<UnreferencedObjects>;

/** Options of {@link purgeTombstones}. */
interface PurgeTombstonesOptions {
  /** A store of {@link createSqliteDatabaseAdapter} or {@link createPostgresDatabaseAdapter}. It, `rows`, or both must be given. */
  readonly records?: DatabaseAdapter | null;
  /** A store of {@link createSqliteAppRows} or {@link createPostgresAppRows}: its rows that are marked as deleted. */
  readonly rows?: Pick<SqliteAppRows, "applier"> | null;
  /**
   * Only what was deleted before this goes: a `Date`, milliseconds since the Unix epoch, or a timestamp of an HLC clock.
   * It is compared with the timestamp of the deletion, which the clock of the node that deleted gave.
   */
  readonly before: Date | number | HLCTimestamp;
  /** Whether the tombstones are removed. `false` by default: nothing is changed then. */
  readonly remove?: boolean;
  /**
   * Peers that keep nothing any longer, by their {@link TombstonePeer.id}: a device that is gone for ever, `"withoutLog"` or
   * `"earlier"`. With `remove` they are no longer noted, until they come back. A device that was put back or copied stands
   * there twice, under one id, and both are forgotten. None by default.
   */
  readonly forgetPeers?: readonly string[];
  /**
   * As if all peers were named that were last heard of longer ago than this: an integer of milliseconds, from 0. By default
   * no peer is forgotten.
   */
  readonly forgetPeersUnseenForMs?: number;
  /** Calls it off between two batches of 500. What was removed by then is gone. */
  readonly signal?: ReconcileSignal;
}

/** A tombstone: of a record, or of a row of an app's. */
type FoundTombstone =
  | {
      readonly kind: "record";
      /** The id of the record. */
      readonly id: string;
      /** When it was deleted. */
      readonly timestamp: HLCTimestamp;
    }
  | {
      readonly kind: "appRow";
      /** The app. */
      readonly appId: string;
      /** Its table. */
      readonly table: string;
      /** The primary key of the row; of several columns joined by `,`, with `%` as `%25` and `,` as `%2C` in each. */
      readonly key: string;
      /** When it was deleted. */
      readonly timestamp: HLCTimestamp;
    };

/** A peer that a store has noted, and what that keeps. */
interface TombstonePeer {
  /** Which of the two stores has noted it. */
  readonly store: "records" | "rows";
  /** The id of the peer's change log, the same as long as its file is; `"withoutLog"` or `"earlier"` where there is none. */
  readonly id: string;
  /**
   * `"log"`: a peer with a change log. `"withoutLog"`: all peers that keep none, which cannot be told apart. `"earlier"`: the
   * store held something before it noted its peers, so that some may not be known.
   */
  readonly kind: "log" | "withoutLog" | "earlier";
  /** When it was first heard of, in milliseconds since the Unix epoch. */
  readonly firstSeenMs: number;
  /** When it was last heard of, to the hour. */
  readonly lastSeenMs: number;
  /** How many tombstones it keeps: those older than `before` that it is not known to have seen. */
  readonly keeps: number;
  /** Whether the options say that it is forgotten. It keeps nothing then. */
  readonly forgotten: boolean;
}

/** What {@link purgeTombstones} came to. */
interface PurgedTombstones {
  /** How many tombstones may go. */
  readonly found: number;
  /** How many were removed: all of these with `remove`, and 0 without. */
  readonly removed: number;
  /** The first 10,000 of them. */
  readonly tombstones: readonly FoundTombstone[];
  /** How many stay, by the first reason that holds. */
  readonly kept: {
    /** Not deleted before `before`. */
    readonly young: number;
    /** Not seen by every peer; `peers` says by which. */
    readonly unseen: number;
    /** Waits for a peer that could not take it in, or could not send it. */
    readonly waiting: number;
    /** The newest item of its node in its table: what peers without logs go by. */
    readonly newest: number;
    /** Another table refers to its table by a foreign key. */
    readonly referenced: number;
  };
  /** The peers that the stores have noted. */
  readonly peers: readonly TombstonePeer[];
}

/**
 * Finds the tombstones, deleted records and rows, that are older than `before` and that every known peer has seen, and removes
 * them for good if it is told to. Without `remove` it changes nothing. Let it run on each device and server now and then, say
 * with a `before` of 90 days ago.
 *
 * A peer has seen a tombstone once a round, in either direction, has proved both sides equal (`inSync`) while this store held
 * it; a side that answers hears of that with the round after. What one side has purged and the other has not is no difference
 * then, and does not come back while both hold the same alive. Peers without a change log (of earlier versions, or with adapters of
 * their own) prove nothing: once one was met, it keeps all tombstones until it is forgotten. So does a file that held something
 * before it noted its peers.
 *
 * What is promised: nothing that was deleted comes back from a peer that was known and not forgotten, as long as that was neither
 * put back to an older copy nor copied. A device that was forgotten, put back or copied, or that this store never met, may
 * still hold items alive whose tombstones are gone, and nothing tells them from new ones: they come back. Such a peer is
 * warned of when it is met (`logger`, or the console), if it took part before.
 *
 * Each batch of 500 tombstones is one transaction; a process that is killed leaves whole batches. The room in the file is used
 * again by SQLite; `VACUUM` gives it back to the disk. Metadata and objects of purged records are left alone.
 *
 * @example
 * const before = Date.now() - 90 * 24 * 3_600_000;
 * const { found, kept, peers } = await purgeTombstones({ records: database, rows, before });
 * console.log(`${found} may go, ${kept.unseen} wait for a peer`, peers); // with `remove: true` they go
 * @throws Rejects with `INVALID_ARGUMENT` where an option has a wrong type or is unknown, and where a store is none of this
 * package's native ones, or one with `dialect: "dsql"`: only the others know which peers have seen a tombstone; with the `reason` of `signal`, and with what the
 * stores reject with, like `STORE_CLOSED` or `STORE_BUSY`.
 */
declare function purgeTombstones(options: PurgeTombstonesOptions): Promise<PurgedTombstones>;

/* ------------------------------------------------------------------------------------------------
 * Changes
 */

/** What happened. An engine emits `local-data-synced`; the others are the app's to emit. */
type ChangeEventType = "remote-update-available" | "local-data-synced" | "local-change-recorded";

/** Something that happened to records. */
interface ChangeEvent {
  /** What happened. */
  readonly eventType: ChangeEventType;
  /** The records that it happened to. */
  readonly recordIds: StarkeepId[];
  /** When it happened, by the clock of who emits it. */
  readonly timestamp: HLCTimestamp;
  /** The app whose channel carries a `local-change-recorded`; not set for shared records. */
  readonly originAppId?: string;
}

/** Hears of changes. What it throws is warned of on the console and goes no further. */
type ChangeListener = (event: ChangeEvent) => void;

/** Tells listeners of changes. */
interface ChangeNotifier {
  /** Answers the function that unsubscribes. A listener that is subscribed twice is called once. */
  subscribe(listener: ChangeListener): () => void;
  /** Calls all listeners at once, in the order of subscription. */
  emit(event: ChangeEvent): void;
}

/**
 * Makes a {@link ChangeNotifier}.
 *
 * @example
 * const changes = createChangeNotifier();
 * const loop = createSyncLoop(engine, { changes });
 * changes.emit({ eventType: "local-change-recorded", recordIds: [id], timestamp: clock.now() });
 */
declare function createChangeNotifier(): ChangeNotifier;

/* ------------------------------------------------------------------------------------------------
 * Loops
 */

/** What a {@link SyncLoop} needs of an engine; each that {@link createSyncEngine} makes is one. */
interface SyncLoopEngine {
  /**
   * One round. `signal` is aborted if the loop, or the channel, is stopped with `abort`; an engine that does not heed
   * it is waited for.
   */
  exchange(options: { readonly signal: LoopSignal }): Promise<ExchangeResult>;
  /** Is subscribed to: what it tells, as of {@link SyncLoopOptions.changes}, causes a round of this channel alone. */
  readonly changeNotifier?: SyncLoopChanges;
}

/** What a {@link SyncLoop} needs of a {@link ChangeNotifier}. */
interface SyncLoopChanges {
  /** Returns the function that unsubscribes. */
  subscribe(listener: ChangeListener): () => void;
}

/** How long a channel waits after failures in a row. */
interface SyncLoopBackoff {
  /** After the first failure, in milliseconds. 1000 by default. */
  readonly firstMs?: number;
  /** At most, in milliseconds: from `firstMs`. 300,000 by default, or `firstMs` if that is more. */
  readonly mostMs?: number;
  /** How many times as long after each further failure: from 1. 2 by default. */
  readonly factor?: number;
  /**
   * The part of the wait that chance may take away: from 0 to 1. 0.5 by default, so that a wait is between a half and all
   * of what it is without jitter, and devices that failed together do not come back together.
   */
  readonly jitter?: number;
}

/** Timers and the time, for tests. */
interface SyncLoopClock {
  /** The time in milliseconds since the Unix epoch. It is only shown: the timers alone decide when a round begins. */
  now(): number;
  /** As that of the language's runtimes. `delayMs` is at most 2,147,483,647. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Given what `setTimeout` returned; also of a timer that has fired. */
  clearTimeout(timer: any): void;
  /** A number from 0 to, not including, 1 for the jitter. `Math.random` by default. */
  random?(): number;
}

/** A stream of news, for {@link SyncLoopOptions.events}. */
type SyncLoopNews = AsyncIterable<unknown>;

/** Options of {@link createSyncLoop}. */
interface SyncLoopOptions {
  /**
   * How long after a round the next one begins if nothing asks for one before, in milliseconds. 30,000 by default;
   * `null` or `Infinity` for rounds that something asked for alone.
   */
  readonly intervalMs?: number | null;
  /**
   * How long it must be quiet after a change before a round begins, in milliseconds: from 0. 300 by default. A steady
   * stream of changes is waited for at most ten times as long.
   */
  readonly debounceMs?: number;
  /** How long to wait after failures. */
  readonly backoff?: SyncLoopBackoff;
  /**
   * Hears of each round that failed, with the very object that `exchange()` rejected with; and, with `null` as the
   * `channel`, of each stream of `events` that did. `attempt` is 1 for the first failure in a row.
   *
   * If it returns `"retry"`, or a promise of it, the round is tried again at once, as after credentials were renewed:
   * once among failures in a row. After anything else the backoff begins. No round of the channel begins before it has
   * returned, or its promise has settled, but for `kick()`. What it throws, or rejects with, is a warning on the `console`. Without it the first
   * failure in a row is one.
   *
   * @example
   * const loop = createSyncLoop(engine, {
   *   onError: async (error) => {
   *     if (!isStarkeepError(error) || error.status !== 401) return;
   *     await renewToken();
   *     return "retry";
   *   },
   * });
   */
  readonly onError?: (error: unknown, failure: SyncLoopFailure) => unknown;
  /** A listener from the beginning on, as one of {@link SyncLoop.subscribe}. */
  readonly onEvent?: (event: SyncLoopEvent) => void;
  /**
   * Where changes are told once they are committed: a {@link ChangeNotifier}, or several. A `local-change-recorded` or
   * `remote-update-available` causes a round, see `debounceMs`: of the channel that `originAppId` names, or of all if no
   * channel has that name. The `changeNotifier` of each engine is heard without being named here.
   */
  readonly changes?: SyncLoopChanges | readonly SyncLoopChanges[];
  /**
   * News of the server, such as the events of its `GET /events`: each item, whatever it is, causes a round at once. One
   * that is an object whose `channel` names a channel does so of that channel, any other of all.
   *
   * A function is called when the loop starts, and with a backoff whenever its stream has ended or failed. Its signal is
   * aborted by `pause()` and `stop()`. An iterable that is none is read once, also while the loop is paused.
   *
   * @example
   * async function* events(signal: AbortSignal) {
   *   const { ok, status, body } = await fetch(`${baseUrl}/events`, { headers, signal });
   *   if (!ok || body === null) throw new Error(`no events: ${status}`);
   *   for await (const text of body.pipeThrough(new TextDecoderStream()))
   *     if (text.includes("event:")) yield text; // and not the comments in between
   * }
   */
  readonly events?: SyncLoopNews | ((signal: LoopSignal) => SyncLoopNews | Promise<SyncLoopNews>);
  /** Timers and the time. Those of the runtime by default. */
  readonly clock?: SyncLoopClock;
  /** Whether the loop begins by itself. `true` by default; with `false` it waits for `start()`. */
  readonly autoStart?: boolean;
  /**
   * Whether its timers let the process end. `false` by default: a loop that runs keeps the process alive until
   * `pause()` or `stop()`.
   */
  readonly unref?: boolean;
}

/** What failed, for `onError` of a {@link SyncLoop}. */
interface SyncLoopFailure {
  /** The channel; `null` where it is the stream of `events` that failed. */
  readonly channel: string | null;
  /** Which failure in a row it is, from 1. */
  readonly attempt: number;
}

/**
 * What a channel does.
 *
 * - `idle`: the loop has not started, or has this very moment and the first round is about to begin.
 * - `running`: a round runs, or the next one of several begins at once.
 * - `waiting`: all is done, until the interval is over or something asks for a round.
 * - `backoff`: the last round failed, and the next one waits, or `onError` has not settled.
 * - `paused`: the loop is paused, and no round runs.
 * - `stopped`: the loop was stopped or the channel removed, and no round runs.
 */
type SyncLoopState = "idle" | "running" | "waiting" | "backoff" | "paused" | "stopped";

/** What a round came to, as it can be written as JSON. */
interface SyncLoopResult {
  /** As in {@link ExchangeResult.applied}. */
  readonly applied: number;
  /** As in {@link ExchangeResult.shipped}. */
  readonly shipped: number;
  /** As in {@link ExchangeResult.hasMore}. */
  readonly hasMore: boolean;
  /** As in {@link ExchangeResult.inSync}. */
  readonly inSync?: boolean;
  /** What is held, without the items themselves and their errors: an empty array where nothing is. */
  readonly held: readonly Pick<
    HeldItem,
    "nodeId" | "direction" | "kind" | "id" | "timestamp" | "key" | "code" | "reason"
  >[];
}

/** How a channel of a loop stands. All of it but `lastError` can be written as JSON. */
interface SyncLoopChannelStatus {
  /** What it does. */
  readonly state: SyncLoopState;
  /** When a round succeeded last, in milliseconds since the Unix epoch; `null` if none did. */
  readonly lastSuccessMs: number | null;
  /** What the last round failed with, the very object; `null` once one has succeeded. */
  readonly lastError: unknown;
  /** How many rounds in a row failed, since the last `kick()`. */
  readonly attempts: number;
  /**
   * When the next round begins, in milliseconds since the Unix epoch, as far as is known now; `null` while one runs, if
   * only being asked begins one, while `onError` has not settled, and if the loop does not run.
   */
  readonly nextRoundMs: number | null;
  /** What the last round that succeeded came to; `null` if none did. */
  readonly lastResult: SyncLoopResult | null;
}

/** How a loop stands. */
interface SyncLoopStatus {
  /**
   * Of the loop: `idle`, `paused` or `stopped` as it was told to be, at once; else `running` if a channel is, or
   * `backoff` or `idle` if one is, or `waiting`.
   */
  readonly state: SyncLoopState;
  /** By the name of the channel. One that is removed is there until its last round has ended. */
  readonly channels: { readonly [channel: string]: SyncLoopChannelStatus };
}

/** A round of a {@link SyncLoop} begins. */
interface SyncLoopRoundBegan {
  /** What happened. */
  readonly eventType: "round-began";
  /** The channel. */
  readonly channel: string;
  /** 1, or one more than how many rounds in a row failed before. */
  readonly attempt: number;
}

/** A round of a {@link SyncLoop} has succeeded. */
interface SyncLoopRoundEnded {
  /** What happened. */
  readonly eventType: "round-ended";
  /** The channel. */
  readonly channel: string;
  /** What `exchange()` resolved to. */
  readonly result: ExchangeResult;
}

/** A round of a {@link SyncLoop} has failed, or was called off. */
interface SyncLoopRoundFailed {
  /** What happened. */
  readonly eventType: "round-failed";
  /** The channel. */
  readonly channel: string;
  /** What `exchange()` rejected with, the very object. */
  readonly error: unknown;
  /** Which failure in a row it is, from 1. */
  readonly attempt: number;
  /** Whether it was called off by `abort` and is no failure: `onError` does not hear of it. */
  readonly aborted: boolean;
}

/** A channel of a {@link SyncLoop} does something else now, or waits in a backoff for another time. */
interface SyncLoopStateChanged {
  /** What happened. */
  readonly eventType: "state-changed";
  /** The channel. */
  readonly channel: string;
  /** What it does now. */
  readonly state: SyncLoopState;
  /** What it did before. */
  readonly previous: SyncLoopState;
  /** As in {@link SyncLoopChannelStatus.nextRoundMs}. */
  readonly nextRoundMs: number | null;
}

/** The first item of a stream of `events` has come. */
interface SyncLoopNewsBegan {
  /** What happened. */
  readonly eventType: "news-began";
}

/** A stream of `events` has ended or failed. One of a function is opened again after a backoff. */
interface SyncLoopNewsEnded {
  /** What happened. */
  readonly eventType: "news-ended";
  /** What it failed with, the very object; `null` if it ended. */
  readonly error: unknown;
  /** Which stream in a row it is that ended before anything came, from 1. */
  readonly attempt: number;
}

/** What a {@link SyncLoop} tells its listeners. */
type SyncLoopEvent =
  | SyncLoopRoundBegan
  | SyncLoopRoundEnded
  | SyncLoopRoundFailed
  | SyncLoopStateChanged
  | SyncLoopNewsBegan
  | SyncLoopNewsEnded;

/** How a {@link SyncLoop}, or a channel of it, ends. */
interface SyncLoopEnd {
  /** Whether the rounds that run are called off by their `signal`. `false` by default: they are waited for. */
  readonly abort?: boolean;
}

/**
 * Decides when engines exchange. Its functions need no `this`.
 *
 * Each throws, or rejects with, `LOOP_STOPPED` after `stop()`, but for `stop` and `status`, and with `INVALID_ARGUMENT`
 * if it is called with something else than it takes, such as the name of a channel that it does not have.
 */
interface SyncLoop {
  /** Begins, with a round of each channel at once. If the loop runs nothing happens; if it is paused, as `resume()`. */
  start(): void;
  /**
   * Begins no more rounds, also of those that have more to do, until `resume()`. Resolves once none runs.
   */
  pause(): Promise<void>;
  /** Goes on, with a round of each channel at once; one that is in a backoff waits for what is left of it. */
  resume(): void;
  /**
   * Ends the loop for good. Resolves once no round runs; what `onError` does, and streams of `events`, are not waited
   * for. May be called again, with `abort` if waiting takes too long.
   *
   * @example
   * await loop.stop();
   * await engine.close();
   */
  stop(how?: SyncLoopEnd): Promise<void>;
  /**
   * Asks for a round at once: of a channel, or of all. While one runs it is one more after it, however often it is asked
   * for. A backoff is waited for, and a pause.
   *
   * @example
   * await database.put(record);
   * loop.nudge();
   */
  nudge(channel?: string): void;
  /**
   * As `nudge`, and ends the backoff: there is a new token, or the network is back. Failures are counted anew, and
   * without a channel a stream of `events` is opened again at once too.
   */
  kick(channel?: string): void;
  /**
   * Adds a channel; if the loop runs, its first round begins at once.
   *
   * @example
   * loop.add("photos", photos);
   */
  add(channel: string, engine: SyncLoopEngine): void;
  /** Removes a channel. Resolves once no round of it runs; its name is free then. */
  remove(channel: string, how?: SyncLoopEnd): Promise<void>;
  /** How all channels stand. */
  status(): SyncLoopStatus;
  /**
   * Calls the listener with each event, in the order of subscription. Returns the function that unsubscribes. What a
   * listener throws is a warning on the `console` and goes no further.
   */
  subscribe(listener: (event: SyncLoopEvent) => void): () => void;
}

/**
 * Makes a loop that decides when engines exchange: every `intervalMs`; once changes are quiet (`changes`, and the
 * `changeNotifier` of each engine); at once after news of the server (`events`) and after `nudge()`; and after a backoff
 * if a round failed. A round that has more to do (`hasMore`) is followed by the next at once. Channels run beside each
 * other; of one channel never two rounds at once. Held items are no failure.
 *
 * It begins by itself unless `autoStart` is `false`, and keeps the process alive unless `unref` is `true`.
 *
 * A round is never a part of the transaction in which it was asked for, and sees what is committed: tell of changes once
 * the transaction has ended.
 *
 * @example
 * const loop = createSyncLoop(engine, {
 *   changes: notifier, // the app emits `local-change-recorded` after it has written
 *   onError: async (error, { attempt }) => {
 *     if (isStarkeepError(error) && error.status === 401) {
 *       await renewToken();
 *       return "retry";
 *     }
 *     console.warn(`sync failed ${attempt} times`, error);
 *   },
 * });
 * loop.subscribe((event) => {
 *   if (event.eventType === "state-changed") show(event.state, event.nextRoundMs);
 * });
 * addEventListener("online", () => loop.kick());
 * // and in the end
 * await loop.stop();
 *
 * @param engines an engine, whose channel is `"default"`; or engines by the names of their channels: an object, a `Map`,
 * or an array, whose channels are `"0"`, `"1"` and so on. More may be added later.
 * @throws `INVALID_ARGUMENT` if there is no engine in a place of one, and if an option has a wrong type or is unknown.
 */
declare function createSyncLoop(
  engines:
    | SyncLoopEngine
    | readonly SyncLoopEngine[]
    | ReadonlyMap<string, SyncLoopEngine>
    | { readonly [channel: string]: SyncLoopEngine },
  options?: SyncLoopOptions,
): SyncLoop;

/* ------------------------------------------------------------------------------------------------
 * Ids
 */

/**
 * A new id for a record: a ULID of 26 characters. Ids sort in the order in which a process made them, also within one
 * millisecond and while the system's clock goes back.
 *
 * @example
 * await database.put({ ...note, id: createId() });
 * @throws `INVALID_ARGUMENT` where it is called with options: it takes none.
 */
declare function createId(): StarkeepId;

/**
 * The same text as the id of a record, for an app that has its own ids: a hash, or a key of another database.
 *
 * @example
 * const note = await database.get(toId("note-1"));
 * @throws `INVALID_ARGUMENT` where it is no text, is empty, or has half of a surrogate pair alone in it.
 */
declare function toId(text: string): StarkeepId;

/* ------------------------------------------------------------------------------------------------
 * Timestamps and clocks
 *
 * A timestamp that is none (a number that is no non-negative safe integer, a nodeId that is no string)
 * is an `INVALID_ARGUMENT` error in every function here.
 */

/** The moving part of a clock, as {@link SyncStateStore} keeps it. */
interface HLCClockState {
  /** The greatest wall time given or heard of, in milliseconds since the Unix epoch. */
  wallTime: number;
  /** The greatest counter within that millisecond. */
  counter: number;
}

/**
 * What a clock can begin behind: a store of this package, or the state of an app's own whose functions answer at once,
 * without a promise.
 */
type HLCClockSource =
  | DatabaseAdapter
  | SqliteAppRows
  | SqliteAppRows["applier"]
  | SyncStateStore
  | {
      getHlcClockState(): HLCClockState | null;
      getWatermarks(): Watermarks;
      getPeerWatermarks(): Watermarks;
    };

/** Options of {@link createHLCClock}. */
interface HLCClockOptions {
  /**
   * Who stamps: a name that one place keeps for good, such as a random id that was made when the app was installed
   * there. Two machines must not share one, so it must not be copied with a folder or a backup. If two do, no item
   * is lost between stores that keep change logs, and `DUPLICATE_NODE_ID` is warned of; but of two versions that
   * both stamped in the same moment only one stands, and between other stores what one of them wrote may never
   * reach its peers.
   */
  readonly nodeId: string;
  /** The physical time in milliseconds since the Unix epoch. The system's clock by default. */
  readonly wallClockFunction?: () => number;
  /** Where the clock goes on, from the last `onTick` before a restart. It begins at 0 by default. */
  readonly initialState?: HLCClockState | null;
  /**
   * A store, or several, behind whose timestamps the clock begins: after a restart it stamps later than all that is
   * there, also where the system's clock was set back meanwhile. Stores of this package are asked at once, which
   * waits for their disk: records, app rows (the source, or its `applier`), and state. The first state store that was
   * opened by `path` also keeps the clock from then on, under the key of `getHlcClockState`, up to a second ahead, so
   * that it is written at most once a second. A store over `{ db }`, or an app's own whose functions answer no
   * promise, is read and not written: `onTick` persists there.
   */
  readonly state?: HLCClockSource | readonly HLCClockSource[] | null;
  /**
   * Called with the new state before every timestamp that is given, to persist it. What it throws is
   * thrown by the clock's function.
   *
   * @example
   * const initialState = await state.getHlcClockState();
   * const clock = createHLCClock({ nodeId, initialState, onTick: state.setHlcClockState });
   */
  readonly onTick?: (state: HLCClockState) => void;
}

/**
 * Makes a hybrid logical clock. Give it `state`, so that after a restart it goes on behind all that its stores hold. With a
 * store that cannot be asked at once, `initialState` and `onTick` do the same. With neither, the machine's clock alone
 * decides, and that may be earlier than what was stamped before.
 *
 * @example
 * const path = "laptop.db";
 * const database = createSqliteDatabaseAdapter({ path });
 * const state = createSqliteSyncStateStore({ path });
 * const clock = createHLCClock({ nodeId, state: [database, state] }); // goes on after a restart
 * @throws `INVALID_ARGUMENT` where `nodeId` is no string, `initialState` holds no such integers, `state` is no store or
 * one that answers a promise, or an option is unknown; and what a store of `state` fails with. The clock's functions throw it where `wallClockFunction` answers no milliseconds.
 */
declare function createHLCClock(options: HLCClockOptions): HLCClock;

/**
 * Negative where `a` is before `b`, positive where it is after `b`, 0 where they are equal.
 *
 * @example
 * records.sort((a, b) => compareHLC(a.updatedAt, b.updatedAt));
 */
declare function compareHLC(a: HLCTimestamp, b: HLCTimestamp): number;

/**
 * The text form: the wall time in hexadecimal, padded to 12 digits, `":"`, the counter in hexadecimal,
 * padded to 4 digits, `":"`, the nodeId. Text order is timestamp order while counters are below 65,536.
 *
 * @example
 * serializeHLC({ wallTime: 1_700_000_000_000, counter: 1, nodeId: "laptop" }); // "018bcfe56800:0001:laptop"
 */
declare function serializeHLC(hlc: HLCTimestamp): string;

/**
 * Reads the text form of {@link serializeHLC}. The nodeId may contain colons.
 *
 * @example
 * const { wallTime, nodeId } = deserializeHLC("018bcfe56800:0001:laptop");
 * @throws `INVALID_ARGUMENT` where the text has another form.
 */
declare function deserializeHLC(text: string): HLCTimestamp;

/** Before everything that a clock stamps: `{ wallTime: 0, counter: 0, nodeId: "" }`, frozen. */
declare const ZERO_HLC: HLCTimestamp;

/* ------------------------------------------------------------------------------------------------
 * Watermarks and what they leave unseen
 */

/** Per nodeId the greatest timestamp up to which everything of that node is known. */
type Watermarks = Record<string, HLCTimestamp>;

/**
 * Stores `hlc` itself in `watermarks[hlc.nodeId]` unless what stands there is as great.
 *
 * @example
 * const seen: Watermarks = {};
 * for (const { updatedAt } of records) advanceWatermark(seen, updatedAt);
 */
declare function advanceWatermark(watermarks: Watermarks, hlc: HLCTimestamp): void;

/**
 * A new map with the greater entry of each nodeId. Changes neither argument.
 *
 * @example
 * const all = mergeWatermarks(computeRecordWatermarks(records), await state.getWatermarks());
 */
declare function mergeWatermarks(into: Watermarks, incoming: Watermarks): Watermarks;

/**
 * The entry of `nodeId`, or {@link ZERO_HLC} where there is none.
 *
 * @example
 * const isNew = compareHLC(record.updatedAt, watermarkFor(seen, record.updatedAt.nodeId)) > 0;
 */
declare function watermarkFor(watermarks: Watermarks, nodeId: string): HLCTimestamp;

/**
 * The records, in their order and as the same objects, whose `updatedAt` is greater than the watermark
 * of its nodeId.
 *
 * @example
 * const unseen = selectUnseen(records, await state.getPeerWatermarks());
 */
declare function selectUnseen<
  T extends {
    updatedAt: HLCTimestamp;
  },
>(records: T[], peerWatermarks: Watermarks): T[];

/**
 * Per nodeId the greatest `updatedAt` of the records: of an array, a `Set`, a generator or anything else that can
 * be iterated. The timestamps are the same objects; of equal ones the first.
 *
 * @example
 * const getNodeWatermarks = async () => computeRecordWatermarks(recordsById.values());
 * @throws `INVALID_ARGUMENT` where `records` cannot be iterated, or a record has no timestamp as `updatedAt`.
 */
declare function computeRecordWatermarks(
  records: Iterable<{ readonly updatedAt: HLCTimestamp }>,
): Watermarks;

/**
 * Per nodeId the greatest `timestamp` of the rows, as {@link computeRecordWatermarks} does it for records.
 *
 * @example
 * const getNodeWatermarks = async (appId: string, table: string) =>
 *   computeAppSyncableWatermarks(entriesOf(appId, table));
 * @throws `INVALID_ARGUMENT` where `rows` cannot be iterated, or a row has no timestamp as `timestamp`.
 */
declare function computeAppSyncableWatermarks(
  rows: Iterable<{ readonly timestamp: HLCTimestamp }>,
): Watermarks;

/**
 * What a store of records can do from version 0.2 of the adapters on. With it an engine skips scans that
 * would find nothing, and an answering side reports its coverage.
 */
interface NodeWatermarksCapable {
  /** Per nodeId the greatest `updatedAt` over all records, tombstones too. */
  getNodeWatermarks?(): Promise<Record<string, HLCTimestamp>>;
}

/** How a page is taken in. */
interface ApplyOptions {
  /**
   * Whether an item that fails stops the later items of its nodeId: they are left alone and answered as
   * `behind`. `false` where it is left out. An answering side sets it always, for others would take the
   * gap for their own.
   */
  readonly strictOrder?: boolean;
}

/**
 * What became of one item of a page.
 *
 * - `applied`: it is stored now, and was not before.
 * - `stale`: what is stored is as new, or newer.
 * - `failed`: it could not be stored, for the reason in `error`. It is held (see {@link HeldItem}).
 * - `behind`: with `strictOrder`, an earlier item of its nodeId failed.
 */
type ApplyResult =
  | { readonly status: "applied" | "stale" | "behind" }
  | { readonly status: "failed"; readonly error?: unknown };

/** A page of unseen records. */
interface UnseenPage {
  /** The records, smallest `updatedAt` first. */
  readonly records: AnyRecord[];
  /** Whether unseen records were left out. */
  readonly hasMore: boolean;
}

/** Something that is stored and has no place in the order of timestamps. */
interface MalformedItem {
  /** The id of the record, or what else names what is stored: `rowid 7`. */
  readonly id: string;
  /** What must be mended: which column of which row must be what, and what stands there. */
  readonly reason: string;
}

/**
 * What a store of records can do so that no round scans it. Each function is optional: an engine uses
 * `queryUnseen` where it is there, `getNodeWatermarks` to see that nothing is unseen, and otherwise one
 * pass over `query`. {@link withSqliteDelta} gives all three to an adapter over `node:sqlite`;
 * `docs/adapters.md` has them for PostgreSQL.
 *
 * Timestamps are compared as numbers: `wallTime`, then `counter`, then `nodeId` as JavaScript compares
 * strings.
 */
interface DeltaCapableDatabaseAdapter extends NodeWatermarksCapable {
  /**
   * Of all records, tombstones too, whose `updatedAt` is greater than the watermark of its nodeId, or
   * whose nodeId has none, the `limit` smallest. Records with one and the same `updatedAt` are never
   * parted: such a group waits for the next page, unless a page holds nothing else; then it is answered
   * whole. The page is read in one view of the store.
   *
   * An answer that shows seen records or a wrong order while it leaves some out is not used, nor is one without
   * `hasMore`, and the store is scanned with a warning. What it throws rejects the round.
   */
  queryUnseen?(
    watermarks: Watermarks,
    options: { readonly limit: number },
  ): Promise<UnseenPage> | UnseenPage;
  /**
   * The records that are on no page of `queryUnseen`, for what is stored as their `updatedAt` is no timestamp.
   * Asked once at the beginning of a sweep. Each is held and named with its reason until it is mended; nothing
   * waits for it. What it throws is warned of.
   */
  queryMalformed?(): Promise<MalformedItem[]> | MalformedItem[];
  /**
   * Takes in a page of records in the order of their timestamps, last writer wins: a record is written only
   * where its `updatedAt` is greater than what is stored under its id. Answers one result for each, in
   * their order. What it throws, or an answer of another form, holds all of them; they come again.
   */
  applyRecords?(
    records: AnyRecord[],
    options?: ApplyOptions,
  ): Promise<ApplyResult[]> | ApplyResult[];
}

/* ------------------------------------------------------------------------------------------------
 * Errors
 */

/** The class of all errors of this package; that of the peer package where it is installed. */
declare const StarkeepError: Installed<
  PeerStarkeepErrorClass,
  typeof ProtocolPrimitives.StarkeepError
>;

/** The class of all errors of this package; that of the peer package where it is installed. */
type StarkeepError = InstanceType<typeof StarkeepError>;

/**
 * The exchange with the peer failed: it sent what the protocol does not allow, or answered an error.
 * `name` is `"SyncError"` and `code` is `"SYNC_ERROR"`.
 *
 * It is a subclass of the peer package's `StarkeepError` where that package is installed. Other errors
 * of this package are plain `StarkeepError`s whose `code` is an {@link ErrorCode}, both with what
 * {@link ErrorReport} lists; what the app's own code throws comes out as the very object that was thrown.
 *
 * @example
 * engine.exchange().catch((error) => {
 *   if (error instanceof SyncError) console.warn(error.message, error.cause);
 * });
 */
declare class SyncError extends StarkeepError {
  constructor(message: string, cause?: unknown);
}

/**
 * Whether it is an error of this package or a `StarkeepError` of its peer package: also one that another copy
 * of the package made, its other entry (CommonJS or ES modules), or another realm, which `instanceof` does
 * not see.
 *
 * @example
 * try {
 *   await engine.exchange();
 * } catch (error) {
 *   if (!isStarkeepError(error) || !error.retryable) throw error;
 * }
 */
declare function isStarkeepError(error: unknown): error is StarkeepError & ErrorReport;

/**
 * How a request to a peer came to nothing. There may be more of them in later versions.
 *
 * | Reason | Meaning |
 * | --- | --- |
 * | `dns` | The name of the peer has no address. |
 * | `unreachable` | There is no connection to the peer. |
 * | `tls` | TLS could not be agreed upon, or the certificate is not trusted. |
 * | `timeout` | The peer took too long, see `timeoutMs`. |
 * | `closed` | The connection ended before the answer was whole. |
 * | `status` | The answer has a status that says that it failed, see `status` and `peerCode`. |
 * | `malformed` | What was answered is not what the protocol allows, is too long, or is no HTTP. |
 */
type FailureReason =
  "dns" | "unreachable" | "tls" | "timeout" | "closed" | "status" | "malformed" | (string & {});

/**
 * What an error of this package says beside its message; {@link isStarkeepError} lets a caught error be read
 * as this. Its properties but `code` are not listed among those of the error, so that errors compare as before.
 *
 * `reason`, `retryable` and `url` are there on each {@link SyncError} of a request that
 * {@link createHttpSyncTransport} or {@link createHttpObjectStorage} made, `status` and `peerCode` where the
 * peer said them. What a `fetch` of the app's throws has none of them: it is the very object that was thrown.
 *
 * The `stack` of what `exchange()` and the functions of those two reject with leads to where they were called.
 */
interface ErrorReport {
  /** What went wrong, for code to compare with. */
  readonly code: ErrorCode;
  /** What was being done, `"localObjectStorage.put"` or `"PUT /files/a.jpg"`; it also stands before the message. */
  readonly operation?: string;
  /** How the request came to nothing. */
  readonly reason?: FailureReason;
  /**
   * Whether the same request may succeed later: after `dns`, `unreachable`, `timeout` and `closed`, and for the
   * statuses 408, 425, 429 and 500–599 but 501 and 505. `retries` waits for fewer of them.
   */
  readonly retryable?: boolean;
  /** The URL of the request, without user, password, query and fragment. */
  readonly url?: string;
  /** The HTTP status, if there was an answer. */
  readonly status?: number;
  /** The `code` in the JSON body of a refusal, `"UNAUTHORIZED"` for one; the peer chose it. Of a bucket that of S3. */
  readonly peerCode?: string;
  /** What caused it: of an error of the app's own code, the very object that was thrown. */
  readonly cause?: unknown;
}

/**
 * The `code` of an error of this package. There may be more of them in later versions.
 *
 * | Code | Meaning |
 * | --- | --- |
 * | `SYNC_ERROR` | The exchange failed, or a message was malformed. A {@link SyncError}. |
 * | `INVALID_ARGUMENT` | An argument or option has the wrong type or an impossible value. |
 * | `INVALID_KEY` | An object key leaves the storage's root, or no file system or URL can hold it. |
 * | `PATH_IN_USE` | The file is open elsewhere in this process. |
 * | `STORE_CLOSED` | The store, or the engine, was used after `close()`. |
 * | `STORE_REPLACED` | The file or folder of the store was removed or replaced while open. |
 * | `IN_TRANSACTION` | A call inside the callback of a transaction that would wait for its end. |
 * | `TRANSACTION_TIMEOUT` | The callback of a transaction took longer than `transactionTimeoutMs`. |
 * | `STORE_BUSY` | Another process kept the database locked for longer than `busyTimeoutMs`. |
 * | `NOT_A_DATABASE` | The file is no SQLite database, or is damaged. |
 * | `STORAGE_FULL` | The disk is full. |
 * | `READ_ONLY` | The file or folder may not be written. |
 * | `CONSTRAINT_VIOLATION` | A constraint of the database refused the row. |
 * | `DATABASE_ERROR` | The database failed in another way. |
 * | `IO_ERROR` | The file system failed. |
 * | `OBJECT_STORE_ERROR` | A bucket cannot be reached, or its server refuses. `peerCode`, `status` and `retryable` say how, the message what to do. |
 * | `DUPLICATE_NODE_ID` | Another machine writes with this one's node id; only in a warning. Give each its own. |
 * | `TOO_MANY_NODES` | The item is of a node id beyond the 16,384 (or 1,048,576 characters together) that a side takes. A node keeps its id for life: look for the machine that makes up new ones. |
 * | `CLOCK_AHEAD` | A timestamp lies further ahead than `maxClockSkewMs` allows. |
 * | `STALE_TIMESTAMP` | A version is stamped at or before what its node had stored already. In a warning: it is stored, and offered to peers, but stamp each version when it is stored, with the one clock of its node. |
 * | `BLOB_MISSING` | The storage that an object should come from does not have it. |
 * | `HASH_MISMATCH` | An object's bytes are not those that its item names the hash of. |
 * | `SIZE_MISMATCH` | An object has another size than its item says. |
 * | `MALFORMED_ITEM` | An item that its store holds is not one that can be exchanged. |
 * | `ITEM_TOO_LARGE` | An item is by itself larger than a message may be. |
 * | `UNKNOWN_APP` | A row belongs to an app that this side does not know. |
 * | `CANNOT_PRESIGN` | The server hands out no urls for objects, or none for this key. Leave out `presign`, or give its storage a `presign` function. |
 * | `FORBIDDEN` | The `authorize` of the other side does not allow the caller this item or file. |
 * | `APP_ERROR` | The app's own code threw; only as {@link HeldItem} `code`. |
 * | `LOOP_STOPPED` | The loop was used after `stop()`. Make a new one. |
 * | `BINARY_NOT_FOUND` | No binary of the package loads here: none is installed, it is not beside a bundle, or a flag of Node.js keeps addons out. The message says which, and what to do. Thrown by the import of the package, as a plain `Error`. |
 * | `UNSUPPORTED_NODE` | Node.js is older than 20; thrown by the import of the package, as a plain `Error`. |
 * | `INTERNAL_ERROR` | A fault of this package. |
 */
type ErrorCode =
  | "SYNC_ERROR"
  | "INVALID_ARGUMENT"
  | "INVALID_KEY"
  | "PATH_IN_USE"
  | "STORE_CLOSED"
  | "STORE_REPLACED"
  | "IN_TRANSACTION"
  | "TRANSACTION_TIMEOUT"
  | "STORE_BUSY"
  | "NOT_A_DATABASE"
  | "STORAGE_FULL"
  | "READ_ONLY"
  | "CONSTRAINT_VIOLATION"
  | "DATABASE_ERROR"
  | "IO_ERROR"
  | "OBJECT_STORE_ERROR"
  | "DUPLICATE_NODE_ID"
  | "TOO_MANY_NODES"
  | "CLOCK_AHEAD"
  | "STALE_TIMESTAMP"
  | "BLOB_MISSING"
  | "HASH_MISMATCH"
  | "SIZE_MISMATCH"
  | "MALFORMED_ITEM"
  | "ITEM_TOO_LARGE"
  | "UNKNOWN_APP"
  | "CANNOT_PRESIGN"
  | "FORBIDDEN"
  | "APP_ERROR"
  | "LOOP_STOPPED"
  | "BINARY_NOT_FOUND"
  | "UNSUPPORTED_NODE"
  | "INTERNAL_ERROR"
  | (string & {});

/* ------------------------------------------------------------------------------------------------
 * Types of other packages.
 *
 * The two peer packages are optional, and so are the types of Node.js. An import type that cannot be
 * resolved is `any` once its error is ignored; `Installed` puts a type of this package in its place.
 * Where the other package is installed, its type is used as it is.
 */

/** `Peer`, or `Own` where `Peer` could not be resolved and is `any`. */
type Installed<Peer, Own> = [unknown] extends [Peer] ? Own : Peer;

// @ts-ignore `any` where the peer package is not installed
type PeerHLCTimestamp = import("@starkeep/protocol-primitives").HLCTimestamp;
// @ts-ignore `any` where the peer package is not installed
type PeerHLCClock = import("@starkeep/protocol-primitives").HLCClock;
// @ts-ignore `any` where the peer package is not installed
type PeerStarkeepId = import("@starkeep/protocol-primitives").StarkeepId;
// @ts-ignore `any` where the peer package is not installed
type PeerAnyRecord = import("@starkeep/protocol-primitives").AnyRecord;
// @ts-ignore `any` where the peer package is not installed
type PeerStarkeepErrorClass = typeof import("@starkeep/protocol-primitives").StarkeepError;
// @ts-ignore `any` where the peer package is not installed
type PeerDatabaseAdapter = import("@starkeep/storage-adapter").DatabaseAdapter;
// @ts-ignore `any` where the peer package is not installed
type PeerObjectStorageAdapter = import("@starkeep/storage-adapter").ObjectStorageAdapter;
// @ts-ignore `any` where @types/node is not installed, or is older than `node:sqlite`
type NodeDatabaseSync = import("node:sqlite").DatabaseSync;
// @ts-ignore `any` where neither the types of Node.js nor those of the browser are there
type PlatformFetch = typeof globalThis.fetch;
// @ts-ignore `any` where neither the types of Node.js nor those of the browser are there
type PlatformAbortSignal = InstanceType<typeof globalThis.AbortSignal>;
// @ts-ignore `any` where @types/node is not installed
type NodeIncomingMessage = import("node:http").IncomingMessage;
// @ts-ignore `any` where @types/node is not installed
type NodeServerResponse = import("node:http").ServerResponse;

/** The types of `@starkeep/protocol-primitives`, for where that package is not installed. */
declare namespace ProtocolPrimitives {
  /** A hybrid logical timestamp. Ordered by `wallTime`, then `counter`, then `nodeId`. */
  interface HLCTimestamp {
    /** Milliseconds since the Unix epoch, a non-negative safe integer. */
    readonly wallTime: number;
    /** Tells timestamps of one millisecond apart: a non-negative safe integer, from 0. */
    readonly counter: number;
    /** The node that stamped it. Any string; compared as JavaScript compares strings. */
    readonly nodeId: string;
  }

  /** A hybrid logical clock. */
  interface HLCClock {
    /** A new timestamp, greater than all that this clock gave or heard of. */
    now(): HLCTimestamp;
    /** A new timestamp for a message to another node. The same as `now()`. */
    send(): HLCTimestamp;
    /** Hears of another node's timestamp: the answer, and all that follow, are greater than it. */
    receive(remote: HLCTimestamp): HLCTimestamp;
  }

  /** The id of a record: a string at run time. To the compiler a plain `string` is none; see {@link createId} and {@link toId}. */
  type StarkeepId = string & { readonly __brand: "StarkeepId" };

  /** A shared record that may have an object. */
  interface DataRecord {
    /** A ULID of 26 characters. Its order is the order of creation, not of updates. */
    readonly id: StarkeepId;
    readonly kind: "data";
    /** The record's type, in the words of the app. */
    readonly type: string;
    /** When the first version was written. */
    readonly createdAt: HLCTimestamp;
    /** When this version was written. The greater one wins. */
    updatedAt: HLCTimestamp;
    /** Whose record it is. */
    readonly ownerId: string;
    /** When the record was deleted; `null` while it lives. */
    deletedAt: HLCTimestamp | null;
    /** Counts the versions, from 1. It decides nothing: `updatedAt` does. */
    version: number;
    /** Lower-case hexadecimal SHA-256 of the object's bytes. */
    contentHash: string;
    /** The key of the record's object; empty where it has none. */
    objectStorageKey: string;
    /** The media type of the object. */
    mimeType: string;
    /** The size of the object, in bytes. */
    sizeBytes: number;
    /** The name that the file had, or `null`. */
    originalFilename: string | null;
    /** The app that wrote the record. */
    originAppId: string;
    /** The record that this one belongs to, or `null`. */
    parentId: StarkeepId | null;
    /** Fields of the app's own, which go through unchanged: whatever JSON can say. */
    [field: string]: unknown;
  }

  /** A shared record of any kind. */
  type AnyRecord = DataRecord;

  /** An error with a code. */
  class StarkeepError extends Error {
    /** What went wrong, for code to compare with. */
    readonly code: string;
    /** What caused it. */
    readonly cause?: unknown;
    constructor(message: string, code: string, cause?: unknown);
  }
}

/** The types of `@starkeep/storage-adapter`, for where that package is not installed. */
declare namespace StorageAdapter {
  /** Which records are wanted. */
  interface Query {
    /** Only records of this type. */
    type?: string;
    /** Only records for which all of these hold. */
    filters?: { field: string; operator: string; value?: unknown }[];
    /** The order; by id where it is left out. */
    sort?: { field: string; direction: "asc" | "desc" }[];
    /** The most records, at least 1. */
    limit?: number;
    /** The `nextCursor` of the page before: the id of its last record. */
    cursor?: string;
  }

  /** A page of records. */
  interface QueryResult {
    /** In the order that was asked for. */
    records: AnyRecord[];
    /** The `cursor` of the next page, or `null` where there is none. */
    nextCursor: string | null;
    /**
     * Whether there is a next page. Where it is missing, `nextCursor` says it; a page that says neither, and
     * `true` without a cursor, are errors of the round.
     */
    hasMore: boolean;
  }

  /** One step of {@link DatabaseAdapter.batch}: stores a record, or stamps one as deleted at `hlc`. */
  type BatchOperation =
    { type: "put"; record: AnyRecord } | { type: "delete"; id: StarkeepId; hlc: HLCTimestamp };

  /** What the callback of {@link DatabaseAdapter.transaction} is given. */
  interface Transaction {
    /** As {@link DatabaseAdapter.put}. */
    put(record: AnyRecord): Promise<void>;
    /** As {@link DatabaseAdapter.get}; sees what this transaction did. */
    get(id: StarkeepId): Promise<AnyRecord | null>;
    /** As {@link DatabaseAdapter.delete}. */
    delete(id: StarkeepId, hlc: HLCTimestamp): Promise<void>;
    /** As {@link DatabaseAdapter.query}; sees what this transaction did. */
    query(query: Query): Promise<QueryResult>;
  }

  /** A row of metadata that belongs to a record. */
  interface MetadataRow {
    /** The record that it belongs to. */
    recordId: StarkeepId;
    [column: string]: unknown;
  }

  /** A store of shared records. */
  interface DatabaseAdapter {
    /** Makes the store ready. */
    init(): Promise<void>;
    /** Lets go of the store. */
    close(): Promise<void>;
    /** Whether the store works now. */
    healthCheck(): Promise<boolean>;
    /** Stores a record, whatever version stood there. */
    put(record: AnyRecord): Promise<void>;
    /** The record, deleted or not, or `null` where there is none. */
    get(id: StarkeepId): Promise<AnyRecord | null>;
    /** Stamps `deletedAt` and `updatedAt` with `hlc`. The record stays as a tombstone. */
    delete(id: StarkeepId, hlc: HLCTimestamp): Promise<void>;
    /** A page of records, tombstones too; by id where the query has no `sort`. */
    query(query: Query): Promise<QueryResult>;
    /** All of these, or none. */
    batch(operations: BatchOperation[]): Promise<void>;
    /** Commits what the callback did once its promise is fulfilled; undoes it where it rejects. */
    transaction<T>(callback: (transaction: Transaction) => Promise<T>): Promise<T>;
    /** Stores a row of metadata, whatever stood under its type and record. It is not exchanged. */
    putMetadata(typeId: string, row: MetadataRow): Promise<void>;
    /** The row of this type for a record, or `null` where there is none. */
    getMetadata(typeId: string, recordId: StarkeepId): Promise<MetadataRow | null>;
    /** The rows of this type for those of the records that have one. */
    getMetadataByIds(
      typeId: string,
      recordIds: StarkeepId[],
    ): Promise<Map<StarkeepId, MetadataRow>>;
    /** Deletes the row. Where there is none, nothing happens. */
    deleteMetadata(typeId: string, recordId: StarkeepId): Promise<void>;
    /** See {@link NodeWatermarksCapable}. */
    getNodeWatermarks?(): Promise<Record<string, HLCTimestamp>>;
  }

  /** What is to be known about an object. */
  interface PutOptions {
    /** The media type of the object. */
    contentType?: string;
    /** Texts by name, kept with the object. */
    metadata?: Record<string, string>;
  }

  /** An object as it is stored. */
  interface GetResult {
    /** Its bytes. */
    data: Uint8Array;
    /** Its media type, where it is known. */
    contentType?: string;
    /** The texts that were put with it. */
    metadata?: Record<string, string>;
    /** In bytes. */
    size: number;
  }

  /** A storage of objects. */
  interface ObjectStorageAdapter {
    /** Makes the storage ready. */
    init(): Promise<void>;
    /** Lets go of the storage. */
    close(): Promise<void>;
    /** Whether objects can be written now. */
    healthCheck(): Promise<boolean>;
    /**
     * Stores an object in place of what was under the key. A key promises no more than its newest item says: an object
     * is what that item names as size and hash, and may be replaced. A key that is never used again for other bytes,
     * such as one that has their hash in it, needs no order among its items.
     */
    put(key: string, data: Uint8Array, options?: PutOptions): Promise<void>;
    /** The object, or `null` where there is none. */
    get(key: string): Promise<GetResult | null>;
    /** Whether there is an object under the key. */
    has(key: string): Promise<boolean>;
    /** Deletes the object. Where there is none, nothing happens. */
    delete(key: string): Promise<void>;
    /** The keys that begin with `prefix`, at most `limit`, after the page that ended with `cursor`. */
    list(
      prefix: string,
      options?: { limit?: number; cursor?: string },
    ): Promise<{ keys: string[]; nextCursor: string | null; hasMore: boolean }>;
  }
}

/** What is used of a `DatabaseSync` where the types of Node.js do not have it. */
interface OwnDatabaseSync {
  exec(sql: string): void;
  prepare(sql: string): {
    get(...parameters: any[]): unknown;
    run(...parameters: any[]): unknown;
  };
}

type DatabaseSync = Installed<NodeDatabaseSync, OwnDatabaseSync>;

/** An `AbortSignal`, where its type is known. */
type LoopSignal = Installed<PlatformAbortSignal, ReconcileSignal>;

/** What is used of an `IncomingMessage` where the types of Node.js are not installed. */
interface OwnIncomingMessage {
  readonly method?: string;
  readonly url?: string;
  readonly headers: Record<string, string | string[] | undefined>;
  [Symbol.asyncIterator](): AsyncIterator<any>;
}

/** What is used of a `ServerResponse` where the types of Node.js are not installed. */
interface OwnServerResponse {
  writeHead(status: number, headers?: Record<string, string>): unknown;
  write(chunk: Uint8Array): boolean;
  end(chunk?: Uint8Array): unknown;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

type IncomingMessage = Installed<NodeIncomingMessage, OwnIncomingMessage>;
type ServerResponse = Installed<NodeServerResponse, OwnServerResponse>;

/** A hybrid logical timestamp. Ordered by `wallTime`, then `counter`, then `nodeId`. */
type HLCTimestamp = Installed<PeerHLCTimestamp, ProtocolPrimitives.HLCTimestamp>;

/** A hybrid logical clock. {@link createHLCClock} makes one. */
type HLCClock = Installed<PeerHLCClock, ProtocolPrimitives.HLCClock>;

/** The id of a record: a string at run time. To the compiler a plain `string` is none; see {@link createId} and {@link toId}. */
type StarkeepId = Installed<PeerStarkeepId, ProtocolPrimitives.StarkeepId>;

/** A shared record. Fields that are not declared go through unchanged. */
type AnyRecord = Installed<PeerAnyRecord, ProtocolPrimitives.AnyRecord>;

/** A store of shared records. {@link createSqliteDatabaseAdapter} makes one. */
type DatabaseAdapter = Installed<PeerDatabaseAdapter, StorageAdapter.DatabaseAdapter>;

/** What a storage knows of an object without handing it out. */
interface ObjectStat {
  /** How many bytes it has. */
  readonly size?: number;
  /** The SHA-256 of its bytes: 64 hexadecimal digits, which `sha256:` may stand before. */
  readonly contentHash?: string;
  /**
   * When it was last put, in milliseconds since the Unix epoch. An engine does not ask for it,
   * {@link findUnreferencedObjects} does.
   */
  readonly modifiedMs?: number;
}

/**
 * What an object storage may offer beyond {@link ObjectStorageAdapter}. Where it does, an engine asks it before a
 * transfer, and an object that is not what its item says is brought again; a storage without it is believed
 * once it says that it has the key.
 */
interface ObjectStatCapability {
  /** What is known of the object under the key; `null` where there is none. What is not known is left out. */
  stat(key: string): ObjectStat | null | Promise<ObjectStat | null>;
}

/** What is known of an object that is to be uploaded. */
interface ObjectToUpload {
  /** Its content type. */
  readonly contentType?: string;
  /** How many bytes it has. A url should be good for these alone; if `maxFileBytes` is given, it is always there. */
  readonly size?: number;
  /** The SHA-256 of its bytes, 64 hexadecimal digits. */
  readonly contentHash?: string;
}

/** A url, and what a request to it must have. */
interface PresignedUrl {
  /** An absolute `http:` or `https:` url, without a user. What it allows should be over within minutes. */
  readonly url: string;
  /** Headers of the request, such as those that were signed with it. */
  readonly headers?: { readonly [name: string]: string };
}

/**
 * What an object storage of an answering side may offer beyond {@link ObjectStorageAdapter}: urls by which the bytes of
 * objects go past that side, to a bucket for one. Where it does, the side answers `POST /files/presign`,
 * `GET /files/<key>/presign` and `POST /files/confirm`, of callers that may do that.
 */
interface PresignCapability {
  /**
   * A url for this `method` alone, `"GET"` or `"PUT"`, of the object under `key`; `null` where there is none, which is
   * answered 501. `about` says what is to be put, and is empty for `"GET"`, which is asked for of objects that are there.
   *
   * @example
   * const bucket: ObjectStorageAdapter & PresignCapability = {
   *   ...objects,
   *   presign: async (key, method, { contentType }) => ({
   *     url: await signedUrl(method, key),
   *     ...(contentType === undefined ? {} : { headers: { "content-type": contentType } }),
   *   }),
   * };
   */
  presign(
    key: string,
    method: "GET" | "PUT",
    about: ObjectToUpload,
  ): string | PresignedUrl | null | Promise<string | PresignedUrl | null>;
}

/** A storage of objects (blobs). {@link createFsObjectStorage} makes one. */
type ObjectStorageAdapter = Installed<
  PeerObjectStorageAdapter,
  StorageAdapter.ObjectStorageAdapter
>;

export {
  type DatabaseAppRows,
  type DatabaseAppRowsOptions,
  type AnyRecord,
  type AppRowsRegistration,
  type AppSyncableApplier,
  type AppSyncableNamespace,
  type AppSyncableNamespaceStore,
  type AppSyncableRowEntry,
  type AppSyncableTableInfo,
  type ApplyOptions,
  type ApplyResult,
  type AuthHeader,
  type ChangeEvent,
  type ChangeEventType,
  type ChangeListener,
  type ChangeNotifier,
  type ClosableSyncStateStore,
  type ConflictEvent,
  type ConflictNotifier,
  type DatabaseAdapter,
  type DeltaCapableDatabaseAdapter,
  type ErrorCode,
  type DrainResult,
  type ErrorReport,
  type ExchangeFigures,
  type ExchangeOptions,
  type ExchangeProgress,
  type ExchangeResult,
  type FailureReason,
  type FileEntry,
  type FileRecordRow,
  type FileSyncEngine,
  type FileSyncManifest,
  type FoundTombstone,
  type FsObjectStorageOptions,
  type PostgresAppRows,
  type PostgresDatabaseAdapterOptions,
  type PostgresOptions,
  type PostgresSyncStateStoreOptions,
  type S3Credentials,
  type S3ObjectStorage,
  type S3ObjectStorageOptions,
  type HLCClock,
  type HLCClockOptions,
  type HLCClockState,
  type HLCTimestamp,
  type HeldAppRow,
  type HeldItem,
  type HeldItemBase,
  type HeldRecord,
  type ItemRefusal,
  type HttpObjectStorageOptions,
  type HttpPeerOptions,
  type HttpSyncTransportLaterOptions,
  type HttpSyncTransportOptions,
  type HttpSyncAddress,
  type HttpSyncArrived,
  type HttpSyncChannel,
  type HttpSyncChannelOptions,
  type HttpSyncHandler,
  type HttpSyncListenerOptions,
  type HttpSyncRequest,
  type HttpSyncGrant,
  type HttpSyncStats,
  type HttpSyncWanted,
  type HttpSyncServer,
  type HttpSyncServerLimits,
  type HttpSyncServerOptions,
  type HttpSyncServerTls,
  type InProcessTransportOptions,
  type LogKeepingSyncStateStore,
  type MalformedItem,
  type NativeExchangeResult,
  type NativeSyncEngine,
  type NodeWatermarksCapable,
  type ObjectStat,
  type ObjectStatCapability,
  type ObjectStorageAdapter,
  type ObjectToUpload,
  type PresignCapability,
  type PresignedUrl,
  type ProtocolPrimitives,
  type PurgeTombstonesOptions,
  type PurgedTombstones,
  type ReconcileOptions,
  type ReconcileProgress,
  type ReconcileResult,
  type ReconcileSignal,
  type RecordResidency,
  type ScanCapableApplier,
  type ScanSinceOptions,
  type ScanSincePage,
  type StatusOptions,
  type SyncFailure,
  type SyncLogLevel,
  type SyncLogger,
  type SyncStatus,
  type WaitingItem,
  type SeenObjects,
  type SqliteAppRows,
  type SqliteAppRowsOptions,
  type SignedHeaders,
  type SqliteDatabaseAdapterOptions,
  type SqliteDelta,
  type SqliteDeltaOptions,
  type SqliteSyncStateStoreFileOptions,
  type SqliteSyncStateStoreOptions,
  type StorePermissions,
  StarkeepError,
  type StarkeepId,
  type StorageAdapter,
  type SyncEngine,
  type SyncEngineOptions,
  SyncError,
  type SyncExchangeRequest,
  type SyncExchangeResponse,
  type SyncLoop,
  type SyncLoopBackoff,
  type SyncLoopChanges,
  type SyncLoopChannelStatus,
  type SyncLoopClock,
  type SyncLoopEnd,
  type SyncLoopEngine,
  type SyncLoopEvent,
  type SyncLoopFailure,
  type SyncLoopNews,
  type SyncLoopNewsBegan,
  type SyncLoopNewsEnded,
  type SyncLoopOptions,
  type SyncLoopResult,
  type SyncLoopRoundBegan,
  type SyncLoopRoundEnded,
  type SyncLoopRoundFailed,
  type SyncLoopState,
  type SyncLoopStateChanged,
  type SyncLoopStatus,
  type SyncStateStore,
  type SyncTransport,
  type TombstonePeer,
  type TracedRound,
  type TracedTransfer,
  type UnreferencedAppRows,
  type UnreferencedObject,
  type UnreferencedObjects,
  type UnreferencedObjectsOptions,
  type UnseenPage,
  type Watermarks,
  ZERO_HLC,
  advanceWatermark,
  compareHLC,
  computeAppSyncableWatermarks,
  computeRecordWatermarks,
  createChangeNotifier,
  createFileSyncEngine,
  createFsObjectStorage,
  createPostgresAppRows,
  createPostgresDatabaseAdapter,
  createPostgresSyncStateStore,
  createS3ObjectStorage,
  createHLCClock,
  createHttpObjectStorage,
  createHttpSyncTransport,
  createHttpSyncHandler,
  createHttpSyncServer,
  createId,
  createInProcessSyncTransport,
  createSqliteAppRows,
  createSqliteDatabaseAdapter,
  createSqliteSyncStateStore,
  createSyncEngine,
  createSyncLoop,
  deserializeHLC,
  findUnreferencedObjects,
  isStarkeepError,
  mergeWatermarks,
  purgeTombstones,
  residencyOf,
  selectUnseen,
  serializeHLC,
  toId,
  watermarkFor,
  withSqliteAppRows,
  withSqliteDelta,
};
