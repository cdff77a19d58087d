/**
 * Lopsided tasks: two groups of classes, of which one is rare among the training images.
 *
 * The *imbalance* is the common group's share. The *clean* images are few, balanced, and never trained on by the
 * reweighting; the test images are as they come, so accuracy is taken for each group and averaged: *balanced accuracy*.
 * Training labels may be wrong, too: clean ones never are.
 */
import { tensor } from "loopgrad";
import { type ImageSet, Sampler } from "../data/images.ts";
import type { Examples } from "./reweight.ts";

/** Class numbers of the common group, label 0, and of the rare one, label 1. */
export interface Groups {
  readonly common: readonly number[];
  readonly rare: readonly number[];
}

export interface Task {
  /** Rows of the training images, and of the clean ones. */
  readonly rows: readonly number[];
  readonly clean: readonly number[];
  /** How many of the training rows are of the rare group. */
  readonly rareCount: number;
  /** Training rows whose label is the other group's. */
  readonly wrong: ReadonlySet<number>;
}

export interface TaskOptions {
  /** Share of the common group, between 0 and 1. */
  readonly imbalance: number;
  /** Share of the training labels that are wrong. */
  readonly wrong: number;
  /** Clean images of each group, set apart. */
  readonly clean: number;
  /** Images of the common group, at most. */
  readonly limit: number;
  readonly seed: number;
}

/** Rows of the images that belong to one of the groups' classes. */
export const rowsOf = (images: ImageSet, classes: readonly number[]): number[] =>
  images.rows.filter((row) => classes.includes(images.labels[row]));

/** Draws a task: the images of the common group, and as many rare ones as make up the imbalance. */
export function lopsidedTask(images: ImageSet, { common, rare }: Groups, options: TaskOptions): Task {
  const { imbalance, wrong, clean, limit, seed } = options;
  const both = common.find((c) => rare.includes(c));
  if (both !== undefined) throw new RangeError(`class ${both} is in both groups: give it to one`);
  const [commonRows, rareRows] = [rowsOf(images, common), rowsOf(images, rare)];
  const commonCount = Math.min(limit, commonRows.length - clean);
  const rareCount = Math.max(1, Math.round((commonCount * (1 - imbalance)) / imbalance));
  if (commonCount < 1 || rareCount > rareRows.length - clean) {
    throw new RangeError(
      `an imbalance of ${imbalance} wants ${Math.max(1, commonCount)} and ${rareCount} images of the two groups beside ` +
        `${clean} clean ones of each; there are ${commonRows.length} and ${rareRows.length}`,
    );
  }
  const [drawCommon, drawRare] = [new Sampler(commonRows, seed), new Sampler(rareRows, seed + 1)];
  const cleanRows = [...drawCommon.next(clean), ...drawRare.next(clean)];
  const rows = [...drawCommon.next(commonCount), ...drawRare.next(rareCount)];
  const spoiled = new Sampler(rows, seed + 2).next(Math.round(wrong * rows.length));
  return { rows, clean: cleanRows, rareCount, wrong: new Set(spoiled) };
}

/**
 * Images as rows of pixels, and which group they belong to.
 *
 * @param wrong  rows that get the other group's label
 */
export function examplesOf(
  images: ImageSet,
  { rare }: Groups,
  rows: readonly number[],
  wrong: ReadonlySet<number> = new Set(),
): Examples {
  const x = tensor(images.pixels(rows), { shape: [rows.length, images.height * images.width] });
  return {
    x,
    y: tensor(Float32Array.from(rows, (row) => Number(rare.includes(images.labels[row]) !== wrong.has(row)))),
  };
}
