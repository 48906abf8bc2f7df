const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const sync = require("@starkeep/sync-engine");
const exchange = require("./exchange.cjs");

const folder = mkdtempSync(join(tmpdir(), "sync-engine-bundle-"));
exchange(sync, folder).then((done) => {
  rmSync(folder, { recursive: true });
  console.log(JSON.stringify(done));
});
