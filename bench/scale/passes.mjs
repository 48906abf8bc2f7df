/**
 * What is measured. Each answers plain figures.
 *
 * @typedef {object} Place
 * @property {string} ours the database of this package's servers
 * @property {string} theirs an equal one that Starkeep's statements read
 * @property {any} client a connection to `ours`, which counts
 * @property {number} postgres the first process of the server
 * @property {string} folder
 * @property {number} seconds how long each pass takes
 *
 * @typedef {{ url: string, headers: Record<string, string>, body: string }} Request
 */
import { join } from "node:path";
import { cpuOf, cpuOfPostgres, statements } from "./counters.mjs";
import { run, startServer } from "./processes.mjs";
import { quietRequest } from "./request.mjs";

const CONNECTIONS = 32;
/** Enough that the callers cost little beside the servers. */
const DEPTH = 16;
const SIDES = 2;

/**
 * A server that has answered until a laptop had everything, and what that laptop asks from then on.
 *
 * @param {Place} place
 */
export async function quietServer({ ours, folder }) {
  const server = await startServer(ours, "cloud-1", join(folder, "files"));
  try {
    return { server, ...(await quietRequest(server.url, folder)) };
  } catch (error) {
    await server.end();
    throw error;
  }
}

/**
 * Quiet exchanges with this package's server: how many, and what each took.
 *
 * @param {Place} place
 * @param {{ url: string, pid: number }} server
 * @param {Request} request
 */
export async function quietOurs({ client, postgres, seconds }, server, request) {
  const read = async () => ({
    cpu: cpuOf(server.pid),
    databaseCpu: cpuOfPostgres(postgres),
    statements: await statements(client),
  });
  // What a server keeps after the first exchanges is no part of the steady state.
  await run("callers.mjs", [1, CONNECTIONS, 1], { input: request });
  const before = await read();
  const done = await run("callers.mjs", [seconds, CONNECTIONS, 1], { input: request });
  const after = await read();
  const each = (/** @type {number | null} */ to, /** @type {number | null} */ from) =>
    to === null || from === null ? null : (to - from) / done.answers;
  return {
    perSecond: done.answers / done.seconds,
    exchanges: done.answers,
    queries: after.statements[0] - before.statements[0],
    counted: after.statements[1],
    cpuSeconds: each(after.cpu, before.cpu),
    databaseCpuSeconds: each(after.databaseCpu, before.databaseCpu),
    sent: done.sent,
    received: done.received,
  };
}

/**
 * The same in Starkeep's way, by as many processes as there are processors here.
 *
 * @param {Place} place
 */
export async function quietTheirs({ theirs, postgres, seconds }) {
  const before = cpuOfPostgres(postgres);
  const all = await Promise.all(Array.from({ length: SIDES }, () => run("starkeep.mjs", [theirs, seconds])));
  const after = cpuOfPostgres(postgres);
  const sum = (/** @type {string} */ name) => all.reduce((total, one) => total + one[name], 0);
  const exchanges = sum("exchanges");
  return {
    perSecond: all.reduce((total, one) => total + one.exchanges / one.seconds, 0),
    exchanges,
    queries: sum("queries"),
    rows: sum("rows") / exchanges,
    cpuSeconds: sum("cpuSeconds") / exchanges,
    // The first exchange of each process is not counted among them, but in what the database took.
    databaseCpuSeconds: before === null || after === null ? null : (after - before) / (exchanges + SIDES),
  };
}

/** @param {Place} place @param {{ pages: number, size: number }} work */
export const pages = ({ ours, theirs }, work) => run("pages.mjs", [ours, theirs, work.pages, work.size]);

/**
 * Quiet exchanges of one server on one processor, and of two servers on one each. Where a process can be kept to one.
 *
 * @param {Place} place
 * @param {Request} request
 * @param {number} servers 1 or 2
 */
export async function processes({ ours, client, postgres, folder, seconds }, request, servers) {
  /** @type {Awaited<ReturnType<typeof startServer>>[]} */
  const running = [];
  try {
    for (let core = 0; core < servers; core += 1)
      running.push(await startServer(ours, `cloud-${core + 1}`, join(folder, `files-${core}`), core));
    const askedOf = (/** @type {{ url: string }} */ { url }) => ({
      ...request,
      url: new URL(new URL(request.url).pathname, url).href,
    });
    // One server leaves the other processor to its callers.
    const core = servers === 1 ? 1 : undefined;
    const call = (/** @type {number} */ time) =>
      Promise.all(
        running.map((server) =>
          run("callers.mjs", [time, CONNECTIONS / servers, DEPTH], { input: askedOf(server), core }),
        ),
      );
    await call(1);
    const read = async () => ({
      statements: (await statements(client))[0],
      database: cpuOfPostgres(postgres),
      servers: running.reduce((sum, { pid }) => sum + (cpuOf(pid) ?? NaN), 0),
    });
    const before = await read();
    const done = await call(seconds);
    const after = await read();
    const answers = done.reduce((sum, one) => sum + one.answers, 0);
    return {
      perSecond: done.reduce((sum, one) => sum + one.answers / one.seconds, 0),
      queries: (after.statements - before.statements) / answers,
      cpuSeconds: (after.servers - before.servers) / answers,
      /** The processors that the database had. */
      database: (Number(after.database) - Number(before.database)) / seconds,
    };
  } finally {
    for (const server of running) await server.end();
  }
}
