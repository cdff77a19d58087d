/**
 * What the tests of pages stand on: the headless Chromium starts, and a page from localhost finds a WebGPU adapter.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Browser } from "playwright-core";
import { dist } from "../demos/build.mjs";
import { launchBrowser } from "./browser.mjs";
import { serve } from "./serve.mjs";

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchBrowser(), serve(dist)]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test("a page finds the software adapter", async () => {
  const page = await browser.newPage();
  await page.goto(`${server.url}/`);
  const adapter = await page.evaluate(async () => (await navigator.gpu.requestAdapter())?.info.architecture);
  expect(adapter).toBe("swiftshader");
});
