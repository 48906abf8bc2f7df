// A server and two nodes, each a process of its own, killed at random moments until there were enough of
// them, and then let come to rest.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { text } from "./hlc.mjs";
import { DatabaseSync } from "./native.mjs";

const PLACE = fileURLToPath(new URL("./place.mjs", import.meta.url));
const NODES = ["a", "b"];

/** Numbers from 0 to below 1, the same ones from the same seed (mulberry32). */
export function chanceFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Starts a place. `on(what, value)` hears what it says; a last line that a kill cut off is not heard. */
export function startPlace(args, on = () => {}) {
  const child = spawn(process.execPath, [PLACE, ...args.map(String)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const place = { child, said: {}, complaints: "" };
  let rest = "";
  let tellWaiting = () => {};
  const heard = () => new Promise((resolve) => (tellWaiting = () => resolve([])));
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const space = line.indexOf(" ");
      const [what, value] = [line.slice(0, space), JSON.parse(line.slice(space + 1))];
      place.said[what] = value;
      on(what, value);
    }
    tellWaiting();
  });
  child.stderr.setEncoding("utf8").on("data", (chunk) => (place.complaints += chunk));
  const closed = once(child, "close");
  place.closed = closed;
  /** Waits until it has said `what`. */
  place.says = async (what) => {
    while (!(what in place.said)) {
      const [ended] = await Promise.race([heard(), closed]);
      assert.equal(ended, undefined, `it ended: ${place.complaints}`);
    }
    return place.said[what];
  };
  place.kill = async () => {
    child.kill("SIGKILL");
    const [code, signal] = await closed;
    assert.deepEqual([code, signal], [null, "SIGKILL"], `it ended by itself: ${place.complaints}`);
  };
  return place;
}

/** Runs a place to its end, and answers what it said last under `what`. */
export async function ask(what, ...args) {
  const place = startPlace(args);
  const [code] = await place.closed;
  assert.equal(code, 0, `${args[0]}: ${place.complaints}`);
  return place.said[what];
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills `kills` times, and answers what every place holds in the end, and what was done before. */
export async function killOften({ folder, kills, seed, longest = 900, tell = () => {} }) {
  const chance = chanceFrom(seed);
  const wrote = new Map();
  const figures = { kills: 0, server: 0, nodes: 0, writes: 0, faults: {} };
  const hear = (what, value) => {
    if (what === "fault") {
      figures.faults[value.code] ??= { times: 0, first: value.reason };
      figures.faults[value.code].times += 1;
    }
    if (what !== "wrote") return;
    figures.writes += 1;
    keepWritten(wrote, value);
  };
  const at = (name) => join(folder, name);
  const first = startPlace(["serve", at("cloud"), 0]);
  const port = await first.says("port");
  const url = `http://127.0.0.1:${port}`;
  const start = (name) =>
    name === "cloud"
      ? startPlace(["serve", at("cloud"), port])
      : startPlace(["work", at(name), name, url], hear);
  const running = new Map([["cloud", first]]);
  try {
    for (const name of NODES) running.set(name, start(name));
    while (figures.kills < kills) {
      await pause(50 + chance() * longest);
      const victim = ["cloud", ...NODES][Math.floor(chance() * 3)];
      await running.get(victim).kill();
      figures.kills += 1;
      figures[victim === "cloud" ? "server" : "nodes"] += 1;
      running.set(victim, start(victim));
      if (figures.kills % 20 === 0) tell(`${figures.kills} kills, ${figures.writes} writes`);
    }
    await running.get("cloud").says("port");
    for (const name of NODES) await running.get(name).kill();
    // The second time, for what the second node brought after the first one had come to rest.
    const held = {};
    for (const name of [...NODES, ...NODES])
      held[name] = await ask("holds", "settle", at(name), name, url);
    await running.get("cloud").kill();
    held.cloud = await ask("holds", "show", at("cloud"));
    return { held, wrote, figures, places: ["cloud", ...NODES].map(at) };
  } finally {
    for (const { child } of running.values()) child.kill("SIGKILL");
  }
}

const byId = (records) => [...records].sort((x, y) => (x.id < y.id ? -1 : 1));

/** Every side holds what the cloud does, and of each thing that was written that version or a later one. */
export function checkHeld({ held, wrote }) {
  const { cloud, ...nodes } = held;
  for (const [name, node] of Object.entries(nodes)) {
    assert.deepEqual(byId(node.records), byId(cloud.records), `records of ${name}`);
    const rows = (side) => byId(side.rows.map((entry) => ({ id: entry.row.id, ...entry })));
    assert.deepEqual(rows(node), rows(cloud), `rows of ${name}`);
    assert.deepEqual(node.files, cloud.files, `files of ${name}`);
  }
  for (const side of Object.values(held)) assert.deepEqual(side.wrong, [], "no file is torn");
  const found = new Map();
  for (const one of cloud.records) {
    const file = cloud.files[one.objectStorageKey];
    if (one.deletedAt === null) assert.equal(file?.hash, one.contentHash, one.id);
    const hash = one.deletedAt === null ? one.contentHash : null;
    found.set(one.id, { stamp: text(one.updatedAt), hash });
  }
  for (const { timestamp, row } of cloud.rows)
    found.set(`row ${row.id}`, { stamp: text(timestamp), hash: row.body });
  for (const [id, { stamp, hash }] of wrote) {
    const stands = found.get(id);
    assert.ok(
      stands !== undefined && stands.stamp >= stamp,
      `${id} is there, and not an older one`,
    );
    if (stands.stamp === stamp) assert.equal(stands.hash, hash, id);
  }
  return {
    records: cloud.records.length,
    rows: cloud.rows.length,
    files: Object.keys(cloud.files).length,
  };
}

/** Nothing that was written is lost, and every place holds the same, whole. */
export async function checkPlaces({ held, wrote, places, figures }) {
  const counts = checkHeld({ held, wrote });
  for (const place of places) {
    assert.deepEqual(readdirSync(join(place, "files", ".starkeep-store", "writing")), []);
    const whole = await ask("whole", "check", join(place, "store.db"));
    assert.equal(whole, DatabaseSync === null ? "healthy" : "ok");
  }
  const odd = Object.entries(figures.faults).filter(([code]) => code !== "SYNC_ERROR");
  assert.deepEqual(odd, [], "a peer that is gone is all that went wrong");
  return counts;
}

/** Keeps the latest version of each thing that nodes say they wrote. */
export function keepWritten(wrote, value) {
  const stands = wrote.get(value.id);
  if (stands === undefined || value.stamp > stands.stamp) wrote.set(value.id, value);
}
