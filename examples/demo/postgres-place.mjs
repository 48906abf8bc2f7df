// The command starkeep-sync for a place that is no folder: its records are in PostgreSQL, its objects in a bucket.
import { main } from "../../js/command/main.mjs";
import sync from "../../js/command/package.mjs";

process.exitCode = await main(process.argv.slice(2), openPlace);

async function openPlace({ values: { nodeId } }) {
  const { DATABASE_URL: connectionString, BUCKET } = process.env;
  const database = sync.createPostgresDatabaseAdapter({ connectionString });
  const objects = sync.createS3ObjectStorage(JSON.parse(BUCKET));
  const close = async () => {
    await objects.close();
    await database.close();
  };
  try {
    await database.init();
    const clock = sync.createHLCClock({ nodeId, state: database });
    return { folder: "PostgreSQL and a bucket", nodeId, database, objects, clock, close };
  } catch (error) {
    await close();
    throw error;
  }
}
