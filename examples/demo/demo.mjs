// Two laptops and a cloud, each in a process of its own: the first laptop turns a folder into records and
// objects, the cloud receives them over HTTP, the second laptop pulls them; then every file is compared
// by its hash.
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DemoError, isExpected, quoted } from "./errors.mjs";
import { listFolder, listTracked } from "./folder.mjs";
import { startCloud, startLaptop } from "./processes.mjs";
import { startProgress } from "./progress.mjs";
import { bytesText, renderTable } from "./table.mjs";
import { verify } from "./verify.mjs";
import { createWorkspace, stopOnSignals } from "./workspace.mjs";

const USAGE = `Usage: npm run demo [-- --folder DIR]

Syncs a folder from one laptop by way of a cloud to a second laptop: three processes that talk over
HTTP on this machine, each with its stores in a temporary folder.
Without --folder it takes this repository's own tracked files. The folder itself is only read.`;

const OWN_REPOSITORY = resolve(fileURLToPath(new URL("../..", import.meta.url)));
const SHOWN_DIFFERENCES = 10;
const BAR_STEPS = 20;

const signal = stopOnSignals();
try {
  const { folder, help } = readArguments();
  if (help) console.log(USAGE);
  else await run(folder);
} catch (error) {
  process.exitCode ||= 1;
  console.error(isExpected(error) ? `✗ ${error.message}` : error);
}

function readArguments() {
  const options = { folder: { type: "string" }, help: { type: "boolean", short: "h" } };
  try {
    const { values } = parseArgs({ options });
    if (values.folder === "") throw new Error("--folder needs the path of a folder.");
    // npm changes to the package's folder first; a path means the one that the command came from.
    const from = (process.env.npm_lifecycle_event === "demo" && process.env.INIT_CWD) || ".";
    const folder = values.folder === undefined ? OWN_REPOSITORY : resolve(from, values.folder);
    return { folder, help: values.help };
  } catch (error) {
    throw new DemoError(`${error.message}\n\n${USAGE}`);
  }
}

async function run(folder) {
  const { files, skipped } = await list(folder);
  const alsoSkipped = skipped === 0 ? "" : `, ${skipped} skipped that are no regular files`;
  if (files.length === 0)
    throw new DemoError(`There are no files to sync in ${quoted(folder)}${alsoSkipped}.`);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  console.log(`${quoted(folder)}: ${filesText(files.length)}, ${bytesText(bytes)}${alsoSkipped}\n`);

  const workspace = createWorkspace();
  const started = [];
  const kept = (node) => (started.push(node), node);
  try {
    const at = (name) => join(workspace.folder, name);
    const cloud = kept(await startCloud("the cloud", at("cloud"), signal));
    const way = { baseUrl: cloud.baseUrl, pace: paceFor(files) };
    const laptop = async (n) =>
      kept(await startLaptop(`laptop ${n}`, at(`laptop-${n}`), `laptop-${n}`, way, signal));
    const [first, second] = [await laptop(1), await laptop(2)];
    console.log(`The cloud listens at ${cloud.baseUrl}, in process ${cloud.pid}.`);
    console.log(`The laptops run in the processes ${first.pid} and ${second.pid}.\n`);
    await sync(files, { cloud, first, second });
    for (const node of started.toReversed()) await node.close();
  } finally {
    for (const node of started) await node.kill();
    await workspace.remove();
  }
}

/** Rounds small enough for the bar to move. An app leaves it at its default, 1000. */
function paceFor(files) {
  return { pageLimit: Math.max(1, Math.min(50, Math.ceil(files.length / BAR_STEPS))) };
}

async function list(folder) {
  if (folder !== OWN_REPOSITORY) return listFolder(folder, { signal });
  const tracked = await listTracked(folder);
  return tracked ?? listFolder(folder, { signal, alsoSkipped: ["target"] });
}

async function sync(files, { cloud, first, second }) {
  const table = [];
  const step = async (title, total, work) => {
    const progress = startProgress(title, total);
    const begun = performance.now();
    try {
      return await work({ signal, onProgress: progress.advance });
    } finally {
      table.push({ step: title, seconds: (performance.now() - begun) / 1000 });
      progress.end();
    }
  };
  const note = (what) => Object.assign(table.at(-1), what);
  const count = files.length;

  const ids = await step("folder → laptop 1", count, (options) => first.takeIn(files, options));
  note(await first.inventory());
  const pushed = await step("laptop 1 → cloud", count, first.settle);
  note({ ...(await cloud.inventory()), rounds: pushed.rounds });
  const pulled = await step("cloud → laptop 2", count, second.settle);
  const received = await second.inventory();
  note({ ...received, rounds: pulled.rounds });
  const differences = await step("check by hash", count, (options) =>
    verify(second, files, ids, options),
  );
  note(received);
  const quiet = [];
  for (const [name, laptop] of Object.entries({ "laptop 1": first, "laptop 2": second })) {
    const last = await step(`last round, ${name}`, 0, laptop.settle);
    note({ records: last.shipped + last.applied, objects: 0, bytes: 0, rounds: last.rounds });
    quiet.push({ name, ...last });
  }

  console.log(`\n${renderTable(table)}\n`);
  conclude([
    ...differencesText(differences, count),
    verdict(
      received.records === count,
      `${received.records} records at laptop 2 for ${filesText(count)}`,
    ),
    ...quiet.map(({ name, shipped, applied, rounds }) =>
      verdict(
        shipped === 0 && applied === 0 && rounds === 1,
        `${name} has nothing left to do: shipped ${shipped}, applied ${applied}`,
      ),
    ),
  ]);
}

function differencesText(differences, count) {
  if (differences.length === 0)
    return [verdict(true, `${filesText(count)} at laptop 2, byte for byte those of the folder`)];
  const shown = differences.slice(0, SHOWN_DIFFERENCES).map((text) => `    ${text}`);
  return [
    verdict(false, `${differences.length} of ${filesText(count)} differ at laptop 2:`),
    ...shown.map((text) => ({ held: false, text })),
  ];
}

function filesText(count) {
  return `${count} ${count === 1 ? "file" : "files"}`;
}

function verdict(held, text) {
  return { held, text: `${held ? "✓" : "✗"} ${text}` };
}

function conclude(verdicts) {
  for (const { text } of verdicts) console.log(text);
  if (!verdicts.every(({ held }) => held)) process.exitCode = 1;
}
