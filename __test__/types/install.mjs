// Lays out a folder as if packages had been installed in it.
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyDeclarations } from "../../scripts/declarations.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");

/** How a package may publish its declarations. */
const LAYOUTS = {
  /** One declaration file for `import` and `require`. */
  shared: {
    files: ["index.d.ts"],
    exports: { types: "./index.d.ts", default: "./index.js" },
  },
  /** A declaration file for each of the two, with types of its own. */
  dual: {
    files: ["index.d.cts", "index.d.mts"],
    exports: {
      import: { types: "./index.d.mts", default: "./index.mjs" },
      require: { types: "./index.d.cts", default: "./index.js" },
    },
  },
  /** The same, where those for `require` are in a file that a bundler reads as an ES module. */
  plain: {
    files: ["index.d.ts", "index.d.mts"],
    exports: {
      import: { types: "./index.d.mts", default: "./index.mjs" },
      require: { types: "./index.d.ts", default: "./index.js" },
    },
  },
  /** Only ES modules. */
  esm: {
    type: "module",
    files: ["index.d.ts"],
    exports: { types: "./index.d.ts", default: "./index.js" },
  },
};

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

function installDouble(project, name, source, layout) {
  const { files, ...manifest } = LAYOUTS[layout];
  const folder = join(project, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  writeJson(join(folder, "package.json"), {
    name,
    version: "0.0.0",
    main: "./index.js",
    ...manifest,
  });
  for (const file of files) cpSync(join(here, "packages", source), join(folder, file));
}

function installEngine(project) {
  const folder = join(project, "node_modules", "@starkeep", "sync-engine");
  mkdirSync(folder, { recursive: true });
  for (const file of ["package.json", "index.d.ts"]) cpSync(join(root, file), join(folder, file));
  copyDeclarations(folder);
}

function installNodeTypes(project) {
  const types = join(project, "node_modules", "@types");
  mkdirSync(types, { recursive: true });
  symlinkSync(join(root, "node_modules", "@types", "node"), join(types, "node"), "junction");
}

/** What can be installed beside the engine. */
const PACKAGES = {
  "@types/node": installNodeTypes,
  "old engine": (project, layout) =>
    installDouble(project, "sync-engine-0.1", "sync-engine-0.1.d.ts", layout),
  "primitives 0.1": (project, layout) =>
    installDouble(project, "@starkeep/protocol-primitives", "protocol-primitives.d.ts", layout),
  "primitives 0.2": (project, layout) =>
    installDouble(project, "@starkeep/protocol-primitives", "protocol-primitives-0.2.d.ts", layout),
  "storage 0.1": (project, layout) =>
    installDouble(project, "@starkeep/storage-adapter", "storage-adapter.d.ts", layout),
  "storage 0.2": (project, layout) =>
    installDouble(project, "@starkeep/storage-adapter", "storage-adapter-0.2.d.ts", layout),
};

/** Each case as an ES module and as CommonJS, unless its name says which of the two it is. */
function copyCase(project, file) {
  const source = join(here, "cases", file);
  const names = file.endsWith(".ts")
    ? [".mts", ".cts"].map((kind) => file.replace(/\.ts$/, kind))
    : [file];
  for (const name of names) cpSync(source, join(project, name));
  return names;
}

/** Whether a file can be compiled with a config. */
function fits(file, config, layout) {
  if (!file.endsWith(".cts")) return true;
  // CommonJS cannot import what is only there as ES modules.
  if (layout === "esm") return false;
  // `import … = require(…)` is no syntax of `module: esnext`.
  return file !== "require.cts" || config !== "bundler";
}

/**
 * Makes a project of `cases` in the folder `project`, with a `tsconfig.<config>.json` for each of the
 * `configs`. `written` are more files, with their text.
 */
export function makeProject(project, { cases, configs, installed, layout, written }) {
  mkdirSync(project, { recursive: true });
  installEngine(project);
  for (const name of installed) PACKAGES[name](project, layout);
  const files = cases.flatMap((file) => copyCase(project, file));
  for (const [name, text] of Object.entries(written)) {
    writeFileSync(join(project, name), text);
    files.push(name);
  }
  cpSync(join(here, "configs"), join(project, "configs"), { recursive: true });
  const types = installed.includes("@types/node") ? ["node"] : [];
  for (const config of configs) {
    writeJson(join(project, `tsconfig.${config}.json`), {
      extends: `./configs/${config}.json`,
      compilerOptions: { types },
      files: files.filter((file) => fits(file, config, layout)),
    });
  }
}
