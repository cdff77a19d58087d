/**
 * Programs that wait in the middle, at the same time in a headless Chromium: there is one chain of contexts for all, and
 * each program computes what it computes alone, or is refused.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { launchBrowser } from "../scripts/browser.mjs";
import { serve } from "../scripts/serve.mjs";
import { forBrowsers } from "./build.mjs";

/** What came of a pair of programs, and of each alone. */
interface Pair {
  names: [string, string];
  together: unknown[];
  alone: unknown[];
  refused: boolean[];
  isExact: boolean;
}

const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL("../packages/higher/src/testing/interleaved-page.ts", import.meta.url))],
    outfile: join(folder, "main.js"),
    ...forBrowsers,
  });
  writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="./main.js"></script>');
  [browser, server] = await Promise.all([launchBrowser(), serve(folder)]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("each computes what it computes alone, or is refused", async () => {
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.waitForFunction(() => "result" in window);
  const { chains, cpu, webgpu } = (await page.evaluate("result")) as { chains: boolean; cpu: Pair[]; webgpu: Pair[] };
  expect(chains).toBe(false);
  expect(cpu.length).toBeGreaterThan(100);
  expect(webgpu).toHaveLength(4);
  for (const { names, together, alone, refused, isExact } of [...cpu, ...webgpu]) {
    expect([names, alone.map(Array.isArray)]).toEqual([names, [true, true]]);
    together.forEach((outcome, i) => {
      if (!refused[i]) expect([names, i, outcome]).toEqual([names, i, alone[i]]);
    });
    if (isExact) expect([names, refused]).toEqual([names, [false, false]]);
  }
}, 240_000);
