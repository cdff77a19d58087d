/**
 * Suite `higher`: a model takes K optimizer steps, and the query loss is differentiated with respect to its
 * parameters at some time and to the optimizer's hyper-parameters.
 *
 * A *hyper-parameter* that is learned is a 0-d leaf, one for each parameter group (two for a pair such as betas).
 */
import {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  grad,
  innerLoop,
  mseLoss,
  type Parameter,
  type Sequential,
  stack,
  type Tensor,
  tensor,
} from "loopgrad";
import type { Batch, GoldenTensor, HigherCase, Maybe } from "../format.ts";
import { makeModel } from "../modules.ts";
import { camelCase, options } from "../names.ts";
import { type Finding, findings, namedFindings, type Place, toLeaf, toTensor } from "./case.ts";
import { makeOptimizer, setGrads } from "./optimizer.ts";

const LOSSES = { mse_loss: mseLoss, cross_entropy: crossEntropy, bce_with_logits: binaryCrossEntropyWithLogits };

/** A learned hyper-parameter of one group: its leaf, or the two of a pair. */
type Leaves = Tensor | [Tensor, Tensor];

/** Runs an inner loop and differentiates the query loss through it. */
export function runHigher(golden: HigherCase, place: Place): Finding[] {
  const { expect } = golden;
  const model = makeModel(golden);
  try {
    const params = prepare(model, golden, place);
    const optimizer = makeOptimizer(golden.optimizer, groupsOf(golden, params), golden.options);
    warmUp(golden, params, optimizer, place);
    const learned = learnedHyperparameters(golden, place);
    const paramLr = golden.param_lr?.map((lr) => toLeaf(lr, place)) ?? [];
    const stepLr = golden.step_lr?.map((lr) => scalarLeaf(lr, place)) ?? [];

    using loop = innerLoop(model, optimizer, {
      initial: "connected",
      mode: !golden.track_higher_grads ? "none" : golden.mode === "second" ? "second-order" : "first-order",
      override: overrides(golden, learned, paramLr),
      gradCallback: gradTransform(golden),
    });
    const { fmodel, diffopt } = loop;
    const loss = ({ x, y }: Batch): Tensor => LOSSES[golden.loss](fmodel.forward(toTensor(x, place)), toTensor(y, place));
    const times = [fmodel.parameters({ time: 0 })];
    const innerLosses = golden.inner.map((batch, step) => {
      const innerLoss = loss(batch);
      diffopt.step(innerLoss, stepLr.length > 0 ? { override: { lr: stepLr[step] } } : {});
      times.push(fmodel.parameters());
      if (golden.detach_after?.includes(step + 1)) {
        loop.detach();
      }
      return innerLoss;
    });
    const buffersAfterInner = { ...fmodel.namedBuffers() };
    const queryLoss = loss(golden.query);
    const buffersAfterQuery = { ...fmodel.namedBuffers() };

    const flatLearned = learned.flatMap((group) => Object.values(group).flat());
    const fixed = new Set(golden.frozen ?? []);
    const atTime = Object.keys(expect.grads_wrt_time);
    const wanted = (time: number): Tensor[] => times[time].filter((_, i) => !fixed.has(golden.params[i]));
    const leaves = [params, ...atTime.map((t) => wanted(Number(t))), flatLearned, paramLr, stepLr].map((list) =>
      list.filter((leaf) => leaf.requiresGrad),
    );
    const gradOf = new Map<Tensor, Tensor | null>();
    const all = [...new Set(leaves.flat())];
    grad([queryLoss], all, { allowUnused: true }).forEach((g, i) => gradOf.set(all[i], g));
    const of = (list: readonly Tensor[]) => list.map((leaf) => gradOf.get(leaf) ?? null);

    return [
      ...golden.times.flatMap(() => []),
      ...times.flatMap((at, t) => findings("fast_params", at, expect.fast_params[t]).map(atTimeOf(t))),
      ...findings("inner_losses", innerLosses, expect.inner_losses),
      ...findings("query_loss", [queryLoss], [expect.query_loss]),
      ...findings("meta_grads", of(params), expect.meta_grads),
      ...atTime.flatMap((t) => findings("grads_wrt_time", of(times[Number(t)]), expect.grads_wrt_time[t]).map(atTimeOf(t))),
      ...hyperFindings(golden, learned, gradOf),
      ...findings("param_lr_grads", of(paramLr), expect.param_lr_grads ?? []),
      ...findings("step_lr_grads", of(stepLr), expect.step_lr_grads ?? []),
      ...namedFindings("buffers_after_inner", buffersAfterInner, expect.buffers_after_inner ?? {}),
      ...namedFindings("buffers_after_query", buffersAfterQuery, expect.buffers_after_query ?? {}),
    ];
  } finally {
    model.dispose();
  }
}
