// What `index.d.ts` declares, for the page that is made of it and for the tests of the types.
import { readFileSync } from "node:fs";
import ts from "typescript";

export const sourceOf = (file) => ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);

const declares = (node) =>
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isFunctionDeclaration(node) ||
  ts.isClassDeclaration(node);

/** The declarations, those of namespaces too: what is exported of a namespace is all of it. */
export function* declarationsIn(statements, namespace = null) {
  for (const statement of statements) {
    if (ts.isModuleDeclaration(statement)) {
      yield { name: statement.name.text, node: statement, namespace: null };
      yield* declarationsIn(statement.body.statements, statement.name.text);
    } else if (ts.isVariableStatement(statement)) {
      const [variable] = statement.declarationList.declarations;
      yield { name: variable.name.text, node: statement, namespace };
    } else if (declares(statement)) yield { name: statement.name.text, node: statement, namespace };
  }
}

export const exportedFrom = (source) =>
  source.statements
    .filter(ts.isExportDeclaration)
    .flatMap(({ exportClause }) => exportClause.elements.map(({ name }) => name.text));

/** The text of a comment's part, with its links as they are written. */
const textOf = (comment) => ts.getTextOfJSDocComment(comment) ?? "";

/** What is said about a node: its text, and the tags that follow it in their order. */
export function commentOf(node) {
  const [comment] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).slice(-1);
  if (comment === undefined) return null;
  const tags = (comment.tags ?? []).map((tag) => ({
    tag: tag.tagName.text,
    name: tag.name?.getText() ?? null,
    text: textOf(tag.comment),
  }));
  return { text: textOf(comment.comment), tags };
}

/** Each example of the declarations, with the name that it is of. */
export function examplesIn(source) {
  const examples = [];
  const visit = (node, path) => {
    const name = node.name?.getText?.();
    const here = name === undefined || ts.isParameter(node) ? path : [...path, name];
    for (const { tag, text } of commentOf(node)?.tags ?? [])
      if (tag === "example") examples.push({ name: here.join("."), code: text });
    ts.forEachChild(node, (child) => visit(child, here));
  };
  for (const statement of source.statements) visit(statement, []);
  return examples;
}

const SECTION = /^\/\* -{20,}\n([^]*?) \*\//gm;

/** The sections of the file: where each begins, its title, and what is said there. */
export function sectionsIn(source) {
  return [...source.text.matchAll(SECTION)].map(({ index, 1: body }) => {
    const [title, ...lines] = body.split("\n").map((line) => line.replace(/^ \* ?/, ""));
    return { begin: index, title: title.replace(/\.$/, ""), text: lines.join("\n").trim() };
  });
}
