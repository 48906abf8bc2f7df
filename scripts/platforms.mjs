// The platforms of npm/platforms.json, and how what is built for them is called.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const PLATFORMS = JSON.parse(readFileSync(new URL("../npm/platforms.json", import.meta.url), "utf8"));

const { platform } = createRequire(import.meta.url)("../js/platform.js");

/** The platform of the Node.js that runs this. */
export { platform };

/** The file that cargo makes for a platform. */
export function libraryOf(triple) {
  const { os } = PLATFORMS[triple] ?? { os: process.platform };
  if (os === "win32") return "starkeep_sync_engine.dll";
  return `libstarkeep_sync_engine.${os === "darwin" ? "dylib" : "so"}`;
}

/** The file that the package loads on a platform. */
export const binaryOf = (triple) => `sync-engine.${triple}.node`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, name] = process.argv.slice(2);
  if (what !== "library" || !(name in PLATFORMS)) {
    throw new Error("Usage: node scripts/platforms.mjs library PLATFORM");
  }
  console.log(libraryOf(name));
}
