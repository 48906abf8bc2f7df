/**
 * This package beside the best of its kind on this machine: every side in a process of its own, over 127.0.0.1, all of
 * them in turns.
 *
 *   npm run bench -- --peers [NAME]… [--records N] [--files COUNTxKIB,…] [--large MIB] [--runs N] [--engine PATH]…
 *     [--json FILE] [--svg FILE] [--markdown FILE]
 *
 * Prints tables for a page. A FILE of Markdown that has the lines `<!-- peers -->` and `<!-- /peers -->` keeps all that is
 * around them, and the tables stand between them afterwards. Ends with 1 where an outcome was wrong.
 *
 * @typedef {import("./peers/index.mjs").Peer} Peer
 * @typedef {import("./peers/index.mjs").Work} Work
 */
import "./lib/quiet.mjs";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { parseArgs, promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { installIn } from "./lib/install.mjs";
import { writeBetween } from "./lib/page.mjs";
import { callsOf, filesPass, RECORD_COLUMNS, recordsPass } from "./lib/peers-passes.mjs";
import { renderPeersChart } from "./lib/peers-chart.mjs";
import { renderPeers } from "./lib/peers-table.mjs";
import { describeMachine } from "./lib/results.mjs";
import { rotated } from "./lib/stats.mjs";
import { choosePeers } from "./peers/index.mjs";

const USAGE = `usage: npm run bench -- --peers [NAME]… [options]
  NAME                only these: sqlite, sqlite-normal, pouchdb, yjs, automerge, rsync, rsync-fsync, loopback,
                      loopback-fsync
  --records N         so many records, 20000 by default; 0 leaves them out
  --files LIST        files as COUNTxKIB, 5000x4,500x100 by default; 0 leaves them out
  --large MIB         one file of that size as well, 256 by default; 0 leaves it out
  --runs N            runs of each, 3 by default
  --timeout SECONDS   what one step of a side may take, 300 by default
  --engine PATH       this build of the package instead of the checkout's; of several the first is what ratios are of
  --json FILE         write all figures
  --svg FILE          write a chart of the ratios
  --markdown FILE     write the tables: between the lines <!-- peers --> and <!-- /peers -->, if the file has them`;

const PEERS = fileURLToPath(new URL("./peers/", import.meta.url));
const TRACED = { records: 2000, files: { count: 100, bytes: 4096 } };
/** A file is made, read and compared whole. */
const MOST_MIB = 1024;
const run = promisify(execFile);

/** @param {string} name @param {string} value @param {number} least @param {number} most */
function wholeNumber(name, value, least, most = 1_000_000) {
  const number = Number(value);
  if (!Number.isInteger(number) || number < least || number > most)
    throw new Error(`--${name} takes a whole number from ${least} to ${most}, not ${value}`);
  return number;
}

/** @param {string} list @param {number} large */
function fileSets(list, large) {
  const sets = list === "0" ? [] : list.split(",");
  const parsed = sets.map((text) => {
    const [, count, kib] = /^([1-9]\d*)x([1-9]\d*)$/.exec(text) ?? [];
    if (!count) throw new Error(`--files takes COUNTxKIB,… or 0, not ${text}`);
    return { key: text, title: `${Number(count).toLocaleString("en")} × ${kib} KiB`, files: setOf(count, kib) };
  });
  if (large > 0) parsed.push({ key: "large", title: `1 × ${large} MiB`, files: setOf("1", String(large * 1024)) });
  return parsed.map((set) => ({ ...set, unit: "ms" }));
}

/** @param {string} count @param {string} kib */
const setOf = (count, kib) => ({ count: Number(count), bytes: Number(kib) * 1024 });

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      peers: { type: "boolean", default: false },
      records: { type: "string", default: "20000" },
      files: { type: "string", default: "5000x4,500x100" },
      large: { type: "string", default: "256" },
      runs: { type: "string", default: "3" },
      timeout: { type: "string", default: "300" },
      engine: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      svg: { type: "string" },
      markdown: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    help: values.help,
    files: { json: values.json, svg: values.svg, markdown: values.markdown },
    records: wholeNumber("records", values.records, 0),
    sets: fileSets(values.files, wholeNumber("large", values.large, 0, MOST_MIB)),
    runs: wholeNumber("runs", values.runs, 1),
    timeoutMs: 1000 * wholeNumber("timeout", values.timeout, 1),
    ...choosePeers(positionals, values.engine),
  };
}

/**
 * @param {Peer[]} peers
 * @returns {Promise<Map<string, string>>} why a peer is left out
 */
async function reasonsAgainst(peers) {
  const reasons = new Map();
  const needs = peers.some(({ packages }) => packages.length > 0);
  const notInstalled = needs ? await installIn(PEERS) : null;
  for (const { name, packages, module, variant } of peers) {
    const own = notInstalled && packages.length > 0 ? notInstalled : null;
    const reason = own ?? (await (await import(module)).missing?.(variant));
    if (reason) reasons.set(name, reason);
  }
  return reasons;
}

/** Whether strace is there and may be used. @returns {Promise<boolean>} */
const canTrace = () =>
  run("strace", ["-f", "-c", "--seccomp-bpf", "-o", "/dev/null", process.execPath, "-e", "0"], {
    timeout: 30_000,
  }).then(
    () => true,
    () => false,
  );

/** What a peer syncs in a small sync; nothing where it cannot be counted. @param {Peer} peer @param {Work} work */
async function countedOf(peer, work, timeoutMs = 60_000) {
  const what = work.files ? `${work.files.count} files` : `${work.records} records`;
  try {
    return `${await callsOf(peer, work, { timeoutMs })} calls for ${what}`;
  } catch {
    return undefined;
  }
}

/**
 * Some work on all peers that can do it.
 *
 * @param {"records" | "files"} kind
 * @param {ReturnType<typeof readOptions>} options
 * @param {Map<string, string>} missing
 * @param {(peer: Peer) => Promise<Record<string, number>>} pass
 */
async function measure(kind, { ours, others, runs, records }, missing, pass) {
  /** @type {import("./lib/peers-table.mjs").Row[]} */
  const rows = [...ours, ...others.filter(({ kinds }) => kinds.includes(kind))].map((peer) => ({
    peer,
    runs: {},
    unavailable: missing.get(peer.name),
  }));
  const there = rows.filter(({ unavailable }) => !unavailable);
  if (await canTrace()) {
    const work = kind === "files" ? { files: TRACED.files } : { records: Math.min(records, TRACED.records) };
    for (const row of there) row.counted = await countedOf(row.peer, work);
  }
  for (let turn = 0; turn < runs; turn++) {
    for (const row of rotated(there, turn)) {
      if (row.failed) continue;
      try {
        for (const [key, value] of Object.entries(await pass(row.peer))) (row.runs[key] ??= []).push(value);
      } catch (error) {
        row.failed = String(/** @type {any} */ (error)?.stack ?? error);
      }
    }
  }
  return rows;
}

/** @param {Peer} peer @param {ReturnType<typeof fileSets>} sets @param {number} timeoutMs */
async function allFiles(peer, sets, timeoutMs) {
  /** @type {Record<string, number>} */
  const figures = {};
  for (const { key, files } of sets) figures[key] = await filesPass(peer, files, { timeoutMs });
  return figures;
}

/** @param {number} runs */
const legendOf = (runs) => `medians of ${runs} (least – most), **ours ÷ theirs**`;

/**
 * @param {{ json?: string, svg?: string, markdown?: string }} files
 * @param {{ date: string, runs: number, machine: object, results: Parameters<typeof renderPeers>[0][] }} report
 * @param {string} heading
 */
async function writeFiles({ json, svg, markdown }, report, heading) {
  const { date, runs, results } = report;
  if (json) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
  if (svg) {
    const subtitle = `median of ${runs} runs, ${heading}, ${date.slice(0, 10)}`;
    await writeFile(svg, renderPeersChart({ results, subtitle }));
  }
  if (!markdown) return;
  const tables = [
    `${heading}; ${legendOf(runs)}.\n`,
    ...results.map((result) => renderPeers(result, { aligned: true })),
  ].join("\n");
  await writeBetween(markdown, "peers", tables);
}

/** @param {ReturnType<typeof readOptions>} options */
async function main(options) {
  const { records, sets, timeoutMs, runs, files } = options;
  const machine = describeMachine();
  const missing = await reasonsAgainst(options.others);
  for (const [name, reason] of missing) console.log(`! ${name} is left out: ${reason}`);
  const heading = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.loadBefore.join(" ")}`;
  console.log(`${heading}\n${legendOf(runs)}`);
  /** @type {Parameters<typeof renderPeers>[0][]} */
  const results = [];
  const show = (/** @type {typeof results[number]} */ result) => {
    results.push(result);
    console.log(`\n${renderPeers(result)}`);
  };
  if (records > 0) {
    const pass = (/** @type {Peer} */ peer) => recordsPass(peer, records, { timeoutMs });
    const rows = await measure("records", options, missing, pass);
    show({ kind: "records", title: `${records.toLocaleString("en")} records`, columns: RECORD_COLUMNS, rows });
  }
  if (sets.length > 0) {
    const pass = (/** @type {Peer} */ peer) => allFiles(peer, sets, timeoutMs);
    show({ kind: "files", title: "Files, up", columns: sets, rows: await measure("files", options, missing, pass) });
  }
  await writeFiles(files, { date: new Date().toISOString(), runs, machine, results }, heading);
  for (const { peer, failed } of results.flatMap(({ rows }) => rows)) {
    if (!failed) continue;
    console.error(`FAILED ${peer.title}: ${failed}`);
    process.exitCode = 1;
  }
}

try {
  if (process.argv.includes("--help")) console.log(USAGE);
  else await main(readOptions());
} catch (error) {
  console.error(/** @type {any} */ (error)?.message ?? error);
  process.exitCode = 2;
}
