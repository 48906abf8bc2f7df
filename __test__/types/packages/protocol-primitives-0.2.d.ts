// A double of @starkeep/protocol-primitives 0.2: a record may have a label, has no owner, and its media
// type may be unknown.

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
  deletedAt: HLCTimestamp | null;
  version: number;
  contentHash: string;
  objectStorageKey: string;
  mimeType: string | null;
  sizeBytes: number;
  originalFilename: string | null;
  originAppId: string;
  parentId: StarkeepId | null;
  label?: string | null;
}

export type AnyRecord = DataRecord;

export class StarkeepError extends Error {
  readonly code: string;
  readonly cause?: unknown;
  constructor(message: string, code: string, cause?: unknown);
}
