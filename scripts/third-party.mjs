// THIRD-PARTY.md: the licences of what is compiled into the binaries, of all platforms.
//
//   node scripts/third-party.mjs            fails where the file is not current
//   node scripts/third-party.mjs --write    writes it
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PLATFORMS } from "./platforms.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const path = join(root, "THIRD-PARTY.md");
const LICENSE_FILE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;
const byText = (a, b) => (a < b ? -1 : Number(a > b));

const HEAD = `# Third-party software

The binaries of this package are compiled from this project's sources and from the crates below, for one
platform or another. Where a crate offers a choice of licences that has MIT in it, it is used under MIT.
SQLite, which \`libsqlite3-sys\` carries, is in the public domain.

This page is written by \`node scripts/third-party.mjs --write\`.
`;

function metadata() {
  const targets = Object.values(PLATFORMS).flatMap(({ target }) => ["--filter-platform", target]);
  const args = ["metadata", "--locked", "--format-version", "1", ...targets];
  return JSON.parse(execFileSync("cargo", args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 28 }));
}

/** The packages whose code is in the library: not what builds it, tests it, or runs in the compiler. */
function compiledIn({ packages, resolve }) {
  const packageOf = new Map(packages.map((one) => [one.id, one]));
  const nodeOf = new Map(resolve.nodes.map((node) => [node.id, node]));
  const runsInCompiler = (id) => packageOf.get(id).targets.some(({ kind }) => kind.includes("proc-macro"));
  const found = new Set();
  const waiting = [resolve.root];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (found.has(id) || runsInCompiler(id)) continue;
    found.add(id);
    for (const { pkg, dep_kinds: kinds } of nodeOf.get(id).deps) {
      if (kinds.some(({ kind }) => kind === null)) waiting.push(pkg);
    }
  }
  found.delete(resolve.root);
  return [...found]
    .map((id) => packageOf.get(id))
    .sort((a, b) => byText(`${a.name} ${a.version}`, `${b.name} ${b.version}`));
}

const namesIn = (folder, isWanted) =>
  readdirSync(folder, { withFileTypes: true })
    .filter(isWanted)
    .map(({ name }) => name);
const isLicense = (entry) => entry.isFile() && LICENSE_FILE.test(entry.name) && !entry.name.endsWith(".rs");

/** Those of a package, and of what it carries in folders of its own. */
function licenseFiles(folder) {
  const below = namesIn(folder, (entry) => entry.isDirectory()).flatMap((name) =>
    namesIn(join(folder, name), isLicense).map((file) => `${name}/${file}`),
  );
  return [...namesIn(folder, isLicense), ...below].sort(byText);
}

const isChoice = (license) => !/[()]| AND /.test(license) && /\bMIT\b/.test(license);

/** The texts that come along with a package. */
function textsOf({ license, manifest_path: manifest }) {
  const folder = dirname(manifest);
  const files = licenseFiles(folder);
  const mit = files.filter((name) => /mit/i.test(name));
  const wanted = isChoice(license) && mit.length > 0 ? mit : files;
  return wanted.map((name) => readFileSync(join(folder, name), "utf8").replace(/\s*$/, "\n"));
}

const said = ({ name, version }) => `${name} ${version}`;
const fenceFor = (text) => "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));

function page(packages) {
  const byLicense = new Map();
  const silent = [];
  for (const one of packages) {
    const texts = textsOf(one);
    if (texts.length === 0) silent.push(`- ${said(one)}: ${one.license}, ${one.authors.join(", ") || "its authors"}`);
    for (const text of texts) {
      // One text differs from another by how its lines are broken.
      const key = text.replace(/\s+/g, " ").trim();
      const entry = byLicense.get(key) ?? { text, of: new Set() };
      entry.of.add(said(one));
      byLicense.set(key, entry);
    }
  }
  const list = packages.map((one) => `| ${one.name} | ${one.version} | ${one.license} |`);
  const texts = [...byLicense.values()].map(({ text, of }) => {
    const fence = fenceFor(text);
    return `### ${[...of].join(", ")}\n\n${fence}text\n${text.replaceAll("\r\n", "\n")}${fence}\n`;
  });
  return [
    HEAD,
    `## Crates\n\n| Crate | Version | Licence |\n| --- | --- | --- |\n${list.join("\n")}\n`,
    `## Texts\n`,
    ...texts,
    `### Crates that bring no text\n\n${silent.join("\n")}\n`,
  ].join("\n");
}

const packages = compiledIn(metadata());
const current = page(packages);
if (process.argv.includes("--write")) {
  writeFileSync(path, current);
} else if (readFileSync(path, "utf8") !== current) {
  console.error("THIRD-PARTY.md is not current: node scripts/third-party.mjs --write");
  process.exitCode = 1;
}
console.log(`${packages.length} crates are compiled in`);
