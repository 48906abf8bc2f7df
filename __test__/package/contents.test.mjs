// What is in the tarballs, and what the binary asks of the system.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { before, test } from "node:test";
import { faultsOf, glibcOf } from "../../scripts/binary.mjs";
import { DECLARATIONS } from "../../scripts/declarations.mjs";
import { readElf } from "../../scripts/elf.mjs";
import { publishedPage } from "../../scripts/pages.mjs";
import { PLATFORMS, binaryOf } from "../../scripts/platforms.mjs";
import { filesIn, published } from "./registry.mjs";
import {
  NAME,
  binary,
  glibcHere,
  here,
  npm,
  packAll,
  root,
  temporaryFolder,
  tool,
} from "./support.mjs";

const ATTW = "@arethetypeswrong/cli@0.18.5";
const PUBLINT = "publint@0.3.25";
const read = (name) => readFileSync(join(root, name), "utf8");
const checkout = JSON.parse(read("package.json"));
const onLinux = { skip: process.platform === "linux" ? false : "only Linux has ELF files" };
const onGlibc = { skip: glibcHere() === undefined ? "this is not glibc" : false };

let folder;
let tarballs;
before(async () => {
  folder = temporaryFolder();
  tarballs = await packAll(folder);
});

const namesIn = (path) =>
  [...filesIn(readFileSync(path)).keys()].map((name) => name.replace(/^package\//, "")).sort();

// Contents

/** The files that an entry of the manifest's "files" stands for. */
function* filesBelow(name) {
  const path = join(root, name);
  if (DECLARATIONS.includes(name) || !statSync(path).isDirectory()) yield name;
  else for (const below of readdirSync(path)) yield* filesBelow(`${name}/${below}`);
}

test("the package holds what it loads, its types and its pages, and nothing else", () => {
  const wanted = ["LICENSE", "README.md", "package.json", ...checkout.files];
  const files = wanted.flatMap((name) => [...filesBelow(name)]);
  assert.deepEqual(namesIn(tarballs.main), files.sort());
  const { length } = readFileSync(tarballs.main);
  // The declarations are in it three times: for each way of importing with declarations of its own.
  assert.ok(length < 280_000, `it is small: ${length} bytes`);
});

test("the package has the command, which a shell can start", () => {
  assert.deepEqual(published(tarballs.main).manifest.bin, {
    "starkeep-sync": "bin/starkeep-sync.mjs",
  });
  const command = filesIn(readFileSync(tarballs.main)).get("package/bin/starkeep-sync.mjs");
  assert.match(String(command), /^#!\/usr\/bin\/env node\n/);
});

test("the declarations of all entries are one text", () => {
  const files = filesIn(readFileSync(tarballs.main));
  for (const name of DECLARATIONS)
    assert.equal(String(files.get(`package/${name}`)), read("index.d.ts"), name);
});

test("every file that a module of the package asks for is in it", () => {
  const files = filesIn(readFileSync(tarballs.main));
  const entries = Object.values(checkout.exports["."]).flatMap(Object.values);
  const wanted = new Set(entries.map((path) => posix.join("package", path)));
  for (const [name, bytes] of files) {
    if (!/\.m?js$/.test(name)) continue;
    for (const [, path] of bytes
      .toString()
      .matchAll(/(?:from|require\(|import\(?) ?"(\.\.?\/[^"]+)"/g))
      wanted.add(posix.join(posix.dirname(name), path));
  }
  assert.ok(wanted.size > 8);
  for (const path of wanted) assert.ok(files.has(path), path);
});

const LINKS = /\]\(([^)\s#]+)/g;
const isAddress = (link) => /^[a-z]+:/.test(link);

test("no link in a page of the package leads to a file that is not in it", () => {
  const files = filesIn(readFileSync(tarballs.main));
  const isIn = (path) =>
    [...files.keys()].some((name) => name === path || name.startsWith(`${path}/`));
  for (const [name, bytes] of files) {
    if (!name.endsWith(".md")) continue;
    for (const [, link] of bytes.toString().matchAll(LINKS))
      assert.ok(isAddress(link) || isIn(posix.join(posix.dirname(name), link)), `${name}: ${link}`);
  }
  const readme = files.get("package/README.md").toString();
  assert.match(readme, /\[MIGRATING\.md\]\(MIGRATING\.md\)/, "a file of the package is linked");
  assert.match(readme, /when something waits: docs\/guide\.md/, "another one is named");
});

test("no link of the sources' own pages is dead", () => {
  const pages = ["README.md", ...checkout.files.filter((name) => name.endsWith(".md"))];
  pages.push(...readdirSync(join(root, "docs")).map((name) => `docs/${name}`));
  for (const name of pages.filter((page) => page.endsWith(".md"))) {
    for (const [, link] of read(name).matchAll(LINKS))
      assert.ok(
        isAddress(link) || existsSync(join(root, posix.dirname(name), link)),
        `${name}: ${link}`,
      );
  }
});

test("where the repository is known, the pages link to its files of the version, and the manifest names it", async () => {
  const repository = "https://code.example/ada/sync";
  const text =
    "See [the guide](docs/guide.md#x), ![a picture](docs/performance.svg), [what changed](CHANGELOG.md).";
  const isPacked = (path) => path === "CHANGELOG.md";
  assert.equal(
    publishedPage(text, { root, isPacked, repository, tag: "v1.2.3" }),
    `See [the guide](${repository}/blob/v1.2.3/docs/guide.md#x), ` +
      `![a picture](${repository}/raw/v1.2.3/docs/performance.svg), [what changed](CHANGELOG.md).`,
  );
  const { manifest } = published(tarballs.main);
  const isKnown = process.env.GITHUB_REPOSITORY !== undefined;
  for (const key of ["repository", "homepage", "bugs"]) assert.equal(key in manifest, isKnown, key);
  assert.ok(manifest.keywords.length > 3);
});

test("`npm pack` in the checkout makes no package, and says what does", async () => {
  await assert.rejects(npm(["pack", "--dry-run"], root), ({ stderr }) => {
    assert.match(
      stderr,
      /would have no binary\. `node scripts\/pack\.mjs --out DIR` packs what is published/,
    );
    return true;
  });
});

test("the package names the binaries of its own version, and nothing of the checkout", () => {
  const { manifest } = published(tarballs.main);
  const binaries = Object.keys(PLATFORMS).map((name) => [`${NAME}-${name}`, checkout.version]);
  assert.deepEqual(manifest.optionalDependencies, Object.fromEntries(binaries));
  for (const key of ["devDependencies", "scripts", "dependencies"])
    assert.ok(!(key in manifest), key);
});

test("the package for a platform holds its binary and the licences in it", () => {
  const wanted = ["LICENSE", "README.md", "THIRD-PARTY.md", "package.json", binaryOf(here)];
  assert.deepEqual(namesIn(tarballs.native), wanted.sort());
  const { name, os, cpu, main } = published(tarballs.native).manifest;
  const expected = [`${NAME}-${here}`, [process.platform], [process.arch], binaryOf(here)];
  assert.deepEqual([name, os, cpu, main], expected);
});

// Other people's checks

test("arethetypeswrong finds nothing", async () => {
  const { stdout } = await tool(ATTW, ["attw", tarballs.main, "--no-color"], folder);
  assert.match(stdout, /No problems found/);
});

for (const which of ["main", "native"]) {
  test(`publint finds nothing in the ${which} tarball`, async () => {
    const { stdout } = await tool(PUBLINT, ["publint", tarballs[which], "--strict"], folder);
    assert.match(stdout, /All good!/);
  });
}

// The binary

test(
  "the binary exports Node.js's entry point and nothing of SQLite or another library",
  onLinux,
  () => {
    const exported = readElf(readFileSync(binary)).symbols.filter(({ isExported }) => isExported);
    assert.deepEqual(
      exported.map(({ name }) => name),
      ["napi_register_module_v1"],
    );
  },
);

test("the binary asks for no library but those of the C library", onLinux, () => {
  const known = /^(lib(c|m|gcc_s|dl|pthread|rt)\.(so|musl)[\w.-]*|ld-[\w.-]+)$/;
  const { libraries } = readElf(readFileSync(binary));
  assert.ok(libraries.length > 0);
  assert.deepEqual(
    libraries.filter((name) => !known.test(name)),
    [],
  );
});

test(
  "the glibc that the binary asks for is told, and is no newer than this machine's",
  onGlibc,
  (t) => {
    const bytes = readFileSync(binary);
    const versions = glibcOf(readElf(bytes));
    const [newest] = versions.at(-1);
    t.diagnostic(`built here, the binary asks for glibc ${newest}`);
    for (const fault of faultsOf(here, bytes)) {
      t.diagnostic(`a release would refuse it: ${fault}`);
    }
    assert.deepEqual(faultsOf(here, bytes, glibcHere()), []);
  },
);

test("a binary that asks for a newer glibc than it may, is not packed", onGlibc, () => {
  assert.match(
    faultsOf(here, readFileSync(binary), "2.2.4")[0],
    /^it asks for glibc 2\.2\.5, newer/,
  );
});

test("a binary of another system, and a file that is none, are not packed", () => {
  for (const name of Object.keys(PLATFORMS)) {
    assert.equal(faultsOf(name, Buffer.from("#!/bin/sh\necho nothing\n")).length, 1, name);
    if (name !== here) assert.ok(faultsOf(name, readFileSync(binary)).length > 0, name);
  }
});

test("a binary that is stripped of its entry point is not packed", onLinux, () => {
  const bytes = readFileSync(binary);
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf("napi_register_module_v1"); at !== -1;) {
    copy.write("napi_register_module_v9", at, "latin1");
    at = copy.indexOf("napi_register_module_v1", at);
  }
  const file = join(folder, "renamed.node");
  writeFileSync(file, copy);
  const faults = faultsOf(here, readFileSync(file), glibcHere());
  assert.deepEqual(faults, [
    "it exports napi_register_module_v9 of 1",
    "it does not export napi_register_module_v1",
  ]);
});
