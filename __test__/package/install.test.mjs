// The package as it is published, installed into empty apps: each syncs a record and its object from a
// laptop over a cloud to a phone, on every supported Node.js.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { NAME, here, install, nodeOf, registryWithAll, root, runIn, tool } from "./support.mjs";

const VERSIONS = [20, 22, 24];
const PEERS = ["@starkeep/protocol-primitives", "@starkeep/storage-adapter"];
const DONE = { shipped: 1, applied: 1, hasMore: false, photo: "a photo" };
const ESBUILD = "esbuild@0.28.2";

let registry;
let nodes;
before(async () => {
  [registry, nodes] = await Promise.all([
    registryWithAll(),
    Promise.all(VERSIONS.map(async (version) => [version, await nodeOf(version)])),
  ]);
});
after(() => registry?.close());

/** Fails unless the app syncs on every version, and says nothing but the outcome. */
async function assertSyncs(folder, file, flags = []) {
  for (const [version, node] of nodes) {
    const { stdout, stderr } = await runIn(folder, node, [...flags, file]);
    assert.deepEqual([JSON.parse(stdout), stderr], [DONE, ""], `Node.js ${version}`);
  }
}

/** An app with the peers and what TypeScript needs. */
async function typedApp() {
  const folder = await install(registry, [NAME, ...PEERS]);
  mkdirSync(join(folder, "node_modules", "@types"), { recursive: true });
  const types = join(root, "node_modules", "@types", "node");
  symlinkSync(types, join(folder, "node_modules", "@types", "node"), "junction");
  return folder;
}

test("an app of ES modules installs the binary of its platform alone, and syncs", async () => {
  const asked = registry.asked.length;
  const folder = await install(registry, [NAME]);
  const installed = readdirSync(join(folder, "node_modules", "@starkeep")).sort();
  assert.deepEqual(installed, ["sync-engine", `sync-engine-${here}`]);
  assert.deepEqual(registry.asked.slice(asked).sort(), [NAME, `${NAME}-${here}`]);
  await assertSyncs(folder, "app.mjs");
});

test("the command of an installed package puts a file and lists it", async () => {
  const folder = await install(registry, [NAME]);
  assert.ok(readdirSync(join(folder, "node_modules", ".bin")).includes("starkeep-sync"));
  const command = join("node_modules", ...NAME.split("/"), "bin", "starkeep-sync.mjs");
  for (const [version, node] of nodes) {
    const data = ["--data", `data-${version}`];
    const put = await runIn(folder, node, [command, "put", "package.json", ...data]);
    const { stdout, stderr } = await runIn(folder, node, [command, "ls", ...data]);
    assert.match(stdout, /^\w{26} {2}package\.json\n$/, `Node.js ${version}`);
    assert.deepEqual([put.stdout, stderr], [stdout, ""], `Node.js ${version}`);
  }
});

test("an app of CommonJS with the peer packages syncs", async () => {
  await assertSyncs(await install(registry, [NAME, ...PEERS]), "app.cjs");
});

test("an app of strict TypeScript compiles and syncs", async () => {
  const folder = await typedApp();
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  await runIn(folder, process.execPath, [join(dirname(manifest), "bin", "tsc"), "-p", "."]);
  await assertSyncs(folder, "typed.mjs");
});

for (const [format, file] of [
  ["cjs", "bundle.cjs"],
  ["esm", "bundle.mjs"],
]) {
  test(`an app that esbuild made one ${format} file syncs, with the binary beside it`, async () => {
    const folder = await typedApp();
    const how = ["--bundle", "--platform=node", "--log-level=warning", `--format=${format}`];
    const { stderr } = await tool(
      ESBUILD,
      ["esbuild", "typed.mts", ...how, `--outfile=${file}`],
      folder,
    );
    assert.equal(stderr, "", "esbuild warns of nothing");
    await assertSyncs(folder, file);
  });
}

test("after an install without optional dependencies the error says what is missing, and what to do", async () => {
  const folder = await install(registry, [NAME], ["--omit=optional"]);
  await assert.rejects(runIn(folder, process.execPath, ["app.mjs"]), ({ stderr }) => {
    assert.match(stderr, /BINARY_NOT_FOUND/);
    assert.ok(stderr.includes(`looked for the package ${NAME}-${here}.`), stderr);
    assert.match(stderr, /without --omit=optional/);
    return true;
  });
});
