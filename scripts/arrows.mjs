// Which file of Rust names which: the arrows that `use` and paths of `crate::`, `super::` and `self::` make.
//
// A file that only hands on names of another is looked through: the arrow goes to where the name is declared.

/** The module of a file below src/, as a path. */
function moduleOf(name) {
  const parts = name.replace(/\.rs$/, "").split("/");
  return ["mod", "lib"].includes(parts.at(-1)) ? parts.slice(0, -1) : parts;
}

const blank = (text) => text.replace(/[^\n]/g, " ");
const COMMENT_OR_TEXT = /\/\/[^\n]*|\/\*[^]*?\*\/|r(#*)"[^]*?"\1|"(?:\\[^]|[^"\\])*"|'(?:\\.|[^\\'])'/g;

/** From the brace at `open` to behind the one that closes it. */
function blockEnd(text, open) {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === "{") depth += 1;
    if (text[at] === "}" && (depth -= 1) === 0) return at + 1;
  }
  return text.length;
}

/** What is compiled for tests is left out; of a module within the file, `super` is the file. */
function withoutModules(text) {
  let code = text;
  const begin = /(#\[cfg\(test\)\]\s*)?\b(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{/g;
  for (let found; (found = begin.exec(code)) !== null;) {
    const end = blockEnd(code, begin.lastIndex - 1);
    const body = found[1] === undefined ? code.slice(begin.lastIndex, end - 1).replace(/\bsuper::/g, "self::") : "";
    code = `${code.slice(0, found.index)}\n${body}${code.slice(end)}`;
    begin.lastIndex = found.index;
  }
  return code;
}

/** The parts of a list between its commas, those of inner braces whole. */
function split(list) {
  const parts = [""];
  let depth = 0;
  for (const letter of list) {
    if (letter === "{") depth += 1;
    if (letter === "}") depth -= 1;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** The paths of a `use` with the name that each gets. */
function* expand(tree, before = []) {
  const open = tree.indexOf("{");
  if (open !== -1) {
    const prefix = [...before, ...tree.slice(0, open).split("::").filter(Boolean)];
    for (const part of split(tree.slice(open + 1, tree.lastIndexOf("}")))) yield* expand(part, prefix);
    return;
  }
  const [path, alias] = tree.split(/\s+as\s+/);
  const parts = [...before, ...path.split("::")].map((part) => part.trim());
  if (parts.at(-1) === "self") parts.pop();
  yield { path: parts, name: alias ?? parts.at(-1) };
}

function read(source) {
  const code = withoutModules(source.replace(COMMENT_OR_TEXT, blank));
  const uses = [];
  const rest = code.replace(/\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);/g, (_, isPublic, tree) => {
    for (const use of expand(tree.replace(/\s+/g, " "))) uses.push({ ...use, isPublic: isPublic !== undefined });
    return "";
  });
  const children = new Set([...rest.matchAll(/\bmod\s+(\w+)\s*;/g)].map(([, name]) => name));
  const paths = [...rest.matchAll(/(?<![\w:])\w+(?:::\w+)+/g)].map(([path]) => path.split("::"));
  return { uses, children, paths, words: new Set(rest.match(/\w+/g)) };
}

/** Of each file the files that it names. `files` has the text of each by its name below src/. */
export function arrowsOf(files) {
  const modules = new Map();
  for (const [name, text] of files)
    modules.set(moduleOf(name).join("::"), { name, module: moduleOf(name), ...read(text) });

  /** The path from the root of the crate; `undefined` for what is not of this crate. */
  function absolute([first, ...rest], { module, children }) {
    if (first === "crate") return rest;
    if (first === "self") return [...module, ...rest];
    if (children.has(first)) return [...module, first, ...rest];
    if (first !== "super") return undefined;
    const up = [first, ...rest].findIndex((part) => part !== "super");
    return [...module.slice(0, module.length - up), ...[first, ...rest].slice(up)];
  }

  /** The file that declares what the path names. */
  function declaring(path, seen = new Set()) {
    let at = modules.get("");
    for (const [index, part] of path.entries()) {
      const below = modules.get(path.slice(0, index + 1).join("::"));
      if (below !== undefined) {
        at = below;
        continue;
      }
      const handedOn = at.uses.find(({ name }) => name === part);
      const target = handedOn && absolute(handedOn.path, at);
      const key = `${at.name} ${part}`;
      if (target === undefined || seen.has(key)) return at;
      return declaring([...target, ...path.slice(index + 1)], seen.add(key));
    }
    return at;
  }

  const arrows = new Map();
  for (const file of modules.values()) {
    const { uses, paths, words } = file;
    const used = uses.filter(({ isPublic, name }) => !isPublic || words.has(name)).map(({ path }) => path);
    const targets = [...used, ...paths].map((path) => absolute(path, file)).filter((path) => path !== undefined);
    const names = targets.map((path) => declaring(path).name).filter((name) => name !== file.name);
    arrows.set(file.name, new Set(names));
  }
  return arrows;
}

/** The groups of files that reach one another, each sorted. */
export function circlesIn(arrows) {
  const reach = new Map();
  for (const name of arrows.keys()) {
    const reached = new Set();
    const open = [name];
    while (open.length > 0)
      for (const next of arrows.get(open.pop()) ?? [])
        if (!reached.has(next)) {
          reached.add(next);
          open.push(next);
        }
    reach.set(name, reached);
  }
  const circles = new Map();
  for (const [name, reached] of reach) {
    if (!reached.has(name)) continue;
    const circle = [...reached].filter((other) => reach.get(other)?.has(name)).sort();
    circles.set(circle.join(" "), circle);
  }
  return [...circles.values()];
}

/**
 * The arrows between the groups that point back, in the order of the groups in which there are the fewest.
 * `groupOf` answers `undefined` for files that are in none.
 */
export function arrowsBack(arrows, groupOf) {
  const between = [];
  for (const [from, targets] of arrows)
    for (const to of targets) {
      const [a, b] = [groupOf(from), groupOf(to)];
      if (a !== undefined && b !== undefined && a !== b) between.push({ from, to, a, b });
    }
  const groups = [...new Set(between.flatMap(({ a, b }) => [a, b]))];
  // Of each set of groups, the order of its groups at the foot with the fewest arrows out of it.
  let best = new Map([["", { order: [], back: [] }]]);
  for (let size = 0; size < groups.length; size += 1) {
    const next = new Map();
    for (const { order, back } of best.values())
      for (const group of groups.filter((other) => !order.includes(other))) {
        const below = [...order, group];
        const more = between.filter(({ a, b }) => a === group && !below.includes(b));
        const found = { order: below, back: [...back, ...more] };
        const key = [...below].sort().join(" ");
        if (!next.has(key) || next.get(key).back.length > found.back.length) next.set(key, found);
      }
    best = next;
  }
  return [...best.values()][0];
}
