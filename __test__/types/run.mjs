// Compiles the cases of this folder against the declarations of the package, installed as an app would
// have them: with and without the peer packages and @types/node, in every way of resolving modules.
//
//   node __test__/types/run.mjs [--typescript VERSION] [--only WORD]…
//
// Takes the TypeScript of the checkout unless another version is named, which npx then fetches. Ends
// with 1 where something failed.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  examplesModule,
  fragmentsModule,
  undocumentedIn,
  withoutExampleIn,
} from "./documented.mjs";
import { pageModules } from "../support/page-examples.mjs";
import { makeProject } from "./install.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const declarations = join(root, "index.d.ts");

const CONFIGS = ["node16", "nodenext", "exact", "bundler", "preserve"];
const PEERS = ["primitives 0.1", "storage 0.1"];
const LATER_PEERS = ["primitives 0.2", "storage 0.2"];
const NODE = "@types/node";

/** What the package exports when it runs has to be what it declares, name by name. */
function namesCase(exported) {
  const names = Object.keys(exported).filter(
    (name) => name !== "default" && name !== "module.exports",
  );
  return [
    'import * as sync from "@starkeep/sync-engine";',
    "const names: Record<keyof typeof sync, true> = {",
    ...names.map((name) => `  ${name}: true,`),
    "};",
    "export { names };",
    "",
  ].join("\n");
}

async function listProjects() {
  const names = namesCase(await import("../../index.mjs"));
  const additions = ["additions.ts", "stores.ts", "http.ts", "housekeeping.ts", "loop.ts"];
  const withPeers = ["surface.ts", "app.ts", ...additions, "peers.ts", "node.ts"];
  return [
    {
      name: "peers, @types/node",
      cases: withPeers,
      installed: [...PEERS, NODE, "old engine"],
      configs: [...CONFIGS, "emit"],
    },
    {
      name: "peers with declarations for import and for require, @types/node",
      cases: withPeers,
      installed: [...PEERS, NODE, "old engine"],
      layout: "dual",
    },
    {
      name: "peers with declarations for import, and those of a plain name for require, @types/node",
      cases: withPeers,
      installed: [...PEERS, NODE, "old engine"],
      layout: "plain",
      configs: ["node16", "nodenext"],
    },
    {
      name: "later peers, @types/node",
      cases: withPeers,
      installed: [...LATER_PEERS, NODE, "old engine"],
    },
    {
      name: "peers",
      cases: [...additions, "peers.ts"],
      installed: PEERS,
      configs: ["nodenext", "bundler"],
    },
    {
      name: "peers of ES modules only",
      cases: [...additions, "peers.ts"],
      installed: PEERS,
      layout: "esm",
      configs: ["node16", "nodenext", "bundler"],
    },
    {
      name: "one peer of two",
      cases: ["half.ts"],
      installed: ["primitives 0.1"],
      configs: ["nodenext", "bundler", "emit"],
    },
    {
      name: "@types/node",
      cases: ["node.ts"],
      installed: [NODE],
      configs: ["node16", "nodenext", "bundler"],
    },
    {
      name: "the examples of the declarations and of the pages",
      cases: [],
      installed: [NODE],
      written: {
        "examples.mts": examplesModule(declarations),
        "guide.mts": fragmentsModule(declarations, "docs/guide.md"),
        ...pageModules(),
      },
      configs: ["nodenext"],
    },
    {
      name: "nothing",
      cases: ["alone.ts", "import.mts", "require.cts"],
      written: { "names.mts": names, "names.cts": names },
      configs: [...CONFIGS, "emit"],
    },
  ];
}

/** Every project with every config. */
async function listRuns(folder) {
  const runs = [];
  for (const [number, project] of (await listProjects()).entries()) {
    const place = join(folder, `${number}`);
    const { name, configs = CONFIGS, layout = "shared", written = {} } = project;
    makeProject(place, {
      ...project,
      installed: project.installed ?? [],
      configs,
      layout,
      written,
    });
    runs.push(
      ...configs.map((config) => ({ title: `${config}, installed: ${name}`, place, config })),
    );
  }
  return runs;
}

function run([command, ...args], place) {
  const options = { cwd: place, shell: process.platform === "win32" && command === "npx" };
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout, trouble: stderr });
    });
  });
}

/** The command of the wanted compiler. */
function compiler(version) {
  if (version === undefined) {
    const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
    return [process.execPath, join(dirname(manifest), "bin", "tsc")];
  }
  if (!/^[\w.-]+$/.test(version)) throw new Error(`${version} is no version of TypeScript`);
  return ["npx", "-y", "-p", `typescript@${version}`, "tsc"];
}

/** Fails with the names that lack something. */
const lacking = (what, names) => ({
  failed: names.length > 0,
  output: `${what} ${names.join(", ")}.\n`,
});

async function main() {
  const { values } = parseArgs({
    options: {
      typescript: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
    },
  });
  const tsc = compiler(values.typescript);
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-types-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

  const version = await run([...tsc, "--version"], folder);
  if (version.failed)
    throw new Error(`TypeScript does not run: ${version.output}${version.trouble}`);
  console.log(`TypeScript ${version.output.trim()}`);

  const counts = { passed: 0, failed: 0 };
  const report = (title, { failed, output }) => {
    counts[failed ? "failed" : "passed"] += 1;
    console.log(`${failed ? "FAILED" : "ok    "} ${title}`);
    if (failed) console.log(output.replace(/^(?=.)/gm, "       "));
  };

  const all = await listRuns(folder);
  const isWanted = ({ title }) => values.only.every((word) => title.includes(word));
  const waiting = all.filter(isWanted);
  if (values.only.length === 0) {
    const undocumented = undocumentedIn(declarations);
    report("a comment on every public name", lacking("Nothing is said about", undocumented));
    const unshown = withoutExampleIn(declarations);
    report("an example of every public function", lacking("There is no example of", unshown));
  }
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const command = [...tsc, "--pretty", "false", "-p", `tsconfig.${next.config}.json`];
      report(next.title, await run(command, next.place));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

await main();
