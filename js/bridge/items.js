"use strict";

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

function isStamp(value) {
  if (typeof value !== "object" && typeof value !== "function") return false;
  const { wallTime, counter, nodeId } = value;
  return isCount(wallTime) && isCount(counter) && typeof nodeId === "string";
}

const isStampOrMissing = (value) => value === undefined || value === null || isStamp(value);

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

/** Which of the methods that it need not have an adapter of records has: 1, 2 and 4, added up. */
function abilitiesOf(adapter) {
  const can = (name, otherwise) => {
    try {
      return typeof adapter?.[name] === "function";
    } catch {
      return otherwise;
    }
  };
  // A function that cannot be read is found out when it is called; instead of a page it is `put`.
  return (
    can("getNodeWatermarks", true) + 2 * can("queryUnseen", true) + 4 * can("applyRecords", false)
  );
}

/** The apps and the names of the tables of these namespaces, one after the other; or what is wrong with them. */
function tablesOf(namespaces) {
  if (!Array.isArray(namespaces)) return "must answer an array of namespaces";
  const found = [];
  for (const namespace of namespaces) {
    const appId = namespace?.appId;
    if (typeof appId !== "string") return "a namespace's appId must be a string";
    const { tables } = namespace;
    const listed = Array.isArray(tables) ? tables : namespace.tableNames;
    for (const table of Array.isArray(listed) ? listed : []) {
      const name = typeof table === "object" && table !== null ? table.name : table;
      if (typeof name === "string") found.push(appId, name);
    }
  }
  return found;
}

/** What an app row has as `id`, if that can be read, else `null`. */
function rowIdOf(entry) {
  for (const name of ["row", "where"]) {
    try {
      const id = entry?.[name]?.id;
      if (typeof id === "string") return id;
    } catch {
      // What an app's getter throws is no reason to fail the round that names the item.
    }
  }
  return null;
}

/** What is held: what is said of the item, the item, and the error. */
function heldOf({ nodeId, direction, kind, id, timestamp, ...said }, item, error) {
  const known = id ?? rowIdOf(item);
  return { nodeId, direction, kind, id: known, timestamp, item, ...said, error };
}

module.exports = { abilitiesOf, aroundOf, heldOf, isStamp, tablesOf };
