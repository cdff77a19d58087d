/**
 * The workspace: its root, its cache folder, its packages.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

/** Everything the scripts make and can make again. Goes with `node_modules`. */
export const cache = join(root, "node_modules", ".cache", "loopgrad");

/** The export condition under which a workspace package is its TypeScript source. */
export const sourceCondition = "@loopgrad/source";

/**
 * @typedef {object} WorkspacePackage
 * @property {string} name
 * @property {string} dir            relative to the root, with forward slashes
 * @property {boolean} library       has an `exports` entry, so that others may import it
 * @property {Record<string, string>} entries  what others may import: the source file of each name, relative to the root
 * @property {Record<string, string>} dependencies
 * @property {Record<string, string>} peerDependencies
 */

/**
 * The workspace's packages.
 *
 * @returns {WorkspacePackage[]}
 */
export function packages() {
  const inside = readdirSync(join(root, "packages")).map((name) => `packages/${name}`);
  return ["kernels", ...inside, "conformance", "examples", "demos", "bench"]
    .filter((dir) => existsSync(join(root, dir, "package.json")))
    .map((dir) => {
      const manifest = JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8"));
      const { name, exports = {}, dependencies = {}, peerDependencies = {} } = manifest;
      const entries = Object.fromEntries(
        Object.entries(exports).map(([path, targets]) => [
          `${name}${path.slice(1)}`,
          `${dir}/${targets[sourceCondition].slice(2)}`,
        ]),
      );
      return { name, dir, library: "exports" in manifest, entries, dependencies, peerDependencies };
    });
}

/**
 * The source file of everything that packages let others import, by its name.
 *
 * @returns {Record<string, string>}
 */
export const sources = () =>
  Object.fromEntries(
    packages().flatMap(({ entries }) => Object.entries(entries).map(([name, file]) => [name, join(root, file)])),
  );
