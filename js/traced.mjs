// What `traced.js` is, in the form that Next.js reads.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export const binaries = () => [
  require.resolve("@starkeep/sync-engine-darwin-arm64"),
  require.resolve("@starkeep/sync-engine-darwin-x64"),
  require.resolve("@starkeep/sync-engine-linux-arm64-gnu"),
  require.resolve("@starkeep/sync-engine-linux-arm64-musl"),
  require.resolve("@starkeep/sync-engine-linux-x64-gnu"),
  require.resolve("@starkeep/sync-engine-linux-x64-musl"),
  require.resolve("@starkeep/sync-engine-win32-x64-msvc"),
];
