// Which public names of the declarations have no comment, which functions have no example, and what makes a module of
// the examples.
import ts from "typescript";
import { fragmentsOf } from "../support/page-examples.mjs";
import {
  commentOf,
  declarationsIn,
  examplesIn,
  exportedFrom,
  sourceOf,
} from "../../scripts/declared.mjs";

/** Members whose name and type say all there is. */
const PLAIN = new Set(["kind", "appId", "op", "id", "family", "namespaces", "applier"]);
/** Rows of a table, whose columns are the app's. */
const TABLES = new Set(["FileRecordRow"]);

const isDocumented = (node) => ts.getJSDocCommentsAndTags(node).length > 0;

/** The exported names, and the members of exported interfaces, that nothing is said about. */
export function undocumentedIn(file) {
  const source = sourceOf(file);
  const all = [...declarationsIn(source.statements)];
  const inside = all.filter(({ namespace }) => namespace !== null).map(({ name }) => name);
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

/** The exported functions of which no signature has an example. */
export function withoutExampleIn(file) {
  const source = sourceOf(file);
  const exported = new Set(exportedFrom(source));
  const hasExample = new Map();
  for (const { name, node } of declarationsIn(source.statements)) {
    if (!ts.isFunctionDeclaration(node) || !exported.has(name)) continue;
    const has = (commentOf(node)?.tags ?? []).some(({ tag }) => tag === "example");
    hasExample.set(name, has || hasExample.get(name) === true);
  }
  return [...hasExample].filter(([, has]) => !has).map(([name]) => name);
}

/** What the examples, and the fragments of the guide, take for granted: the app around them. */
const AROUND = `
declare const adapters: sync.SyncEngineOptions;
declare const stores: sync.HttpSyncChannel;
declare const authorize: () => boolean;
declare const database: sync.DatabaseAdapter;
declare const ownAdapter: sync.DatabaseAdapter;
declare const objects: sync.ObjectStorageAdapter;
declare const remote: sync.ObjectStorageAdapter;
declare const rows: sync.SqliteAppRows;
declare const state: sync.SyncStateStore;
declare const clock: sync.HLCClock;
declare const engine: sync.NativeSyncEngine;
declare const notifier: sync.ChangeNotifier;
declare const server: sync.HttpSyncServer;
declare const loop: sync.SyncLoop;
declare const record: sync.AnyRecord;
declare const note: sync.AnyRecord;
declare const records: sync.AnyRecord[];
declare const recordsById: Map<string, sync.AnyRecord>;
declare const row: sync.FileRecordRow;
declare const seen: sync.Watermarks;
declare const id: sync.StarkeepId;
declare const nodeId: string;
declare const token: string;
declare const baseUrl: string;
declare const headers: Record<string, string>;
declare const peer: sync.HttpPeerOptions;
declare const signal: AbortSignal;
declare const bar: { set(phase: string, part: number): void };
declare const entriesOf: (appId: string, table: string) => sync.AppSyncableRowEntry[];
declare function renewToken(): Promise<void>;
declare function signedUrl(method: string, key: string): Promise<string>;
declare function show(...parts: unknown[]): void;
declare const photos: sync.NativeSyncEngine;
declare const notes: sync.NativeSyncEngine;
declare const changes: sync.ChangeNotifier;
declare const recordIds: sync.StarkeepId[];
declare const timestamp: sync.HLCTimestamp;
declare function pino(): sync.SyncLogger;
declare function addEventListener(type: "online", listener: () => void): void;
`;

/** A module with each piece of code in a function of its own, and every exported name at hand. */
function moduleOf(file, pieces) {
  const bodies = pieces.map(
    ({ name, code }, at) => `// ${name}\nexport async function piece${at}() {\n${code}\n}\n`,
  );
  const imports = [
    'import { subscribe } from "node:diagnostics_channel";',
    'import { createServer } from "node:http";',
    'import { readFile, writeFile } from "node:fs/promises";',
    'import { DatabaseSync } from "node:sqlite";',
    'import * as sync from "@starkeep/sync-engine";',
    `import { ${exportedFrom(sourceOf(file)).join(", ")} } from "@starkeep/sync-engine";`,
  ];
  return [...imports, AROUND, ...bodies].join("\n");
}

/** The examples of the declarations. */
export const examplesModule = (file) => moduleOf(file, examplesIn(sourceOf(file)));

/** The code of a page that is no program by itself. */
export const fragmentsModule = (file, page) =>
  moduleOf(
    file,
    fragmentsOf(page).map((code) => ({ name: page, code })),
  );
