/** What a database was asked, and what its processes took. */
import { readFileSync, readdirSync } from "node:fs";

const OWN = "%pg_stat_%";

/**
 * How many statements ended in this database so far, but for those that count.
 *
 * @param {any} client
 * @returns {Promise<[number, string]>} and how it is counted
 */
export async function statements(client) {
  const { rows: found } = await client.query("SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'");
  if (found.length > 0) {
    const { rows } = await client.query(
      `SELECT coalesce(sum(calls), 0)::float8 AS many FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE $1`,
      [OWN],
    );
    return [rows[0].many, "pg_stat_statements"];
  }
  // What a transaction did is told within a second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const { rows } = await client.query(
    "SELECT (xact_commit + xact_rollback)::float8 AS many FROM pg_stat_database WHERE datname = current_database()",
  );
  return [rows[0].many, "transactions of pg_stat_database"];
}

/** Of `/proc/<pid>/stat` what follows the name of the program, which may have anything in it. @param {number} pid */
function statOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
}

const TICKS = 100;
const [PARENT, USER, OF_CHILDREN] = [1, 11, 13];

/** The processor seconds of a process, with its children that have ended; `null` where the system does not tell. @param {number} pid */
export function cpuOf(pid) {
  try {
    const fields = statOf(pid);
    return (fields[USER] + fields[USER + 1] + fields[OF_CHILDREN] + fields[OF_CHILDREN + 1]) / TICKS;
  } catch {
    return null;
  }
}

/** That of the whole server of PostgreSQL: its first process and the children of it. @param {number} first */
export function cpuOfPostgres(first) {
  const all = cpuOf(first);
  if (all === null) return null;
  const children = readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && statOf(Number(name))[PARENT] === first;
    } catch {
      return false; // It has ended meanwhile.
    }
  });
  return children.reduce((sum, pid) => sum + (cpuOf(Number(pid)) ?? 0), all);
}

/** The first process of the server that a client is connected to. @param {any} client */
export async function firstProcess(client) {
  const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
  try {
    return statOf(rows[0].pid)[PARENT];
  } catch {
    return 0;
  }
}
