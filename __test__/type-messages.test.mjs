// What an editor shows of the declarations: the text over a name, and one message for one mistake.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
const FILE = join(root, "editor.mts");

/** The language service of an editor, with one file of this text. */
function editorOn(text) {
  const settings = {
    strict: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    paths: { "@starkeep/sync-engine": [join(root, "index.d.ts")] },
  };
  return ts.createLanguageService({
    getCompilationSettings: () => settings,
    getScriptFileNames: () => [FILE],
    getScriptVersion: () => "1",
    getScriptSnapshot(name) {
      const code = name === FILE ? text : ts.sys.readFile(name);
      return code === undefined ? undefined : ts.ScriptSnapshot.fromString(code);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => name === FILE || ts.sys.fileExists(name),
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  });
}

const BEGIN = `import * as sync from "@starkeep/sync-engine";
declare const options: sync.SyncEngineOptions;
`;

const messagesOf = (code) =>
  editorOn(BEGIN + code)
    .getSemanticDiagnostics(FILE)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));

function hoverOf(code, word) {
  const text = BEGIN + code;
  const info = editorOn(text).getQuickInfoAtPosition(FILE, text.lastIndexOf(word));
  return ts.displayPartsToString(info?.documentation);
}

test("over the functions of an engine an editor shows what they do, not where it is written", () => {
  const begins = {
    exchange: /^One round with the peer: /,
    drain: /^Rounds until neither side has more at once\./,
    reconcile: /^Finds and mends what the two sides hold differently/,
  };
  for (const [name, words] of Object.entries(begins))
    assert.match(hoverOf(`void sync.createSyncEngine(options).${name}();`, name), words);
});

const HEADER =
  'sync.createHttpSyncTransport({ baseUrl: "https://a.example", getAuthHeader: () => 5 });';

for (const [what, code, words] of [
  ["a wrong type", "sync.createSyncEngine({ ...options, pageLimit: '5' });", /not assignable/],
  ["a misspelt option", "sync.createSyncEngine({ ...options, pageSize: 5 });", /'pageSize'/],
  ["a missing option", "sync.createSyncEngine({ clock: options.clock });", /missing .* propert/],
  ["a header of a wrong type", HEADER, /not assignable/],
  ["a state store with no place", "sync.createSqliteSyncStateStore({});", /not assignable/],
  ["a state store with a wrong path", "sync.createSqliteSyncStateStore({ path: 5 });", /'string'/],
  [
    "a state store with a misspelt option",
    "sync.createSqliteSyncStateStore({ path: 'state.db', busyTimeout: 5 });",
    /'busyTimeout'/,
  ],
  ["a state store with a wrong database", "sync.createSqliteSyncStateStore({ db: {} });", /exec/],
]) {
  test(`${what} is one message that does not speak of overloads`, () => {
    const messages = messagesOf(code);
    assert.equal(messages.length, 1, messages.join("\n"));
    assert.match(messages[0], words);
    assert.doesNotMatch(messages[0], /overload/i);
  });
}

test("calls get an engine that says what is held, and doubles need not", () => {
  const code = `
const engine = sync.createSyncEngine(options);
export const held: readonly sync.HeldItem[] = (await engine.exchange()).held;
const double: ReturnType<typeof sync.createSyncEngine> = {
  exchange: async () => ({ applied: 0, shipped: 0, hasMore: false }),
  changeNotifier: sync.createChangeNotifier(),
};
export { double };`;
  assert.deepEqual(messagesOf(code), []);
});
