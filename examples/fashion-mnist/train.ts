/**
 * Training and testing a classifier: the plain loop.
 */
import { argmax, CosineAnnealingLR, functional as F, type Module, noGrad, SGD, scope, type Tensor } from "loopgrad";
import type { ImageSet } from "../data/images.ts";
import { batches, Lcg } from "../lcg.ts";

export type Classifier = Module & { forward(x: Tensor): Tensor };

export interface Schedule {
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly seed: number;
}

/** Who looks at a run: after the steps that are `wanted`, with the batch's mean loss and share of right answers. */
export interface Watcher {
  wanted(step: number): boolean;
  seen(step: number, loss: number, accuracy: number): Promise<void>;
}

/** SGD with Nesterov's momentum; the rate falls to 0 along a cosine. */
export async function train(
  model: Classifier,
  images: ImageSet,
  { steps, batch: size, lr, momentum, weightDecay, seed }: Schedule,
  watcher: Watcher,
): Promise<void> {
  const optimizer = new SGD(model.parameters(), { lr, momentum, weightDecay, nesterov: true });
  const rate = new CosineAnnealingLR(optimizer, { tMax: steps });
  const order = batches(images.count, size, new Lcg(seed));
  model.train();
  for (let step = 1; step <= steps; step++) {
    using _ = scope();
    const { x, y } = images.batch(order.next().value);
    optimizer.zeroGrad();
    const logits = model.forward(x);
    const loss = F.crossEntropy(logits, y);
    loss.backward();
    optimizer.step();
    rate.step();
    // Reading waits for the device: only where someone looks.
    if (!watcher.wanted(step)) continue;
    const right = noGrad(() => argmax(logits, 1).eq(y).to("float32").mean());
    const [lossNow, accuracy] = await Promise.all([loss.item(), right.item()]);
    await watcher.seen(step, lossNow, accuracy);
  }
}

export interface Report {
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** The share of right answers. */
  readonly accuracy: number;
  /** The class that each row was taken for. */
  readonly answers: number[];
}

/** Goes through images in evaluation mode, 250 at a time. */
export async function test(model: Classifier, images: ImageSet, rows = images.rows): Promise<Report> {
  const answers: number[] = [];
  let loss = 0;
  model.eval();
  for (let start = 0; start < rows.length; start += 250) {
    using _ = scope();
    using _mode = noGrad();
    const { x, y } = images.batch(rows.slice(start, start + 250));
    const logits = model.forward(x);
    const sum = F.crossEntropy(logits, y, { reduction: "sum" });
    const [part, found] = await Promise.all([sum.item(), argmax(logits, 1).data()]);
    loss += part;
    answers.push(...found);
  }
  model.train();
  const right = rows.filter((row, i) => answers[i] === images.labels[row]).length;
  return { loss: loss / rows.length, accuracy: right / rows.length, answers };
}
