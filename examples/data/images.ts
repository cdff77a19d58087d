/**
 * Labelled images for the examples: the digits that come along, or a folder in MNIST's format.
 *
 * Images stay on the host as bytes. A *row* is the number of an image; a *batch* is what a few rows look like as
 * tensors; a *sampler* draws rows at random, each once before any comes again.
 */
import { type Tensor, tensor } from "loopgrad";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { loadDigits } from "./digits.ts";
import { type IdxSet, loadFashionMnist } from "./idx.ts";

/** Images [n, 1, height, width] with ink from 0 to 1, and class numbers [n], int32. */
export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** Images to train on and to test on. */
export interface ImageData {
  /** What they are and how many. */
  readonly description: string;
  readonly classes: number;
  readonly train: ImageSet;
  readonly test: ImageSet;
}

/**
 * Opens the images that an example works on.
 *
 * @param folder  four files in MNIST's format; undefined: the 8×8 digits
 * @throws        DataError for a folder that has none
 */
export async function openImages(folder: string | undefined): Promise<ImageData> {
  const { train, test } = folder === undefined ? await loadDigits() : await loadFashionMnist(folder);
  const [first, second] = [new ImageSet(train), new ImageSet(test)];
  const classes = Math.max(...new Set([...train.labels, ...test.labels])) + 1;
  const sizes = `${first.count} training and ${second.count} test images of ${first.height}×${first.width} pixels`;
  return { description: `${folder ?? "handwritten digits"}: ${sizes}`, classes, train: first, test: second };
}

/** Labelled images on the host. */
export class ImageSet {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly labels: Uint8Array;
  readonly #pixels: Uint8Array;

  constructor({ images, labels }: IdxSet) {
    this.count = images.count;
    this.height = images.height;
    this.width = images.width;
    this.labels = labels;
    this.#pixels = images.pixels;
  }

  /** Every row, in order. */
  get rows(): number[] {
    return Array.from({ length: this.count }, (_, row) => row);
  }

  /** Some rows as tensors. */
  batch(rows: readonly number[]): Batch {
    const { height, width } = this;
    const y = Int32Array.from(rows, (row) => this.labels[row]);
    return { x: tensor(this.pixels(rows), { shape: [rows.length, 1, height, width] }), y: tensor(y) };
  }

  /** The ink of some rows, one image after another, from 0 to 1. */
  pixels(rows: readonly number[]): Float32Array {
    const size = this.height * this.width;
    const pixels = new Float32Array(rows.length * size);
    for (const [i, row] of rows.entries()) {
      for (let p = 0; p < size; p++) pixels[i * size + p] = this.#pixels[row * size + p] / 255;
    }
    return pixels;
  }
}

/**
 * Draws rows without repetition; when all were drawn, it begins anew.
 *
 * @example const sampler = new Sampler(train.rows, seed);
 *          const { x, y } = train.batch(sampler.next(128));
 */
export class Sampler {
  readonly #rows: number[];
  readonly #random: ReturnType<typeof xoroshiro128plus>;
  #drawn = 0;

  /** @param seed  the same seed draws the same rows */
  constructor(rows: readonly number[], seed: number) {
    if (rows.length === 0) throw new RangeError("Sampler: no rows to draw from");
    this.#rows = [...rows];
    this.#random = xoroshiro128plus(seed);
  }

  /** The next `count` rows. */
  next(count: number): number[] {
    return Array.from({ length: count }, () => this.#one());
  }

  /** One step of Fisher's and Yates's shuffle. */
  #one(): number {
    const rows = this.#rows;
    if (this.#drawn === rows.length) this.#drawn = 0;
    const at = uniformInt(this.#random, this.#drawn, rows.length - 1);
    const row = rows[at];
    rows[at] = rows[this.#drawn];
    rows[this.#drawn++] = row;
    return row;
  }
}
