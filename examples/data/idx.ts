/**
 * IDX files: how MNIST and the sets that imitate it (Fashion-MNIST, KMNIST) are stored.
 *
 * A file is a header of big-endian 32-bit integers, then bytes. The first integer is the *magic number*: 0x00000803 for
 * images (count, height, width, then pixels 0 to 255, image by image, row by row), 0x00000801 for labels (count, then
 * class numbers). Files ending in `.gz` are the same, gzipped; which one it is, is seen from the first two bytes.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Grey images, one after another, each row by row: 0 to 255. */
export interface IdxImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
}

/** Images, and the class number of each. */
export interface IdxSet {
  readonly images: IdxImages;
  readonly labels: Uint8Array;
}

/** What is wrong with a file of data, and what was wanted. */
export class DataError extends Error {
  override name = "DataError";
}

const IMAGES = 0x0803;
const LABELS = 0x0801;

const HOW_TO_GET_IT = `
Wanted is a folder with the four files of MNIST or of a set in its format, gzipped or not:

  train-images-idx3-ubyte[.gz]  train-labels-idx1-ubyte[.gz]
  t10k-images-idx3-ubyte[.gz]   t10k-labels-idx1-ubyte[.gz]

Fashion-MNIST (MIT licence): the Debian and Ubuntu package dataset-fashion-mnist, or
https://github.com/zalandoresearch/fashion-mnist. Then: --data FOLDER`;

/**
 * Reads the four files of a set in MNIST's format.
 *
 * @param folder  holds them under their usual names, gzipped or not
 * @throws        DataError that says which file is missing or broken, and where to get it
 * @example       const { train, test } = await loadFashionMnist("/usr/share/datasets/fashion-mnist");
 */
export async function loadFashionMnist(folder: string): Promise<{ train: IdxSet; test: IdxSet }> {
  const part = async (name: string): Promise<IdxSet> => {
    const [images, labels] = await Promise.all([
      readIdxImages(join(folder, `${name}-images-idx3-ubyte`)),
      readIdxLabels(join(folder, `${name}-labels-idx1-ubyte`)),
    ]);
    if (images.count !== labels.length) {
      throw new DataError(`${folder}: ${images.count} ${name} images, but ${labels.length} labels`);
    }
    return { images, labels };
  };
  const [train, test] = await Promise.all([part("train"), part("t10k")]);
  return { train, test };
}

/**
 * Reads a file of images.
 *
 * @param path  of the file; where there is none, `path.gz` is tried
 * @throws      DataError if it is missing, not of this kind, or cut off
 */
export async function readIdxImages(path: string): Promise<IdxImages> {
  const bytes = await readIdx(path, IMAGES, "images");
  const [count, height, width] = dimensions(bytes, path, 3);
  return { count, height, width, pixels: bytes.subarray(16) };
}

/** Reads a file of labels. See {@link readIdxImages}. */
export async function readIdxLabels(path: string): Promise<Uint8Array> {
  const bytes = await readIdx(path, LABELS, "labels");
  dimensions(bytes, path, 1);
  return bytes.subarray(8);
}

/** The file's bytes, unzipped, behind a magic number that was checked. */
async function readIdx(path: string, magic: number, kind: string): Promise<Uint8Array> {
  const stored = await readFirst([path, `${path}.gz`]);
  let bytes = stored;
  if (stored.length >= 2 && stored.readUInt16BE(0) === 0x1f8b) {
    try {
      bytes = gunzipSync(stored);
    } catch (error) {
      throw new DataError(`${path}: broken gzip data (${(error as Error).message}): get the file again`);
    }
  }
  const found = bytes.length >= 4 ? bytes.readUInt32BE(0) : Number.NaN;
  if (found !== magic) {
    const what = bytes.length < 4 ? `only ${bytes.length} bytes` : `magic number ${hex(found)}`;
    const swapped = found === IMAGES || found === LABELS ? ": images and labels may be swapped" : "";
    throw new DataError(`${path}: ${what}, wanted ${hex(magic)} for IDX ${kind}${swapped}`);
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function readFirst(paths: readonly string[]): Promise<Buffer> {
  for (const path of paths) {
    try {
      return await readFile(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") throw new DataError(`${path}: cannot be read (${message})`);
    }
  }
  throw new DataError(`${paths.join(" or ")}: no such file\n${HOW_TO_GET_IT}`);
}

/** The sizes in the header, which the length of the file must bear out. */
function dimensions(bytes: Uint8Array, path: string, rank: number): number[] {
  const header = 4 + 4 * rank;
  if (bytes.length < header) throw new DataError(`${path}: ${bytes.length} bytes, wanted a header of ${header}`);
  const numbers = new DataView(bytes.buffer, bytes.byteOffset);
  const sizes = Array.from({ length: rank }, (_, i) => numbers.getUint32(4 + 4 * i));
  const wanted = header + sizes.reduce((product, size) => product * size, 1);
  if (bytes.length !== wanted) {
    const state = bytes.length < wanted ? "cut off" : "too long";
    throw new DataError(`${path}: ${state}: ${bytes.length} bytes, wanted ${wanted} for ${sizes.join(" × ")}`);
  }
  return sizes;
}

const hex = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`;
