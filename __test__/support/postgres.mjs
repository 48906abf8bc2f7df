// PostgreSQL servers for a test file.
import { startPostgres as start } from "../../scripts/local-servers.mjs";
import { sql } from "./postgres-sql.mjs";

export { needsPostgres } from "../../scripts/test-servers.mjs";

let schemas = 0;

/** Starts a server with these settings; `schema()` is a name that no other test has. */
export async function startPostgres(settings) {
  return { ...(await start(settings)), schema: () => `test_${++schemas}` };
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
