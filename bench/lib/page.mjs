/** Results in a page that has more than them. */
import { readFile, writeFile } from "node:fs/promises";

/**
 * Writes a text between the lines `<!-- mark -->` and `<!-- /mark -->` of a file, or the file where it has none.
 *
 * @param {string} file
 * @param {string} mark
 * @param {string} text
 */
export async function writeBetween(file, mark, text) {
  const before = await readFile(file, "utf8").catch(() => "");
  const parts = new RegExp(`^([^]*<!-- ${mark} -->\\n)[^]*(\\n<!-- /${mark} -->[^]*)$`).exec(before);
  await writeFile(file, parts ? `${parts[1]}\n${text}${parts[2]}` : text);
}
