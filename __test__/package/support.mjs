// Packs the package as it is published, and installs it into empty apps outside the checkout.
import { execFile } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { glibcHere } from "../../scripts/binary.mjs";
import { PLATFORMS, binaryOf, platform } from "../../scripts/platforms.mjs";
import { published, startRegistry } from "./registry.mjs";

const run = promisify(execFile);

export { glibcHere };

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const here = platform();
export const NAME = "@starkeep/sync-engine";
export const binary = join(root, binaryOf(here));

const apps = join(root, "__test__", "package", "apps");
const doubles = join(root, "__test__", "types", "packages");
const shell = process.platform === "win32";

/** The variables of the `npm` that started this would reach the one started here. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  npm_config_loglevel: "error",
};

const folders = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** A folder that goes away with the process; its path has no links, which `--permission` does not follow. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "sync-engine-package-"));
  folders.push(folder);
  return folder;
}

async function packOne(args, out) {
  const script = join(root, "scripts", "pack.mjs");
  const { stdout } = await run(process.execPath, [script, "--out", out, ...args], { env });
  return stdout.trim();
}

/** The tarballs of the package and of the binary that was built in the checkout. */
export async function packAll(out) {
  const glibc = glibcHere();
  const local = ["--platform", here, "--binary", binary];
  const [main, native] = await Promise.all([
    packOne([], out),
    packOne(glibc === undefined ? local : [...local, "--glibc", glibc], out),
  ]);
  return { main, native };
}

const PEER = `class StarkeepError extends Error {
  constructor(message, code, cause) {
    super(message, { cause });
    this.name = "StarkeepError";
    this.code = code;
  }
}
`;

/** A double of a peer package: its CommonJS and its ES module each have classes of their own. */
async function packPeer(out, name, declarations, [cjs, esm]) {
  const folder = join(out, name.replace("/", "-"));
  mkdirSync(folder, { recursive: true });
  const exports = {
    import: { types: "./index.d.mts", default: "./index.mjs" },
    require: { types: "./index.d.cts", default: "./index.cjs" },
  };
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name, version: "0.1.0", exports: { ".": exports } }),
  );
  writeFileSync(join(folder, "index.cjs"), cjs);
  writeFileSync(join(folder, "index.mjs"), esm);
  for (const kind of ["d.cts", "d.mts"])
    copyFileSync(join(doubles, declarations), join(folder, `index.${kind}`));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", out], {
    cwd: folder,
    env,
    shell,
  });
  return join(out, Object.values(JSON.parse(stdout))[0].filename);
}

/**
 * A registry with everything that is published: for other platforms it knows what the package for this
 * one says of itself, with their systems, and has no tarball.
 */
export async function registryWithAll() {
  const out = temporaryFolder();
  const { main, native } = await packAll(out);
  const peers = await Promise.all([
    packPeer(out, "@starkeep/protocol-primitives", "protocol-primitives.d.ts", [
      `${PEER}module.exports = { StarkeepError };\n`,
      `export ${PEER}`,
    ]),
    packPeer(out, "@starkeep/storage-adapter", "storage-adapter.d.ts", ["", "export {};\n"]),
  ]);
  const local = published(native);
  const others = Object.entries(PLATFORMS)
    .filter(([name]) => name !== here)
    .map(([name, { os, cpu, libc }]) => ({
      manifest: {
        ...local.manifest,
        name: `${NAME}-${name}`,
        os: [os],
        cpu: [cpu],
        libc: libc === undefined ? undefined : [libc],
      },
    }));
  return startRegistry([published(main), local, ...peers.map(published), ...others]);
}

/** Installs packages into a folder, a new one where none is named, as a user does. */
export async function install(registry, packages, flags = [], folder = temporaryFolder()) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const quiet = ["--no-audit", "--no-fund"];
  const place = ["--registry", registry.url, "--cache", join(folder, ".npm")];
  await run("npm", ["install", ...quiet, ...place, ...flags, ...packages], {
    cwd: folder,
    env,
    shell,
  });
  cpSync(apps, folder, { recursive: true });
  return folder;
}

const found = new Map();

async function findNode(version) {
  if (process.versions.node.split(".")[0] === `${version}`) return process.execPath;
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = `node-${system}-${process.arch}@${version}`;
  const print = ["node", "-p", "process.execPath"];
  return (await run("npx", ["-y", "-p", name, ...print], { env, shell })).stdout.trim();
}

/** A Node.js of the named version, from the registry that npm is set up with. */
export function nodeOf(version) {
  if (!found.has(version)) found.set(version, findNode(version));
  return found.get(version);
}

const UNREACHABLE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ENOTCACHED)\b/;

/**
 * Installs what the lock file of a folder of the checkout names into a new folder, from the registry that npm is set up
 * with. The packages' own scripts are not run.
 *
 * @returns {Promise<{ folder: string, skip: string | false }>} `skip` says why there are none: no registry is reached
 */
export async function installLocked(source) {
  const folder = temporaryFolder();
  for (const name of ["package.json", "package-lock.json"])
    copyFileSync(join(source, name), join(folder, name));
  try {
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    await npm(args, folder);
    return { folder, skip: false };
  } catch (error) {
    const [, code] = UNREACHABLE.exec(error.stderr) ?? [];
    if (code === undefined) throw error;
    return { folder, skip: `the registry of npm packages is not reached here (${code})` };
  }
}

/** Runs npm in a folder. */
export const npm = (args, cwd) => run("npm", args, { cwd, env, shell });

/** Runs a tool of the registry that npm is set up with. */
export const tool = (name, args, cwd) =>
  run("npx", ["-y", "-p", name, ...args], { cwd, env, shell });

/** Runs a program in a folder; what it printed, or its failure with `stderr`. */
export const runIn = (cwd, node, args, timeout = 60_000) => run(node, args, { cwd, env, timeout });
