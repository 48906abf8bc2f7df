// The examples of the README and of the pages that it leads to are run as they stand there.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serveWith, storesFor } from "./support/answering.mjs";
import { makeCloud, makeNode, write } from "./support/index.mjs";
import { appWith, exampleOf } from "./support/page-examples.mjs";

const guide = (name) => exampleOf("docs/guide.md", name);
const COMMAND = fileURLToPath(new URL("../bin/starkeep-sync.mjs", import.meta.url));

/** Starts a program, which ends with the test, and answers how to wait for a line of what it prints. */
function started(t, cwd, args) {
  const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  });
  const lines = createInterface({ input: child.stdout });
  const signal = AbortSignal.timeout(60_000);
  return async () => (await once(lines, "line", { signal }))[0];
}

test("the README's example puts a note, and a server of the command has it", async (t) => {
  const code = exampleOf("README.md", "http");
  const folder = appWith(t, {});
  const served = started(t, folder, [COMMAND, "serve", "--port", "0", "--data", "cloud"]);
  const [url] = (await served()).split(" ");
  const app = appWith(t, { "app.mjs": code.replace("http://127.0.0.1:7420", url) });
  const result = await started(t, app, ["app.mjs"])();
  assert.equal(result, "{ applied: 0, shipped: 1, hasMore: false, inSync: true }");
  const command = (...args) =>
    execFileSync(process.execPath, [COMMAND, ...args], { cwd: folder, encoding: "utf8" });
  command("exchange", "--url", url, "--data", "laptop-2");
  assert.match(command("ls", "--data", "laptop-2"), /^\w{26} {2}milk\.txt\n$/);
  assert.equal(command("get", "milk.txt", "--data", "laptop-2"), "Buy milk");
});

test("the ES module example prints what it says", (t) => {
  const folder = appWith(t, { "app.mjs": guide("esm") });
  const printed = execFileSync(process.execPath, ["app.mjs"], { cwd: folder, encoding: "utf8" });
  assert.equal(printed, "{ applied: 0, shipped: 1, hasMore: false, inSync: true }\ntrue\n");
});

test("the CommonJS example drains a node and says what is held", async (t) => {
  const folder = appWith(t, { "sync.cjs": guide("commonjs") });
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
  const folder = appWith(t, { "app.mjs": guide("http") });
  const options = { cwd: folder, encoding: "utf8", timeout: 60_000 };
  const printed = execFileSync(process.execPath, ["app.mjs"], options);
  assert.equal(printed, "{ applied: 0, shipped: 0, hasMore: false, inSync: true }\n");
});

test("the handler example answers what is its own, and leaves the rest to the app", async (t) => {
  const folder = appWith(t, { "serve.cjs": exampleOf("docs/production.md", "http-handler") });
  const serve = createRequire(join(folder, "app.cjs"))("./serve.cjs");
  const stores = storesFor(t, "adapters");
  const { url } = await serveWith(t, serve(stores).listeners("request")[0]);
  const put = await fetch(`${url}/files/notes%2F1`, { method: "PUT", body: "Buy milk" });
  assert.equal(put.status, 200);
  assert.equal(await stores.objectStorageAdapter.has("notes/1"), true);
  assert.equal((await fetch(`${url}/elsewhere`)).status, 404);
});
