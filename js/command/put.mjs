// Makes records of files: first the object, then the record, as a record without its object is held.
import { createHash } from "node:crypto";
import { readFile, readdir, realpath, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { basename, extname, resolve, sep } from "node:path";
import { CommandError, EXIT, errorJson, errorLine, fileError, plain, quoted } from "./errors.mjs";
import { withPlace } from "./place.mjs";
import { createStaging } from "./staging.mjs";
import { countText } from "./terminal.mjs";
import { createUlids } from "./ulid.mjs";
import { createVersions } from "./versions.mjs";

/** Larger files are never in memory as a whole. */
const IN_MEMORY = 8 << 20;
/** How many files are taken in at a time, and how many records are written together. */
const AT_ONCE = 8;

const MIME_TYPES = {
  avif: "image/avif",
  css: "text/css",
  csv: "text/csv",
  gif: "image/gif",
  heic: "image/heic",
  html: "text/html",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  md: "text/markdown",
  mjs: "text/javascript",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
  zip: "application/zip",
};

const mimeTypeOf = (name) =>
  MIME_TYPES[extname(name).slice(1).toLowerCase()] ?? "application/octet-stream";
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const keyFor = (hash) => `files/${hash.slice(0, 2)}/${hash}`;

/** @param {import("./main.mjs").Call} call */
export const run = (call) =>
  withPlace(call, async (place) => {
    const staging = createStaging(place, { keyFor, mimeTypeOf });
    try {
      return await putAll(call, place, staging);
    } finally {
      await staging.remove();
    }
  });

async function putAll(call, place, staging) {
  const { values, operands, signal, output, progress, warn } = call;
  const sum = { done: 0, bytes: 0, failed: 0, passed: 0 };
  const fail = async (path, error) => {
    sum.failed += 1;
    progress.clear();
    if (values.json) await output.json({ path: String(path), error: errorJson(error) });
    console.error(`starkeep-sync: ${errorLine(error)}`);
  };
  const versions = values.update ? await createVersions(place.database, signal) : undefined;
  const write = writerFor(call, place, { staging, sum, fail, versions });
  const rules = {
    isRecursive: values.recursive,
    isExcluded: excluding(values.exclude),
    own: await realpath(place.folder),
    fail,
    pass: () => (sum.passed += 1),
  };
  let waiting = [];
  for await (const file of filesOf(operands, rules)) {
    if (signal.aborted) break;
    waiting.push(file);
    if (waiting.length < AT_ONCE) continue;
    await write(waiting);
    waiting = [];
  }
  if (!signal.aborted) await write(waiting);
  if (sum.passed > 0)
    warn(`${countText(sum.passed, "link or special file", "links and special files")} passed over`);
  if (!signal.aborted) return sum.failed === 0 ? EXIT.done : EXIT.wrong;
  const words = `interrupted: ${countText(sum.done, "file")} put, the others not at all`;
  throw new CommandError("INTERRUPTED", words);
}

/** Stores the objects of some files, then their records in one transaction. */
function writerFor({ values, signal, output, progress }, place, { staging, sum, fail, versions }) {
  const ulid = createUlids();
  const about = { type: values.type, ownerId: values.owner ?? userName() };
  const made = (object) => recordOf(object, about, place.clock.now(), ulid());
  /** The record of a stored file; nothing if it stands already as it is. */
  const recordFor = async (object) => {
    if (versions === undefined) return made(object);
    try {
      return await versions.next(object, place.clock, fieldsOf, made);
    } catch (error) {
      return fail(object.path, error);
    }
  };
  return async function write(files) {
    const stored = await Promise.all(
      files.map((file) =>
        store(file, place, staging, signal).then(
          (object) => ({ ...file, ...object }),
          (error) => (signal.aborted ? null : fail(file.path, error)),
        ),
      ),
    );
    const records = [];
    for (const object of stored.filter(Boolean)) {
      const record = await recordFor(object);
      if (record) records.push(record);
    }
    if (records.length === 0) return;
    await place.database.batch(records.map((record) => ({ type: "put", record })));
    progress.clear();
    for (const record of records) {
      sum.done += 1;
      sum.bytes += record.sizeBytes;
      if (values.json) await output.json(putJson(record));
      else await output.line(`${record.id}  ${plain(record.originalFilename)}`);
    }
    progress.show({ phase: "put", done: sum.done, bytes: sum.bytes });
  };
}

/** A user of a container may have a number alone. */
function userName() {
  try {
    return userInfo().username;
  } catch {
    return `${process.getuid?.() ?? "unknown"}`;
  }
}

const putJson = ({ id, originalFilename: name, type, mimeType, sizeBytes, contentHash }) => ({
  id,
  name,
  type,
  mimeType,
  sizeBytes,
  contentHash,
});

/** What a record says of its object. */
const fieldsOf = ({ name, hash, size }) => ({
  contentHash: hash,
  objectStorageKey: keyFor(hash),
  mimeType: mimeTypeOf(name),
  sizeBytes: size,
});

function recordOf({ name, hash, size }, about, now, id) {
  return {
    id,
    kind: "data",
    ...about,
    createdAt: now,
    updatedAt: now,
    deletedAt: null,
    version: 1,
    ...fieldsOf({ name, hash, size }),
    originalFilename: name,
    originAppId: "starkeep-sync",
    parentId: null,
  };
}

/** Whether a name is one of those; "*" in them stands for any text. */
function excluding(names = []) {
  const escaped = names.map((name) =>
    name.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^]*"),
  );
  const pattern = new RegExp(`^(?:${escaped.join("|")})$`);
  return (name) => names.length > 0 && pattern.test(name);
}

/** The files that were named, and those in folders that were named; links are followed only where they were named. */
async function* filesOf(paths, rules) {
  for (const path of paths) {
    const found = await stat(path).catch((error) =>
      rules.fail(path, fileError("cannot be read", path, error)),
    );
    if (found === undefined) continue;
    if (found.isFile()) yield { path, name: basename(path) };
    else if (found.isDirectory() && rules.isRecursive)
      yield* filesBelow(Buffer.from(path), basename(resolve(path)), rules);
    else {
      const what = found.isDirectory() ? "is a folder: put it with -r" : "is no regular file";
      await rules.fail(path, new CommandError("INVALID_ARGUMENT", `${quoted(path)} ${what}`));
    }
  }
}

const SEPARATOR = Buffer.from(sep);

/** Paths are the bytes that the file system gave, as a name need not be well-formed text. */
async function* filesBelow(folder, name, rules) {
  let entries;
  try {
    // A place does not take in itself.
    if ((await realpath(folder)) === rules.own) return;
    entries = await readdir(folder, { withFileTypes: true, encoding: "buffer" });
  } catch (error) {
    await rules.fail(folder, fileError("cannot be read", folder, error));
    return;
  }
  for (const entry of entries.sort((a, b) => Buffer.compare(a.name, b.name))) {
    if (rules.isExcluded(String(entry.name))) continue;
    const path = Buffer.concat([folder, SEPARATOR, entry.name]);
    const below = `${name}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path, below, rules);
    else if (entry.isFile()) yield { path, name: below };
    else rules.pass();
  }
}

/** Stores the bytes of a file, and says what they were: one reading, so that hash and object belong together. */
async function store({ path }, { objects }, staging, signal) {
  try {
    const { size } = await stat(path);
    if (size > IN_MEMORY) return await staging.take(path, signal);
    const data = await readFile(path, { signal });
    const hash = sha256(data);
    await objects.put(keyFor(hash), data, { contentType: mimeTypeOf(String(path)) });
    return { hash, size: data.length };
  } catch (error) {
    throw typeof error.errno === "number" ? fileError("cannot be read", path, error) : error;
  }
}
