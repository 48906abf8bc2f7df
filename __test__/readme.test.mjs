// The examples of the README are run as they stand there.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serveWith, storesFor } from "./support/answering.mjs";
import { makeCloud, makeNode, write } from "./support/index.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

function example(name) {
  const [, code] =
    readme.match(new RegExp(`<!-- example: ${name} -->\\s+\`\`\`js\\n([^]*?)\`\`\``)) ?? [];
  assert.ok(code, `the README has the example ${name}`);
  return code;
}

/** An app with the package installed, and one file of code. */
function appWith(t, file, code) {
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-readme-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules", "@starkeep"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules", "@starkeep", "sync-engine"), "dir");
  writeFileSync(join(folder, file), code);
  return folder;
}

test("the ES module example prints what it says", (t) => {
  const folder = appWith(t, "app.mjs", example("esm"));
  const printed = execFileSync(process.execPath, ["app.mjs"], { cwd: folder, encoding: "utf8" });
  assert.equal(printed, "{ applied: 0, shipped: 1, hasMore: false, inSync: true }\ntrue\n");
});

test("the CommonJS example drains a node and says what is held", async (t) => {
  const folder = appWith(t, "sync.cjs", example("commonjs"));
  const startSync = createRequire(join(folder, "app.cjs"))("./sync.cjs");
  const warned = t.mock.method(console, "warn", () => {});
  const cloud = makeCloud();
  const node = makeNode("a", cloud);
  for (let i = 0; i < 3; i += 1) write(node, "SR", `${i}`);
  write(node, "SR", "3", { key: "lost", lost: true });
  const drain = startSync({
    database: node.db,
    files: node.objects,
    cloudFiles: cloud.objects,
    transport: cloud.transport,
    clock: node.clock,
    syncState: node.state,
  });
  await drain();
  assert.equal((await cloud.db.query({})).records.length, 3);
  const said = warned.mock.calls.map(({ arguments: [words] }) => words);
  assert.ok(said.some((words) => words.startsWith("a waits at lost: ")));
});

test("the HTTP example prints what it says and ends", (t) => {
  const folder = appWith(t, "app.mjs", example("http"));
  const options = { cwd: folder, encoding: "utf8", timeout: 60_000 };
  const printed = execFileSync(process.execPath, ["app.mjs"], options);
  assert.equal(printed, "{ applied: 0, shipped: 0, hasMore: false, inSync: true }\n");
});

test("the handler example answers what is its own, and leaves the rest to the app", async (t) => {
  const folder = appWith(t, "serve.cjs", example("http-handler"));
  const serve = createRequire(join(folder, "app.cjs"))("./serve.cjs");
  const stores = storesFor(t, "adapters");
  const { url } = await serveWith(t, serve(stores).listeners("request")[0]);
  const put = await fetch(`${url}/files/notes%2F1`, { method: "PUT", body: "Buy milk" });
  assert.equal(put.status, 200);
  assert.equal(await stores.objectStorageAdapter.has("notes/1"), true);
  assert.equal((await fetch(`${url}/elsewhere`)).status, 404);
});
