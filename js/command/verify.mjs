// Whether the object of every record is on the disk, as its record says.
import { createHash } from "node:crypto";
import { EXIT, isInterruption, plain } from "./errors.mjs";
import { differenceOf } from "./get.mjs";
import { nameOf, readObject, recordsOf, withPlace } from "./place.mjs";
import { bytesText } from "../bytes-text.js";
import { countText } from "./terminal.mjs";

/** As much of a fingerprint is shown to people. */
const SHOWN_DIGITS = 16;

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const { values, output, progress, signal } = call;
    const stores = {
      database: await place.database.healthCheck(),
      objects: await place.objects.healthCheck(),
    };
    const sum = { records: 0, objects: 0, bytes: 0 };
    const wrong = [];
    const fingerprint = createHash("sha256");
    const filters = [{ field: "deletedAt", operator: "isNull" }];
    for await (const record of recordsOf(place.database, signal, { filters })) {
      sum.records += 1;
      const found = await examine(place, record, signal, (bytes) =>
        progress.show({ phase: "verify", done: sum.objects, bytes: sum.bytes + bytes }),
      );
      fingerprint.update(`${canonical(record)}\n${found?.hash ?? ""}\n`);
      if (found === undefined) continue;
      sum.objects += 1;
      sum.bytes += found.size ?? 0;
      if (found.wrong === undefined) continue;
      const [code, words] = found.wrong;
      const { id, objectStorageKey: key } = record;
      wrong.push({
        id,
        name: record.originalFilename,
        key,
        code,
        reason: `${nameOf(record)} ${words}`,
      });
      progress.clear();
      if (!values.json)
        await output.line(`${plain(id)}  ${code}: ${plain(nameOf(record))} ${plain(words)}`);
    }
    progress.clear();
    const ok = wrong.length === 0 && stores.database && stores.objects;
    const result = { ...sum, fingerprint: fingerprint.digest("hex"), stores };
    if (values.json) await output.json({ ok, ...result, wrong });
    else await output.line(summaryOf(result, wrong.length));
    return ok ? EXIT.done : EXIT.wrong;
  });

/** A value as JSON, whatever the order is in which a store answers its fields. */
const canonical = (value) =>
  JSON.stringify(value, (_, part) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

function summaryOf({ records, objects, bytes, fingerprint, stores }, wrong) {
  const sick = Object.keys(stores).filter((name) => !stores[name]);
  const parts = [
    `${countText(records, "record")}, ${countText(objects, "object")}, ${bytesText(bytes)} read`,
    `fingerprint ${fingerprint.slice(0, SHOWN_DIGITS)}`,
    wrong === 0 ? "all as their records say" : `${wrong} wrong`,
    ...sick.map((name) => `the store of ${name} is damaged or was replaced`),
  ];
  return parts.join("; ");
}

/** What a record's object is, and what is wrong with it. Nothing for a record without one. */
async function examine(place, record, signal, onBytes) {
  const key = record.objectStorageKey;
  if (key === "") return undefined;
  const hash = createHash("sha256");
  let size = 0;
  try {
    const chunks = await readObject(place, key, signal);
    if (chunks === null) return { wrong: ["BLOB_MISSING", `has no object here (${key})`] };
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
      onBytes(size);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isInterruption(error)) throw error;
    return { wrong: [error.code ?? "IO_ERROR", `cannot be read: ${error.message}`] };
  }
  const found = { size, hash: hash.digest("hex") };
  const wrong = differenceOf(record, found);
  if (wrong === undefined || (await isOutdone(place, record))) return found;
  return { ...found, wrong };
}

/** Whether a newer record has the same key: an object is what the newest item of its key says. */
async function isOutdone({ database }, { objectStorageKey, updatedAt }) {
  const filters = [
    { field: "objectStorageKey", operator: "eq", value: objectStorageKey },
    { field: "updatedAt", operator: "gt", value: updatedAt },
    { field: "deletedAt", operator: "isNull" },
  ];
  const { records } = await database.query({ filters, limit: 1 });
  return records.length > 0;
}
