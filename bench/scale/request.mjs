/** What a laptop sends when it has everything: a real one takes it all in first. */
import { join } from "node:path";
import * as sync from "../../node.mjs";

/** Rounds that a laptop may need until nothing is left to do. */
const MOST_ROUNDS = 10;

/**
 * @param {string} baseUrl
 * @param {string} folder for what the laptop keeps
 * @returns {Promise<{ request: { url: string, headers: Record<string, string>, body: string }, records: number }>} the
 *   body in base64
 */
export async function quietRequest(baseUrl, folder) {
  const path = join(folder, "laptop.db");
  const database = sync.createSqliteDatabaseAdapter({ path });
  const syncState = sync.createSqliteSyncStateStore({ path });
  const objects = sync.createFsObjectStorage({ root: join(folder, "files") });
  const clock = sync.createHLCClock({ nodeId: "laptop-new", state: [database, syncState] });
  const engineOver = (/** @type {any} */ transport) =>
    sync.createSyncEngine({
      localDatabaseAdapter: database,
      localObjectStorage: objects,
      remoteObjectStorage: sync.createHttpObjectStorage({ baseUrl }),
      transport,
      clock,
      syncState,
    });
  try {
    const { applied } = await engineOver(sync.createHttpSyncTransport({ baseUrl })).drain();
    /** @type {any} */
    let sent;
    const listening = (/** @type {string} */ url, /** @type {any} */ { headers, body, ...rest }) => {
      sent = { url, headers: { ...headers }, body: Buffer.from(body).toString("base64") };
      return fetch(url, { headers, body, ...rest });
    };
    const engine = engineOver(sync.createHttpSyncTransport({ baseUrl, fetch: /** @type {any} */ (listening) }));
    for (let quiet = 0, rounds = 0; quiet < 2; rounds += 1) {
      if (rounds === MOST_ROUNDS) throw new Error("a laptop that has everything does not come to rest");
      const result = await engine.exchange();
      quiet = result.applied + result.shipped === 0 && !result.hasMore ? quiet + 1 : 0;
    }
    return { request: sent, records: applied };
  } finally {
    await Promise.all([database.close(), syncState.close(), objects.close()]);
  }
}
