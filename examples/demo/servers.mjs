// PostgreSQL and a bucket for the cloud of the demo, on this machine.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPostgres, startS3 } from "../../scripts/local-servers.mjs";
import { needsPostgres, needsS3 } from "../../scripts/test-servers.mjs";
import { DemoError } from "./errors.mjs";

const PROGRAM = fileURLToPath(new URL("./postgres-place.mjs", import.meta.url));
const BUCKET = "demo";
const CREDENTIALS = { accessKeyId: "demo", secretAccessKey: "demo-secret" };

/**
 * @typedef {object} Servers
 * @property {string} program what does the words of the command over these servers
 * @property {Record<string, string>} env where it finds them
 * @property {string} text
 * @property {() => Promise<void>} end
 *
 * @param {string} folder where the bucket is kept
 * @returns {Promise<Servers>}
 */
export async function startServers(folder) {
  const missing = needsPostgres.skip || needsS3.skip;
  if (missing) throw new DemoError(`--cloud postgres cannot be shown: ${missing}.`);
  const root = join(folder, "buckets");
  mkdirSync(join(root, BUCKET), { recursive: true });
  const postgres = await startPostgres().catch(cannotStart);
  const s3 = await startS3(root, CREDENTIALS).catch(async (error) => {
    await postgres.end();
    return cannotStart(error);
  });
  return {
    program: PROGRAM,
    env: {
      DATABASE_URL: postgres.url,
      BUCKET: JSON.stringify({
        bucket: BUCKET,
        endpoint: s3.endpoint,
        region: "us-east-1",
        credentials: CREDENTIALS,
      }),
    },
    text: `The cloud: records in ${postgres.url}, files in ${s3.endpoint}/${BUCKET}`,
    async end() {
      await s3.end();
      await postgres.end();
    },
  };
}

function cannotStart(error) {
  throw new DemoError(`--cloud postgres cannot be shown: ${error.message}.`);
}
