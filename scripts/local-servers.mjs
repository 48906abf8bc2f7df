// Starts the servers that `scripts/test-servers.mjs` gets, on this machine alone, for tests, the demo and the bench.
// `node scripts/local-servers.mjs` starts both with an empty database and an empty bucket, prints where they are, and ends
// them with all that they hold at Ctrl-C.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { needsPostgres, needsS3, s3Server } from "./test-servers.mjs";

const script = fileURLToPath(new URL("./test-postgres.sh", import.meta.url));

/**
 * Starts PostgreSQL with these settings. It ends with this process, however that ends, or when it is told to.
 * @returns `{ url, say, end }`: `say("restart")` has it done, as `scripts/test-postgres.sh` lists.
 */
export async function startPostgres(settings = []) {
  // In a group of its own: a Ctrl-C at the terminal would end the script before the server.
  const child = spawn("sh", [script, ...settings], { stdio: ["pipe", "pipe", "inherit"], detached: true });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: url = "" } = await lines.next();
  if (!url.startsWith("postgres://")) throw new Error(`PostgreSQL did not start: ${url}`);
  const exited = once(child, "exit");
  // It keeps no process alive but while something is asked of it.
  const handles = [child, child.stdin, child.stdout];
  const asking = (asks) => handles.forEach((handle) => (asks ? handle.ref() : handle.unref()));
  asking(false);
  return {
    url,
    async say(what) {
      asking(true);
      child.stdin.write(`${what}\n`);
      const { value } = await lines.next();
      asking(false);
      if (value !== `${what} 0`) throw new Error(`PostgreSQL: ${value}`);
    },
    async end() {
      asking(true);
      child.stdin.end();
      await exited;
    },
  };
}

/** A port that is free now. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Whether something listens at a port. */
export const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false)).on("connect", () => socket.destroy());
  });

/**
 * Starts a server of S3 over a folder, in which each folder is a bucket. It is started anew where another program took the
 * port in between. It ends with this process, or when it is told to.
 * @returns `{ endpoint, end }`
 */
export async function startS3(root, { accessKeyId, secretAccessKey }) {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const place = ["--host", "127.0.0.1", "--port", String(port)];
    const keys = ["--access-key", accessKeyId, "--secret-key", secretAccessKey];
    const server = spawn(s3Server, [...place, ...keys, root], { stdio: "ignore" });
    const ended = once(server, "exit");
    const kill = () => server.kill();
    process.once("exit", kill);
    while (server.exitCode === null && !(await answers(port))) await new Promise((resolve) => setTimeout(resolve, 20));
    const end = async () => {
      process.off("exit", kill);
      kill();
      await ended;
    };
    if (server.exitCode === null) return { endpoint: `http://127.0.0.1:${port}`, end };
    await end();
    if (attempt === 5) throw new Error(`${s3Server} ends with ${server.exitCode}`);
  }
}

/** Starts both until Ctrl-C, and prints where they are, as a shell reads it. */
async function main() {
  const missing = needsPostgres.skip || needsS3.skip;
  if (missing) throw new Error(missing);
  const root = mkdtempSync(join(tmpdir(), "starkeep-buckets-"));
  process.once("exit", () => rmSync(root, { recursive: true, force: true }));
  const [bucket, accessKeyId, secretAccessKey] = ["my-photos", "me", "secret"];
  mkdirSync(join(root, bucket));
  const stopped = new Promise((resolve) => ["SIGINT", "SIGTERM"].forEach((name) => process.once(name, resolve)));
  const postgres = await startPostgres();
  const s3 = await startS3(root, { accessKeyId, secretAccessKey });
  console.log(`export DATABASE_URL=${postgres.url}`);
  console.log(`export BUCKET=${bucket} S3_ENDPOINT=${s3.endpoint}`);
  console.log(`export AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}`);
  // Nothing else keeps this process alive.
  const alive = setInterval(() => {}, 1 << 30);
  await stopped;
  clearInterval(alive);
  await s3.end();
  await postgres.end();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
