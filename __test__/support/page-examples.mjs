// The examples of the pages. Each is a block of code behind a comment with its name: `<!-- example: NAME -->`.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const EXAMPLE =
  /<!-- example: ([\w-]+) -->\s+(?:<!-- prettier-ignore -->\s+)?```(\w+)\n([^]*?)```/g;

/** By name the code of a page's examples. */
export function examplesOf(page) {
  const text = readFileSync(join(root, page), "utf8");
  return new Map(
    [...text.matchAll(EXAMPLE)].map(([, name, language, code]) => [name, { language, code }]),
  );
}

/** The JavaScript of a page that is no example: it shows a call, and takes the app around it for granted. */
export function fragmentsOf(page) {
  const text = readFileSync(join(root, page), "utf8").replace(EXAMPLE, "");
  return [...text.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);
}

/** The code of one. */
export function exampleOf(page, name) {
  const found = examplesOf(page).get(name);
  assert.ok(found, `${page} has the example ${name}`);
  return found.code;
}

/** An app with the package installed, and files of code by name. */
export function appWith(t, files) {
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-page-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules", "@starkeep"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules", "@starkeep", "sync-engine"), "dir");
  for (const [file, code] of Object.entries(files)) writeFileSync(join(folder, file), code);
  return folder;
}

/** The examples that are to compile as strict TypeScript as they stand, by the name of their file. */
export const pageModules = () =>
  Object.fromEntries(
    ["README.md", "docs/guide.md"].flatMap((page) =>
      [...examplesOf(page)]
        .filter(([, { code }]) => /^import /m.test(code))
        .map(([name, { code }]) => [`${page.replace(/\W/g, "-")}-${name}.mts`, code]),
    ),
  );
