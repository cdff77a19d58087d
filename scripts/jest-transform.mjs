/**
 * Jest's transform: esbuild turns a `.ts` file into JavaScript and a `.wgsl` file into a module of its text.
 *
 * Node 20 has no `using`, so esbuild rewrites it. Jest keeps results in its own cache, by file and by `cacheKey`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { transformSync, version } from "esbuild";

const cacheKey = version + readFileSync(fileURLToPath(import.meta.url), "utf8");

export default {
  /** @param {string} source @param {string} path */
  process(source, path) {
    const loader = path.endsWith(".wgsl") ? "text" : "ts";
    const { code } = transformSync(source, {
      loader,
      format: "esm",
      target: "node20",
      sourcemap: "inline",
      sourcefile: path,
    });
    return { code };
  },
  /** @param {string} source @param {string} path */
  getCacheKey(source, path) {
    return createHash("sha256").update(cacheKey).update("\0").update(path).update("\0").update(source).digest("hex");
  },
};
