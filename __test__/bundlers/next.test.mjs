// A route of Next.js does a real exchange in the standalone output, which is moved away from the app's folder.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePort } from "../../scripts/local-servers.mjs";
import { installLocked, registryWithAll, temporaryFolder } from "../package/support.mjs";
import { DONE, appIn, configure, nextFolder, runTool } from "./support.mjs";

const [next, registry] = await Promise.all([installLocked(nextFolder), registryWithAll()]);
after(() => registry.close());
const withNext = { skip: next.skip };
process.env.NEXT_TELEMETRY_DISABLED = "1";

const LAYOUT = `export default function Layout({ children }) {
  return <html><body>{children}</body></html>;
}
`;

let app;
before(async () => {
  if (next.skip) return;
  app = next.folder;
  // Copied: npm would not install it from another registry into a folder that has a lock file.
  const made = await appIn(temporaryFolder(), registry);
  for (const name of ["node_modules/@starkeep", "route.mjs", "exchange.cjs"])
    cpSync(join(made, name), join(app, name), { recursive: true });
  configure(app, "next.config.mjs");
  mkdirSync(join(app, "app", "sync"), { recursive: true });
  writeFileSync(join(app, "app", "layout.jsx"), LAYOUT);
  const route = 'export { GET } from "../../route.mjs";\nexport const dynamic = "force-dynamic";\n';
  writeFileSync(join(app, "app", "sync", "route.js"), route);
});

/** What the route answers. */
async function answerOf(folder) {
  const port = await freePort();
  const env = { ...process.env, PORT: `${port}`, HOSTNAME: "127.0.0.1" };
  const server = spawn(process.execPath, ["server.js"], { cwd: folder, env });
  let said = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (text) => (said += text));
  const ended = once(server, "exit");
  try {
    while (!said.includes("Ready")) {
      const isOver = await Promise.race([ended, once(server.stdout, "data").then(() => false)]);
      if (isOver) assert.fail(said);
    }
    const response = await fetch(`http://127.0.0.1:${port}/sync`);
    assert.equal(response.status, 200, said);
    return await response.json();
  } finally {
    server.kill();
    await ended;
  }
}

for (const bundler of ["turbopack", "webpack"]) {
  test(
    `the standalone output of Next.js, made by ${bundler}, has the binary and syncs`,
    withNext,
    async () => {
      rmSync(join(app, ".next"), { recursive: true, force: true });
      const script = join(app, "node_modules", "next", "dist", "bin", "next");
      await runTool(app, script, ["build", `--${bundler}`], [], 600_000);
      const moved = temporaryFolder();
      cpSync(join(app, ".next", "standalone"), moved, { recursive: true, verbatimSymlinks: true });
      assert.deepEqual(await answerOf(moved), DONE);
    },
  );
}
