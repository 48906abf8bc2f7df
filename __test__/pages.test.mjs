// What the pages for people name is there.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGES = [
  "README.md",
  "MIGRATING.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "docs/architecture.md",
];
const PATH = /`((?:scripts|__test__|tests|npm|\.ci|\.github)\/[\w./-]+[\w-])`/g;

for (const page of PAGES) {
  test(`${page} names no file that is not there`, () => {
    const text = readFileSync(join(root, page), "utf8");
    const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#]+)/g)].map(([, link]) =>
      join(dirname(page), link),
    );
    const paths = [...text.matchAll(PATH)].map(([, path]) => path);
    for (const path of [...links, ...paths]) assert.ok(existsSync(join(root, path)), path);
  });
}
