// The arrows between layers that must not exist.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** Which files, what they must not name, and why. */
const RULES = [
  [/^(?!binding\/)/, /\bnapi(_derive)?\b(?!")/, "only binding/ knows napi"],
  [/^protocol\//, /\b(tokio|rusqlite|std::(fs|net|thread|time)|SystemTime|async fn)\b/, "protocol/ is pure"],
  [
    /^engine\//,
    /\bcrate::(store|transport|binding)\b|\b(tokio|rusqlite)\b/,
    "engine/ sees the world through its ports",
  ],
  [/^store\//, /\bcrate::(transport|binding)\b/, "store/ does not know who asks"],
  [
    /^binding\/(?!stores\/|delta\.rs)|^store\/(?!sqlite\/|fs\/)/,
    /\b(store|super)::(sqlite|fs)\b|\bSqlite(Records|AppRows|State)\b|\bFsObjects\b/,
    "a store is known by its trait",
  ],
  [/^transport\//, /\bcrate::(store|binding)\b/, "transport/ does not know stores"],
];

function* filesBelow(folder, prefix = "") {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const name = `${prefix}${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name), `${name}/`);
    else if (name.endsWith(".rs")) yield name;
  }
}

const isCode = (line) => !/^\s*\/\//.test(line);
let broken = 0;
let checked = 0;
for (const name of filesBelow(source)) {
  checked += 1;
  const lines = readFileSync(join(source, name), "utf8").split("\n");
  for (const [files, forbidden, why] of RULES) {
    if (!files.test(name)) continue;
    lines.forEach((line, index) => {
      if (!isCode(line) || !forbidden.test(line)) return;
      broken += 1;
      console.error(`src/${name}:${index + 1}: ${why}: ${line.trim()}`);
    });
  }
}
console.log(`${checked} files checked, ${broken} forbidden arrows`);
process.exitCode = broken === 0 ? 0 : 1;
