// With @types/node, `db` is the DatabaseSync of node:sqlite and nothing else.
import { DatabaseSync } from "node:sqlite";
import * as sync from "@starkeep/sync-engine";

type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

declare function check<_Passes extends true>(): void;
check<Identical<sync.SqliteSyncStateStoreOptions["db"], DatabaseSync>>();

const db = new DatabaseSync(":memory:");
const store: sync.SyncStateStore = sync.createSqliteSyncStateStore({ db });
// @ts-expect-error: the app closes its own database
store.close();
// @ts-expect-error: no DatabaseSync
sync.createSqliteSyncStateStore({ db: { exec() {}, prepare() {} } });
// @ts-expect-error: one of the two
sync.createSqliteSyncStateStore({ db, path: "state.db" });

const data: Promise<{ data: Uint8Array } | null> = sync
  .createFsObjectStorage({ root: "objects" })
  .get("key");
const put = sync.createFsObjectStorage({ root: "objects" }).put("key", Buffer.from("bytes"));

export { data, put };
