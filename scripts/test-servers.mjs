// The S3 server that tests run against: built once, and kept in a cache folder. Without it those tests say that they
// are skipped. `node scripts/test-servers.mjs` builds it if it is not there.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "0.14.1";

/** The cache; the Rust tests look there as well. */
const cache = process.env.STARKEEP_TEST_SERVERS ?? join(homedir(), ".cache", "starkeep-test-servers");

/** The program; it need not be there. */
export const s3Server = join(cache, "bin", process.platform === "win32" ? "s3s-fs.exe" : "s3s-fs");

/** For the options of a test that needs it. */
export const needsS3 = {
  skip: existsSync(s3Server) ? false : "there is no S3 server; `node scripts/test-servers.mjs` builds one",
};

function build() {
  const began = Date.now();
  const args = ["install", "s3s-fs", "--version", VERSION, "--locked", "--features", "binary", "--root", cache];
  const { status } = spawnSync("cargo", args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status === 0) console.log(`an S3 server for the tests: ${Math.round((Date.now() - began) / 1000)} s`);
  return status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (existsSync(s3Server)) console.log(`${s3Server} is there`);
  else process.exitCode = build() ? 0 : 1;
}
