// An app that bundlers and test runners took the package into does a real exchange, away from node_modules, on every
// supported Node.js. The configurations are those of docs/bundlers.md.
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  DONE,
  appIn,
  configure,
  printedBy,
  runTool,
  ship,
  toolsFolder,
} from "../bundlers/support.mjs";
import { NAME, here, installLocked, nodeOf, registryWithAll } from "./support.mjs";

const VERSIONS = [20, 22, 24];
const PEER = "@starkeep/protocol-primitives";

const [tools, registry] = await Promise.all([installLocked(toolsFolder), registryWithAll()]);
after(() => registry.close());
const withTools = { skip: tools.skip };

let alone;
let withPeer;
let nodes;
before(async () => {
  if (tools.skip) return;
  [nodes, alone, withPeer] = await Promise.all([
    Promise.all(VERSIONS.map(nodeOf)),
    appIn(join(tools.folder, "alone"), registry),
    appIn(join(tools.folder, "with-peer"), registry, [PEER]),
  ]);
});

/** The program that builds with a configuration, and prints what the bundler warns of. */
const BUILDS = {
  esbuild: (config) => `await import(${config});`,
  rollup: (config) => `
    import { rollup } from "rollup";
    const { default: config } = await import(${config});
    const onwarn = ({ message }) => console.log(message);
    const bundle = await rollup({ ...config, onwarn });
    await bundle.write(config.output);`,
  vite: (config) => `
    import { build } from "vite";
    const { default: config } = await import(${config});
    await build({ configFile: false, logLevel: "warn", ...config });`,
  webpack: (config) => `
    import { promisify } from "node:util";
    import webpack from "webpack";
    const { default: config } = await import(${config});
    const stats = await promisify(webpack)(config);
    const said = stats.toString({ all: false, warnings: true, errors: true });
    if (said !== "") console.log(said);`,
};

/** Bundles an app with a configuration of the documentation, `edit`ed, into \`dist\`, and fails where the bundler warns. */
async function bundle(app, bundler, name, edit) {
  configure(app, name, edit);
  const url = JSON.stringify(pathToFileURL(join(app, name)).href);
  writeFileSync(join(app, "build.mjs"), BUILDS[bundler](url));
  const { stdout, stderr } = await runTool(app, "build.mjs");
  assert.deepEqual([stdout, stderr], ["", ""], "the bundler warns of nothing");
}

const into = (dist) => (config) => config.replaceAll(/(?<=["/])dist(?=["/])/g, dist);
const ofRequire = (config) => config.replaceAll("app.mjs", "app.cjs");
const inMode = (mode) => (config) => config.replace('"production"', JSON.stringify(mode));
const withoutAlias = (config) => config.replace(/alias: .*\n/, "\n");

/** Each with the file that it makes, and what differs from the documentation. */
const BUNDLES = [
  ["esbuild", "an ES module", "esbuild.config.mjs", "app.mjs"],
  [
    "esbuild",
    "CommonJS",
    "esbuild.config.mjs",
    "app.cjs",
    (config) => ofRequire(config).replace('"esm"', '"cjs"'),
  ],
  ["rollup", "an ES module", "rollup.config.mjs", "app.mjs"],
  [
    "rollup",
    "CommonJS",
    "rollup.config.mjs",
    "app.cjs",
    (config) => ofRequire(config).replace('"es"', '"cjs"'),
  ],
  ["vite", "an ES module", "vite.bundled.config.mjs", "app.mjs"],
  ["webpack", "an ES module, into CommonJS", "webpack.config.mjs", "app.cjs"],
  [
    "webpack",
    "CommonJS, as code that is made of strings",
    "webpack.config.mjs",
    "app.cjs",
    (config) => ofRequire(inMode("development")(config)),
  ],
  [
    "webpack",
    "an ES module, into one",
    "webpack.config.mjs",
    "app.mjs",
    (config) =>
      inMode("none")(config)
        .replace('filename: "app.cjs"', 'filename: "app.mjs", module: true')
        .replace('target: "node",', 'target: "node", experiments: { outputModule: true },'),
  ],
];

for (const [index, [bundler, what, config, file, edit = (text) => text]] of BUNDLES.entries()) {
  test(
    `${bundler} bundles ${what}, which syncs with the binary beside it, and says what is missing without it`,
    withTools,
    async () => {
      const dist = `dist-${index}`;
      await bundle(alone, bundler, config, (text) => into(dist)(edit(text)));
      const shipped = ship(join(alone, dist), true);
      for (const node of nodes) assert.deepEqual(await printedBy(node, shipped, file), DONE);
      const bare = ship(join(alone, dist), false);
      await assert.rejects(printedBy(nodes[0], bare, file), ({ code, message }) => {
        assert.equal(code, "BINARY_NOT_FOUND");
        assert.ok(message.includes(`part of the bundle `) && message.includes(bare), message);
        const name = `node_modules/${NAME}-${here}/sync-engine.${here}.node`;
        assert.ok(message.includes(`copy ${name} beside the bundle`), message);
        assert.doesNotMatch(message, /delete node_modules/);
        return true;
      });
    },
  );
}

for (const [bundler, config, edit] of [
  ["esbuild", "esbuild.config.mjs", (text) => text],
  ["rollup", "rollup.config.mjs", (text) => text.replace(`, "${PEER}"`, "")],
  ["vite", "vite.bundled.config.mjs", (text) => text],
  ["webpack", "webpack.config.mjs", (text) => inMode("none")(withoutAlias(text))],
]) {
  test(
    `${bundler} bundles the peer package, whose error class is the one of the bundle`,
    withTools,
    async () => {
      const dist = `dist-${bundler}`;
      await bundle(withPeer, bundler, config, (text) =>
        into(dist)(edit(text)).replaceAll(/app\.mjs|app\.cjs/g, (name) =>
          name === "app.mjs" ? "peers.mjs" : "peers.cjs",
        ),
      );
      const [file] = readdirSync(join(withPeer, dist)).filter((name) => name.startsWith("peers."));
      assert.deepEqual(await printedBy(nodes[0], ship(join(withPeer, dist), true), file), DONE);
    },
  );
}

test("a server build of Vite leaves the package out by itself, and syncs", withTools, async () => {
  await bundle(alone, "vite", "vite.config.mjs", into("dist-server"));
  for (const node of nodes)
    assert.deepEqual(await printedBy(node, join(alone, "dist-server"), "app.mjs"), DONE);
});

test(
  "webpack says that the peer package is missing as a warning, not as an error",
  withTools,
  async () => {
    const edit = (text) => into("dist-warned")(inMode("none")(withoutAlias(text)));
    configure(alone, "webpack.config.mjs", edit);
    const url = JSON.stringify(pathToFileURL(join(alone, "webpack.config.mjs")).href);
    writeFileSync(join(alone, "build.mjs"), BUILDS.webpack(url));
    const { stdout } = await runTool(alone, "build.mjs");
    assert.match(stdout, /WARNING in [^]*Can't resolve '@starkeep\/protocol-primitives'/);
    assert.doesNotMatch(stdout, /ERROR in/);
  },
);

// Test runners

const bin = (...parts) => join(tools.folder, "node_modules", ...parts);

test("Jest runs a test that requires the package, and one that imports it", withTools, async () => {
  const args = ["--rootDir", alone, "--ci", "--watchman=false"];
  const jest = bin("jest", "bin", "jest.js");
  const required = await runTool(alone, jest, [...args, "required"]);
  assert.match(required.stderr, /Tests: {7}1 passed, 1 total/);
  const flags = ["--experimental-vm-modules", "--no-warnings"];
  const imported = await runTool(alone, jest, [...args, "imported"], flags);
  assert.match(imported.stderr, /Tests: {7}1 passed, 1 total/);
});

for (const pool of ["forks", "vmThreads"]) {
  test(`Vitest runs a test that imports the package, in ${pool}`, withTools, async () => {
    const args = ["run", "--root", alone, "--globals", "--pool", pool, "imported"];
    const { stdout } = await runTool(alone, bin("vitest", "vitest.mjs"), [...args, "--no-color"]);
    assert.match(stdout, /Tests {2}1 passed \(1\)/);
  });
}

// Tracers of files

for (const file of ["app.mjs", "app.cjs"]) {
  test(`@vercel/nft takes the binary with ${file}`, withTools, async () => {
    const program = `
      import { nodeFileTrace } from "@vercel/nft";
      const { fileList } = await nodeFileTrace([${JSON.stringify(file)}]);
      console.log([...fileList].map((name) => name.replaceAll("\\\\", "/")).join("\\n"));`;
    writeFileSync(join(alone, "trace.mjs"), program);
    const { stdout } = await runTool(alone, "trace.mjs");
    const wanted = `node_modules/${NAME}-${here}/sync-engine.${here}.node`;
    assert.ok(stdout.split("\n").includes(wanted), stdout);
  });
}
