// A process of its own that writes to a file of this package's stores: records by `put`, and others beside them in
// transactions that stamp early and commit late. Arguments: the file, the name, how much it writes.
import * as sync from "@starkeep/sync-engine";
import { record } from "./memory.mjs";

const [path, name, count] = process.argv.slice(2);
const db = sync.createSqliteDatabaseAdapter({ path });
await db.init();
const clock = sync.createHLCClock({ nodeId: "laptop" });
const EACH = 20;
for (let from = 0; from < Number(count); from += 2 * EACH) {
  const early = Array.from({ length: EACH }, () => clock.now());
  const beside = db.transaction(async (inner) => {
    for (const [i, stamp] of early.entries()) {
      await inner.put(record(`${name}-t${from + i}`, stamp));
    }
  });
  for (let i = 0; i < EACH; i += 1) await db.put(record(`${name}-p${from + i}`, clock.now()));
  await beside;
}
await db.close();
