// Each entry of the package has declarations of its own. They hold one text, which `index.d.ts` is written in.
import { copyFileSync } from "node:fs";

/** The names that the text of `index.d.ts` is published under. */
export const DECLARATIONS = ["index.d.ts", "index.d.mts", "index.d.cts"];

/** Writes the copies into a folder that has `index.d.ts`. */
export function copyDeclarations(folder) {
  const [written, ...copies] = DECLARATIONS.map((name) => `${folder}/${name}`);
  for (const copy of copies) copyFileSync(written, copy);
}
