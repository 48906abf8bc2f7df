/**
 * Engines by their specifiers: this package, the reference, and whatever else is to be compared.
 *
 * @typedef {object} Engine
 * @property {string} label
 * @property {string} specifier what `loadEngine` takes, in this process or another
 * @property {"ours" | "reference" | "foreign"} role
 * @property {any} module
 */
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

export const OURS = "@starkeep/sync-engine";
export const REFERENCE = new URL("../reference/index.mjs", import.meta.url).href;

/**
 * @param {string} specifier a package name, a path, or a file URL
 * @param {string} [label]
 * @returns {Promise<Engine>}
 */
export async function loadEngine(specifier, label = specifier) {
  const module = await importSpecifier(specifier);
  const role = specifier === OURS ? "ours" : specifier === REFERENCE ? "reference" : "foreign";
  return { label, specifier, role, module: module.createSyncEngine ? module : (module.default ?? module) };
}

/**
 * A package name is looked up from here, where this package finds itself, and else from the folder in
 * which the bench was started.
 *
 * @param {string} specifier
 */
async function importSpecifier(specifier) {
  if (specifier.startsWith("file:")) return import(specifier);
  if (specifier.startsWith(".") || isAbsolute(specifier)) return import(pathToFileURL(resolve(specifier)).href);
  try {
    return await import(specifier);
  } catch (error) {
    if (/** @type {any} */ (error).code !== "ERR_MODULE_NOT_FOUND" || specifier === OURS) throw error;
    const fromHere = createRequire(join(process.cwd(), "package.json"));
    return import(pathToFileURL(fromHere.resolve(specifier)).href);
  }
}

/**
 * The reference and ours are always there; that one cannot be loaded is told and stops nothing but itself.
 *
 * @param {string[]} foreign
 * @returns {Promise<{ engines: Engine[], missing: { label: string, reason: string }[] }>}
 */
export async function loadEngines(foreign) {
  const wanted = [
    { specifier: REFERENCE, label: "reference" },
    { specifier: OURS, label: OURS },
    ...foreign.filter((specifier) => specifier !== OURS).map((specifier) => ({ specifier, label: specifier })),
  ];
  const engines = [];
  const missing = [];
  for (const { specifier, label } of wanted) {
    try {
      engines.push(await loadEngine(specifier, label));
    } catch (error) {
      missing.push({ label, reason: String(/** @type {any} */ (error)?.message ?? error).split("\n")[0] });
    }
  }
  return { engines, missing };
}
