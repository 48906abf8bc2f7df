// Which public names of the declarations have no comment.
import { readFileSync } from "node:fs";
import ts from "typescript";

/** Members whose name and type say all there is. */
const PLAIN = new Set(["kind", "appId", "op", "id", "family", "namespaces", "applier"]);
/** Rows of a table, whose columns are the app's. */
const TABLES = new Set(["FileRecordRow"]);

const isDocumented = (node) => ts.getJSDocCommentsAndTags(node).length > 0;
const declares = (node) =>
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isFunctionDeclaration(node) ||
  ts.isClassDeclaration(node);

/** The declarations, those of namespaces too: what is exported of a namespace is all of it. */
function* declarationsIn(statements, isInside = false) {
  for (const statement of statements) {
    if (ts.isModuleDeclaration(statement)) {
      yield { name: statement.name.text, node: statement };
      yield* declarationsIn(statement.body.statements, true);
    } else if (ts.isVariableStatement(statement)) {
      const [variable] = statement.declarationList.declarations;
      yield { name: variable.name.text, node: statement };
    } else if (declares(statement)) yield { name: statement.name.text, node: statement, isInside };
  }
}

const exportedFrom = (source) =>
  source.statements
    .filter(ts.isExportDeclaration)
    .flatMap(({ exportClause }) => exportClause.elements.map(({ name }) => name.text));

/** The exported names, and the members of exported interfaces, that nothing is said about. */
export function undocumentedIn(file) {
  const source = ts.createSourceFile(
    file,
    readFileSync(file, "utf8"),
    ts.ScriptTarget.Latest,
    true,
  );
  const all = [...declarationsIn(source.statements)];
  const inside = all.filter(({ isInside }) => isInside).map(({ name }) => name);
  const undocumented = [];
  for (const exported of new Set([...exportedFrom(source), ...inside])) {
    const nodes = all.filter(({ name }) => name === exported).map(({ node }) => node);
    // Of a function with several signatures one says it for all; so does one of two types of one name.
    if (!nodes.some(isDocumented)) undocumented.push(exported);
    for (const node of nodes.filter(ts.isInterfaceDeclaration)) {
      const members = TABLES.has(exported)
        ? []
        : node.members.filter(({ name }) => name !== undefined);
      for (const member of members) {
        const name = member.name.getText(source);
        if (!isDocumented(member) && !PLAIN.has(name) && !isForbidden(member))
          undocumented.push(`${exported}.${name}`);
      }
    }
  }
  return undocumented;
}

/** Whether a member only says that it is not there. */
const isForbidden = ({ type }) => type?.kind === ts.SyntaxKind.NeverKeyword;
