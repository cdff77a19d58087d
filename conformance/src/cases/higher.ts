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
  isFloat,
  type Optimizer,
  type Parameter,
  perParameter,
  type Sequential,
  stack,
  Tensor,
  type Trainable,
  tensor,
  trainableHyperparameters,
  vmap,
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

/** Where a case starts: the model and its optimizer, after the warm steps. */
interface Start {
  readonly model: Sequential;
  /** In the case's order. */
  readonly params: readonly Parameter[];
  readonly optimizer: Optimizer;
  readonly learned: Learned;
}

/** Runs an inner loop and differentiates the query loss through it. */
export function runHigher(golden: HigherCase, place: Place): Finding[] {
  return fromStart(golden, place, ({ model, params, optimizer, learned }) =>
    innerLoop(model, optimizer, loopOptions(golden, learned), (loop) =>
      // What the loop made is released when it ends; detached, it lives on.
      differentiate(golden, unroll(golden, loop, learned, dataOf(golden, place)), params, learned).map((finding) => ({
        ...finding,
        got: finding.got instanceof Tensor ? finding.got.detach() : finding.got,
      })),
    ),
  );
}

function fromStart<T>(golden: HigherCase, place: Place, fn: (start: Start) => T): T {
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
    return fn({ model, params, optimizer, learned });
  } finally {
    model.dispose();
  }
}

// ---- several tasks -----------------------------------------------------------------------------------------------

/** A value of all tasks, computed at once and by a loop over them. */
export interface Pair {
  readonly what: string;
  /** The expected field whose float32 error counts, and the key in it. */
  readonly field: string;
  readonly key?: string;
  readonly batched: Tensor | null;
  readonly looped: Tensor | null;
}

/**
 * Runs a case for several tasks, whose data are the case's own and others a little beside them: by `vmap`, and one after
 * the other. Compared are what each task computes, inner gradients by its weights of some times included, and derivatives of
 * the sum of all query losses by what the tasks share.
 */
export function runHigherOverTasks(golden: HigherCase, place: Place, tasks: number): Pair[] {
  return fromStart(golden, place, ({ model, params, optimizer, learned }) => {
    const task = (data: TaskData): Record<string, Tensor> =>
      innerLoop(model, optimizer, loopOptions(golden, learned), (loop) => ofOneTask(golden, loop, learned, data));
    const data = nearby(dataOf(golden, place), tasks);
    const each = Array.from({ length: tasks }, (_, t) => task(taken(data, t)));
    const batched = vmap(task)(data);
    const looped = Object.fromEntries(Object.keys(each[0]).map((name) => [name, stack(each.map((one) => one[name]))]));
    const values = Object.keys({ ...batched, ...looped }).map((what) => ({
      what,
      field: what.split(" ")[0],
      batched: batched[what]?.detach() ?? null,
      looped: looped[what]?.detach() ?? null,
    }));

    const shared = sharedSources(golden, params, learned);
    const sources = shared.map(({ source }) => source);
    const [together, apart] = [batched, looped].map(({ query_loss: losses }) =>
      losses.requiresGrad ? grad(losses.sum(), sources, { allowUnused: true }) : [],
    );
    const grads = shared.map(({ what, field, key }, i) => ({
      ...{ what, field, key },
      batched: together[i] ?? null,
      looped: apart[i] ?? null,
    }));
    return [...values, ...grads];
  });
}

/** What one task computes, by names that begin with the expected field. */
function ofOneTask(
  golden: HigherCase,
  loop: InnerLoop<Sequential>,
  learned: Learned,
  data: TaskData,
): Record<string, Tensor> {
  const run = unroll(golden, loop, learned, data);
  const { fast, weights, innerLosses, queryLoss, buffersAfterInner, buffersAfterQuery } = run;
  const atTimes = Object.keys(golden.expect.grads_wrt_time).flatMap((time) => {
    const own = weights[Number(time)].filter((w) => w.requiresGrad);
    if (own.length === 0 || !queryLoss.requiresGrad) return [];
    return grad(queryLoss, own, { allowUnused: true, retainGraph: true }).flatMap((g, i) =>
      g === null ? [] : [[`grads_wrt_time ${time} ${i}`, g] as const],
    );
  });
  return Object.fromEntries<Tensor>([
    ...fast.flatMap((at, time) => at.map((w, i) => [`fast_params ${time} ${i}`, w] as const)),
    ...innerLosses.map((loss, step) => [`inner_losses ${step}`, loss] as const),
    ["query_loss", queryLoss],
    ...atTimes,
    ...Object.entries(buffersAfterInner).map(([name, b]) => [`buffers_after_inner ${name}`, b] as const),
    ...Object.entries(buffersAfterQuery).map(([name, b]) => [`buffers_after_query ${name}`, b] as const),
  ]);
}

/** What all tasks share and the case differentiates by. */
function sharedSources(golden: HigherCase, params: readonly Parameter[], { hyper, paramLr, stepLr }: Learned) {
  const named = (field: string, list: readonly Tensor[], key?: string) =>
    list.map((source, i) => ({ what: `${field} ${key ?? ""}[${i}]`, field, key, source }));
  const learned = golden.learn.flatMap((name) => named("hyper_grads", hyper[camelCase(name)].flat(), name));
  return [
    ...(golden.track_higher_grads ? named("meta_grads", params) : []),
    ...learned,
    ...named("param_lr_grads", paramLr),
    ...named("step_lr_grads", stepLr),
  ].filter(({ source }) => source.requiresGrad);
}

/** Data of tasks, stacked: the first has the case's own x, in the others it is a little larger. All have the case's y. */
function nearby({ inner, query }: TaskData, tasks: number): TaskData {
  const factors = Array.from({ length: tasks }, (_, t) => 1 + t / 8);
  const both = ({ x, y }: TaskBatch): TaskBatch => ({
    x: stack(factors.map((factor) => (isFloat(x.dtype) ? x.mul(factor) : x))),
    y: stack(factors.map(() => y)),
  });
  return { inner: inner.map(both), query: both(query) };
}

function taken({ inner, query }: TaskData, task: number): TaskData {
  const both = ({ x, y }: TaskBatch): TaskBatch => ({ x: x.select(0, task), y: y.select(0, task) });
  return { inner: inner.map(both), query: both(query) };
}

// ---- one task ----------------------------------------------------------------------------------------------------

interface TaskBatch {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** What a loop trains on, step by step, and is judged by. */
interface TaskData {
  readonly inner: TaskBatch[];
  readonly query: TaskBatch;
}

function dataOf({ inner, query }: HigherCase, place: Place): TaskData {
  const both = ({ x, y }: Batch): TaskBatch => ({ x: toTensor(x, place), y: toTensor(y, place) });
  return { inner: inner.map(both), query: both(query) };
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

/** What a loop went through. */
interface Run {
  /** Of each time, as the tape has them. */
  readonly weights: readonly (readonly Tensor[])[];
  /** The same, off the tape. */
  readonly fast: readonly (readonly Tensor[])[];
  readonly innerLosses: readonly Tensor[];
  readonly queryLoss: Tensor;
  readonly buffersAfterInner: Record<string, Tensor>;
  readonly buffersAfterQuery: Record<string, Tensor>;
}

function unroll(
  golden: HigherCase,
  { fmodel, diffopt }: InnerLoop<Sequential>,
  learned: Learned,
  { inner, query }: TaskData,
): Run {
  const loss = ({ x, y }: TaskBatch): Tensor => LOSSES[golden.loss](fmodel.forward(x), y);
  const weights: Tensor[][] = [fmodel.parameters()];
  const fast = [weights[0].map((w) => w.detach())];
  const innerLosses = inner.map((batch, step) => {
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
  const queryLoss = loss(query);
  return { weights, fast, innerLosses, queryLoss, buffersAfterInner, buffersAfterQuery: detached(fmodel.buffers) };
}

function differentiate(
  golden: HigherCase,
  { weights, fast, innerLosses, queryLoss, buffersAfterInner, buffersAfterQuery }: Run,
  params: readonly Parameter[],
  learned: Learned,
): Finding[] {
  const { expect } = golden;
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
