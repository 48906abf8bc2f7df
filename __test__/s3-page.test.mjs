// The examples of docs/cloud.md run as they stand there, over a folder, a bucket and PostgreSQL.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { needsS3 } from "../scripts/test-servers.mjs";
import { appWith, exampleOf } from "./support/page-examples.mjs";
import { needsPostgres, postgresDatabase } from "./support/postgres.mjs";
import { CREDENTIALS, s3At } from "./support/s3.mjs";

const run = promisify(execFile);
const page = (name) => exampleOf("docs/cloud.md", name);

/** The app of the page. */
const appOf = (t) => appWith(t, { "server.mjs": page("server"), "laptop.mjs": page("laptop") });

/** Starts the server of the page, and answers what it says. */
async function serverIn(t, folder, env) {
  const child = spawn(process.execPath, ["server.mjs"], {
    cwd: folder,
    env: { ...process.env, ...env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  t.after(async () => {
    const isKilled = child.signalCode === "SIGKILL";
    child.kill("SIGTERM");
    assert.deepEqual(await ended, isKilled ? [null, "SIGKILL"] : [0, null]);
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const [, url, where] = /^(\S+), objects in (.*)$/.exec(line);
  return { url, where, child, ended };
}

/** What the laptop of the page prints. */
async function laptopIn(folder, env) {
  const own = { cwd: folder, env: { ...process.env, ...env } };
  return (await run(process.execPath, ["laptop.mjs"], own)).stdout;
}

/** Two laptops that exchange through the server of the page: what each prints. */
async function notesOver(t, { env = {}, presign = "" }) {
  const folder = appOf(t);
  const { url: SERVER, where } = await serverIn(t, folder, env);
  const laptop = (more) => laptopIn(folder, { SERVER, PRESIGN: presign, ...more });
  const said = [
    await laptop({ NODE_ID: "laptop", NOTE: "Buy milk" }),
    await laptop({ NODE_ID: "phone" }),
  ];
  return { where, said, folder };
}

test("the server of the page over a folder", async (t) => {
  const { where, said, folder } = await notesOver(t, {});
  assert.deepEqual([where, said], ["a folder", ["Buy milk\n", "Buy milk\n"]]);
  assert.equal(readdirSync(join(folder, "cloud", "files", "notes")).length, 1);
});

test("the server of the page with its records in PostgreSQL", needsPostgres, async (t) => {
  const { connectionString } = await postgresDatabase();
  const { said } = await notesOver(t, { env: { DATABASE_URL: connectionString } });
  assert.deepEqual(said, ["Buy milk\n", "Buy milk\n"]);
});

/** A bucket of the name that the page has. */
async function bucketOf(t) {
  const { endpoint, root } = await s3At(t);
  mkdirSync(join(root, "my-photos"));
  const env = {
    BUCKET: "my-photos",
    S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_SESSION_TOKEN: "",
  };
  return { root, env };
}

const needsBoth = { skip: needsPostgres.skip || needsS3.skip };

test("two servers of the page, of which one is killed", needsBoth, async (t) => {
  const { connectionString } = await postgresDatabase();
  const folder = appOf(t);
  const { env } = await bucketOf(t);
  const both = { ...env, DATABASE_URL: connectionString };
  const first = await serverIn(t, folder, { ...both, NODE_ID: "cloud-1" });
  const { url: second } = await serverIn(t, folder, { ...both, NODE_ID: "cloud-2" });
  const laptop = (more) => laptopIn(folder, { PRESIGN: "1", ...more });
  await laptop({ NODE_ID: "laptop", SERVER: first.url, NOTE: "Buy milk" });
  assert.equal(await laptop({ NODE_ID: "phone", SERVER: second }), "Buy milk\n");
  first.child.kill("SIGKILL");
  await first.ended;
  await laptop({ NODE_ID: "laptop", SERVER: second, NOTE: "Buy bread" });
  const said = await laptop({ NODE_ID: "phone", SERVER: second });
  assert.deepEqual(said.trim().split("\n").sort(), ["Buy bread", "Buy milk"]);
});

for (const presign of ["", "1"])
  test(`the server of the page over a bucket, PRESIGN=${presign}`, needsS3, async (t) => {
    const { env, root } = await bucketOf(t);
    const { where, said } = await notesOver(t, { env, presign });
    assert.deepEqual([where, said], ["the bucket my-photos", ["Buy milk\n", "Buy milk\n"]]);
    assert.equal(readdirSync(join(root, "my-photos", "notes")).length, 1);
  });
