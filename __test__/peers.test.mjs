// The package beside the app's own peers, which each build of theirs gives another class.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ownErrors from "../js/errors.js";
import ownExports from "../js/exports.js";
import { folderFor } from "./support/native.mjs";

const run = promisify(execFile);
const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)));

const PEER_CLASS = `class StarkeepError extends Error {
  constructor(message, code, cause) { super(message); this.name = 'StarkeepError'; this.code = code; this.cause = cause; }
}`;

const PEER_MANIFEST = {
  name: "@starkeep/protocol-primitives",
  version: "0.1.0",
  exports: { ".": { import: "./esm.mjs", require: "./cjs.cjs" } },
};

/** An app folder with this package in it, and with the peer package where `peer` says so. */
function appFolder(t, peer) {
  const folder = folderFor(t);
  const scope = join(folder, "node_modules", "@starkeep");
  mkdirSync(scope, { recursive: true });
  symlinkSync(packageRoot, join(scope, "sync-engine"), "junction");
  if (peer) {
    const home = join(scope, "protocol-primitives");
    mkdirSync(home);
    writeFileSync(join(home, "package.json"), JSON.stringify(PEER_MANIFEST));
    writeFileSync(join(home, "esm.mjs"), `export ${PEER_CLASS}\n`);
    writeFileSync(join(home, "cjs.cjs"), `${PEER_CLASS}\nmodule.exports = { StarkeepError };\n`);
  }
  return folder;
}

/** Runs `program` as `app.mjs` or `app.cjs` of the folder, and answers the JSON that it prints. */
async function runApp(folder, file, program) {
  writeFileSync(join(folder, file), program);
  const flags = ["--preserve-symlinks", "--preserve-symlinks-main"];
  const { stdout } = await run(process.execPath, [...flags, join(folder, file)], { cwd: folder });
  return JSON.parse(stdout);
}

const REPORT = `
const engine = sync.createSyncEngine({
  localDatabaseAdapter: { query: async () => ({ records: [], nextCursor: null, hasMore: false }), get: async () => null, put: async () => {} },
  localObjectStorage: { get: async () => null, has: async () => false, put: async () => {} },
  remoteObjectStorage: { get: async () => null, has: async () => false, put: async () => {} },
  transport: { exchange: async () => 'no answer' },
  clock: sync.createHLCClock({ nodeId: 'a' }),
});
const report = (thrown) => {
  const made = new sync.SyncError('made');
  const Peer = peer && peer.StarkeepError;
  console.log(JSON.stringify({
    madeIsPeers: Peer ? made instanceof Peer : null,
    thrownIsPeers: Peer ? thrown instanceof Peer : null,
    thrownIsOurs: thrown instanceof sync.SyncError && thrown instanceof sync.StarkeepError,
    exportedIsPeers: Peer ? sync.StarkeepError === Peer : null,
    peersIsKnown: Peer ? sync.isStarkeepError(new Peer('p', 'P')) : null,
    name: made.name, code: made.code, message: made.message,
  }));
};
engine.exchange().then(() => report(null), report);
`;

const ESM_HEAD = (peer) =>
  `import * as sync from '@starkeep/sync-engine';\n` +
  (peer ? `import * as peer from '@starkeep/protocol-primitives';\n` : "const peer = null;\n");

const CJS_HEAD = (peer) =>
  `const sync = require('@starkeep/sync-engine');\n` +
  (peer ? `const peer = require('@starkeep/protocol-primitives');\n` : "const peer = null;\n");

for (const [file, head] of [
  ["app.mjs", ESM_HEAD],
  ["app.cjs", CJS_HEAD],
]) {
  test(`in ${file}, SyncError is the StarkeepError that the app itself gets from its peer`, async (t) => {
    assert.deepEqual(await runApp(appFolder(t, true), file, head(true) + REPORT), {
      madeIsPeers: true,
      thrownIsPeers: true,
      thrownIsOurs: true,
      exportedIsPeers: true,
      peersIsKnown: true,
      name: "SyncError",
      code: "SYNC_ERROR",
      message: "made",
    });
  });

  test(`in ${file}, SyncError is whole where the peer is not installed`, async (t) => {
    assert.deepEqual(await runApp(appFolder(t, false), file, head(false) + REPORT), {
      madeIsPeers: null,
      thrownIsPeers: null,
      thrownIsOurs: true,
      exportedIsPeers: null,
      peersIsKnown: null,
      name: "SyncError",
      code: "SYNC_ERROR",
      message: "made",
    });
  });
}

test("where one process uses both builds, each face matches its own", async (t) => {
  const program = `
import { createRequire } from 'node:module';
import * as esm from '@starkeep/sync-engine';
import * as esmPeer from '@starkeep/protocol-primitives';
const require = createRequire(import.meta.url);
const cjs = require('@starkeep/sync-engine');
const cjsPeer = require('@starkeep/protocol-primitives');
console.log(JSON.stringify({
  esm: new esm.SyncError('e') instanceof esmPeer.StarkeepError,
  cjs: new cjs.SyncError('c') instanceof cjsPeer.StarkeepError,
}));
`;
  assert.deepEqual(await runApp(appFolder(t, true), "both.mjs", program), { esm: true, cjs: true });
});

test("a bundle, which does not wait for the peer, counts the peer's errors among its own", () => {
  const { StarkeepError, adopt } = ownErrors.lateErrors();
  const { SyncError, ...face } = ownExports.exportsWith({ StarkeepError });
  assert.equal(face.StarkeepError, StarkeepError);
  class Peer extends Error {}
  const [peers, ours] = [new Peer(), new SyncError("e")];
  assert.ok(ours instanceof StarkeepError && !(peers instanceof StarkeepError));
  adopt({ StarkeepError: Peer });
  assert.ok(ours instanceof StarkeepError && ours instanceof Peer);
  assert.ok(peers instanceof StarkeepError && !(peers instanceof SyncError));
  assert.ok(!(new Error("other") instanceof StarkeepError));
});

test("a process that only loads the package, and made an engine, ends by itself", async (t) => {
  const program = `${ESM_HEAD(false)}${REPORT}`;
  const started = await runApp(appFolder(t, false), "app.mjs", program);
  assert.equal(started.thrownIsOurs, true);
});
