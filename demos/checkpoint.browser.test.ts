/**
 * Checkpoints and models as Blobs in a headless Chromium, on its WebGPU device, from a bundle made for browsers.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { build } from "esbuild";
import { init, Linear, loadSafetensors } from "loopgrad";
import type { Browser } from "playwright-core";
import { launchBrowser } from "../scripts/browser.mjs";
import { serve } from "../scripts/serve.mjs";
import { forBrowsers } from "./build.mjs";

/** Trains, saves to a Blob, goes on in fresh objects, and tells what came out. */
const PAGE = `
import {
  Adam, checkpointBlob, init, Linear, loadCheckpoint, loadSafetensors, manualSeed, randn, safetensorsBlob,
  saveSafetensors, scope,
} from "loopgrad";

const make = () => {
  const model = new Linear(3, 2);
  return { model, optimizer: new Adam(model.parameters(), { lr: 0.1 }) };
};
const train = ({ model, optimizer }, steps) => {
  for (let i = 0; i < steps; i++) {
    using _ = scope();
    optimizer.zeroGrad();
    model.forward(randn([4, 3])).square().mean().backward();
    optimizer.step();
  }
};
window.result = (async () => {
  const device = await init({ device: "webgpu" });
  manualSeed(1);
  const straight = make();
  train(straight, 2);
  const checkpoint = await checkpointBlob(straight, { extra: { steps: 2 } });
  train(straight, 2);
  const resumed = make();
  const { steps } = await loadCheckpoint(new File([checkpoint], "run.safetensors"), resumed);
  train(resumed, 2);

  const blob = await safetensorsBlob(resumed.model.stateDict());
  const loaded = new Linear(3, 2);
  loaded.loadStateDict(await loadSafetensors(blob));
  const weights = await Promise.all([straight, resumed, { model: loaded }].map(({ model }) => model.weight.toArray()));
  const refusal = await saveSafetensors("model.safetensors", {}).catch(({ message }) => message);
  return { device: device.name, steps, weights, refusal, file: [...new Uint8Array(await blob.arrayBuffer())] };
})();
`;

const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  await build({
    stdin: { contents: PAGE, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    outfile: join(folder, "main.js"),
    ...forBrowsers,
  });
  writeFileSync(join(folder, "index.html"), '<script type="module" src="./main.js"></script>');
  [browser, server] = await Promise.all([launchBrowser(), serve(folder)]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true });
});

test("a run goes on from a Blob, and Node reads what the browser wrote", async () => {
  const page = await browser.newPage();
  await page.goto(`${server.url}/index.html`);
  await page.waitForFunction("window.result !== undefined");
  const result = (await page.evaluate("window.result")) as {
    device: string;
    steps: number;
    weights: number[][][];
    refusal: string;
    file: number[];
  };
  expect(result).toMatchObject({ device: "webgpu", steps: 2 });
  const [straight, resumed, loaded] = result.weights;
  expect(resumed).toEqual(straight);
  expect(loaded).toEqual(straight);
  expect(result.refusal).toMatch(/a path needs Node; in a browser use a Blob/);

  await init({ device: "cpu" });
  const model = new Linear(3, 2);
  model.loadStateDict(await loadSafetensors(Uint8Array.from(result.file)));
  expect(await model.weight.toArray()).toEqual(straight);
}, 120_000);
