// How CommonJS code reaches the package.
import sync = require("@starkeep/sync-engine");
import type { SyncEngine } from "@starkeep/sync-engine";

const { createHLCClock, SyncError } = sync;
const clock: sync.HLCClock = createHLCClock({ nodeId: "a" });
const error: sync.SyncError = new SyncError("lost");
declare const engine: SyncEngine;
const exchange: Promise<sync.ExchangeResult> = engine.exchange();

// @ts-expect-error: there is no default export
void sync.default;

export = { clock, error, exchange };
