// Kills a server and two nodes at random moments: `npm run kill -- --kills 200 [--seed N]`. Prints what was
// done meanwhile, and fails unless all of it is there in the end.
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkPlaces, killOften } from "../__test__/support/kill.mjs";
import { DatabaseSync } from "../__test__/support/native.mjs";

const { values } = parseArgs({
  options: { kills: { type: "string", default: "200" }, seed: { type: "string" } },
});
const seed = Number(values.seed ?? randomInt(2 ** 32));
const folder = mkdtempSync(join(tmpdir(), "sync-engine-kill-"));
console.log(`seed ${seed}, in ${folder}`);
if (DatabaseSync === null)
  console.log("PRAGMA integrity_check needs node:sqlite (Node 22.5); here the store's own health check runs");
const began = performance.now();
const outcome = await killOften({ folder, kills: Number(values.kills), seed, tell: (line) => console.log(line) });
const found = await checkPlaces(outcome);
const seconds = Math.round((performance.now() - began) / 1000);
console.log(JSON.stringify({ ...outcome.figures, ...found, seconds }, null, 2));
rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
