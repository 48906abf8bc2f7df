// How ES modules reach the package.
import { SyncError, createHLCClock, type HLCClock } from "@starkeep/sync-engine";
import * as sync from "@starkeep/sync-engine";

const clock: HLCClock = createHLCClock({ nodeId: "a" });
const later: Promise<typeof sync> = import("@starkeep/sync-engine");
const error: sync.SyncError = new SyncError("lost");

// There is no default export.
const byDefault: "default" extends keyof typeof sync ? true : false = false;

// @ts-expect-error: the package has no other entry
import type * as other from "@starkeep/sync-engine/js/exports.js";

export { byDefault, clock, error, later, type other };
