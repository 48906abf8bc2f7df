import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import exchange from "./exchange.cjs";

const folder = mkdtempSync(join(tmpdir(), "sync-engine-bundle-"));
// Not waited for at the top: not every format of a bundle can.
exchange(sync, folder).then((done) => {
  rmSync(folder, { recursive: true });
  console.log(JSON.stringify(done));
});
