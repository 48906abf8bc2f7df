// What the pages for people name is there: files, and the headings that links lead to.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { anchorOf } from "../scripts/api.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const pagesIn = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md") && name !== "THIRD-PARTY.md")
    .map((name) => join(folder, name));
const PAGES = [...pagesIn("."), ...pagesIn("docs")];
const PATH = /`((?:scripts|__test__|tests|npm|\.ci|\.github)\/[\w./-]+[\w-])`/g;
const LINK = /\]\((?!\w+:)([^)#]*)(?:#([^)]+))?\)/g;

const textOf = (page) => readFileSync(join(root, page), "utf8");

/** The anchors of a page. Code has no headings. */
function anchorsOf(page) {
  const prose = textOf(page).replace(/^ *```[^]*?^ *```/gm, "");
  return new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, title]) => anchorOf(title)));
}

for (const page of PAGES) {
  test(`${page} names no file and no heading that is not there`, () => {
    const prose = textOf(page).replace(/^ *```[^]*?^ *```/gm, "");
    for (const [, path] of prose.matchAll(PATH)) assert.ok(existsSync(join(root, path)), path);
    for (const [, link, anchor] of prose.matchAll(LINK)) {
      const target = link === "" ? page : join(dirname(page), link);
      assert.ok(existsSync(join(root, target)), link);
      if (anchor && target.endsWith(".md"))
        assert.ok(anchorsOf(target).has(anchor), `${target}#${anchor}`);
    }
  });
}
