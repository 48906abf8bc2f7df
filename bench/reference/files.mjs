/**
 * Blob transfers, one at a time and whole, and what they say about a record.
 *
 * @typedef {{ fileHash: string, objectStorageKey: string, sizeBytes: number, mimeType?: string }} Manifest
 * @typedef {{ key: string, mimeType?: string }} FileEntry
 */

export function createFileSyncEngine() {
  const inFlight = new Set();

  /**
   * @param {Manifest} manifest
   * @param {any} source
   * @param {any} destination
   * @returns {Promise<boolean>}
   */
  async function transferFile(manifest, source, destination) {
    const key = manifest.objectStorageKey;
    if (inFlight.has(key)) return false;
    inFlight.add(key);
    try {
      if (await destination.has(key)) return true;
      const file = await source.get(key);
      if (!file) return false;
      await destination.put(key, file.data, { contentType: manifest.mimeType });
      return true;
    } finally {
      inFlight.delete(key);
    }
  }

  return {
    /** @param {string} key */
    isTransferInFlight: (key) => inFlight.has(key),
    transferFile,
    /**
     * @param {any} local
     * @param {any} remote
     * @param {FileEntry[]} entries
     */
    getFilesToPush: (local, remote, entries) => missingFiles(local, remote, entries),
    /**
     * @param {any} local
     * @param {any} remote
     * @param {FileEntry[]} entries
     */
    getFilesToPull: (local, remote, entries) => missingFiles(remote, local, entries),
  };
}

/**
 * What `source` has and `destination` lacks.
 *
 * @param {any} source
 * @param {any} destination
 * @param {FileEntry[]} entries
 * @returns {Promise<Manifest[]>}
 */
async function missingFiles(source, destination, entries) {
  const manifests = [];
  for (const { key, mimeType } of entries) {
    if (await destination.has(key)) continue;
    const file = await source.get(key);
    if (!file) continue;
    manifests.push({ fileHash: key, objectStorageKey: key, sizeBytes: file.size, mimeType });
  }
  return manifests;
}

/**
 * @param {any} row a row of `_starkeep_sync_records`, or null
 * @param {any} localStorage
 * @returns {Promise<"absent" | "staged" | "resident" | "tombstoned">}
 */
export async function residencyOf(row, localStorage) {
  if (row === null) return "absent";
  if (row.deleted_at) return "tombstoned";
  return (await localStorage.has(row.object_storage_key)) ? "resident" : "staged";
}
