// The pages of the package as they are published: a link to a file that is in the sources alone would be dead there.
import { existsSync } from "node:fs";
import { posix } from "node:path";

const LINK = /(!?)\[([^\]]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)/g;
const NOTE =
  "The files in `docs/` and `examples/`, and others named here that are not in this package, are in its sources.";

/** What a link becomes where its file is only to be had with the sources. */
function named(text, path) {
  const plain = text.replaceAll("`", "");
  return plain.replace(/\/$/, "") === path.replace(/\/$/, "") ? text : `${text} (${path})`;
}

/**
 * The text of a page with no link to a file that is not packed: it leads to the repository, or is a name where none is known.
 *
 * @param {string} text
 * @param {{ root: string, isPacked: (path: string) => boolean, repository?: string, tag: string }} about `repository` is
 *   the URL of its page
 */
export function publishedPage(text, { root, isPacked, repository, tag }) {
  let isNamed = false;
  const page = text.replace(LINK, (link, image, label, path, place = "") => {
    if (isPacked(posix.normalize(path)) || !existsSync(posix.join(root, path))) return link;
    if (repository !== undefined) {
      return `${image}[${label}](${repository}/${image === "" ? "blob" : "raw"}/${tag}/${path}${place})`;
    }
    isNamed = true;
    return named(label, path);
  });
  return isNamed ? `${page.trimEnd()}\n\n${NOTE}\n` : page;
}
