/**
 * Dataset distillation (Wang, Zhu, Torralba and Efros 2018, arXiv 1811.10959): a few synthetic images that stand for a
 * whole set.
 *
 * A net with fresh random weights takes a few steps of gradient descent on the *distilled* images; then its loss on real
 * images is differentiated, through these steps, by the pixels of the distilled images and by the steps' learning rates.
 * Both are updated, and the next net is a new one. So the images learn to teach any net that is drawn this way.
 */
import {
  Adam,
  arange,
  clipGradNorm,
  functional as F,
  full,
  innerLoop,
  Linear,
  Parameter,
  randn,
  repeatInterleave,
  Sequential,
  SGD,
  scope,
  Tanh,
  type Tensor,
} from "loopgrad";
import type { Batch } from "../data/images.ts";

/** Images to train on, and how. */
export interface Lesson {
  /** Rows of pixels, [n, pixels]. */
  readonly images: Tensor;
  /** Their classes, int32, [n]. */
  readonly labels: Tensor;
  /** The logarithm of each step's learning rate, [steps]. */
  readonly logRates: Tensor;
}

/** A lesson to be learned: noise to begin with, and as many images of each class, class by class. */
export const noise = (classes: number, perClass: number, pixels: number, steps: number, lr: number): Lesson => ({
  images: new Parameter(
    randn([classes * perClass, pixels])
      .mul(0.1)
      .add(0.3),
  ),
  labels: repeatInterleave(arange(classes), perClass),
  logRates: new Parameter(full([steps], Math.log(lr))),
});

/** The net that is taught, with fresh random weights. */
export const student = (pixels: number, hidden: number, classes: number): Sequential =>
  new Sequential(new Linear(pixels, hidden), new Tanh(), new Linear(hidden, classes));

/**
 * Teaches a net on the distilled images alone, one step of gradient descent for each learning rate.
 *
 * @param mode   "second-order" for an outer gradient, "none" to use what was learned
 * @param judge  gets the taught net; tensors that it returns live on
 */
export function teach<T>(
  net: Sequential,
  { images, labels, logRates }: Lesson,
  mode: "second-order" | "none",
  judge: (taught: { forward(x: Tensor): Tensor }) => T,
): T {
  const sgd = new SGD(net.parameters(), { lr: 1 });
  return innerLoop(net, sgd, { mode, initial: "detached" }, ({ fmodel, diffopt }) => {
    for (const lr of logRates.exp().unbind(0)) {
      diffopt.step(F.crossEntropy(fmodel.forward(images), labels), { override: { lr } });
    }
    return judge(fmodel);
  });
}

/** The outer loss: that of a freshly drawn net on real images, after it was taught. */
export const distillationLoss = (net: Sequential, distilled: Lesson, real: Batch): Tensor =>
  teach(net, distilled, "second-order", (taught) => F.crossEntropy(taught.forward(real.x.flatten(1)), real.y));

export interface DistillOptions {
  readonly iterations: number;
  /** Fresh nets in an outer step. */
  readonly nets: number;
  readonly metaLr: number;
  readonly net: () => Sequential;
  /** Real images, others at each call. */
  readonly batch: () => Batch;
  /** Called after each outer step with its last loss. */
  readonly onStep: (step: number, loss: Tensor) => Promise<void>;
}

/** The greatest norm of an outer gradient; common ones are smaller. */
const CLIP = 0.5;

/** The outer loop: Adam on pixels and learning rates. */
export async function distill(distilled: Lesson, options: DistillOptions): Promise<void> {
  const { iterations, nets, metaLr, net, batch, onStep } = options;
  const inputs = [distilled.images, distilled.logRates];
  // Learning rates go slowly: one that is too bold makes the training explode.
  const outer = new Adam([{ params: [distilled.images] }, { params: [distilled.logRates], lr: metaLr / 10 }], {
    lr: metaLr,
  });
  for (let step = 1; step <= iterations; step++) {
    using _ = scope();
    outer.zeroGrad();
    const real = batch();
    let loss: Tensor | undefined;
    for (let i = 0; i < nets; i++) {
      const fresh = net();
      const taught = distillationLoss(fresh, distilled, real);
      taught.div(nets).backward({ inputs });
      loss = taught.detach(); // stored: without its net it could not be computed again
      fresh.dispose();
    }
    clipGradNorm(inputs, CLIP); // a net that was taught too boldly explodes, and its gradient with it
    outer.step();
    await onStep(step, loss as Tensor);
  }
}
