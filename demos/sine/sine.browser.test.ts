/**
 * The sine page in a headless Chromium, which has a software adapter and no GPU.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
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

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  problems.length = 0;
});

interface Opening {
  /** What the browser does before the page's own script. */
  before?: () => void;
  viewport?: { width: number; height: number };
  /** The page is expected to fail, and to offer another start. */
  fails?: boolean;
}

async function open(query = "", { before, viewport, fails = false }: Opening = {}): Promise<Page> {
  const page = await browser.newPage({ viewport });
  if (before !== undefined) await page.addInitScript(before);
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  await page.goto(`${server.url}/sine/${query}`);
  await page.locator(fails ? "#error:visible" : "#play:enabled").waitFor({ timeout: 60_000 });
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
  const page = await open("?device=webgpu&seed=1");
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

const text = async (page: Page, id: string): Promise<string> => (await page.locator(`#${id}`).textContent()) ?? "";

const withoutWebGPU = (): void => {
  Object.defineProperty(navigator, "gpu", { value: undefined });
};
const withoutAdapter = (): void => {
  GPU.prototype.requestAdapter = () => Promise.resolve(null);
};
const FOR_BROWSERS = /hardware acceleration/;
const FOR_OTHERS = /Node|npm|Vulkan|VK_|Deno|Direct3D/;

test.each([
  ["only a software adapter", undefined],
  ["no WebGPU", withoutWebGPU],
  ["no adapter", withoutAdapter],
])("with %s it takes the cpu, and says what would help", async (_, before) => {
  const page = await open("", { before });
  expect(await text(page, "device")).toContain("CPU");
  expect(await page.locator("#note").isVisible()).toBe(true);
  expect(await text(page, "note")).toMatch(FOR_BROWSERS);
  expect(await text(page, "note")).not.toMatch(FOR_OTHERS);
  await page.locator("#step").click();
  await reached(page, 1);
  expect(problems).toEqual([]);
});

test("the cpu can be insisted on", async () => {
  const page = await open("?device=cpu");
  expect(await text(page, "device")).toContain("CPU");
  expect(await page.locator("#note").isVisible()).toBe(false);
  expect(problems).toEqual([]);
});

test.each([
  ["no WebGPU", withoutWebGPU, "this browser has no WebGPU"],
  ["no adapter", withoutAdapter, "no WebGPU adapter was found"],
])("with %s, WebGPU that is insisted on is refused with a remedy for browsers", async (_, before, says) => {
  const page = await open("?device=webgpu", { before, fails: true });
  expect(await text(page, "errorText")).toContain(says);
  expect(await text(page, "errorText")).toMatch(FOR_BROWSERS);
  expect(await text(page, "errorText")).not.toMatch(FOR_OTHERS);
  expect(await page.locator("#play").isEnabled()).toBe(false);

  await page.locator("#again-cpu").click();
  await page.locator("#play:enabled").waitFor();
  expect(await page.locator("#error").isVisible()).toBe(false);
  expect(await text(page, "device")).toContain("CPU");
});

test.each([
  ["?device=gpu", 'unknown device "gpu"'],
  ["?device=cpu&seed=one", "?seed=one: wanted a whole number"],
])("%s is refused", async (query, says) => {
  const page = await open(query, { fails: true });
  expect(await text(page, "errorText")).toContain(says);
});

test("after a lost GPU it says so, and starts again on a new device, or on the cpu", async () => {
  const before = (): void => {
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...args) {
      const device = await requestDevice.apply(this, args);
      Object.assign(window, { lose: () => device.destroy() });
      return device;
    };
  };
  const page = await open("?device=webgpu", { before });
  const lose = (): Promise<unknown> => page.evaluate("lose()");
  const told = (): Promise<void> =>
    page.locator("#errorText:visible", { hasText: "The page has lost the GPU" }).waitFor({ timeout: 60_000 });

  await page.locator("#play").click();
  await reached(page, 5);
  await lose();
  await told();
  expect(await text(page, "play")).toBe("Play");
  expect(await page.locator(".controls button:enabled").count()).toBe(0);
  expect(await page.locator("#again").evaluate((button) => button === document.activeElement)).toBe(true);

  await page.locator("#again").click();
  await page.locator("#play:enabled").waitFor({ timeout: 60_000 });
  expect(await page.locator("#error").isVisible()).toBe(false);
  expect(await text(page, "device")).toContain("WebGPU");
  expect(await text(page, "lossText")).toBe("No training steps yet.");
  expect(await page.locator("#play").evaluate((button) => button === document.activeElement)).toBe(true);
  await page.locator("#step").click();
  await page.locator("#steps").selectOption("5");
  await page.locator("#waveText", { hasText: "after 5 steps" }).waitFor();

  await lose();
  await page.locator("#wave-new").click();
  await told();
  await page.locator("#again-cpu").click();
  await page.locator("#play:enabled").waitFor({ timeout: 60_000 });
  expect(await text(page, "device")).toContain("CPU");
  await page.locator("#play").click();
  await reached(page, 10);
  expect(await page.locator("#error").isVisible()).toBe(false);
  // The two losses stand on the console, and nothing else does.
  expect(problems.filter((problem) => !problem.includes("the GPU device was lost"))).toEqual([]);
}, 240_000);

describe("with a seed", () => {
  /** The waves and curves that are on show, and the errors. */
  const picture = (page: Page): Promise<unknown> =>
    page.evaluate(() => {
      const read = (id: string): string | null | undefined => document.getElementById(id)?.textContent;
      return [
        document.getElementById("wave")?.innerHTML,
        document.getElementById("loss")?.innerHTML,
        read("waveText"),
        read("lossText")?.replace(/, [\d.]+ ms.*/, ""),
      ];
    });

  /** Three steps and another wave: what is to be seen before, between and after. */
  async function run(page: Page): Promise<unknown[]> {
    const pictures = [await picture(page)];
    for (const step of [1, 2, 3]) {
      await page.locator("#step").click();
      await reached(page, step);
    }
    // The picture follows the reading of steps; the reading of the error follows the picture.
    await page.locator("#steps").selectOption("5");
    await page.locator("#waveText", { hasText: "after 5 steps" }).waitFor();
    pictures.push(await picture(page));
    await page.locator("#wave-new").click();
    await page.locator("#steps").selectOption("10");
    await page.locator("#waveText", { hasText: "after 10 steps" }).waitFor();
    pictures.push(await picture(page));
    return pictures;
  }

  async function reset(page: Page): Promise<void> {
    await page.locator("#reset").click();
    await page.locator("#lossText", { hasText: "No training steps yet." }).waitFor();
  }

  test.each(["cpu", "webgpu"])("a run on %s is repeated by Reset, and by opening the page again", async (device) => {
    const query = `?device=${device}&seed=1`;
    const page = await open(query);
    const first = await run(page);
    expect(new Set(first.map((pictures) => JSON.stringify(pictures))).size).toBe(3);
    await reset(page);
    expect(await run(page)).toEqual(first);
    await page.reload();
    await page.locator("#play:enabled").waitFor();
    expect(await run(page)).toEqual(first);
    expect(problems).toEqual([]);
  });

  test("another seed shows another wave and trains another network; no seed repeats nothing", async () => {
    const [one, two] = await Promise.all([open("?device=cpu&seed=1"), open("?device=cpu&seed=2")]);
    const [a, b] = [await run(one), await run(two)];
    for (const i of a.keys()) expect(a[i]).not.toEqual(b[i]);
    const free = await open("?device=cpu");
    const first = await run(free);
    await reset(free);
    expect((await run(free))[1]).not.toEqual(first[1]);
  });
});

test.each([
  [320, 568],
  [360, 640],
  [375, 667],
  [1280, 720],
])("on a screen of %i × %i all can be read, and Play is in sight with the first chart", async (width, height) => {
  const page = await open("?device=cpu", { viewport: { width, height } });
  await page.locator("#step").click();
  await reached(page, 1);
  const found = await page.evaluate(() => {
    const boxes = (selector: string): DOMRect[] =>
      [...document.querySelectorAll(selector)].map((found) => found.getBoundingClientRect());
    const [svg, ...others] = boxes("svg");
    return {
      wide: document.documentElement.scrollWidth,
      // A font's size is in units of the chart: what counts is how many CSS pixels it has.
      labels: [...document.querySelectorAll<SVGTextElement>("svg text")].map((label) => {
        const scale = label.getScreenCTM()?.a ?? 0;
        return scale * Number.parseFloat(getComputedStyle(label).fontSize);
      }),
      outside: boxes("svg text").filter(
        (label) =>
          ![svg, ...others].some(
            (chart) =>
              label.left >= chart.left &&
              label.right <= chart.right &&
              label.top >= chart.top &&
              label.bottom <= chart.bottom,
          ),
      ).length,
      lineHeights: boxes(".legend li").map(({ height }) => height),
      chart: [svg.top, svg.bottom],
      play: [boxes("#play")[0].top, boxes("#play")[0].bottom],
    };
  });
  expect(found.wide).toBeLessThanOrEqual(width);
  expect(found.labels.length).toBeGreaterThan(15);
  expect(Math.min(...found.labels)).toBeGreaterThanOrEqual(11);
  expect(found.outside).toBe(0);
  expect(Math.max(...found.lineHeights)).toBeLessThan(30);
  expect(found.chart[0]).toBeGreaterThanOrEqual(0);
  expect(found.play[0]).toBeGreaterThan(found.chart[1]);
  expect(found.play[1]).toBeLessThanOrEqual(height);
});

test("charts are drawn anew for another width", async () => {
  const page = await open("?device=cpu", { viewport: { width: 1280, height: 720 } });
  const box = (): Promise<[string | null, number]> =>
    page
      .locator("svg")
      .first()
      .evaluate((svg) => [svg.getAttribute("viewBox"), svg.getBoundingClientRect().width]);
  const [wide] = await box();
  await page.setViewportSize({ width: 400, height: 720 });
  await page.waitForFunction((wide) => document.querySelector("svg")?.getAttribute("viewBox") !== wide, wide);
  const [viewBox, width] = await box();
  expect(Number(viewBox?.split(" ")[2])).toBeCloseTo(width);
  expect(problems).toEqual([]);
});

test("the space bar plays and pauses, and leaves the focus where it is", async () => {
  const page = await open("?device=cpu");
  const focus = (): Promise<string | undefined> => page.evaluate(() => document.activeElement?.id);
  const label = async (wanted: string): Promise<void> => page.locator("#play", { hasText: wanted }).waitFor();

  await page.keyboard.press("Space");
  await label("Pause");
  await page.keyboard.press("Space");
  await label("Play");
  expect(await focus()).toBe("");
  expect(await page.evaluate(() => window.scrollY)).toBe(0);

  await page.locator("#play").focus();
  await page.keyboard.press("Space");
  await label("Pause");
  await reached(page, 10);
  await page.keyboard.press("Space");
  await label("Play");
  expect(await focus()).toBe("play");

  // A button that has the focus is what the space bar presses.
  await page.locator("#reset").focus();
  await page.keyboard.press("Space");
  await page.locator("#lossText", { hasText: "No training steps yet." }).waitFor();
  expect([await text(page, "play"), await focus()]).toEqual(["Play", "reset"]);
  expect(problems).toEqual([]);
});
