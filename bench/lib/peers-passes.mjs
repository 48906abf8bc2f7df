/**
 * What is measured of a peer: one pass over records, one over files. Both end with the proof that all has arrived.
 *
 * @typedef {import("../peers/index.mjs").Peer} Peer
 * @typedef {import("./made-data.mjs").Files} Files
 * @typedef {{ timeoutMs: number, trace?: boolean }} Options
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { assertSame, fingerprintOf, fingerprintOfBlobs } from "../adapters/index.mjs";
import { senderRecords } from "../workloads/sides.mjs";
import { changedRecords, madeFiles, sizeOf } from "./made-data.mjs";
import { withPair } from "./pair.mjs";
import { median } from "./stats.mjs";

const MIB = 2 ** 20;
const SETTLE_MS = 60_000;
const IDLE_ROUNDS = 20;
const CHANGES = [
  { key: "one", count: 1, times: 5 },
  { key: "hundred", count: 100, times: 3 },
];
const run = promisify(execFile);

export const RECORD_COLUMNS = [
  { key: "up", title: "Up", unit: "ms" },
  { key: "down", title: "Down", unit: "ms" },
  { key: "idle", title: "Idle", unit: "ms" },
  { key: "one", title: "1 changed", unit: "ms" },
  { key: "hundred", title: "100 changed", unit: "ms" },
  { key: "disk", title: "Disk, both sides", unit: "MiB" },
];

/** What was written before the clock starts is on the disk by then, so that no peer waits for another's. */
const settle = () => run("sync", { timeout: SETTLE_MS }).catch(() => {});

/**
 * Both sides ready: one filled, the other one empty, and the far one answers.
 *
 * @param {Peer} peer
 * @param {import("./pair.mjs").SideProcess} filled
 * @param {import("./pair.mjs").SideProcess} far
 * @param {import("../peers/index.mjs").Work} work
 */
async function ready(peer, filled, far, work) {
  await filled.tell("prepare", work);
  const url = await far.tell("serve");
  await settle();
  return url;
}

/**
 * @param {Peer} peer
 * @param {number} count
 * @param {Options} options
 */
export async function recordsPass(peer, count, options) {
  /** @type {Record<string, number>} */
  const figures = {};
  const records = [...senderRecords(count)];
  const whole = fingerprintOf(records);
  await withPair(peer, options, async (near, far) => {
    const url = await ready(peer, near, far, { records: count });
    figures.up = await near.tell("time", "up", url);
    assertSame(`${peer.title}, records that went up`, await far.tell("held"), whole);
    await settle();
    // Of a peer that is alone the one side counts twice.
    const sizes = await Promise.all([near, far].map(({ dir }) => sizeOf(dir)));
    figures.disk = (sizes[0] + sizes[1]) / MIB;
    if (await near.tell("has", "idle")) figures.idle = await idleTime(near, url);
    Object.assign(figures, await changeTimes(peer, { near, far, url, records }));
  });
  await withPair(peer, options, async (near, far) => {
    const url = await ready(peer, far, far, { records: count });
    figures.down = await near.tell("time", "down", url);
    assertSame(`${peer.title}, records that went down`, await near.tell("held"), whole);
  });
  return figures;
}

/** After a round that may still have had something to note. @param {import("./pair.mjs").SideProcess} near @param {string} url */
async function idleTime(near, url) {
  const times = [];
  for (let round = 0; round <= IDLE_ROUNDS; round++) times.push(await near.tell("time", "idle", url));
  return median(times.slice(1));
}

/**
 * @param {Peer} peer
 * @param {{ near: import("./pair.mjs").SideProcess, far: import("./pair.mjs").SideProcess, url: string,
 *   records: any[] }} sides
 */
async function changeTimes(peer, { near, far, url, records }) {
  /** @type {Record<string, number>} */
  const figures = {};
  const expected = new Map(records.map((record) => [record.id, record]));
  let turn = 0;
  for (const { key, count, times } of CHANGES) {
    const taken = [];
    for (let time = 0; time < times; time++) {
      const change = { count: Math.min(count, records.length), turn: (turn += 1) };
      await near.tell("change", records.length, change);
      taken.push(await near.tell("time", "up", url));
      for (const record of changedRecords(records, change)) expected.set(record.id, record);
    }
    figures[key] = median(taken);
  }
  assertSame(`${peer.title}, records that were changed`, await far.tell("held"), fingerprintOf(expected.values()));
  return figures;
}

/**
 * @param {Peer} peer
 * @param {Files} files
 * @param {Options} options
 */
export async function filesPass(peer, files, options) {
  // Where many files were removed just before, ext4 without a journal takes long to make new ones.
  const keep = files.count > 1;
  const { value } = await withPair(peer, { ...options, keep }, async (near, far) => {
    const url = await ready(peer, near, far, { files });
    const milliseconds = await near.tell("time", "up", url);
    assertSame(`${peer.title}, files that went up`, await far.tell("held"), fingerprintOfBlobs(madeFiles(files)));
    return milliseconds;
  });
  return value;
}

/**
 * How often the side that takes in syncs in a first sync, from the opening of its stores to their end.
 *
 * @param {Peer} peer
 * @param {import("../peers/index.mjs").Work} work
 * @param {Options} options
 */
export async function callsOf(peer, work, options) {
  const { calls } = await withPair(peer, { ...options, trace: true }, async (near, far) => {
    const url = await ready(peer, near, far, work);
    await near.tell("time", "up", url);
  });
  return calls;
}
