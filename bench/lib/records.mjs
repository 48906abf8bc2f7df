/**
 * A record without a file, as apps write it.
 *
 * @param {string} id @param {{ wallTime: number, counter: number, nodeId: string }} updatedAt
 */
export function recordOf(id, updatedAt) {
  const file = { contentHash: "", objectStorageKey: "", mimeType: null, sizeBytes: 0, originalFilename: null };
  const dates = { createdAt: updatedAt, updatedAt, deletedAt: null };
  return {
    id,
    kind: "data",
    type: "note",
    ownerId: "o",
    version: 1,
    originAppId: "app",
    parentId: null,
    ...dates,
    ...file,
  };
}
