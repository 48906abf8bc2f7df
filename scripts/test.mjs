// Everything that has to hold before a change lands. Each step says what it is; the first that fails
// ends the run.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const suites = readdirSync("__test__")
  .filter((name) => name.endsWith(".test.mjs"))
  .map((name) => `__test__/${name}`);

const STEPS = [
  ["formatting of Rust", "cargo", ["fmt", "--check"]],
  ["formatting of JavaScript", "npx", ["prettier", "--check", "--log-level", "warn", "."]],
  ["lints of JavaScript", "npx", ["eslint", "--max-warnings", "0", "."]],
  ["lints of Rust", "cargo", ["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]],
  ["the core builds and passes without napi", "cargo", ["test", "--no-default-features", "--locked"]],
  ["layers", process.execPath, ["scripts/layers.mjs"]],
  ["types", process.execPath, ["__test__/types/run.mjs"]],
  ["the old peer", process.execPath, ["--test", "bench/reference/reference.test.mjs"]],
  ["the package", process.execPath, ["--test", "--test-timeout=600000", ...suites]],
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
