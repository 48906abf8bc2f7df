// The codes that errors can have, and those that the types and their documentation name.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (name) => readFileSync(join(root, name), "utf8");

function* published(name) {
  const path = join(root, name);
  if (extname(name) !== "") {
    if (/\.m?js$/.test(name)) yield name;
    return;
  }
  for (const entry of readdirSync(path)) yield* published(join(name, entry));
}

const matches = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);

/** All between `begin` and the first `end` after it. */
function part(text, begin, end) {
  const from = text.indexOf(begin);
  assert.notEqual(from, -1, begin);
  return text.slice(from, text.indexOf(end, from));
}

test("every code that an error can have is named and explained, and no other", () => {
  const native = matches(
    part(read("src/error.rs"), "fn code(self)", "\n    }\n"),
    /=> "([A-Z_]+)"/g,
  );
  assert.ok(native.length > 15);
  const { files } = JSON.parse(read("package.json"));
  const scripts = files.flatMap((name) => [...published(name)]);
  const inScripts = scripts.flatMap((name) =>
    matches(read(name), /(?:\bcode = |\bfault\(\s*|_ERROR = )"([A-Z_]+)"/g),
  );
  assert.ok(inScripts.includes("BINARY_NOT_FOUND") && inScripts.includes("DATABASE_ERROR"));
  const occurring = [...new Set([...native, ...inScripts])].sort();

  const types = read("index.d.ts");
  const named = matches(part(types, "type ErrorCode =", ";\n"), /\| "([A-Z_]+)"/g);
  const begin = types.indexOf("The `code` of an error of this package.");
  const explained = matches(part(types.slice(begin), "| Code |", "*/"), /\* \| `([A-Z_]+)` \|/g);
  assert.deepEqual(named.toSorted(), occurring);
  assert.deepEqual(explained.toSorted(), occurring);
});

test("every reason that a failed request can have is named and explained, and no other", () => {
  const network = read("src/error/network.rs");
  const occurring = matches(part(network, "fn name(self)", "\n    }\n"), /=> "([a-z]+)"/g).sort();
  const types = read("index.d.ts");
  const named = matches(part(types, "type FailureReason =", ";\n"), /"([a-z]+)"/g);
  const explained = matches(part(types, "| Reason |", "*/"), /\* \| `([a-z]+)` \|/g);
  assert.deepEqual(named.sort(), occurring);
  assert.deepEqual(explained.sort(), occurring);
});
