// What the package says where its binary may not be loaded, and where Node.js is too old.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { NAME, here, install, nodeOf, registryWithAll, root, runIn } from "./support.mjs";

const require = createRequire(import.meta.url);
const { PUBLISHED } = require("../../js/platform.js");
const { OLDEST_NODE } = require("../../js/node-version.js");

/** Each prints what loading it ends with, and then that the process goes on. */
const LOADS = {
  "imported.mjs": `
    try { await import("${NAME}"); console.log(JSON.stringify({ loaded: true })); }
    catch ({ code, message }) { console.log(JSON.stringify({ code, message })); }
    setTimeout(() => console.log("alive"), 50);`,
  "required.cjs": `
    try { require("${NAME}"); console.log(JSON.stringify({ loaded: true })); }
    catch ({ code, message }) { console.log(JSON.stringify({ code, message })); }
    setTimeout(() => console.log("alive"), 50);`,
};

let registry;
let app;
let without;
before(async () => {
  registry = await registryWithAll();
  [app, without] = await Promise.all([
    install(registry, [NAME]),
    install(registry, [NAME], ["--omit=optional"]),
  ]);
  for (const folder of [app, without])
    for (const [name, program] of Object.entries(LOADS)) writeFileSync(join(folder, name), program);
});
after(() => registry?.close());

/** What loading the package ends with; fails where that ends the process. */
async function loading(version, folder, file, flags = []) {
  const { stdout } = await runIn(folder, await nodeOf(version), [...flags, file]);
  const [outcome, alive] = stdout.trim().split("\n");
  assert.equal(alive, "alive", `Node.js ${version}, ${file}`);
  return JSON.parse(outcome);
}

/** Calls it for each version of Node.js and each kind of module. */
async function forEach(versions, callback) {
  for (const version of versions)
    for (const file of Object.keys(LOADS))
      await callback(version, file, `Node.js ${version}, ${file}`);
}

const permission = (version) => (version === 20 ? "--experimental-permission" : "--permission");

test("under --permission the error says which flag is missing, and nothing of installing again", async () => {
  await forEach([20, 22, 24], async (version, file, where) => {
    const flags = [permission(version), `--allow-fs-read=${app}`];
    const { code, message } = await loading(version, app, file, flags);
    assert.equal(code, "BINARY_NOT_FOUND", where);
    assert.match(message, /\(--permission\), which keeps native addons out: .* --allow-addons/);
    assert.doesNotMatch(message, /delete node_modules/, where);
  });
});

test("under --permission with addons allowed the package loads", async () => {
  await forEach([20, 22, 24], async (version, file, where) => {
    const flags = [permission(version), "--allow-addons", `--allow-fs-read=${app}`];
    assert.deepEqual(await loading(version, app, file, flags), { loaded: true }, where);
  });
});

test("where --permission keeps the binary from being read, the error says so, and which file", async () => {
  await forEach([22, 24], async (version, file, where) => {
    const readable = [file, "package.json", "node_modules/@starkeep/sync-engine/"];
    const reads = readable.map((name) => `--allow-fs-read=${join(app, name)}`);
    const { code, message } = await loading(version, app, file, [
      "--permission",
      "--allow-addons",
      ...reads,
    ]);
    assert.equal(code, "BINARY_NOT_FOUND", where);
    assert.match(message, /may not read where the binary is: start it with --allow-fs-read/, where);
    assert.ok(message.includes(`refused ${join(app, "node_modules", "@starkeep")}`), message);
  });
});

test("under --no-addons the error names that flag, and nothing of installing again", async () => {
  await forEach([20, 22, 24], async (version, file, where) => {
    const { code, message } = await loading(version, app, file, ["--no-addons"]);
    assert.equal(code, "BINARY_NOT_FOUND", where);
    assert.match(message, /runs with --no-addons, .*: start it without that flag/, where);
    assert.doesNotMatch(message, /delete node_modules/, where);
  });
});

test("an app that catches the error of a missing binary goes on", async () => {
  await forEach([20, 22, 24], async (version, file, where) => {
    const { code, message } = await loading(version, without, file);
    assert.equal(code, "BINARY_NOT_FOUND", where);
    assert.match(message, /without --omit=optional/, where);
  });
});

test("an older Node.js is told that it is too old, in one sentence", async () => {
  await forEach([16, 18], async (version, file, where) => {
    for (const folder of [app, without]) {
      const { code, message } = await loading(version, folder, file);
      assert.equal(code, "UNSUPPORTED_NODE", where);
      const sentence = `^${NAME} needs Node\\.js 20 or newer, this is ${version}\\.\\d+\\.\\d+\\.$`;
      assert.match(message, new RegExp(sentence));
    }
  });
});

test("the command says it to an older Node.js too", async () => {
  const command = join("node_modules", ...NAME.split("/"), "bin", "starkeep-sync.mjs");
  for (const version of [16, 18]) {
    await assert.rejects(runIn(app, await nodeOf(version), [command, "ls"]), ({ code, stderr }) => {
      assert.equal(code, 1);
      assert.match(stderr, /^starkeep-sync: \S+ needs Node\.js 20 or newer, this is [\d.]+\n$/);
      return true;
    });
  }
});

test("the oldest Node.js that is let in is that of the package's engines", () => {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(engines.node, `>=${OLDEST_NODE}`);
});

for (const file of ["traced.js", "traced.mjs"]) {
  test(`js/${file} names the packages with a binary, all of them`, () => {
    const named = readFileSync(join(root, "js", file), "utf8").matchAll(
      /"@starkeep\/sync-engine-(.*)"/g,
    );
    assert.deepEqual([...named].map(([, name]) => name).sort(), [...PUBLISHED].sort());
  });
}

test("a binary of another system beside a bundle is named", async () => {
  const other = PUBLISHED.find((name) => name !== here);
  const file = join(without, `sync-engine.${other}.node`);
  writeFileSync(file, "");
  writeFileSync(
    join(without, "bundle.cjs"),
    bundleOf(join(without, "node_modules", ...NAME.split("/"))),
  );
  try {
    const { stderr } = await runIn(without, process.execPath, ["bundle.cjs"]).catch(
      (error) => error,
    );
    assert.ok(stderr.includes(`beside the bundle (there is ./sync-engine.${other}.node`), stderr);
  } finally {
    rmSync(file);
  }
});

/** The loader of a package as a bundler of CommonJS puts it into a file. */
function bundleOf(folder) {
  const names = ["where", "traced", "platform", "binary-advice", "loader"];
  const modules = names.map((name) => {
    const text = readFileSync(join(folder, "js", `${name}.js`), "utf8");
    return `"./${name}.js"(module, exports, require) {${text}}`;
  });
  return `const modules = { ${modules.join(",\n")} };
const made = {};
function load(name) {
  if (!(name in modules)) return require(name);
  if (made[name]) return made[name].exports;
  made[name] = { exports: {} };
  modules[name](made[name], made[name].exports, load);
  return made[name].exports;
}
load("./loader.js");`;
}
