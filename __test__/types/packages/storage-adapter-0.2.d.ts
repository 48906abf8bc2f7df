// A double of @starkeep/storage-adapter 0.2: the names and shapes that the engine has to do with.
import type { DataRecord, HLCTimestamp, StarkeepId } from "@starkeep/protocol-primitives";

export interface Query {
  type?: string;
  filters?: { field: string; operator: string; value?: unknown }[];
  sort?: { field: string; direction: "asc" | "desc" }[];
  limit?: number;
  cursor?: string;
}

export interface QueryResult {
  records: DataRecord[];
  nextCursor: string | null;
  hasMore: boolean;
}

export type BatchOperation =
  { type: "put"; record: DataRecord } | { type: "delete"; id: StarkeepId; hlc: HLCTimestamp };

export interface Transaction {
  put(record: DataRecord): Promise<void>;
  get(id: StarkeepId): Promise<DataRecord | null>;
  delete(id: StarkeepId, hlc: HLCTimestamp): Promise<void>;
  query(query: Query): Promise<QueryResult>;
}

export interface MetadataRow {
  recordId: StarkeepId;
  [column: string]: unknown;
}

export interface DatabaseAdapter {
  init(): Promise<void>;
  close(): Promise<void>;
  healthCheck(): Promise<boolean>;
  put(record: DataRecord): Promise<void>;
  get(id: StarkeepId): Promise<DataRecord | null>;
  delete(id: StarkeepId, hlc: HLCTimestamp): Promise<void>;
  query(query: Query): Promise<QueryResult>;
  batch(operations: BatchOperation[]): Promise<void>;
  transaction<T>(callback: (transaction: Transaction) => Promise<T>): Promise<T>;
  putMetadata(typeId: string, row: MetadataRow): Promise<void>;
  getMetadata(typeId: string, recordId: StarkeepId): Promise<MetadataRow | null>;
  getMetadataByIds(typeId: string, recordIds: StarkeepId[]): Promise<Map<StarkeepId, MetadataRow>>;
  deleteMetadata(typeId: string, recordId: StarkeepId): Promise<void>;
  getNodeWatermarks?(): Promise<Record<string, HLCTimestamp>>;
}

export interface PutOptions {
  contentType?: string;
  metadata?: Record<string, string>;
}

export interface GetResult {
  data: Uint8Array;
  contentType?: string;
  metadata?: Record<string, string>;
  size: number;
}

export interface ObjectStorageAdapter {
  init(): Promise<void>;
  close(): Promise<void>;
  healthCheck(): Promise<boolean>;
  put(key: string, data: Uint8Array, options?: PutOptions): Promise<void>;
  get(key: string): Promise<GetResult | null>;
  has(key: string): Promise<boolean>;
  delete(key: string): Promise<void>;
  list(
    prefix: string,
    options?: { limit?: number; cursor?: string },
  ): Promise<{ keys: string[]; nextCursor: string | null; hasMore: boolean }>;
}
