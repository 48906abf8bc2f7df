// The walk of docs/architecture.md: its files, and the names by which one leads to the next.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (name) => readFileSync(join(root, name), "utf8");
const architecture = read("docs/architecture.md");

/** The code of a file, without comments and tests. */
function codeOf(name) {
  const [product] = read(name).split("\n#[cfg(test)]\n");
  return product.replace(/\/\*[^]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

const uses = (file, name) => new RegExp(`\\b${name}\\b`).test(codeOf(file));

/** Whether the file says what the name is. The bridge calls `callWithQuery` what Rust calls `CallWithQuery`. */
function defines(file, name) {
  const either = `[${name[0].toLowerCase()}${name[0].toUpperCase()}]${name.slice(1)}`;
  const pattern = file.endsWith(".rs")
    ? `\\b(fn|struct|enum|trait)\\s+${name}\\b`
    : `\\bfunction\\s+${either}\\b|\\bconst ${either} = |^\\s*${either}(: \\(|\\(.*\\) \\{)`;
  return new RegExp(pattern, "m").test(codeOf(file));
}

function part(title) {
  const begin = architecture.indexOf(`\n### ${title}\n`);
  assert.notEqual(begin, -1, title);
  return architecture.slice(begin + 1).split(/\n###? /)[0];
}

function stepsIn(table) {
  const rows = [...table.matchAll(/^\| `([^`]+)` +\|.*\|([^|]*)\|$/gm)];
  return rows.map(([, file, names]) => ({
    file,
    names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  }));
}

for (const title of [
  "In one process, over an app's own adapters",
  "In one process, between native stores",
  "Over HTTP",
]) {
  const text = part(title);
  const [, ...tables] = text.split(/^\| File .*$/m).map(stepsIn);

  test(`${title}: the walk has as many files as it says`, () => {
    const files = tables.flat().map(({ file }) => file);
    assert.ok(tables.every((steps) => steps.length > 6));
    assert.equal(new Set(files).size, Number(/passes through (\d+) files/.exec(text)?.[1]));
  });

  test(`${title}: each file uses the names beside it, and a file below it says what they are`, () => {
    for (const steps of tables) {
      steps.forEach(({ file, names }, at) => {
        for (const name of names) {
          assert.ok(uses(file, name), `${file} uses ${name}`);
          const later = steps.slice(at + 1).map((step) => step.file);
          assert.ok(
            later.some((other) => defines(other, name)),
            `${name}, which ${file} uses, is in a file below it`,
          );
        }
      });
    }
  });

  test(`${title}: each file but the first says what a name of a row above it is`, () => {
    for (const steps of tables) {
      const called = [...steps[0].names];
      for (const { file, names } of steps.slice(1)) {
        assert.ok(
          called.some((name) => defines(file, name)),
          `${file} is reached`,
        );
        called.push(...names);
      }
    }
  });
}

test("each word of the glossary is in use in the file beside it", () => {
  const rows = [...read("docs/glossary.md").matchAll(/^\| ([a-z ]+?) +\|.*\| `([^`]+)` +\|$/gm)];
  assert.ok(rows.length > 20);
  for (const [, word, file] of rows) {
    // As one or as words: a contiguous prefix is a `ContiguousPrefix`.
    const pattern = new RegExp(`\\b${word.split(" ").join("[ _]?")}s?\\b`, "i");
    assert.match(read(file), pattern, `${file} uses "${word}"`);
  }
});
