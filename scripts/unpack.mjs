/**
 * Unpacks the archives of `@sparticuz/chromium`: a headless Chromium, the SwiftShader Vulkan driver
 * with a Vulkan loader, and the shared libraries that a bare Linux machine lacks.
 *
 * A folder is filled once, beside its final place, and renamed: whoever sees it sees all of it.
 */
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { cache } from "./workspace.mjs";

const decompress = promisify(brotliDecompress);

/**
 * Unpacks archives of `@sparticuz/chromium` into one folder.
 *
 * @param {string} name  the folder's
 * @param {("al2023.tar.br" | "chromium.br" | "fonts.tar.br" | "swiftshader.tar.br")[]} archives
 * @returns {Promise<string>} the folder
 */
export async function unpack(name, archives) {
  const { bin, version } = chromiumPackage();
  const folder = join(cache, `chromium-${version}`, name);
  if (await exists(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    for (const archive of archives) {
      const bytes = await decompress(await readFile(join(bin, archive)));
      if (archive.endsWith(".tar.br")) await untar(bytes, partial);
      else await writeFile(join(partial, basename(archive, ".br")), bytes, { mode: 0o755 });
    }
    await chmod(partial, 0o755);
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    // Another process may have been quicker: a full folder cannot be renamed over.
    if (!(await exists(folder))) throw error;
  }
  return folder;
}

/** Whether this machine can run what the archives hold. */
export const runsHere = process.platform === "linux" && process.arch === "x64";

function chromiumPackage() {
  const require = createRequire(import.meta.url);
  const entry = require.resolve("@sparticuz/chromium");
  const home = entry.slice(0, entry.lastIndexOf(`${sep}chromium${sep}`) + `${sep}chromium`.length);
  return { bin: join(home, "bin"), version: require(join(home, "package.json")).version };
}

/**
 * Writes a tar archive's files under `folder`. Plain ustar entries only: files and folders with short names.
 *
 * @param {Buffer} tar
 * @param {string} folder
 */
async function untar(tar, folder) {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const field = (/** @type {number} */ from, /** @type {number} */ length) =>
      tar.toString("utf8", at + from, at + from + length).replace(/\0.*$/s, "");
    const [prefix, name, mode] = [field(345, 155), field(0, 100), Number.parseInt(field(100, 8), 8)];
    const [size, kind] = [Number.parseInt(field(124, 12), 8), field(156, 1)];
    const path = resolve(folder, prefix, name);
    if (!path.startsWith(folder + sep)) throw new Error(`untar: ${name} would leave ${folder}`);
    if (kind === "5") {
      await mkdir(path, { recursive: true });
    } else if (kind === "0" || kind === "") {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, tar.subarray(at + 512, at + 512 + size), { mode });
    } else {
      throw new Error(`untar: ${name} is of kind ${kind}; only files and folders are expected`);
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/** @param {string} path */
async function exists(path) {
  return stat(path).then(
    () => true,
    () => false,
  );
}
