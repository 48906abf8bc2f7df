// A double of @starkeep/protocol-primitives 0.1: the names and shapes that the engine has to do with.

export type StarkeepId = string & { readonly __brand: unique symbol };

export interface HLCTimestamp {
  readonly wallTime: number;
  readonly counter: number;
  readonly nodeId: string;
}

export interface HLCClock {
  now(): HLCTimestamp;
  send(): HLCTimestamp;
  receive(remote: HLCTimestamp): HLCTimestamp;
}

export interface DataRecord {
  readonly id: StarkeepId;
  readonly kind: "data";
  readonly type: string;
  readonly createdAt: HLCTimestamp;
  updatedAt: HLCTimestamp;
  readonly ownerId: string;
  deletedAt: HLCTimestamp | null;
  version: number;
  contentHash: string;
  objectStorageKey: string;
  mimeType: string;
  sizeBytes: number;
  originalFilename: string | null;
  originAppId: string;
  parentId: StarkeepId | null;
}

export type AnyRecord = DataRecord;

export class StarkeepError extends Error {
  readonly code: string;
  readonly cause?: unknown;
  constructor(message: string, code: string, cause?: unknown);
}
