"use strict";

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

function isStampOrMissing(value) {
  if (value === undefined || value === null) return true;
  if (typeof value !== "object" && typeof value !== "function") return false;
  const { wallTime, counter, nodeId } = value;
  return isCount(wallTime) && isCount(counter) && typeof nodeId === "string";
}

/**
 * What stands around the body of a record: its id, whether it is deleted, which other timestamp of it is none, and what
 * it says of its object. The id alone where there is nothing else to say.
 */
function aroundOf(record) {
  const { id, deletedAt, objectStorageKey: key, createdAt } = record;
  const isDeleted = deletedAt !== undefined && deletedAt !== null;
  let faulty = isStampOrMissing(createdAt) ? undefined : "createdAt";
  if (!isStampOrMissing(deletedAt)) faulty ??= "deletedAt";
  const hasObject = typeof key === "string" && key !== "";
  if (typeof id === "string" && !hasObject && !isDeleted && faulty === undefined) return id;
  if (!hasObject) return [id, isDeleted, faulty];
  const { mimeType, contentHash, sizeBytes } = record;
  return [id, isDeleted, faulty, key, mimeType, contentHash, sizeBytes];
}

/** The names of an object, and what stands under them. */
function entriesOf(object) {
  const names = Object.keys(object);
  return [names, names.map((name) => object[name])];
}

module.exports = { aroundOf, entriesOf };
