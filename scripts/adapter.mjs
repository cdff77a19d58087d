/**
 * The adapter environment: environment variables under which Dawn (npm `webgpu`) finds an adapter.
 *
 * On Linux, Dawn loads `libvulkan.so.1` (the *loader*), and the loader loads the *drivers* that JSON files
 * name. A machine may lack either. `@sparticuz/chromium` carries a loader and SwiftShader, a driver that runs on
 * the CPU: the *software adapter*. Both are found through variables that must be set when Node starts, so a
 * program that wants a device is started by `run.mjs` or `jest.mjs`, with the variables that `adapterEnv` returns.
 */
import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runsHere, unpack } from "./unpack.mjs";

/**
 * Environment variables to add for a child Node.
 *
 * Drivers that the user chose (`VK_DRIVER_FILES`, `VK_ICD_FILENAMES`) are kept, unless "software" is asked for.
 *
 * @param {{ device?: string, adapter?: string }} wanted
 *   device: "cpu" and "auto" need nothing; "webgpu" (the default) needs an adapter.
 *   adapter: "hardware", "software", "null" (Dawn's, which computes nothing and needs no driver), or "any" (the
 *   default): hardware if there is some, else software.
 *   `LOOPGRAD_ADAPTER` stands in for `adapter` where it isn't given.
 * @returns {Promise<Record<string, string>>}
 * @throws Error with a remedy, if no adapter of the wanted kind can be had
 */
export async function adapterEnv({ device = "webgpu", adapter = process.env.LOOPGRAD_ADAPTER ?? "any" } = {}) {
  if (!["any", "hardware", "software", "null"].includes(adapter)) {
    throw new Error(`adapter: "${adapter}" is given; "hardware", "software", "null" or "any" is wanted`);
  }
  if (device === "cpu" || adapter === "null") return {};
  const chosen = process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES;
  if (chosen && adapter !== "software") return {};
  if (adapter !== "software") {
    for (const env of await hardwareEnvs()) {
      const found = await probe(env);
      if (found !== null && !found.fallback) return env;
    }
    // "auto" means hardware or cpu: a program that finds no adapter takes cpu by itself.
    if (device === "auto") return {};
    if (adapter === "hardware") throw new Error(`no hardware WebGPU adapter was found. ${remedy}`);
  }
  const software = await softwareEnv();
  const found = await probe(software);
  if (found === null) throw new Error(`no WebGPU adapter was found, hardware or software. ${remedy}`);
  if (adapter === "software" && !found.fallback) {
    throw new Error(
      `a software adapter is wanted, "${found.description}" was found: SwiftShader is bundled for Linux on x64 only. ` +
        "Set LOOPGRAD_ADAPTER=hardware to use this adapter.",
    );
  }
  return software;
}

/** The environment of the software adapter, whatever hardware there is. */
async function softwareEnv() {
  if (!runsHere) {
    // Elsewhere the system's own software adapter (WARP on Windows) may still be found.
    return {};
  }
  const folder = await unpack("vulkan", ["swiftshader.tar.br"]);
  // The driver's JSON names its library relative to itself.
  const driver = join(folder, "vk_swiftshader_icd.json");
  return { ...loaderEnv(folder), VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver };
}

/** Environments to look for hardware in: the machine's own loader, else the bundled one with the machine's drivers. */
async function hardwareEnvs() {
  return runsHere ? [{}, loaderEnv(await unpack("vulkan", ["swiftshader.tar.br"]))] : [{}];
}

/** @param {string} folder */
function loaderEnv(folder) {
  const before = process.env.LD_LIBRARY_PATH;
  return { LD_LIBRARY_PATH: before ? `${folder}${delimiter}${before}` : folder };
}

const remedy =
  process.platform === "linux"
    ? "Install a Vulkan driver and its loader (Debian: apt-get install libvulkan1 mesa-vulkan-drivers; " +
      "check with `vulkaninfo --summary`), or point VK_DRIVER_FILES at a driver's JSON file, or run with --device cpu."
    : "Dawn needs Metal (macOS) or Direct3D 12 (Windows) with a current driver; or run with --device cpu.";

/**
 * Asks Dawn for an adapter in a child Node that has `env`.
 *
 * @param {Record<string, string>} env
 * @returns {Promise<{ vendor: string, architecture: string, description: string, fallback: boolean } | null>}
 */
export function probe(env) {
  const script = `
    const { create } = await import("webgpu");
    const gpu = create([]);
    const adapter = await gpu.requestAdapter();
    const i = adapter?.info;
    const fallback = !!i && (i.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|microsoft basic|warp/i.test(i.description + i.architecture + i.device));
    console.log(JSON.stringify(i ? { vendor: i.vendor, architecture: i.architecture, description: i.description, fallback } : null));
    process.exit(0);`;
  return new Promise((done) => {
    execFile(
      process.execPath,
      ["--input-type=module", "--eval", script],
      { cwd: fileURLToPath(new URL(".", import.meta.url)), env: { ...process.env, ...env }, timeout: 30_000 },
      (error, stdout) => {
        try {
          done(error ? null : JSON.parse(stdout.trim().split("\n").at(-1) ?? "null"));
        } catch {
          done(null);
        }
      },
    );
  });
}
