// The commands: what each is called with, and what its help says.

const PEER = ["url", "token-file", "ca"];
const COMMON = ["data", "config", "json", "debug", "help"];

const isOutput = ({ output }) => output === undefined || output === "-";

/** `operands` are the least, the most, and how they are called; `makes` says that a place is made if it is
 * missing, and `onlyPrints` whether a call changes nothing. */
export const COMMANDS = {
  put: {
    about:
      "Makes a record of each file, with the file as its object. What is put travels with the next exchange. With -u a file\n" +
      "whose name a record has is the next version of that record, and one that is as it was is passed over.",
    usage: "put FILE... [-r] [-u]",
    example: "put -r photos --type photo --data ~/sync",
    operands: [1, Infinity, "at least one FILE"],
    options: ["recursive", "update", "exclude", "type", "owner", "node-id"],
    makes: true,
    load: () => import("./put.mjs"),
  },
  get: {
    about: "Writes the bytes of a record's object, and checks their size and hash.",
    usage: "get ID|NAME [-o FILE]",
    example: "get photos/sea.jpg -o sea.jpg --data ~/sync",
    operands: [1, 1, "one ID or NAME"],
    options: ["output", "force"],
    onlyPrints: isOutput,
    load: () => import("./get.mjs"),
  },
  ls: {
    about: "Lists the records, in the order in which they were made.",
    usage: "ls [-l] [-a]",
    example: "ls -l --data ~/sync",
    options: ["long", "all"],
    onlyPrints: () => true,
    load: () => import("./ls.mjs"),
  },
  rm: {
    about:
      "Marks records as deleted; the next exchange tells the peer. The bytes stay in objects/, here and there.",
    usage: "rm ID|NAME...",
    example: "rm photos/sea.jpg --data ~/sync",
    operands: [1, Infinity, "at least one ID or NAME"],
    options: [],
    load: () => import("./rm.mjs"),
  },
  exchange: {
    about:
      "Sends the peer what it lacks and takes in what is new there, until neither has more. With --watch it goes on\n" +
      "until it is told to end: at once when something is put here or comes to the peer, and at intervals.",
    usage: "exchange",
    example: "exchange --url https://sync.example --token-file ~/.sync-token --data ~/sync",
    options: [...PEER, "watch", "interval", "node-id"],
    needsUrl: true,
    makes: true,
    load: () => import("./exchange.mjs"),
  },
  serve: {
    about:
      "Answers peers over HTTP until it is told to end (Ctrl-C, SIGTERM): what runs is let end, a second signal ends\n" +
      "at once. Without a token it listens on this machine alone.",
    usage: "serve",
    example:
      "serve --host 0.0.0.0 --token-file /etc/sync/token --tls-cert c.pem --tls-key k.pem --data /srv/sync",
    options: ["host", "port", "token-file", "tls-cert", "tls-key", "node-id"],
    makes: true,
    load: () => import("./serve.mjs"),
  },
  status: {
    about:
      "Says what is here, how the last exchange ended, and, with --url, whether the peer is well.",
    usage: "status",
    example: "status --url https://sync.example --data ~/sync",
    options: PEER,
    load: () => import("./status.mjs"),
  },
  verify: {
    about:
      "Reads the object of every record from the disk, and compares its size and its SHA-256. Places that hold the same have\n" +
      "the same fingerprint.",
    usage: "verify",
    example: "verify --data ~/sync",
    options: [],
    load: () => import("./verify.mjs"),
  },
  reconcile: {
    about:
      "Compares all that both sides hold, and mends what differs: after a backup was put back, rows or objects were\n" +
      "lost, or to be sure.",
    usage: "reconcile [--objects]",
    example: "reconcile --objects --url https://sync.example --data ~/sync",
    options: [...PEER, "objects", "node-id"],
    needsUrl: true,
    makes: true,
    load: () => import("./reconcile.mjs"),
  },
};

export const optionsOf = (command) => [...COMMANDS[command].options, ...COMMON];
