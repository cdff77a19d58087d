/**
 * Builds the demo pages: `node demos/build.mjs [--serve] [--port N]`.
 *
 * Each folder `demos/<name>` with a `main.ts` becomes `demos/dist/<name>/`: `main.js`, bundled for browsers, beside
 * the folder's other files. `index.html` loads it with `<script type="module" src="./main.js"></script>`.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { serve } from "../scripts/serve.mjs";
import { root, sourceCondition } from "../scripts/workspace.mjs";

const demos = join(root, "demos");

/** Where `buildDemos` leaves the pages. */
export const dist = join(demos, "dist");

/**
 * How esbuild bundles loopgrad's sources for browsers.
 *
 * @type {import("esbuild").BuildOptions}
 */
export const forBrowsers = {
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  conditions: [sourceCondition],
  loader: { ".wgsl": "text" },
  // Node only, and never imported in a browser.
  external: ["webgpu", "node:*"],
  logLevel: "warning",
};

/**
 * Builds every demo anew.
 *
 * @returns {Promise<string[]>} the demos' names
 */
export async function buildDemos() {
  const names = readdirSync(demos).filter((name) => existsSync(join(demos, name, "main.ts")));
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  for (const name of names) {
    cpSync(join(demos, name), join(dist, name), { recursive: true, filter: (path) => extname(path) !== ".ts" });
  }
  await build({
    entryPoints: names.map((name) => ({ in: join(demos, name, "main.ts"), out: `${name}/main` })),
    outdir: dist,
    ...forBrowsers,
    sourcemap: true,
  });
  const links = names.map((name) => `<li><a href="./${name}/">${name}</a></li>`).join("");
  writeFileSync(
    join(dist, "index.html"),
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>loopgrad demos</title><ul>${links}</ul></html>\n`,
  );
  return names;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const names = await buildDemos();
  console.log(`built in demos/dist: ${names.join(", ") || "no demos"}`);
  if (process.argv.includes("--serve")) {
    const at = process.argv.indexOf("--port");
    const { url } = await serve(dist, at < 0 ? 8080 : Number(process.argv[at + 1]));
    for (const name of names) console.log(`${url}/${name}/`);
    console.log("Ctrl+C ends the server");
  }
}
