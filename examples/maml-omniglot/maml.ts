/**
 * The model, the meta-step and the test of MAML on Omniglot.
 */
import {
  BatchNorm2d,
  Conv2d,
  functional as F,
  Flatten,
  innerLoop,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  type SGD,
  scope,
  type Tensor,
} from "loopgrad";
import type { Episode, Episodes } from "./episodes.ts";

/**
 * Three blocks of convolution 3×3, batch norm, ReLU and max-pool, and a linear layer: 28×28 → 13 → 5 → 1.
 *
 * Batch norm has momentum 1: its running statistics are those of the last batch. The model stays in training mode, at
 * test too: a task's statistics come from its own images.
 *
 * @param width  channels of each convolution; 64 makes 75,205 parameters at 5 ways
 */
export function targetNet({ ways, width }: { ways: number; width: number }): Sequential {
  const block = (channels: number) => [
    new Conv2d(channels, width, 3),
    new BatchNorm2d(width, { momentum: 1, affine: true }),
    new ReLU(),
    new MaxPool2d(2, { stride: 2 }),
  ];
  return new Sequential(...block(1), ...block(width), ...block(width), new Flatten(), new Linear(width, ways));
}

export interface InnerOptions {
  readonly innerSteps: number;
  readonly firstOrder: boolean;
}

/** Query loss (mean over images, in nats) and accuracy in [0, 1] after adaptation: 0-d tensors. */
export interface Outcome {
  readonly loss: Tensor;
  readonly accuracy: Tensor;
}

/** Adapts to an episode's support set and adds the gradient of its query loss to the model's `.grad`. */
export function metaBackward(
  model: Sequential,
  inner: SGD,
  { support, query }: Episode,
  { innerSteps, firstOrder }: InnerOptions,
): Outcome {
  const mode = firstOrder ? "first-order" : "second-order";
  return innerLoop(model, inner, { mode }, ({ fmodel, diffopt }) => {
    for (let k = 0; k < innerSteps; k++) diffopt.step(F.crossEntropy(fmodel.forward(support.x), support.y));
    const logits = fmodel.forward(query.x);
    const loss = F.crossEntropy(logits, query.y);
    loss.backward();
    return { loss: loss.detach(), accuracy: accuracy(logits, query.y) };
  });
}

/**
 * Mean loss and accuracy on held-out episodes. Adaptation is off the tape; the model doesn't change.
 *
 * @param count  episodes
 */
export async function test(
  model: Sequential,
  inner: SGD,
  episodes: Episodes,
  { innerSteps, count }: { innerSteps: number; count: number },
): Promise<{ loss: number; accuracy: number }> {
  const total = { loss: 0, accuracy: 0 };
  for (let i = 0; i < count; i++) {
    using _ = scope();
    const { support, query } = episodes.next();
    const logits = innerLoop(model, inner, { mode: "none" }, ({ fmodel, diffopt }) => {
      for (let k = 0; k < innerSteps; k++) diffopt.step(F.crossEntropy(fmodel.forward(support.x), support.y));
      return fmodel.forward(query.x).detach();
    });
    const [loss, right] = await Promise.all([F.crossEntropy(logits, query.y).item(), accuracy(logits, query.y).item()]);
    total.loss += loss / count;
    total.accuracy += right / count;
  }
  return total;
}

const accuracy = (logits: Tensor, labels: Tensor): Tensor => logits.detach().argmax(1).eq(labels).to("float32").mean();
