/**
 * Convolutions of all tasks.
 *
 * With weights that all tasks share, tasks are more images of one batch. Where each has its own, they are groups: channels of one task
 * meet no others.
 */
import { type Attrs, convAttrs, convGeometry, convWeightP, type Primitive } from "../primitives.ts";
import { numel } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { levelsOf } from "./level.ts";
import { valueShape, type Work } from "./rules.ts";

/** Of `conv` and `convInput`: images and weights; of `convWeight`: images and gradients. */
export function convolution(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs, work: Work): Tensor {
  const [x, w] = inputs;
  const tasks = numel(work.sizes);
  const [images, ...rest] = x._shape;
  if (primitive !== convWeightP && levelsOf(w).length === 0) {
    const all = work.bind(primitive, [work.reshape(x, [tasks * images, ...rest]), w], attrs);
    return work.reshape(all, [...work.sizes, images, ...valueShape(all).slice(1)]);
  }
  const geometry = convGeometry(attrs);
  const groups = convAttrs({ ...geometry, groups: geometry.groups * tasks });
  if (primitive === convWeightP) {
    const all = work.bind(primitive, [asChannels(x, work), asChannels(w, work)], groups);
    return work.reshape(all, [...work.sizes, w._shape[1], ...valueShape(all).slice(1)]);
  }
  const [outputs, ...kernel] = w._shape;
  const weights = work.reshape(work.spread(w), [tasks * outputs, ...kernel]);
  const all = work.bind(primitive, [asChannels(x, work), weights], groups);
  return fromChannels(all, work);
}

/** [tasks, images, channels, …] → [images, tasks · channels, …]. */
function asChannels(x: Tensor, work: Work): Tensor {
  const [images, channels, ...spatial] = x._shape;
  const side = work.permute(work.joined(x), [1, 0, ...x._shape.slice(1).map((_, i) => i + 2)]);
  return work.reshape(side, [images, numel(work.sizes) * channels, ...spatial]);
}

/** [images, tasks · channels, …] → [tasks, images, channels, …]. */
function fromChannels(x: Tensor, work: Work): Tensor {
  const tasks = numel(work.sizes);
  const [images, channels, ...spatial] = valueShape(x);
  const apart = work.reshape(x, [images, tasks, channels / tasks, ...spatial]);
  return work.parted(work.permute(apart, [1, 0, 2, ...spatial.map((_, i) => i + 3)]));
}
