// Lists records.
import { plain } from "./errors.mjs";
import { nameOf, recordsOf, withPlace } from "./place.mjs";
import { timeOf } from "./terminal.mjs";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const { values, output, signal } = call;
    const filters = values.all ? [] : [{ field: "deletedAt", operator: "isNull" }];
    for await (const record of recordsOf(place.database, signal, { filters })) {
      const residency = values.json || values.long ? await residencyOf(record, place) : "";
      if (values.json) await output.json(listed(record, residency));
      else await output.line(lineOf(record, values.long, residency));
    }
  });

/** What of a record is here: a record without an object is all there. */
export async function residencyOf({ deletedAt, objectStorageKey: key }, { objects }) {
  if ((deletedAt ?? null) !== null) return "tombstoned";
  return key === "" || (await objects.has(key).catch(() => false)) ? "resident" : "staged";
}

function listed(record, residency) {
  const { id, type, mimeType, sizeBytes, contentHash, version, objectStorageKey: key } = record;
  const [createdAt, updatedAt] = [timeOf(record.createdAt), timeOf(record.updatedAt)];
  const { nodeId } = record.updatedAt ?? {};
  return {
    id,
    name: record.originalFilename,
    type,
    mimeType,
    sizeBytes,
    contentHash,
    key,
    version,
    createdAt,
    updatedAt,
    nodeId,
    residency,
  };
}

function lineOf(record, isLong, residency) {
  const { id, sizeBytes, type, updatedAt } = record;
  const [shownId, name] = [plain(id), plain(nameOf(record))];
  if (!isLong) return `${shownId}  ${name}`;
  const time = timeOf(updatedAt)?.slice(0, 19) ?? "-";
  return `${shownId}  ${String(sizeBytes).padStart(12)}  ${time}Z  ${residency.padEnd(10)}  ${plain(type)}  ${name}`;
}
