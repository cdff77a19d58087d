/**
 * The network that tells characters apart: three blocks of convolution 3×3, batch norm, ReLU and max-pool, and a linear
 * layer; 28×28 → 13 → 5 → 1.
 *
 * Batch norm has momentum 1: its running statistics are those of the last batch. The model stays in training mode, at
 * test too: a task's statistics come from its own images.
 */
import { BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential } from "loopgrad";
import { Learner } from "../meta-learning/learner.ts";

/** @param width  channels of each convolution; 64 makes 75,205 parameters at 5 ways */
export function targetNet({ ways, width }: { ways: number; width: number }): Learner {
  const block = (channels: number) => [
    new Conv2d(channels, width, 3),
    new BatchNorm2d(width, { momentum: 1, affine: true }),
    new ReLU(),
    new MaxPool2d(2, { stride: 2 }),
  ];
  const body = new Sequential(...block(1), ...block(width), ...block(width), new Flatten());
  return new Learner(body, new Linear(width, ways));
}
