// Checks the workflows of the hosted CI by the rules of the service that runs them, from a package that
// carries these rules. What they call in this repository has to be there.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { register } from "node:module";
import { fileURLToPath } from "node:url";

/** The package is written for bundlers: it imports JSON without saying so. */
const JSON_IS_JSON = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);`;
register(`data:text/javascript,${encodeURIComponent(JSON_IS_JSON)}`);
const { validate } = await import("@actions/languageservice");
const { TextDocument } = await import("vscode-languageserver-textdocument");

const root = new URL("../", import.meta.url);
const folder = new URL(".github/workflows/", root);
const CALLED = /(?<![\w/.-])((?:scripts|\.ci)\/[\w.-]+)/g;

async function faultsOf(name) {
  const url = new URL(name, folder);
  const text = readFileSync(url, "utf8");
  const told = await validate(TextDocument.create(url.href, "yaml", 1, text));
  const faults = told.map(({ message, range }) => `${range.start.line + 1}: ${message}`);
  for (const [, path] of text.matchAll(CALLED)) {
    if (!existsSync(fileURLToPath(new URL(path, root)))) faults.push(`there is no ${path}`);
  }
  return faults;
}

let broken = 0;
const names = readdirSync(folder).filter((name) => name.endsWith(".yml"));
for (const name of names) {
  for (const fault of await faultsOf(name)) {
    broken += 1;
    console.error(`.github/workflows/${name}:${fault}`);
  }
}
console.log(`${names.length} workflows checked, ${broken} faults`);
process.exitCode = broken === 0 && names.length > 0 ? 0 : 1;
