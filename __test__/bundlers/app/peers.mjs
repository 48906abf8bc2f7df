import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StarkeepError } from "@starkeep/protocol-primitives";
import * as sync from "@starkeep/sync-engine";
import exchange from "./exchange.cjs";

const folder = mkdtempSync(join(tmpdir(), "sync-engine-bundle-"));
exchange(sync, folder, StarkeepError).then((done) => {
  rmSync(folder, { recursive: true });
  console.log(JSON.stringify(done));
});
