// What is to be done, and with what: flags before the environment before the configuration file.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { nearest } from "../nearest.js";
import { COMMANDS, optionsOf } from "./commands.mjs";
import { fileError, plain, quoted, usage } from "./errors.mjs";
import { SETTINGS, environmentName, keyOf } from "./settings.mjs";

const DEFAULT_FILE = "starkeep-sync.json";
const TOKEN = "STARKEEP_SYNC_TOKEN";
const LONGEST_SHOWN = 80;
const WHY_NO_TOKEN =
  "every user of the machine can read a command line, and shells keep it: write the token into a file " +
  `that only you can read and name it with --token-file, or set ${TOKEN}`;

const settingNames = Object.keys(SETTINGS).filter((name) => SETTINGS[name].isSetting);

function shown(value) {
  const json = JSON.stringify(value) ?? String(value);
  return json.length <= LONGEST_SHOWN
    ? plain(json)
    : `${typeof value} of ${json.length} characters`;
}

/** The value of an option; `place` says where it was given. */
function checked(place, { what, read, hides }, value) {
  const found = read(value);
  if (found !== undefined) return found;
  throw usage(`${place} must be ${what}, got ${hides ? "another value" : shown(value)}`);
}

function unknown(place, name, known) {
  const near = nearest(name, known);
  const hint = near === undefined ? "see --help" : `did you mean ${near}?`;
  return usage(`${place}: unknown ${quoted(name)}; ${hint}`);
}

/** The command, its operands and its flags, of which nothing is checked but their names. */
function readFlags(argv) {
  const options = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, { value, short }]) => [
      name,
      { type: value === undefined ? "boolean" : "string", ...(short && { short }) },
    ]),
  );
  const { tokens } = parseArgs({ args: argv, options, strict: false, tokens: true });
  const words = tokens.filter(({ kind }) => kind === "positional").map(({ value }) => value);
  const [command, ...operands] = words;
  if (command !== undefined && !Object.hasOwn(COMMANDS, command))
    throw unknown("the command", command, Object.keys(COMMANDS));
  const known = command === undefined ? ["help", "version", "debug"] : optionsOf(command);
  const flags = new Map();
  for (const token of tokens.filter(({ kind }) => kind === "option")) {
    const { name, rawName, value, inlineValue } = token;
    if (name === "token") throw usage(`there is no --token: ${WHY_NO_TOKEN}`);
    if (!known.includes(name))
      throw unknown(
        command ?? "without a command",
        rawName,
        known.map((one) => `--${one}`),
      );
    if (flags.has(name)) throw usage(`${rawName} is given twice`);
    const needs = SETTINGS[name].value;
    if (needs === undefined && value !== undefined) throw usage(`${rawName} takes no value`);
    const isMissing = value === undefined || (!inlineValue && /^-./.test(value));
    if (needs !== undefined && isMissing)
      throw usage(`${rawName} needs a value: ${rawName} ${needs}`);
    flags.set(name, { place: rawName, value: value ?? true, from: "flags" });
  }
  return { command, operands, flags };
}

/** An empty variable is one that is not set. */
function readEnvironment(env) {
  const known = [...settingNames, "config"].map(environmentName);
  const found = new Map();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith("STARKEEP_SYNC_") || variable === TOKEN || value === "") continue;
    const index = known.indexOf(variable);
    if (index < 0) throw unknown("the environment", variable, [...known, TOKEN]);
    const name = [...settingNames, "config"][index];
    found.set(name, { place: variable, value, from: "environment" });
  }
  return found;
}

/** The settings of the configuration file. Its paths are those from its folder. */
function readFile(given) {
  const path = resolve(given?.value ?? DEFAULT_FILE);
  let content;
  try {
    // Editors of Windows write a mark before the text.
    content = JSON.parse(readFileSync(path, "utf8").replace(/^\ufeff/, ""));
  } catch (error) {
    if (given === undefined && error.code === "ENOENT") return new Map();
    if (error instanceof SyntaxError)
      throw usage(`${quoted(path)} is no JSON: ${plain(error.message)}`);
    throw Object.assign(fileError("cannot be read", path, error), { exit: 2 });
  }
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw usage(`${quoted(path)} must hold an object, got ${shown(content)}`);
  const found = new Map();
  const keys = settingNames.map(keyOf);
  for (const [key, value] of Object.entries(content)) {
    const place = `${key} in ${path}`;
    if (key === "token")
      throw usage(`${place}: keep the token in a file of its own, and name that as tokenFile`);
    const index = keys.indexOf(key);
    if (index < 0) throw unknown(path, key, keys);
    found.set(settingNames[index], { place, value, from: "file", folder: dirname(path) });
  }
  return found;
}

/**
 * @param {string[]} argv
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ command?: string, operands: string[], values: Record<string, unknown>, from: Record<string, string> }}
 */
export function configure(argv, env) {
  const { command, operands, flags } = readFlags(argv);
  if (command === undefined || flags.has("help") || flags.has("version"))
    return { command, operands, values: Object.fromEntries(flags), from: {} };
  const environment = readEnvironment(env);
  const file = readFile(flags.get("config") ?? environment.get("config"));
  const [values, from] = [{}, {}];
  for (const [name, option] of Object.entries(SETTINGS)) {
    // Lower ones are checked as well: what is wrong in them should not wait for the flag to go.
    const read = [file, environment, flags].map((source) => source.get(name)).filter(Boolean);
    for (const { place, value, from: source, folder } of read) {
      const found = option.kind === undefined ? value : checked(place, option.kind, value);
      values[keyOf(name)] = option.kind?.isPath && folder ? resolve(folder, found) : found;
      from[keyOf(name)] = source;
    }
    values[keyOf(name)] ??= option.initial;
  }
  values.token = env[TOKEN] || undefined;
  return { command, operands, values: needed(command, values, operands), from };
}

/** The values, unless the command lacks something. */
function needed(command, values, operands) {
  const { needsUrl, operands: takes } = COMMANDS[command];
  const [least, most, called] = takes ?? [0, 0, ""];
  if (operands.length < least) throw usage(`${command} needs ${called}: see ${command} --help`);
  if (operands.length > most)
    throw usage(`${command} takes ${called || "no names"}, got also ${quoted(operands[most])}`);
  const missing = values.data === undefined ? "data" : needsUrl && !values.url ? "url" : undefined;
  if (missing === undefined) return values;
  const { value, help } = SETTINGS[missing];
  throw usage(
    `${command} needs --${missing} ${value} (${help}), ${environmentName(missing)}, ` +
      `or ${missing} in ${DEFAULT_FILE}`,
  );
}
