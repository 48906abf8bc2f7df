// Only one of the two peer packages is installed: what comes from the other is built on it.
import * as sync from "@starkeep/sync-engine";
import type * as primitives from "@starkeep/protocol-primitives";

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

declare function check<_Passes extends true>(): void;

check<Identical<Parameters<sync.DatabaseAdapter["put"]>, [record: primitives.AnyRecord]>>();
check<Identical<Parameters<sync.DatabaseAdapter["get"]>, [id: primitives.StarkeepId]>>();
check<Identical<keyof sync.ObjectStorageAdapter & "has", "has">>();

export const database = sync.createSqliteDatabaseAdapter({ path: "records.db" });
