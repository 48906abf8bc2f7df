/**
 * The process of one side of a peer: opens it, does what it is told, and ends when it is told to or its parent goes
 * away. What a peer has of its own ends with it.
 */
import "./quiet.mjs";
import { senderRecords } from "../workloads/sides.mjs";
import { changedRecords } from "./made-data.mjs";

// The packages of others, which are not looked after here, warn of what Node.js will no longer have.
process.noDeprecation = true;

/** @type {import("../peers/index.mjs").Side} */
let side;
/** @type {any[]} */
let records = [];

/** @type {Record<string, (...argument: any[]) => Promise<any>>} */
const ORDERS = {
  open: async (module, options) => {
    side = await (await import(module)).openSide(options);
    return process.pid;
  },
  prepare: (work) => side.prepare(work),
  serve: () => side.serve(),
  held: () => side.held(),
  close: () => side.close(),
  has: async (method) => method in side,
  /** How long one of `up`, `down` and `idle` takes, in milliseconds. */
  time: async (method, url) => {
    const start = performance.now();
    await /** @type {any} */ (side)[method](url);
    return performance.now() - start;
  },
  change: async (total, change) => {
    if (records.length === 0) records = [...senderRecords(total)];
    await side.change?.(changedRecords(records, change));
  },
};

process.on("message", async (/** @type {any} */ { order, args }) => {
  try {
    process.send?.({ value: await ORDERS[order](...args) });
  } catch (error) {
    process.send?.({ error: String(/** @type {any} */ (error)?.stack ?? error) });
  }
});
process.on("disconnect", () => process.exit());
process.on("SIGTERM", () => process.exit(1));
