import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";

/** The native stores of a node in one folder. */
export function openNode(folder, nodeId) {
  const path = join(folder, "node.db");
  const stores = {
    db: sync.createSqliteDatabaseAdapter({ path }),
    state: sync.createSqliteSyncStateStore({ path }),
    objects: sync.createFsObjectStorage({ root: join(folder, "objects") }),
  };
  return {
    ...stores,
    clock: sync.createHLCClock({ nodeId }),
    close: () => Promise.all(Object.values(stores).map((store) => store.close())),
  };
}
