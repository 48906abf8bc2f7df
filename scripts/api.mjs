// Writes docs/api.md from index.d.ts:
//
//   node scripts/api.mjs
//
// `__test__/api-page.test.mjs` holds the page equal to what this writes.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as prettier from "prettier";
import ts from "typescript";
import { commentOf, declarationsIn, exportedFrom, sectionsIn, sourceOf } from "./declared.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGE = join(root, "docs", "api.md");
const printer = ts.createPrinter({ removeComments: true });

const HEAD = `# API

Every exported name, with its signature and what is said about it. The page is written from \`index.d.ts\` by
\`node scripts/api.mjs\`: change that file, not this one. [guide.md](guide.md) shows how the names are used together.

`;

const fence = (code) => `\`\`\`ts\n${code.trim()}\n\`\`\``;
const indent = (text) => text.replace(/^(?=.)/gm, "  ");
/** The anchor of a heading, as Markdown viewers make it. */
export const anchorOf = (title) =>
  title
    .toLowerCase()
    .replace(/[^\w -]/g, "")
    .replaceAll(" ", "-");

/** The text of a comment as Markdown: a link to a name, or to a member of one, leads to the name on this page. */
function withLinks(text, anchors) {
  return text.replace(/\{@link ([\w.]+)\}/g, (_, path) => {
    const name = [path, path.split(".")[0]].find((one) => anchors.has(one));
    return name === undefined ? `\`${path}\`` : `[\`${path}\`](#${anchors.get(name)})`;
  });
}

function commentText({ text, tags }, anchors) {
  const parts = [text];
  for (const { tag, name, text: said } of tags) {
    if (tag === "example") parts.push(fence(said));
    else if (tag === "throws") parts.push(`**Throws:** ${said}`);
    else if (tag === "param") parts.push(`**\`${name}\`**: ${said}`);
    else throw new Error(`index.d.ts has a tag @${tag} that this page has no place for`);
  }
  return withLinks(parts.filter((part) => part !== "").join("\n\n"), anchors);
}

/** A list of what is said about the members of a declaration, also of those within their types. */
function memberList(node, anchors) {
  const items = [];
  const visit = (child, path) => {
    const isMember = ts.isPropertySignature(child) || ts.isMethodSignature(child);
    const here = isMember ? [...path, child.name.getText()] : path;
    const comment = isMember ? commentOf(child) : null;
    if (comment !== null) {
      const called = ts.isMethodSignature(child) ? "()" : "";
      items.push(`- **\`${here.join(".")}${called}\`**: ${indent(commentText(comment, anchors)).trimStart()}`);
    }
    ts.forEachChild(child, (next) => visit(next, here));
  };
  ts.forEachChild(node, (child) => visit(child, []));
  return items.join("\n");
}

/** The package of which a type is used where that is installed, by the name of its stand-in in `index.d.ts`. */
function packagesOf(source) {
  return new Map(
    [...source.text.matchAll(/^type (\w+) = (?:typeof )?import\("([^"]+)"\)/gm)].map(([, name, from]) => [name, from]),
  );
}

/** A function as a call sees it: a type parameter that only `ReturnType` and `Parameters` meet stands for its default. */
function asCalled(code) {
  const [whole, parameter, byDefault] = /<(\w+) extends \w+ = (\w+)>/.exec(code) ?? [];
  if (whole === undefined) return code;
  return code
    .replace(whole, "")
    .replace(new RegExp(`\\b${parameter}\\b`, "g"), byDefault)
    .replace(/NoInfer<(\w+)>/, "$1")
    .replace(/\[\s*never\s*\] extends \[\s*never\s*\] \? (\w+) : \w+/, "$1");
}

/** `Installed<Peer, Own>` is shown as `Own`, with a note that says where it is another one. */
function signatureOf(node, source, packages) {
  const print = (part) => printer.printNode(ts.EmitHint.Unspecified, part, source);
  const printed = print(node).replace(/^declare /, "");
  const code = ts.isFunctionDeclaration(node) ? asCalled(printed) : printed;
  return code.replace(/Installed<(\w+), ([\w. ]+)>/g, (_, peer, own) => {
    const from = packages.get(peer);
    return from === undefined ? own : `${own} /* or that of ${from} */`;
  });
}

function entryOf({ title, nodes }, page) {
  const parts = [`### ${title}`];
  for (const node of nodes) {
    // What a namespace holds has entries of its own.
    if (!ts.isModuleDeclaration(node)) parts.push(fence(signatureOf(node, page.source, page.packages)));
    const comment = commentOf(node);
    if (comment !== null) parts.push(commentText(comment, page.anchors));
    if (!ts.isModuleDeclaration(node)) parts.push(memberList(node, page.anchors));
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

/** The entries of the page, in the order of the file. Declarations of one name are one entry. */
function entriesIn(source) {
  const exported = new Set(exportedFrom(source));
  const entries = new Map();
  for (const { name, node, namespace } of declarationsIn(source.statements)) {
    if (!exported.has(namespace ?? name)) continue;
    const title = namespace === null ? name : `${namespace}.${name}`;
    const entry = entries.get(title) ?? { title, begin: node.getStart(), nodes: [] };
    entry.nodes.push(node);
    entries.set(title, entry);
  }
  return [...entries.values()];
}

/** The page, as it is kept in docs/api.md. */
export async function apiPage(file = join(root, "index.d.ts")) {
  const source = sourceOf(file);
  const entries = entriesIn(source);
  const sections = sectionsIn(source);
  const anchors = new Map(entries.map(({ title }) => [title, anchorOf(title)]));
  const titles = [...anchors.values(), ...sections.map(({ title }) => anchorOf(title))];
  if (new Set(titles).size < titles.length) throw new Error("two headings of the page have one anchor");
  const page = { source, anchors, packages: packagesOf(source) };

  const [, units] = /^ \* Units: ([^]*?)\n \*\//m.exec(source.text);
  const contents = [];
  const body = [];
  for (const [at, { begin, title, text }] of sections.entries()) {
    const end = sections[at + 1]?.begin ?? Infinity;
    const own = entries.filter((entry) => entry.begin >= begin && entry.begin < end);
    const links = own.map((entry) => `[\`${entry.title}\`](#${anchors.get(entry.title)})`);
    contents.push(`- [${title}](#${anchorOf(title)}): ${links.join(", ")}`);
    body.push(`## ${title}`, withLinks(text, anchors), ...own.map((entry) => entryOf(entry, page)));
  }
  const said = `Units: ${units.replaceAll("\n * ", " ")}`;
  const whole = [HEAD + said, contents.join("\n"), ...body].filter((part) => part !== "").join("\n\n");
  const options = await prettier.resolveConfig(PAGE);
  return prettier.format(whole, { ...options, parser: "markdown" });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, await apiPage());
