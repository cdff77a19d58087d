/**
 * Runs rows in a headless browser: `node bench/browser.mjs '[{ "id": …, "settings": … }]'`, which `pnpm bench … --browser` starts.
 *
 * Prints an object on a line for each row: what `src/in-page.ts` measured, and the browser's version; or `{ error }`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { launchBrowser } from "../scripts/browser.mjs";
import { serve } from "../scripts/serve.mjs";
import { sourceCondition } from "../scripts/workspace.mjs";

const requests = JSON.parse(process.argv[2] ?? "[]");
const folder = mkdtempSync(join(tmpdir(), "loopgrad-bench-"));
try {
  await build({
    entryPoints: [fileURLToPath(new URL("src/in-page.ts", import.meta.url))],
    outfile: join(folder, "main.js"),
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: [sourceCondition],
    loader: { ".wgsl": "text" },
    external: ["webgpu", "node:*"],
    logLevel: "warning",
  });
  writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="./main.js"></script>');
  const [browser, server] = await Promise.all([launchBrowser(), serve(folder)]);
  try {
    for (const request of requests) {
      // A page of its own, so that its first call is the first.
      const page = await browser.newPage();
      await page.goto(server.url);
      await page.waitForFunction(() => "measureInPage" in globalThis);
      const answer = await page
        .evaluate((one) => /** @type {any} */ (globalThis).measureInPage(one), request)
        .catch((error) => ({ error: String(error.message).split("\n")[0] }));
      console.log(JSON.stringify({ ...answer, browser: browser.version() }));
      await page.close();
    }
  } finally {
    await browser.close();
    await server.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
