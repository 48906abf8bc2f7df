// docs/api.md is what scripts/api.mjs writes of index.d.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { apiPage } from "../scripts/api.mjs";

const kept = readFileSync(new URL("../docs/api.md", import.meta.url), "utf8");

test("the page is what is declared: `node scripts/api.mjs` writes it", async () => {
  assert.equal(kept, await apiPage());
});

test("every link within the page leads to a heading of it", () => {
  const headings = new Set(
    [...kept.matchAll(/^##+ (.+)$/gm)].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
  const links = [...kept.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
  assert.ok(links.length > 300);
  for (const anchor of links) assert.ok(headings.has(anchor), anchor);
  assert.doesNotMatch(kept, /\{@/);
});
