// Apps that use the package, and the configurations of the documentation that they are bundled with.
import { cpSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { NAME, binary, install, root, runIn, temporaryFolder } from "../package/support.mjs";

export const DONE = { shipped: 1, applied: 1, hasMore: false, photo: "a photo", isKnown: true };

const inHere = (name) => fileURLToPath(new URL(name, import.meta.url));
export const toolsFolder = inHere("tools");
export const nextFolder = inHere("next");

const page = readFileSync(join(root, "docs", "bundlers.md"), "utf8");

/** The configuration of this name, as docs/bundlers.md has it. */
export function configOf(name) {
  const mark = `<!-- config: ${name} -->\n\n\`\`\`js\n`;
  const from = page.indexOf(mark);
  if (from === -1) throw new Error(`docs/bundlers.md has no ${name}`);
  return page.slice(from + mark.length, page.indexOf("```", from + mark.length));
}

/** An app with the package, in a folder of its own. */
export async function appIn(folder, registry, packages = []) {
  await install(registry, [NAME, ...packages], [], folder);
  cpSync(inHere("app"), folder, { recursive: true });
  return folder;
}

/** Writes a configuration of the documentation into an app, `edit`ed. */
export const configure = (app, name, edit = (text) => text) =>
  writeFileSync(join(app, name), edit(configOf(name)));

/** Runs a program of a package that is installed in the app's folder or above it. */
export const runTool = (app, script, args = [], flags = [], timeout = undefined) =>
  runIn(app, process.execPath, [...flags, script, ...args], timeout);

/** A new folder with the files of a bundle, without the package, and with the binary beside them or not. */
export function ship(dist, withBinary) {
  const folder = temporaryFolder();
  cpSync(dist, folder, { recursive: true });
  if (withBinary) copyFileSync(binary, join(folder, binary.split(/[\\/]/).at(-1)));
  return folder;
}

/**
 * What a bundle prints that a program of elsewhere starts, which has no script of its own (`process.argv[1]`); throws the
 * error that loading it ends with.
 */
export async function printedBy(node, folder, file) {
  const url = JSON.stringify(pathToFileURL(join(folder, file)).href);
  const tell = "({ code, message }) => console.error(JSON.stringify({ code, message }))";
  const { stdout, stderr } = await runIn(temporaryFolder(), node, [
    "-e",
    `import(${url}).catch(${tell})`,
  ]);
  if (stderr === "") return JSON.parse(stdout);
  const { code, message } = JSON.parse(stderr);
  throw Object.assign(new Error(message), { code });
}
