// Two laptops and a cloud between them: a first sync, an edit, a deletion, a conflict and a while offline, each by processes
// of the command `starkeep-sync`; then all sides are compared.
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bytesText } from "../../js/bytes-text.js";
import { DemoError, isExpected, quoted } from "./errors.mjs";
import { exportTracked, listFolder } from "./folder.mjs";
import { createPlaces } from "./places.mjs";
import { startServers } from "./servers.mjs";
import { tell } from "./story.mjs";
import { renderTable } from "./table.mjs";
import { createWorkspace, stopOnSignals } from "./workspace.mjs";

const USAGE = `Usage: npm run demo [-- [--folder DIR] [--cloud postgres]]

Syncs a folder from one laptop by way of a cloud to a second laptop, edits, deletes, meets a conflict and goes offline: all
by processes of the command starkeep-sync, which talk over HTTP on this machine and work in a temporary folder.
Without --folder it takes this repository's own tracked files. The folder itself is only read.
With --cloud postgres the cloud keeps its records in PostgreSQL and its files in a bucket of S3. Both are servers on this
machine that "node scripts/test-servers.mjs" gets; the demo starts and ends them.`;

const OWN_REPOSITORY = resolve(fileURLToPath(new URL("../..", import.meta.url)));
/** Folders that belong to tools and not to people. */
const OF_TOOLS = [".git", "node_modules"];

const stopping = stopOnSignals();
const { signal } = stopping;
try {
  const { folder, cloud, help } = readArguments();
  if (help) console.log(USAGE);
  else await run(folder, cloud);
} catch (error) {
  process.exitCode ||= 1;
  console.error(isExpected(error) ? `✗ ${error.message}` : error);
}

function readArguments() {
  const options = {
    folder: { type: "string" },
    cloud: { type: "string" },
    help: { type: "boolean", short: "h" },
  };
  try {
    const { values } = parseArgs({ options });
    if (values.folder === "") throw new Error("--folder needs the path of a folder.");
    if (![undefined, "postgres"].includes(values.cloud))
      throw new Error(`--cloud must be postgres, got ${quoted(values.cloud)}.`);
    // npm changes to the package's folder first; a path means the one that the command came from.
    const from = (process.env.npm_lifecycle_event === "demo" && process.env.INIT_CWD) || ".";
    const folder = values.folder === undefined ? OWN_REPOSITORY : resolve(from, values.folder);
    return { folder, cloud: values.cloud, help: values.help };
  } catch (error) {
    throw new DemoError(`${error.message}\n\n${USAGE}`);
  }
}

async function run(folder, cloud) {
  const workspace = createWorkspace();
  const places = createPlaces(workspace.folder, stopping);
  let servers;
  try {
    const source = await sourceOf(folder, workspace);
    console.log(headOf(source));
    if (cloud === "postgres") servers = await startServers(workspace.folder);
    if (servers !== undefined) console.log(servers.text);
    const begun = performance.now();
    const { steps, verdicts } = await tell({ source, places, servers, signal, say: console.log });
    console.log(`\n${renderTable(steps)}\n`);
    for (const { holds, text } of verdicts) console.log(`${holds ? "✓" : "✗"} ${text}`);
    if (!verdicts.every(({ holds }) => holds)) process.exitCode = 1;
    console.log(`All of it took ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
  } finally {
    await places.end();
    await servers?.end();
    await workspace.remove();
  }
}

/** What is synced: a folder, what is left out of it, and its files. */
async function sourceOf(folder, workspace) {
  const copy = join(workspace.folder, "repository");
  const isOwn = folder === OWN_REPOSITORY;
  const isTracked = isOwn && (await exportTracked(folder, copy));
  const path = isTracked ? copy : folder;
  const excluded = isOwn ? [...OF_TOOLS, "target"] : OF_TOOLS;
  const listing = await listFolder(path, { signal, excluded });
  if (listing.files.length === 0)
    throw new DemoError(`There are no files to sync in ${quoted(folder)}${skippedText(listing)}.`);
  const title = isTracked ? `${quoted(folder)} as git has it` : quoted(folder);
  return { title, path, excluded, ...listing };
}

function skippedText({ skipped }) {
  return skipped === 0 ? "" : `, ${skipped} skipped that are no regular files`;
}

function headOf(source) {
  const { title, files } = source;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const count = `${files.length} ${files.length === 1 ? "file" : "files"}`;
  return [
    "Two laptops and a cloud on this machine. Each line below is a process: starkeep-sync with these words.",
    `To be synced: ${title}, ${count}, ${bytesText(bytes)}${skippedText(source)}`,
  ].join("\n");
}
