// With the peer packages installed, their types are the ones of this package, and none is `any`.
import * as sync from "@starkeep/sync-engine";
import * as primitives from "@starkeep/protocol-primitives";
import type * as storage from "@starkeep/storage-adapter";

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

declare function check<_Passes extends true>(): void;

check<Identical<sync.StarkeepId, primitives.StarkeepId>>();
check<Identical<sync.HLCTimestamp, primitives.HLCTimestamp>>();
check<Identical<sync.HLCClock, primitives.HLCClock>>();
check<Identical<sync.AnyRecord, primitives.AnyRecord>>();
check<Identical<sync.StarkeepError, primitives.StarkeepError>>();
check<Identical<sync.DatabaseAdapter, storage.DatabaseAdapter>>();
check<Identical<sync.ObjectStorageAdapter, storage.ObjectStorageAdapter>>();

check<Identical<sync.ChangeEvent["recordIds"], primitives.StarkeepId[]>>();
check<Identical<sync.HeldRecord["item"], primitives.AnyRecord | null>>();
check<Identical<ReturnType<typeof sync.createHLCClock>, primitives.HLCClock>>();
check<Identical<ReturnType<typeof sync.createFsObjectStorage>, storage.ObjectStorageAdapter>>();
check<Identical<typeof sync.ZERO_HLC, primitives.HLCTimestamp>>();

const error: primitives.StarkeepError = new sync.SyncError("lost", new Error("cause"));
const code: string = error.code;
check<Identical<typeof sync.StarkeepError, typeof primitives.StarkeepError>>();

declare const id: primitives.StarkeepId;
declare const adapter: storage.DatabaseAdapter;
const event: sync.ChangeEvent = {
  eventType: "local-data-synced",
  recordIds: [id],
  timestamp: sync.ZERO_HLC,
};

// @ts-expect-error: a plain string is no id
const plain: sync.StarkeepId = "01J00000000000000000000000";

// @ts-expect-error: the class of the peer takes a message
new sync.SyncError();

// @ts-expect-error: not a number
const number: number = new sync.SyncError("lost").code;

// An adapter of the app's, with the capability of 0.2 or without it
const options = (db: storage.DatabaseAdapter & sync.NodeWatermarksCapable) =>
  ({
    databaseAdapter: db,
    clock: sync.createHLCClock({ nodeId: "cloud" }),
    objectStorage: sync.createFsObjectStorage({ root: "objects" }),
  }) satisfies sync.InProcessTransportOptions;
options(adapter);
options({ ...adapter, getNodeWatermarks: async () => ({ a: sync.ZERO_HLC }) });
// @ts-expect-error: watermarks are timestamps
options({ ...adapter, getNodeWatermarks: async () => ({ a: 5 }) });

export { code, event, number, plain };
