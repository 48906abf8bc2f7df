// Everything that has to hold before a change lands. Each step says what it is; the first that fails
// ends the run.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const suitesIn = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => `${folder}/${name}`);

// The pages of the crate are checked as strictly as its code.
process.env.RUSTDOCFLAGS = "-D warnings";

// This reporter says at the end once more what failed.
const TESTS = ["--test", "--test-timeout=600000", "--test-reporter=spec"];

// Much of a suite waits for the disk: on two cores Node.js would run one file at a time.
const SIDE_BY_SIDE = `--test-concurrency=${Math.max(2, availableParallelism() - 1)}`;

const STEPS = [
  ["formatting of Rust", "cargo", ["fmt", "--check"]],
  ["formatting of JavaScript", "npx", ["prettier", "--check", "--log-level", "warn", "."]],
  ["lints of JavaScript", "npx", ["eslint", "--max-warnings", "0", "."]],
  ["lints of Rust", "cargo", ["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]],
  ["the core builds and passes without napi", "cargo", ["test", "--no-default-features", "--locked"]],
  ["pages of the crate", "cargo", ["doc", "--no-deps", "--document-private-items", "--locked", "--quiet"]],
  ["layers", process.execPath, ["scripts/layers.mjs"]],
  ["one version everywhere", process.execPath, ["scripts/version.mjs"]],
  ["licences, sources and bans of the crates", process.execPath, ["scripts/deny.mjs"]],
  ["advisories of the npm packages", process.execPath, ["scripts/audit.mjs"]],
  ["licences of what is compiled in", process.execPath, ["scripts/third-party.mjs"]],
  ["workflows of the hosted CI", process.execPath, ["scripts/workflows.mjs"]],
  ["types", process.execPath, ["__test__/types/run.mjs"]],
  ["the old peer", process.execPath, [...TESTS, "bench/reference/reference.test.mjs"]],
  ["the package", process.execPath, [...TESTS, SIDE_BY_SIDE, ...suitesIn("__test__")]],
  ["the package as it is published", process.execPath, [...TESTS, ...suitesIn("__test__/package")]],
];

for (const [what, command, args] of STEPS) {
  console.log(`\n== ${what}`);
  const { status, error } = spawnSync(command, args, {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (error) console.error(error.message);
  if (status !== 0) {
    console.error(`\n${what}: failed`);
    process.exit(status ?? 1);
  }
}
console.log("\nAll of it holds.");
