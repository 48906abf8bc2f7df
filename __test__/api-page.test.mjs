// docs/api.md is what scripts/api.mjs writes of index.d.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { apiPage } from "../scripts/api.mjs";

const kept = readFileSync(new URL("../docs/api.md", import.meta.url), "utf8");

test("the page is what is declared: `node scripts/api.mjs` writes it", async () => {
  assert.equal(kept, await apiPage());
});

test("no link of the declarations is left as it is written there", () => {
  assert.doesNotMatch(kept, /\{@/);
});
