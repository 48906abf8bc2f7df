// The arrows between layers that must not exist, and files that reach one another in a circle.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { arrowsBack, arrowsOf, circlesIn } from "./arrows.mjs";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** Which files, what they must not name, and why. */
const RULES = [
  [/^(?!node\/)/, /\bnapi(_derive)?\b(?!")/, "only node/ knows napi"],
  [/^protocol\//, /\b(tokio|rusqlite|std::(fs|net|thread|time)|SystemTime|async fn)\b/, "protocol/ is pure"],
  [/^engine\//, /\bcrate::(store|transport|node)\b|\b(tokio|rusqlite)\b/, "engine/ sees the world through its ports"],
  [/^store\//, /\bcrate::(transport|node)\b/, "store/ does not know who asks"],
  [/^testing\//, /\bcrate::(store|transport|node)\b/, "testing/ stands on the ports alone"],
  [/^(?!testing\/)/, /\bcrate::testing\b/, "testing/ is for tests"],
  [
    /^node\/(?!stores\/|timestamps\.rs|adapters\/handle)|^store\/(?!sqlite\/|postgres\/|fs\/|s3\/)/,
    /\b(store|super)::(sqlite|postgres|fs|s3)\b|\b(Sqlite|Postgres)(Records|AppRows|State)\b|\b(Fs|S3)Objects\b/,
    "a store is known by its trait",
  ],
  [/^transport\//, /\bcrate::(store|node)\b/, "transport/ does not know stores"],
  [/^polling\//, /\bcrate::(engine|store|transport|joint|node)\b/, "polling/ knows nothing of what is waited for"],
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
const files = new Map();
for (const name of filesBelow(source)) {
  files.set(name, readFileSync(join(source, name), "utf8"));
  const lines = files.get(name).split("\n");
  for (const [files, forbidden, why] of RULES) {
    if (!files.test(name)) continue;
    lines.forEach((line, index) => {
      if (!isCode(line) || !forbidden.test(line)) return;
      broken += 1;
      console.error(`src/${name}:${index + 1}: ${why}: ${line.trim()}`);
    });
  }
}
console.log(`${files.size} files checked, ${broken} forbidden arrows`);

const arrows = arrowsOf(files);
const circles = circlesIn(arrows);
const { back } = arrowsBack(arrows, (name) => /^node\/(\w+)\//.exec(name)?.[1]);
for (const circle of circles) {
  broken += 1;
  console.error("files that reach one another in a circle:");
  for (const from of circle)
    for (const to of arrows.get(from)) if (circle.includes(to)) console.error(`  src/${from} -> src/${to}`);
}
for (const { from, to } of back) {
  broken += 1;
  console.error(`an arrow back between folders of node/: src/${from} -> src/${to}`);
}

/** A type name that stands for more than two things has to be looked up each time that it is met. */
const MOST_MEANINGS = 2;
const meanings = new Map();
for (const [name, text] of files)
  for (const [, type] of text.matchAll(/^(?:pub(?:\([a-z ]+\))? )?(?:struct|enum|trait|type) (\w+)/gm))
    meanings.set(type, [...(meanings.get(type) ?? []), `src/${name}`]);
for (const [type, places] of meanings) {
  if (places.length <= MOST_MEANINGS) continue;
  broken += 1;
  console.error(`a type name that stands for more than two things: ${type} in ${places.join(", ")}`);
}
console.log(`${circles.length} circles of files, ${back.length} arrows back between folders of node/`);
process.exitCode = broken === 0 ? 0 : 1;
