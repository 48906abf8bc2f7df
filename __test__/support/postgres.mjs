// A PostgreSQL server for a test file, as `scripts/test-postgres.sh` starts it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { sql } from "./postgres-sql.mjs";

export { needsPostgres } from "../../scripts/test-servers.mjs";

const script = fileURLToPath(new URL("../../scripts/test-postgres.sh", import.meta.url));
let schemas = 0;

/**
 * Starts a server with these settings. It ends with this process, or when it is told to.
 * @returns `{ url, say, schema, end }`: `say("restart")` has it done, `schema()` is a name that no other test has.
 */
export async function startPostgres(settings = []) {
  const child = spawn("sh", [script, ...settings], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: url = "" } = await lines.next();
  if (!url.startsWith("postgres://")) throw new Error(`PostgreSQL did not start: ${url}`);
  const exited = once(child, "exit");
  // It keeps no process alive but while something is asked of it.
  const handles = [child, child.stdin, child.stdout];
  const asking = (asks) => handles.forEach((handle) => (asks ? handle.ref() : handle.unref()));
  asking(false);
  return {
    url,
    schema: () => `test_${++schemas}`,
    async say(what) {
      asking(true);
      child.stdin.write(`${what}\n`);
      const { value } = await lines.next();
      asking(false);
      if (value !== `${what} 0`) throw new Error(`PostgreSQL: ${value}`);
    },
    async end() {
      asking(true);
      child.stdin.end();
      await exited;
    },
  };
}

let shared;
let databases = 0;

/** Options for a schema of its own, on the server that the tests of this process share. */
export async function postgresSchema() {
  shared ??= startPostgres();
  const { url, schema } = await shared;
  return { connectionString: url, schema: schema() };
}

/** The same for a database of its own: apps have schemas of their own. */
export async function postgresDatabase() {
  shared ??= startPostgres();
  const { url } = await shared;
  const name = `test_${++databases}`;
  await sql(url, `CREATE DATABASE ${name}`);
  return { connectionString: url.replace(/postgres$/, name) };
}
