/**
 * The place of the workloads that cross a socket. They are listed, with what they ask of this package
 * and the bar that they have to reach, and say of themselves that they cannot run yet.
 *
 * @typedef {import("./index.mjs").Workload} Workload
 */

/**
 * @param {{ name: string, title: string, unit: string, ratio: number, requires: string[] }} options
 * @returns {Workload}
 */
function unwritten({ title, ratio, ...rest }) {
  const refuse = async () => {
    throw new Error("not written yet");
  };
  return {
    ...rest,
    title: () => title,
    bar: { ratio },
    exports: ["createHttpSyncTransport", "createHttpSyncHandler"],
    unavailable: "not written yet",
    sizes: { full: {}, quick: {} },
    setup: refuse,
    measure: refuse,
    check: refuse,
  };
}

/** @type {Workload[]} */
export const httpWorkloads = [
  unwritten({
    name: "http-first-sync-native",
    title: "first sync of 50,000 records over HTTP between two processes, native stores beside plain adapters",
    unit: "ms",
    ratio: 10,
    requires: ["createHttpSyncServer", "createSqliteDatabaseAdapter"],
  }),
  unwritten({
    name: "http-server-requests",
    title: "time per exchange request, server over 50,000 records, one changed, native server",
    unit: "µs",
    ratio: 100,
    requires: ["createHttpSyncServer", "createSqliteDatabaseAdapter"],
  }),
];
