// Every option of the command: what it must be, and what its help says.

const isText = (value) => typeof value === "string" && value.trim() !== "";

/** A kind of value: what it must be, and the value that is read; `undefined` where it is none. */
const kind = (what, read, hides = false) => ({ what, read, hides });

const text = kind("a text that is not empty", (value) => (isText(value) ? value : undefined));
const path = { ...kind("a path", text.read), isPath: true };
/** A path among them would match nothing, and what was to be left out would be taken in. */
const names = kind('names with "," between and without "/"', (value) => {
  const read = isText(value) ? value.split(",").map((name) => name.trim()) : [];
  const isRight = read.length > 0 && read.every((name) => name !== "" && !name.includes("/"));
  return isRight ? read : undefined;
});
const nodeId = kind('1 to 128 characters of A-Z, a-z, 0-9, ".", "_", ":" and "-"', (value) =>
  isText(value) && /^[\w.:-]{1,128}$/.test(value) ? value : undefined,
);

const integer = (least, most) =>
  kind(`an integer from ${least} to ${most}`, (value) => {
    const number = isText(value) && /^\d+$/.test(value) ? Number(value) : value;
    return Number.isInteger(number) && number >= least && number <= most ? number : undefined;
  });

/** A URL may have a password in it: what was given is not shown then. */
const url = kind(
  "an http: or https: URL without user, password, query and fragment",
  (value) => {
    const read = isText(value) && URL.canParse(value) ? new URL(value) : undefined;
    if (read === undefined || !/^https?:$/.test(read.protocol)) return undefined;
    return read.username || read.password || read.search || read.hash ? undefined : value;
  },
  true,
);

const setting = (value, of, help, initial) => ({ value, kind: of, help, initial, isSetting: true });
const choice = (value, of, help, short) => ({ value, kind: of, help, short });
const flag = (help, short) => ({ help, short });

/** By name of the flag. Settings are also taken from the environment and from the configuration file. */
export const SETTINGS = {
  data: setting("DIR", path, "the place: a folder with sync.db, objects/ and node-id"),
  "node-id": setting(
    "ID",
    nodeId,
    "the name of a new place (made from the host's name and chance)",
  ),
  url: setting("URL", url, "the peer, such as https://sync.example"),
  "token-file": setting("FILE", path, "a file with the token that lets callers in; or TOKEN below"),
  ca: setting("FILE", path, "PEM certificates to trust besides the system's"),
  host: setting("HOST", text, "the address to listen at", "127.0.0.1"),
  port: setting("PORT", integer(0, 65535), "the port to listen at, 0 for a free one", 7420),
  "tls-cert": setting("FILE", path, "the server's certificate, PEM; renewals are taken up"),
  "tls-key": setting("FILE", path, "the key of the certificate, PEM"),
  interval: setting(
    "SECONDS",
    integer(1, 86_400),
    "the longest pause between exchanges of --watch",
    30,
  ),
  owner: setting("NAME", text, "whose records they are (the name of the user)"),
  type: setting("TYPE", text, "the type of the records", "file"),
  config: { ...choice("FILE", path, "the configuration (./starkeep-sync.json if it is there)") },
  exclude: choice("NAMES", names, "files and folders to pass over, as in .git,*.tmp"),
  output: choice("FILE", path, "where to write the bytes (standard output)", "o"),
  watch: flag("go on: exchange after changes, after news of the peer, and at intervals"),
  objects: flag("look for the object of every record on both sides too"),
  update: flag("make new versions of the records that have the names", "u"),
  recursive: flag("take in folders with all that is in them", "r"),
  force: flag("replace FILE if it is there", "f"),
  long: flag("also size, time, type and residency", "l"),
  all: flag("deleted records too", "a"),
  json: flag("print JSON: one object, or one for each line"),
  debug: flag("print stacks of errors"),
  help: flag("this help", "h"),
  version: flag("the version of the package", "V"),
};

export const environmentName = (name) => `STARKEEP_SYNC_${name.replaceAll("-", "_").toUpperCase()}`;

/** As it is spelt in the configuration file: `tokenFile`. */
export const keyOf = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
