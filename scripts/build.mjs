/**
 * Builds every package that others import: `node scripts/build.mjs [--no-types]`.
 *
 * `dist/index.js` is one ES module per package, with its source map; other packages and npm packages stay imports.
 * The `.d.ts` files in `dist` come from `tsc -b`.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";
import { packages, root } from "./workspace.mjs";

const started = performance.now();
const libraries = packages().filter(({ library }) => library);
await Promise.all(
  libraries.map(({ dir }) =>
    build({
      entryPoints: [join(root, dir, "src/index.ts")],
      outfile: join(root, dir, "dist/index.js"),
      bundle: true,
      packages: "external",
      format: "esm",
      platform: "neutral",
      target: "es2022",
      loader: { ".wgsl": "text" },
      sourcemap: true,
      logLevel: "warning",
    }),
  ),
).catch(() => process.exit(1));
console.log(`${libraries.length} packages bundled in ${Math.round(performance.now() - started)} ms`);

if (!process.argv.includes("--no-types")) {
  const tsc = join(root, "node_modules", ".bin", "tsc");
  process.exitCode =
    spawnSync(tsc, ["-b"], { cwd: root, stdio: "inherit", shell: process.platform === "win32" }).status ?? 1;
}
