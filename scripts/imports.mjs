/**
 * Checks the direction of imports: `node scripts/imports.mjs`.
 *
 * Packages stand in layers. A file may import, of the workspace,
 *   - files of its own package, by relative path,
 *   - packages of a lower layer, by name (so through their index, or another entry of their package.json), if its own
 *     package.json lists them,
 *   - the build and browser scripts, from a `.mjs` file or a browser test.
 * Tests obey the same rules. In a package's `src`, npm packages must be listed too; tests, and what stands in a folder
 * `testing` for them, may use the root's.
 *
 * And the interpreter stands apart: neither its file nor what it imports, directly or not, may use the planner or the formulas
 * of the devices, which it is compared with.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { packages, root } from "./workspace.mjs";

/** Lowest first. Packages of one layer may not import each other. */
const layers = [
  ["@loopgrad/kernels"],
  ["@loopgrad/tensor"],
  ["@loopgrad/autograd"],
  ["@loopgrad/nn"],
  ["@loopgrad/optim"],
  ["@loopgrad/higher"],
  ["loopgrad"],
  ["@loopgrad/conformance", "@loopgrad/examples", "@loopgrad/demos", "@loopgrad/bench"],
];

const layerOf = new Map(layers.flatMap((names, layer) => names.map((name) => [name, layer])));

/** `import … from "x"`, `export … from "x"`, `import "x"` at the start of a line; `import("x")` anywhere. */
const importing =
  /^[ \t]*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']|^[ \t]*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

/** @type {string[]} */
const faults = [];
const all = packages();
const entries = new Set(all.flatMap((one) => Object.keys(one.entries)));

for (const { name, dir, dependencies, peerDependencies } of all) {
  const layer = layerOf.get(name);
  if (layer === undefined) faults.push(`${dir}/package.json: ${name} has no layer; give it one in scripts/imports.mjs`);
  for (const dependency of Object.keys(dependencies)) {
    const below = layerOf.get(dependency);
    if (below !== undefined && layer !== undefined && below >= layer) {
      faults.push(`${dir}/package.json: ${name} may not depend on ${dependency}, which is not in a lower layer`);
    }
  }
  const listed = { ...dependencies, ...peerDependencies };
  for (const file of sources(join(root, dir))) {
    const source = readFileSync(file, "utf8");
    for (const match of source.matchAll(importing)) {
      const specifier = match[1] ?? match[2] ?? match[3];
      const fault = judge(specifier, file, { name, dir, layer, listed });
      if (fault === undefined) continue;
      const line = source.slice(0, match.index + match[0].indexOf(specifier)).split("\n").length;
      faults.push(`${relative(root, file).replaceAll(sep, "/")}:${line}: "${specifier}" ${fault}`);
    }
  }
}

faults.push(...withApart("packages/tensor/src/cpu/interpreter.ts"));

for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "imports run downwards" : `${faults.length} imports are not allowed`);
process.exitCode = faults.length === 0 ? 0 : 1;

/**
 * What is wrong with an import, if anything is.
 *
 * @param {string} specifier
 * @param {string} file
 * @param {{ name: string, dir: string, layer?: number, listed: Record<string, string> }} from
 * @returns {string | undefined}
 */
function judge(specifier, file, from) {
  if (specifier.startsWith(".")) {
    const target = resolve(dirname(file), specifier);
    const within = (/** @type {string} */ dir) => target.startsWith(join(root, dir) + sep);
    const tool = file.endsWith(".mjs") || file.endsWith(".browser.test.ts");
    if (within(from.dir) || (tool && within("scripts"))) return undefined;
    return `leaves ${from.dir}: import the other package by its name`;
  }
  if (specifier.startsWith("node:")) return undefined;
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const below = layerOf.get(name);
  if (below === undefined) {
    const isForTests = file.endsWith(".test.ts") || file.includes(`${sep}testing${sep}`);
    const ships = file.includes(`${sep}src${sep}`) && !isForTests;
    return ships && !(name in from.listed) ? `is not listed in ${from.dir}/package.json` : undefined;
  }
  if (!entries.has(specifier)) return `reaches past the index of ${name}`;
  if (name === from.name) return "is the package itself: import the file by its relative path";
  if (from.layer !== undefined && below >= from.layer) return `runs upwards: ${from.name} is below, or beside, ${name}`;
  return name in from.listed ? undefined : `is not listed in ${from.dir}/package.json`;
}

/**
 * The TypeScript files under a folder, in order.
 *
 * @param {string} folder
 * @returns {string[]}
 */
function sources(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return ["node_modules", "dist", "peers"].includes(entry.name) ? [] : sources(path);
      return /\.[cm]?[jt]s$/.test(entry.name) ? [path] : [];
    });
}

/**
 * What a file that must compute by itself imports of what it is compared with.
 *
 * @param {string} start  the file, relative to the root
 * @returns {string[]}
 */
function withApart(start) {
  const formulas = exportedFrom("kernels/src/scalar/index.ts", "./javascript.ts");
  /** @type {string[]} */
  const found = [];
  const seen = new Set([start]);
  for (const file of seen) {
    if (file.startsWith("packages/tensor/src/plan/"))
      found.push(`${start}: reaches ${file}: it must not use the planner`);
    const source = readFileSync(join(root, file), "utf8");
    for (const [, clause, specifier] of source.matchAll(/^(?:import|export)\b([^"]*?)\bfrom "([^"]+)";/gm)) {
      if (/^\s*type\b/.test(clause)) continue;
      if (specifier.startsWith(".")) seen.add(join(dirname(file), specifier).replaceAll(sep, "/"));
      if (specifier !== "@loopgrad/kernels/scalar") continue;
      for (const name of namesIn(clause)) {
        if (formulas.has(name))
          found.push(`${file}: uses ${name}, and ${start} uses this file: it has its own arithmetic`);
      }
    }
  }
  if (formulas.size === 0 || seen.size < 5)
    found.push(`scripts/imports.mjs: looks for the formulas of ${start} in vain`);
  return found;
}

/**
 * The names that a file exports from another.
 *
 * @param {string} file
 * @param {string} from
 */
function exportedFrom(file, from) {
  const source = readFileSync(join(root, file), "utf8");
  const clauses = [...source.matchAll(/^export (\{[^}]*\}) from "([^"]+)";/gm)];
  return new Set(clauses.flatMap(([, clause, specifier]) => (specifier === from ? namesIn(clause) : [])));
}

/**
 * The values in an import clause.
 *
 * @param {string} clause
 */
function namesIn(clause) {
  const names = /\{([^}]*)\}/.exec(clause)?.[1].split(",") ?? [];
  return names.flatMap((name) => (/^\s*(type\b|$)/.test(name) ? [] : [name.trim().split(/\s+as\s+/)[0]]));
}
