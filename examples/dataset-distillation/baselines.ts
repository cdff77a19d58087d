/**
 * What distilled images are compared with: as many images per class that were not learned through training.
 *
 * - *Random*: real images drawn at random.
 * - *Centroids*: the means that k-means (Lloyd's algorithm) finds in each class.
 *
 * They get the best of several constant learning rates, chosen by the loss on training images.
 */
import { functional as F, noGrad, type Sequential, scope, type Tensor, tensor } from "loopgrad";
import { type Batch, type ImageSet, Sampler } from "../data/images.ts";
import { meanAndDeviation } from "../figures.ts";
import { type Lesson, teach } from "./distill.ts";

/** Real images, the same number of each class. */
export function randomImages(set: ImageSet, classes: number, perClass: number, seed: number): Float32Array {
  return set.pixels(byClass(set, classes).flatMap((rows) => new Sampler(rows, seed).next(perClass)));
}

/** The centroids of each class. */
export function centroids(set: ImageSet, classes: number, perClass: number, seed: number): Float32Array {
  const size = set.height * set.width;
  const found = new Float32Array(classes * perClass * size);
  for (const [c, rows] of byClass(set, classes).entries()) {
    const first = set.pixels(new Sampler(rows, seed).next(perClass));
    found.set(kMeans(set.pixels(rows), first, size), c * perClass * size);
  }
  return found;
}

const byClass = (set: ImageSet, classes: number): number[][] =>
  Array.from({ length: classes }, (_, c) => set.rows.filter((row) => set.labels[row] === c));

/** Lloyd's algorithm, from the given means: each point joins the nearest one, each mean moves to the middle of its points. */
function kMeans(points: Float32Array, first: Float32Array, size: number, rounds = 20): Float32Array {
  const [n, k] = [points.length / size, first.length / size];
  const means = Float32Array.from(first);
  const distance = (point: number, mean: number): number => {
    let sum = 0;
    for (let d = 0; d < size; d++) sum += (points[point * size + d] - means[mean * size + d]) ** 2;
    return sum;
  };
  for (let round = 0; round < rounds; round++) {
    const sums = new Float64Array(means.length);
    const counts = new Float64Array(k);
    for (let point = 0; point < n; point++) {
      let nearest = 0;
      for (let mean = 1; mean < k; mean++) if (distance(point, mean) < distance(point, nearest)) nearest = mean;
      counts[nearest]++;
      for (let d = 0; d < size; d++) sums[nearest * size + d] += points[point * size + d];
    }
    for (let i = 0; i < means.length; i++) {
      const count = counts[Math.floor(i / size)];
      if (count > 0) means[i] = sums[i] / count;
    }
  }
  return means;
}

const RATES = [0.1, 0.3, 1, 3];

/** A lesson of these images, with the constant learning rate after which nets do best on training images. */
export async function tuned(
  images: Tensor,
  labels: Tensor,
  { steps, nets, judge }: { steps: number; nets: readonly Sequential[]; judge: Batch },
): Promise<Lesson & { rate: number }> {
  const losses: number[] = [];
  for (const rate of RATES) {
    using _ = scope();
    const lesson = { images, labels, logRates: tensor(new Array<number>(steps).fill(Math.log(rate))) };
    const { loss } = await grade(lesson, nets, judge);
    losses.push(Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY);
  }
  const rate = RATES[losses.indexOf(Math.min(...losses))];
  return { images, labels, logRates: tensor(new Array<number>(steps).fill(Math.log(rate))), rate };
}

/** How well a lesson teaches. */
export interface Grade {
  readonly loss: number;
  /** Mean and standard deviation over the nets. */
  readonly accuracy: number;
  readonly deviation: number;
}

/** Teaches each net and judges it on images. The nets stay as they are. */
export async function grade(lesson: Lesson, nets: readonly Sequential[], { x, y }: Batch): Promise<Grade> {
  const losses: number[] = [];
  const accuracies: number[] = [];
  for (const net of nets) {
    using _ = scope();
    const logits = teach(net, lesson, "none", (taught) => noGrad(() => taught.forward(x.flatten(1))));
    const right = logits.argmax(1).eq(y).to("float32").mean();
    const [loss, accuracy] = await Promise.all([F.crossEntropy(logits, y).item(), right.item()]);
    losses.push(loss);
    accuracies.push(accuracy);
  }
  const { mean, deviation } = meanAndDeviation(accuracies);
  return { loss: meanAndDeviation(losses).mean, accuracy: mean, deviation };
}
