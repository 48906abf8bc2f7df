// The records that files are new versions of, by their names.
import { CommandError, quoted } from "./errors.mjs";
import { recordsOf } from "./place.mjs";

/** What stands for a name that several records or files have. */
const SEVERAL = Symbol("several");

/**
 * Reads the names of all living records once, so that many files cost no search each.
 *
 * @param {any} database
 * @param {AbortSignal} signal
 */
export async function createVersions(database, signal) {
  const known = new Map();
  const filters = [{ field: "deletedAt", operator: "isNull" }];
  for await (const record of recordsOf(database, signal, { filters })) {
    const { originalFilename: name, id, contentHash } = record;
    if (name !== null) known.set(name, known.has(name) ? SEVERAL : { id, contentHash });
  }

  /** What another process deleted meanwhile has no next version. */
  async function livingRecord(id) {
    const record = await database.get(id);
    return record !== null && record.deletedAt === null ? record : undefined;
  }

  return {
    /**
     * The record that a stored file makes: the next version of the one that has its name, `made(object)` where none has, and
     * nothing where the record says the same already. `fieldsOf(object)` is what a record says of its object.
     */
    async next(object, clock, fieldsOf, made) {
      const { name, hash } = object;
      const found = known.get(name);
      if (found === SEVERAL)
        throw new CommandError(
          "AMBIGUOUS",
          `several records or files are named ${quoted(name)}: put it without --update, or rm all records of the name but one`,
        );
      if (found?.contentHash === hash) return undefined;
      known.set(name, SEVERAL);
      const before = found && (await livingRecord(found.id));
      if (!before) return made(object);
      const version = before.version + 1;
      return { ...before, ...fieldsOf(object), version, updatedAt: clock.now() };
    },
  };
}
