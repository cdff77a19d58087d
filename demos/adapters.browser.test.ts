/**
 * Which adapters `init` takes in a browser: those of a headless Chromium, which are software, under other names.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "../scripts/browser.mjs";
import { serve } from "../scripts/serve.mjs";
import { forBrowsers } from "./build.mjs";

const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;
let page: Page;

beforeAll(async () => {
  await build({
    stdin: {
      contents: 'import { init } from "loopgrad"; window.init = init;',
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    outfile: join(folder, "main.js"),
    ...forBrowsers,
  });
  writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="./main.js"></script>');
  [browser, server] = await Promise.all([launchBrowser(), serve(folder)]);
  page = await browser.newPage();
  await page.goto(server.url);
  await page.waitForFunction(() => "init" in window);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What an adapter says of itself; without `info`, it is one of an older browser. */
interface Names {
  info?: Partial<GPUAdapterInfo>;
  /** What older browsers give on request. */
  requested?: Partial<GPUAdapterInfo>;
  isFallbackAdapter?: boolean;
}

/** The device that `init` makes where the browser's adapter has these names, or the error. */
const initialized = (names: Names | null | "rejects" | "gives no device", options: object = {}): Promise<string> =>
  page.evaluate(
    async ([names, options]) => {
      const { requestAdapter } = GPU.prototype;
      GPU.prototype.requestAdapter = async function (...args) {
        if (names === null) return null;
        if (names === "rejects") throw new DOMException("the GPU process crashed", "OperationError");
        const adapter = (await requestAdapter.apply(this, args)) as GPUAdapter;
        const own = (name: string, value: unknown): unknown => Object.defineProperty(adapter, name, { value });
        if (names === "gives no device") {
          own("requestDevice", () => Promise.reject(new DOMException("the adapter is lost", "OperationError")));
          own("info", { vendor: "nvidia" });
          return adapter;
        }
        own("info", names.info);
        own("requestAdapterInfo", names.requested && (() => Promise.resolve(names.requested)));
        own("isFallbackAdapter", names.isFallbackAdapter);
        return adapter;
      };
      try {
        const { init } = window as unknown as { init(options: object): Promise<{ destroy(): void }> };
        const device = await init(options);
        device.destroy();
        return String(device);
      } catch (error) {
        return String(error);
      } finally {
        GPU.prototype.requestAdapter = requestAdapter;
      }
    },
    [names, options] as const,
  );

const SOFTWARE: [string, Names][] = [
  ["SwiftShader", { info: { vendor: "google", architecture: "swiftshader", device: "", description: "" } }],
  ["llvmpipe", { info: { vendor: "mesa", description: "llvmpipe (LLVM 19.1.7, 256 bits)" } }],
  ["Windows' Basic Render Driver", { info: { vendor: "microsoft", description: "Microsoft Basic Render Driver" } }],
  ["WARP", { info: { vendor: "microsoft", architecture: "warp", description: "" } }],
  ["a fallback without names", { info: { vendor: "", architecture: "", isFallbackAdapter: true } }],
  ["an older browser's fallback", { info: { vendor: "", architecture: "" }, isFallbackAdapter: true }],
  ["an older browser's fallback without info", { isFallbackAdapter: true }],
  ["an older browser's SwiftShader", { requested: { vendor: "google", architecture: "swiftshader" } }],
];

test.each(SOFTWARE)('"auto" takes the cpu in place of %s, and "webgpu" takes it', async (_, names) => {
  expect(await initialized(names)).toMatch(/^cpu /);
  expect(await initialized(names, { device: "webgpu" })).toMatch(/^webgpu /);
  const refused = await initialized(names, { device: "webgpu", adapter: "hardware" });
  expect(refused).toMatch(/^DeviceError: the only WebGPU adapter is a software one.*hardware acceleration/);
});

test.each<[string, Names]>([
  ["webgpu (nvidia ampere)", { info: { vendor: "nvidia", architecture: "ampere", device: "", description: "" } }],
  ["webgpu (apple)", { info: { vendor: "apple", architecture: "", isFallbackAdapter: false } }],
  ["webgpu (Mali-G78)", { requested: { vendor: "arm", device: "Mali-G78" }, isFallbackAdapter: false }],
  ["webgpu (an adapter without a name)", {}],
])('"auto" takes %s', async (device, names) => {
  expect(await initialized(names)).toBe(device);
});

test.each([
  [null, /^DeviceError: no WebGPU adapter was found/],
  ["rejects", /^DeviceError: WebGPU gave no adapter \(OperationError: the GPU process crashed\)/],
  ["gives no device", /^DeviceError: WebGPU gave no device \(OperationError: the adapter is lost\)/],
] as const)(
  'where the browser\'s answer is %p, "auto" takes the cpu, and the error fits a browser',
  async (names, says) => {
    expect(await initialized(names)).toMatch(/^cpu /);
    const error = await initialized(names, { device: "webgpu" });
    expect(error).toMatch(says);
    expect(error).toMatch(/Use a browser with WebGPU .* hardware acceleration/);
    expect(error).not.toMatch(/Node|npm|Vulkan|VK_|Deno|Direct3D/);
  },
);
