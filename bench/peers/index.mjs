/**
 * What this package is put beside. Each file of this folder is one peer and has the same functions:
 *
 * @typedef {object} Work what one pass moves
 * @property {number} [records] records of some 470 bytes without files
 * @property {{ count: number, bytes: number }} [files] else files, with a record each where the peer has records
 *
 * @typedef {object} Side one of the two sides, in a process of its own
 * @property {(work: Work) => Promise<void>} prepare fills this side before the clock starts
 * @property {() => Promise<string>} serve answers on 127.0.0.1 from now on, and says where
 * @property {(url: string) => Promise<void>} up brings there what this side has, and ends once it is stored there
 * @property {(url: string) => Promise<void>} [down] the same the other way
 * @property {(url: string) => Promise<void>} [idle] finds out that nothing is to be done
 * @property {(records: any[]) => Promise<void>} [change] gives records new values here, for `up` to bring there
 * @property {() => Promise<import("../adapters/fingerprint.mjs").Fingerprint>} held all that this side holds
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Peer
 * @property {string} name as the command line has it
 * @property {string} title
 * @property {string} module the file that exports `openSide({ dir, engine, variant })`
 * @property {string} [variant]
 * @property {string} [engine] the build of this package
 * @property {("records" | "files")[]} kinds
 * @property {string[]} packages npm packages of this folder's own package.json
 * @property {boolean} [alone] nothing is carried: the calling side writes what it prepared
 * @property {{ records?: string, files?: string }} syncs what is synced to the disk when a first sync says that it is
 *   done, from the documentation or the code of the peer; the bench counts the calls beside it where there is strace
 */
import { resolve } from "node:path";
import { OURS } from "../lib/engines.mjs";

const here = (/** @type {string} */ file) => new URL(file, import.meta.url).href;
const LEVELDB = "no commit (LevelDB without `sync`), only the tables that it compacts to";

/** @type {Peer[]} */
const OTHERS = [
  {
    name: "sqlite",
    title: "SQLite alone",
    module: here("sqlite.mjs"),
    variant: "FULL",
    kinds: ["records"],
    packages: [],
    alone: true,
    syncs: { records: "every commit of 1,000 records (`synchronous=FULL`)" },
  },
  {
    name: "sqlite-normal",
    title: "SQLite alone, NORMAL",
    module: here("sqlite.mjs"),
    variant: "NORMAL",
    kinds: ["records"],
    packages: [],
    alone: true,
    syncs: { records: "checkpoints only (`synchronous=NORMAL`)" },
  },
  {
    name: "pouchdb",
    title: "PouchDB, express-pouchdb",
    module: here("pouchdb.mjs"),
    kinds: ["records"],
    packages: ["pouchdb", "express-pouchdb"],
    syncs: { records: LEVELDB },
  },
  {
    name: "yjs",
    title: "Yjs, y-leveldb",
    module: here("yjs.mjs"),
    kinds: ["records"],
    packages: ["yjs", "y-leveldb"],
    syncs: { records: LEVELDB },
  },
  {
    name: "automerge",
    title: "Automerge-repo, NodeFS",
    module: here("automerge.mjs"),
    kinds: ["records"],
    packages: [
      "@automerge/automerge-repo",
      "@automerge/automerge-repo-network-websocket",
      "@automerge/automerge-repo-storage-nodefs",
      "ws",
    ],
    syncs: { records: "never (`fs.writeFile`)" },
  },
  {
    name: "rsync",
    title: "rsync",
    module: here("rsync.mjs"),
    kinds: ["files"],
    packages: [],
    syncs: { files: "never" },
  },
  {
    name: "rsync-fsync",
    title: "rsync --fsync",
    module: here("rsync.mjs"),
    variant: "fsync",
    kinds: ["files"],
    packages: [],
    syncs: { files: "every file, no folder" },
  },
  {
    name: "loopback",
    title: "one socket, plain files",
    module: here("loopback.mjs"),
    kinds: ["files"],
    packages: [],
    syncs: { files: "never" },
  },
  {
    name: "loopback-fsync",
    title: "one socket, plain files, fsync",
    module: here("loopback.mjs"),
    variant: "fsync",
    kinds: ["files"],
    packages: [],
    syncs: { files: "every file, one after the other, no folder" },
  },
];

/**
 * Builds of this package, and the peers that are named; all of them if none is.
 *
 * @param {string[]} names
 * @param {string[]} engines paths of builds, instead of this checkout's
 * @returns {{ ours: Peer[], others: Peer[] }}
 */
export function choosePeers(names, engines) {
  const known = OTHERS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`no peer is called ${unknown}; there are ${known.join(", ")}`);
  const builds = engines.length > 0 ? engines.map((path) => resolve(path)) : [OURS];
  return {
    ours: builds.map((engine) => ({
      name: engine,
      title: builds.length === 1 ? OURS : engine,
      module: here("ours.mjs"),
      engine,
      kinds: ["records", "files"],
      packages: [],
      syncs: {
        records: "every commit (`synchronous=FULL`)",
        files: "every commit, every file, and its folder",
      },
    })),
    others: OTHERS.filter(({ name }) => names.length === 0 || names.includes(name)),
  };
}
