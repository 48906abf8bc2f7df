// A place: a folder with sync.db, objects/ and node-id, which is the name of the place.
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, link, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import sync from "./package.mjs";
import { CommandError, fileError, quoted } from "./errors.mjs";
import { SETTINGS } from "./settings.mjs";

const PAGE = 200;
const MOST_NAMED = 5;
const NODE_ID_NOTE = `
# The name of this place among all that exchange with it. It must never be copied to another machine: of two places
# with one name, what one writes may never reach the other. Without this file a new name is made, which harms nothing.
`;

/**
 * Opens the place, and makes it if `makes` says so and it is missing.
 *
 * @param {import("./main.mjs").Call} call
 */
export async function openPlace({ values, makes }) {
  const folder = resolve(values.data);
  const path = join(folder, "sync.db");
  if (makes)
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch(failing("cannot be made", folder));
  else
    await access(path, constants.R_OK).catch(() => {
      const hint = "put, serve and exchange make one";
      throw new CommandError(
        "NOT_FOUND",
        `there is no place at ${quoted(folder)} (no sync.db in it); ${hint}`,
      );
    });
  const nodeId = await nodeIdOf(folder, values.nodeId);
  const database = sync.createSqliteDatabaseAdapter({ path });
  const opened = [database];
  try {
    const state = sync.createSqliteSyncStateStore({ path });
    opened.push(state);
    const root = join(folder, "objects");
    const objects = sync.createFsObjectStorage({ root });
    opened.push(objects);
    const clock = sync.createHLCClock({ nodeId, state: [database, state] });
    return { folder, root, nodeId, database, state, objects, clock, close };
  } catch (error) {
    await close();
    throw error;
  }

  async function close() {
    for (const store of opened.reverse()) await store.close();
  }
}

/** Does `work` with the place, and closes it. A call may bring another way to open one. */
export async function withPlace(call, work) {
  const place = await (call.open ?? openPlace)(call);
  try {
    return await work(place);
  } finally {
    await place.close();
  }
}

const failing = (what, path) => (error) => {
  throw fileError(what, path, error);
};

/** The name that the folder has, or gets: `wanted`, or one of the host's name and chance. */
async function nodeIdOf(folder, wanted) {
  const path = join(folder, "node-id");
  const found = (await readNodeId(path)) ?? (await makeNodeId(path, wanted));
  if (wanted === undefined || wanted === found) return found;
  const message = `this place is ${found} (${quoted(path)}), not ${wanted}: a place keeps its name for good`;
  throw new CommandError("USAGE", message, { exit: 2 });
}

async function readNodeId(path) {
  const text = await readFile(path, "utf8").catch((error) => {
    if (error.code === "ENOENT") return undefined;
    throw fileError("cannot be read", path, error);
  });
  if (text === undefined) return undefined;
  const { what, read } = SETTINGS["node-id"].kind;
  const line = text.split("\n", 1)[0].trim();
  if (read(line) !== undefined) return line;
  throw new CommandError(
    "MALFORMED",
    `the first line of ${quoted(path)} must be ${what}, got ${quoted(line)}`,
  );
}

/** Of two processes that make one at the same time, both take the one that is there first. */
async function makeNodeId(path, wanted) {
  const host = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, 32);
  const made = wanted ?? `${host || "place"}-${randomBytes(6).toString("hex")}`;
  const written = `${path}.${process.pid}.new`;
  try {
    await writeFile(written, `${made}${NODE_ID_NOTE}`, { mode: 0o600 });
    await link(written, path);
  } catch (error) {
    if (error.code !== "EEXIST") throw fileError("cannot be written", path, error);
  } finally {
    await rm(written, { force: true });
  }
  return readNodeId(path);
}

/** All records, a page in memory at a time. */
export async function* recordsOf(database, signal, query = {}) {
  for (let cursor; cursor !== null;) {
    signal?.throwIfAborted();
    const page = await database.query({ ...query, limit: PAGE, cursor });
    yield* page.records;
    cursor = page.hasMore ? page.nextCursor : null;
  }
}

/** The living record of this id or name. */
export async function findRecord(database, wanted) {
  const record = await database.get(wanted);
  if (record !== null && record.deletedAt === null) return record;
  const filters = [
    { field: "originalFilename", operator: "eq", value: wanted },
    { field: "deletedAt", operator: "isNull" },
  ];
  const { records } = await database.query({ filters, limit: MOST_NAMED + 1 });
  if (records.length === 1) return records[0];
  if (records.length > 1) {
    const ids = records.slice(0, MOST_NAMED).map(({ id }) => id);
    const more = records.length > MOST_NAMED ? " and more" : "";
    throw new CommandError(
      "AMBIGUOUS",
      `several records are named ${quoted(wanted)}: ${ids.join(", ")}${more}; take one by its id`,
    );
  }
  const what =
    record === null ? "there is no record of the id or name" : "this record was deleted:";
  throw new CommandError("NOT_FOUND", `${what} ${quoted(wanted)}`);
}

export const nameOf = ({ originalFilename, id }) => originalFilename ?? id;

/** The chunks of a record's object, from the disk where the place is a folder; `null` where there is none. */
export async function readObject({ objects, root }, key, signal) {
  // The storage refuses keys that lead out of its folder, and names that are links.
  if (!(await objects.has(key))) return null;
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
  const at = root === undefined ? null : join(root, ...key.split("/"));
  const file = at === null ? null : await open(at, flags).catch(() => null);
  if (file !== null && (await file.stat()).isFile())
    return file.createReadStream({ highWaterMark: 1 << 20, signal });
  await file?.close();
  // An object whose place on the disk is taken by a folder lies elsewhere, which the storage knows alone.
  const object = await objects.get(key);
  return object === null ? null : [object.data];
}

/** A small file of the place, written as a whole. */
export async function writeNote(folder, name, value) {
  const path = join(folder, name);
  const written = `${path}.${process.pid}.new`;
  await writeFile(written, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(written, path);
}

/** What `writeNote` wrote last, or `{}`. */
export async function readNote(folder, name) {
  try {
    return JSON.parse(await readFile(join(folder, name), "utf8"));
  } catch {
    return {};
  }
}
