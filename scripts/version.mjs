// Fails unless the package, its lock files, the crate, the change log and, where it is given, the tag name
// one version:
//
//   node scripts/version.mjs [TAG]
import { readFileSync } from "node:fs";

const read = (file) => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
const found = (file, pattern) => read(file).match(pattern)?.[1];

const crate = /name = "starkeep-sync-engine"\nversion = "([^"]+)"/;
const versions = {
  "package.json": JSON.parse(read("package.json")).version,
  "package-lock.json": JSON.parse(read("package-lock.json")).packages[""].version,
  "Cargo.toml": found("Cargo.toml", crate),
  "Cargo.lock": found("Cargo.lock", crate),
  "fuzz/Cargo.lock": found("fuzz/Cargo.lock", crate),
  "CHANGELOG.md": found("CHANGELOG.md", /^## (\d\S*)/m),
};
const [tag] = process.argv.slice(2);
if (tag !== undefined) versions["the tag"] = tag.replace(/^v/, "");

for (const [where, version] of Object.entries(versions)) console.log(`${version ?? "none"}  ${where}`);
process.exitCode = new Set(Object.values(versions)).size === 1 ? 0 : 1;
