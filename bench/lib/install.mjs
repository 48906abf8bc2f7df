/** Packages that a bench compares with, which have a folder and a lock file of their own. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const INSTALL_MS = 300_000;
/** The lock file that the installed packages are of. */
const INSTALLED = "node_modules/.installed";
const run = promisify(execFile);

/**
 * Installs them as the lock file has them; their own scripts are not run.
 *
 * @param {string} folder
 * @returns {Promise<string | null>} why it could not be done
 */
export async function installIn(folder) {
  const textOf = (/** @type {string} */ name) => readFile(join(folder, name), "utf8").catch(() => null);
  const wanted = await textOf("package-lock.json");
  if (wanted === (await textOf(INSTALLED))) return null;
  const shown = `bench/${basename(folder)}`;
  console.error(`installing the packages of ${shown}`);
  try {
    const options = { cwd: folder, timeout: INSTALL_MS, shell: process.platform === "win32" };
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], options);
    await writeFile(join(folder, INSTALLED), String(wanted));
    return null;
  } catch (error) {
    const { stderr, message } = /** @type {{ stderr?: string, message: string }} */ (error);
    const said = (stderr || message).split("\n").map((line) => line.replace(/^npm error ?/, "").trim());
    return `npm ci in ${shown} failed: ${said.filter(Boolean).slice(0, 2).join(", ")}`;
  }
}
