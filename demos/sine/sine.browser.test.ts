/**
 * The sine page in a headless Chromium on its WebGPU device.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "../../scripts/browser.mjs";
import { serve } from "../../scripts/serve.mjs";
import { dist } from "../build.mjs";

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;
const problems: string[] = [];

beforeAll(async () => {
  [browser, server] = await Promise.all([launchBrowser(), serve(dist)]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function open(query = ""): Promise<Page> {
  const page = await browser.newPage();
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  await page.goto(`${server.url}/sine/${query}`);
  await page.locator("#play:enabled").waitFor({ timeout: 60_000 });
  return page;
}

/** The meta-steps done and the last error, as the page shows them. */
async function reading(page: Page): Promise<{ step: number; error: number }> {
  const found = /Meta-step (\d+): error ([\d.]+)/.exec((await page.locator("#lossText").textContent()) ?? "");
  return { step: Number(found?.[1] ?? 0), error: Number(found?.[2] ?? Number.NaN) };
}

const reached = (page: Page, step: number): Promise<unknown> =>
  page.waitForFunction(
    (wanted) =>
      Number(/Meta-step (\d+)/.exec(document.getElementById("lossText")?.textContent ?? "")?.[1] ?? 0) >= wanted,
    step,
    { timeout: 120_000 },
  );

test("it trains on WebGPU: the error falls, and the buttons do what they say", async () => {
  const page = await open("?seed=1");
  expect(await page.locator("#device").textContent()).toContain("WebGPU");
  expect(await page.locator("#note").isVisible()).toBe(false);

  await page.locator("#step").click();
  await reached(page, 1);
  expect((await reading(page)).step).toBe(1);

  await page.locator("#play").click();
  expect(await page.locator("#play").textContent()).toBe("Pause");
  await reached(page, 1000);
  await page.locator("#play").click();
  expect(await page.locator("#play").textContent()).toBe("Play");

  const errors = await page.evaluate(() => {
    const points = document.querySelector("#loss .after")?.getAttribute("points") ?? "";
    return points.split(" ").map((point) => Number(point.split(",")[1]));
  });
  // Heights on the page: the lower the error, the larger y. Waves differ much, so many readings are averaged.
  const mean = (list: number[]): number => list.reduce((sum, y) => sum + y, 0) / list.length;
  expect(mean(errors.slice(-60))).toBeGreaterThan(mean(errors.slice(0, 60)) + 20);

  await page.locator("#steps").selectOption("5");
  await page.locator("#wave-new").click();
  await page.locator("#waveText", { hasText: "after 5 steps" }).waitFor();

  await page.locator("#reset").click();
  await page.locator("#lossText", { hasText: "No training steps yet." }).waitFor();
  expect(await page.locator("#error").isVisible()).toBe(false);
  expect(problems).toEqual([]);
}, 240_000);

test("it trains on the cpu too", async () => {
  const page = await open("?device=cpu");
  expect(await page.locator("#device").textContent()).toContain("CPU");
  await page.locator("#step").click();
  await reached(page, 1);
  expect(problems).toEqual([]);
}, 120_000);
