/**
 * A headless Chromium with WebGPU on SwiftShader, for the tests of pages.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { runsHere, unpack } from "./unpack.mjs";
import { cache } from "./workspace.mjs";

/**
 * Starts the bundled Chromium, unpacking it first where that hasn't happened.
 *
 * `LOOPGRAD_CHROMIUM` names another Chromium to start: the bundled one is for Linux on x64.
 *
 * @returns {Promise<import("playwright-core").Browser>} close it when done
 * @example const browser = await launchBrowser();
 *          const page = await browser.newPage();
 */
export async function launchBrowser() {
  const { executablePath, env } = await executable();
  return chromium.launch({
    executablePath,
    env: { ...process.env, ...env },
    args: [
      "--no-sandbox", // tests may run as root
      "--disable-dev-shm-usage", // containers have a small /dev/shm
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}

/** @returns {Promise<{ executablePath: string, env: Record<string, string> }>} */
async function executable() {
  if (process.env.LOOPGRAD_CHROMIUM) return { executablePath: process.env.LOOPGRAD_CHROMIUM, env: {} };
  if (!runsHere) {
    throw new Error("the bundled Chromium runs on Linux on x64 only. Set LOOPGRAD_CHROMIUM to a Chromium's path.");
  }
  // Chromium looks for the SwiftShader driver beside its executable.
  const folder = await unpack("browser", ["chromium.br", "swiftshader.tar.br", "al2023.tar.br", "fonts.tar.br"]);
  return {
    executablePath: join(folder, "chromium"),
    env: { LD_LIBRARY_PATH: join(folder, "lib"), FONTCONFIG_FILE: await fontConfig(join(folder, "fonts")) },
  };
}

/** @param {string} fonts  a folder with fonts */
async function fontConfig(fonts) {
  const folder = join(cache, "fontconfig");
  await mkdir(folder, { recursive: true });
  const file = join(folder, "fonts.conf");
  await writeFile(
    file,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">` +
      `<fontconfig><dir>${fonts}</dir><cachedir>${folder}</cachedir></fontconfig>\n`,
  );
  return file;
}
