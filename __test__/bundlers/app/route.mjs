import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as sync from "@starkeep/sync-engine";
import exchange from "./exchange.cjs";

export async function GET() {
  const folder = mkdtempSync(join(tmpdir(), "sync-engine-next-"));
  const done = await exchange(sync, folder);
  rmSync(folder, { recursive: true });
  return Response.json(done);
}
