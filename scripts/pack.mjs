// Writes the tarballs that are published:
//
//   node scripts/pack.mjs --out DIR                                   the package itself
//   node scripts/pack.mjs --out DIR --platform NAME --binary FILE     the binary for one platform
//   node scripts/pack.mjs --out DIR --own                             both, of this checkout for this machine
//
// The package in the checkout names no binaries: they are published with it, so that before there is
// nothing by that name and version to install. Prints the path of each tarball.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkBinary, glibcHere } from "./binary.mjs";
import { DECLARATIONS } from "./declarations.mjs";
import { publishedPage } from "./pages.mjs";
import { PLATFORMS, binaryOf, platform } from "./platforms.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const checkout = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
/** Where a workflow publishes from; the registry compares it with the provenance. */
const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repo } = process.env;
const page = repo === undefined ? undefined : `${server}/${repo}`;
const repository = page === undefined ? {} : { repository: { type: "git", url: `git+${page}.git` } };
/** Where the package is at home: no address is named that may not be there. */
const home = page === undefined ? {} : { homepage: `${page}#readme`, bugs: { url: `${page}/issues` } };
const packageOf = (name) => `${checkout.name}-${name}`;

/** npm puts these into every package, whether they are listed or not. */
const ALWAYS = ["LICENSE", "README.md"];
/** What only the checkout needs. */
const FOR_CHECKOUT = ["scripts", "devDependencies"];

/** The file of the checkout that is published under the name. */
const sourceOf = (file) => (DECLARATIONS.includes(file) ? "index.d.ts" : file);

function mainPackage(platforms = Object.keys(PLATFORMS)) {
  const kept = Object.entries(checkout).filter(([key]) => !FOR_CHECKOUT.includes(key));
  const binaries = platforms.map((name) => [packageOf(name), checkout.version]);
  const packed = [...checkout.files, ...ALWAYS];
  const isPacked = (path) => packed.some((name) => path === name || path.startsWith(`${name}/`));
  const about = { root, isPacked, repository: page, tag: `v${checkout.version}` };
  const pages = packed.filter((name) => name.endsWith(".md"));
  return {
    manifest: {
      ...Object.fromEntries(kept),
      ...repository,
      ...home,
      optionalDependencies: Object.fromEntries(binaries),
    },
    files: Object.fromEntries(packed.map((file) => [file, join(root, sourceOf(file))])),
    texts: Object.fromEntries(
      pages.map((name) => [name, publishedPage(readFileSync(join(root, name), "utf8"), about)]),
    ),
  };
}

function platformPackage(name, binary) {
  const { os, cpu, libc } = PLATFORMS[name];
  const { version, license, engines } = checkout;
  const files = [binaryOf(name), "THIRD-PARTY.md"];
  return {
    manifest: {
      name: packageOf(name),
      version,
      description: `The binary of ${checkout.name} for ${name}`,
      license,
      ...repository,
      type: "commonjs",
      main: binaryOf(name),
      files,
      engines,
      os: [os],
      cpu: [cpu],
      ...(libc === undefined ? {} : { libc: [libc] }),
      preferUnplugged: true,
    },
    files: {
      [binaryOf(name)]: resolve(binary),
      "THIRD-PARTY.md": join(root, "THIRD-PARTY.md"),
      LICENSE: join(root, "LICENSE"),
      "README.md": join(root, "npm", "README.md"),
    },
  };
}

function pack({ manifest, files, texts = {} }, out) {
  const stage = mkdtempSync(join(tmpdir(), "sync-engine-pack-"));
  try {
    for (const [name, source] of Object.entries(files)) cpSync(source, join(stage, name), { recursive: true });
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(stage, name), text);
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    mkdirSync(out, { recursive: true });
    const args = ["pack", "--json", "--pack-destination", resolve(out)];
    const told = execFileSync("npm", args, { cwd: stage, encoding: "utf8", shell: process.platform === "win32" });
    // Version 12 of npm answers an object by package name, those before it a list.
    const [{ filename }] = Object.values(JSON.parse(told));
    return join(resolve(out), filename);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    own: { type: "boolean", default: false },
    platform: { type: "string" },
    binary: { type: "string" },
    glibc: { type: "string" },
  },
});
const { out, own, binary, glibc } = values;
const isOfOne = values.platform !== undefined;
if (out === undefined || isOfOne !== (binary !== undefined) || (own && isOfOne)) {
  throw new Error(
    "Usage: node scripts/pack.mjs --out DIR [--own] or --out DIR --platform NAME --binary FILE [--glibc VERSION]",
  );
}

function packBinary(name, file, newest) {
  if (!(name in PLATFORMS)) throw new Error(`npm/platforms.json has no ${name}`);
  checkBinary(name, file, newest);
  console.log(pack(platformPackage(name, file), out));
}

if (own) {
  const here = platform();
  console.log(pack(mainPackage([here]), out));
  packBinary(here, join(root, binaryOf(here)), glibcHere());
} else if (isOfOne) packBinary(values.platform, binary, glibc);
else console.log(pack(mainPackage(), out));
