/**
 * Suite `higher`: a model takes K optimizer steps, and the query loss is differentiated with respect to its
 * parameters at some time and to the optimizer's hyper-parameters.
 *
 * A *hyper-parameter* that is learned is a 0-d leaf, one for each parameter group (two for a pair such as betas).
 */
import {
  functional as F,
  type GradCallback,
  grad,
  type InnerLoop,
  type InnerLoopOptions,
  innerLoop,
  type Parameter,
  perParameter,
  type Sequential,
  stack,
  Tensor,
  type Trainable,
  tensor,
  trainableHyperparameters,
} from "loopgrad";
import type { Batch, HigherCase } from "../format.ts";
import { makeModel } from "../modules.ts";
import { camelCase, options } from "../names.ts";
import { type Finding, findings, namedFindings, type Place, toLeaf, toTensor } from "./case.ts";
import { makeOptimizer, setGrads } from "./optimizer.ts";

const LOSSES = {
  mse_loss: F.mseLoss,
  cross_entropy: F.crossEntropy,
  bce_with_logits: F.binaryCrossEntropyWithLogits,
};

/** What is differentiated beside the parameters. */
interface Learned {
  readonly hyper: Trainable;
  /** Elementwise learning rates, one for each parameter. */
  readonly paramLr: readonly Tensor[];
  /** A learning rate for each step. */
  readonly stepLr: readonly Tensor[];
}

/** Runs an inner loop and differentiates the query loss through it. */
export function runHigher(golden: HigherCase, place: Place): Finding[] {
  const model = makeModel(golden);
  try {
    const params = prepare(model, golden, place);
    const optimizer = makeOptimizer(golden.optimizer, groupsOf(golden, params), golden.options);
    for (const grads of golden.warm_steps ?? []) {
      setGrads(params, grads, place);
      optimizer.step();
    }
    model.zeroGrad();
    const learned: Learned = {
      hyper: trainableHyperparameters(optimizer, golden.learn.map(camelCase)),
      paramLr: golden.param_lr?.map((lr) => toLeaf(lr, place)) ?? [],
      stepLr:
        golden.step_lr?.map((lr) => tensor(lr, { device: place.device, dtype: place.float, requiresGrad: true })) ?? [],
    };
    return innerLoop(model, optimizer, loopOptions(golden, learned), (loop) =>
      // What the loop made is released when it ends; detached, it lives on.
      unroll(golden, loop, params, learned, place).map((finding) => ({
        ...finding,
        got: finding.got instanceof Tensor ? finding.got.detach() : finding.got,
      })),
    );
  } finally {
    model.dispose();
  }
}

/** Loads the state, freezes, and puts the parameters in the case's order. */
function prepare(model: Sequential, golden: HigherCase, place: Place): Parameter[] {
  model.loadStateDict(Object.fromEntries(Object.entries(golden.state).map(([name, t]) => [name, toTensor(t, place)])));
  const named = new Map(model.namedParameters());
  if ([...named.keys()].join() !== golden.params.join()) {
    throw new Error(`the model's parameters are ${[...named.keys()].join(", ")}, wanted ${golden.params.join(", ")}`);
  }
  for (const name of golden.frozen ?? []) named.get(name)?.requiresGrad_(false);
  return [...named.values()];
}

/** Parameter groups by the case's names; one group of all that are not frozen where the case has none. */
function groupsOf({ params: names, groups, frozen = [] }: HigherCase, params: readonly Parameter[]): object[] {
  const all = { params: names.filter((name) => !frozen.includes(name)), options: {} };
  return (groups ?? [all]).map((group) => ({
    params: group.params.map((name) => params[names.indexOf(name)]),
    ...options(group.options),
  }));
}

function loopOptions(golden: HigherCase, { hyper, paramLr }: Learned): InnerLoopOptions {
  const mode = !golden.track_higher_grads ? "none" : golden.mode === "second" ? "second-order" : "first-order";
  const override = { ...hyper, ...(paramLr.length > 0 ? { lr: perParameter(paramLr) } : {}) };
  return { mode, override, gradCallback: gradTransform(golden) };
}

/** The transformation of all gradients of a step. */
function gradTransform({ grad_transform: transform }: HigherCase): GradCallback | undefined {
  if (transform === undefined) return undefined;
  return (grads) => {
    const each = (fn: (g: Tensor) => Tensor) => grads.map(({ grad: g }) => g && fn(g));
    switch (transform.kind) {
      case "scale":
        return each((g) => g.mul(transform.factor));
      case "clip_value":
        return each((g) => g.clamp(-transform.clip_value, transform.clip_value));
      case "clip_norm": {
        const squares = grads.flatMap(({ grad: g }) => (g === null ? [] : [g.square().sum()]));
        const factor = stack(squares).sum().sqrt().add(1e-6).reciprocal().mul(transform.max_norm).clamp(null, 1);
        return each((g) => g.mul(factor));
      }
      default:
        transform satisfies never;
        throw new Error("unknown grad_transform");
    }
  };
}

function unroll(
  golden: HigherCase,
  { fmodel, diffopt }: InnerLoop<Sequential>,
  params: readonly Parameter[],
  learned: Learned,
  place: Place,
): Finding[] {
  const { expect } = golden;
  const loss = ({ x, y }: Batch): Tensor => LOSSES[golden.loss](fmodel.forward(toTensor(x, place)), toTensor(y, place));

  const weights: Tensor[][] = [fmodel.parameters()];
  const fast = [weights[0].map((w) => w.detach())];
  const innerLosses = golden.inner.map((batch, step) => {
    const innerLoss = loss(batch);
    diffopt.step(innerLoss, learned.stepLr.length > 0 ? { override: { lr: learned.stepLr[step] } } : {});
    fast.push(fmodel.parameters().map((w) => w.detach()));
    if (golden.detach_after?.includes(step + 1)) {
      fmodel.detach();
      diffopt.detach();
    }
    weights.push(fmodel.parameters());
    return innerLoss;
  });
  const buffersAfterInner = detached(fmodel.buffers);
  const queryLoss = loss(golden.query);
  const buffersAfterQuery = detached(fmodel.buffers);

  const hyper = Object.entries(learned.hyper);
  const times = Object.keys(expect.grads_wrt_time);
  const sources = [
    // Without tracking, weights of earlier times are of no use to the query loss, and are not kept.
    ...(golden.track_higher_grads ? params : []),
    ...times.flatMap((time) => weights[Number(time)]),
    ...hyper.flatMap(([, groups]) => groups.flat()),
    ...learned.paramLr,
    ...learned.stepLr,
  ].filter((source) => source.requiresGrad);
  const unique = [...new Set(sources)];
  const found = grad(queryLoss, unique, { allowUnused: true });
  const gradOf = (source: Tensor): Tensor | null => found[unique.indexOf(source)] ?? null;

  return [
    ...fast.flatMap((at, time) => atTime(time, findings("fast_params", at, expect.fast_params[time]))),
    ...findings("inner_losses", innerLosses, expect.inner_losses),
    ...findings("query_loss", [queryLoss], [expect.query_loss]),
    ...findings("meta_grads", params.map(gradOf), expect.meta_grads),
    ...times.flatMap((time) =>
      atTime(Number(time), findings("grads_wrt_time", weights[Number(time)].map(gradOf), expect.grads_wrt_time[time])),
    ),
    ...hyperFindings(golden, learned.hyper, gradOf),
    ...findings("param_lr_grads", learned.paramLr.map(gradOf), expect.param_lr_grads ?? []),
    ...findings("step_lr_grads", learned.stepLr.map(gradOf), expect.step_lr_grads ?? []),
    ...namedFindings("buffers_after_inner", buffersAfterInner, expect.buffers_after_inner ?? {}),
    ...namedFindings("buffers_after_query", buffersAfterQuery, expect.buffers_after_query ?? {}),
  ];
}

const detached = (tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, t.detach()]));

const atTime = (time: number, list: Finding[]): Finding[] =>
  list.map((finding) => ({ ...finding, what: `time ${time} ${finding.what}` }));

/** Gradients of the learned hyper-parameters: one for each group, two for a pair. */
function hyperFindings(golden: HigherCase, hyper: Trainable, gradOf: (leaf: Tensor) => Tensor | null): Finding[] {
  return (golden.expect.hyper_grads ?? []).flatMap((group, g) =>
    Object.entries(group).flatMap(([name, wanted]) => {
      const leaves = [hyper[camelCase(name)][g]].flat();
      return [wanted].flat().map(
        (value, i): Finding => ({
          what: `hyper_grads group ${g} ${name}[${i}]`,
          field: "hyper_grads",
          key: name,
          got: gradOf(leaves[i]),
          wanted: value,
        }),
      );
    }),
  );
}
