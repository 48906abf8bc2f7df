// Writes the bytes of an object, into a file that is there as a whole or not at all.
import { createHash, randomBytes } from "node:crypto";
import { constants, copyFile, link, open, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { CommandError, fileError, quoted } from "./errors.mjs";
import { findRecord, nameOf, readObject, withPlace } from "./place.mjs";

const FORCE = "--force replaces it";

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async ({ database, ...place }) => {
    const record = await findRecord(database, call.operands[0]);
    const key = record.objectStorageKey;
    const chunks = key === "" ? [] : await readObject(place, key, call.signal);
    if (chunks === null) {
      const message = `the object of ${quoted(nameOf(record))} is not here (${key}): exchange, or reconcile --objects, brings it`;
      throw new CommandError("BLOB_MISSING", message);
    }
    if (call.values.output === undefined || call.values.output === "-")
      await toOutput(call, record, chunks);
    else await toFile(call, record, chunks);
  });

async function toOutput({ output, values, signal }, record, chunks) {
  if (values.json) throw new CommandError("USAGE", "get --json needs -o FILE", { exit: 2 });
  if (output.isTerminal && !record.mimeType.startsWith("text/")) {
    const message = `${quoted(nameOf(record))} is ${quoted(record.mimeType)}, nothing for a terminal: name a file with -o FILE`;
    throw new CommandError("USAGE", message, { exit: 2 });
  }
  await checkedCopy(record, chunks, signal, output.write);
}

async function toFile({ values, output, progress, signal }, record, chunks) {
  const path = resolve(values.output);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory())
    throw new CommandError("EXISTS", `${quoted(path)} is a folder: name a file in it`);
  if (found !== undefined && !values.force) throw exists(path);
  const part = `${path}.${randomBytes(4).toString("hex")}.part`;
  const file = await open(part, "wx").catch((error) => {
    throw fileError("cannot be written", part, error);
  });
  try {
    try {
      await checkedCopy(record, chunks, signal, (chunk, bytes) => {
        progress.show({ phase: "get", done: 0, of: 1, bytes, bytesOf: record.sizeBytes });
        return file.writeFile(chunk);
      });
      await file.sync();
    } finally {
      await file.close();
    }
    // Both are refused where another file has appeared meanwhile, which a renaming would replace.
    if (values.force) await rename(part, path);
    else await link(part, path).catch(() => copyFile(part, path, constants.COPYFILE_EXCL));
  } catch (error) {
    if (error.code === "EEXIST") throw exists(path);
    throw typeof error.errno === "number" ? fileError("cannot be written", path, error) : error;
  } finally {
    await rm(part, { force: true });
  }
  const { id, sizeBytes, contentHash } = record;
  if (values.json) await output.json({ ok: true, id, path, sizeBytes, contentHash });
}

const exists = (path) => new CommandError("EXISTS", `${quoted(path)} is there already: ${FORCE}`);

/** Hands on the chunks, and fails where together they are not what the record says. */
async function checkedCopy(record, chunks, signal, write) {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    hash.update(chunk);
    size += chunk.length;
    await write(chunk, size);
  }
  const difference = differenceOf(record, { size, hash: hash.digest("hex") });
  if (difference === undefined) return;
  const [code, words] = difference;
  throw new CommandError(
    code,
    `the object of ${quoted(nameOf(record))} ${words}: reconcile --objects may mend it`,
  );
}

const EMPTY = createHash("sha256").digest("hex");

/** What the object is otherwise than its record says: a code and words. */
export function differenceOf({ sizeBytes, contentHash }, { size, hash }) {
  const named = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(contentHash)?.[1].toLowerCase();
  const saysSize = sizeBytes > 0 || named === EMPTY;
  if (saysSize && size !== sizeBytes)
    return ["SIZE_MISMATCH", `has ${size} bytes instead of ${sizeBytes}`];
  if (named !== undefined && named !== hash)
    return ["HASH_MISMATCH", `has the SHA-256 ${hash} instead of ${named}`];
  return undefined;
}
