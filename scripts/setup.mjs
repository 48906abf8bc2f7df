// Installs what the checkout needs, copies the declarations and builds the addon. Does nothing where nothing changed.
// `npm run setup -- --dev` builds it unoptimized: a change of one line takes seconds then.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { copyDeclarations } from "./declarations.mjs";
import { binaryOf, libraryOf, platform } from "./platforms.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** What a first build takes. */
const TAKES = {
  release: "some minutes, and some 500 MB in target/",
  debug: "a minute or two, and some 500 MB in target/",
};

function run(command, args, missing) {
  try {
    execFileSync(command, args, { stdio: "inherit", shell: process.platform === "win32" });
  } catch (error) {
    if (error.code === "ENOENT") fail(missing);
    process.exit(error.status ?? 1);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function hashOf(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function installPackages() {
  const stamp = ".setup/package-lock";
  const wanted = hashOf("package-lock.json");
  const installed = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (installed === wanted && existsSync("node_modules")) return;
  run("npm", ["ci", "--no-audit", "--no-fund"], "npm is missing: install Node.js with npm.");
  mkdirSync(".setup", { recursive: true });
  writeFileSync(stamp, wanted);
}

function buildAddon(profile) {
  const triple = platform();
  const target = process.env.CARGO_TARGET_DIR ?? "target";
  const built = `${target}/${profile}/${libraryOf(triple)}`;
  if (!existsSync(built)) console.log(`Building the native part: ${TAKES[profile]}.`);
  run(
    "cargo",
    ["build", "--locked", ...(profile === "release" ? ["--release"] : [])],
    "cargo is missing: install a Rust toolchain (rustup.rs) of version 1.89 or newer.",
  );
  const addon = binaryOf(triple);
  if (existsSync(addon) && hashOf(addon) === hashOf(built)) return;
  // Renamed into place: a process that has the old one loaded keeps it.
  copyFileSync(built, `${addon}.new`);
  renameSync(`${addon}.new`, addon);
}

const { values } = parseArgs({ options: { dev: { type: "boolean" } } });
try {
  createRequire(import.meta.url)("../js/node-version.js").checkNode();
} catch (error) {
  fail(error.message);
}
installPackages();
copyDeclarations(".");
buildAddon(values.dev ? "debug" : "release");
