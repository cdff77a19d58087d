/**
 * The common case of meta-learning in one call: adapt to many tasks at once, and judge each on data of its own.
 *
 * A *task* has a *support set* to adapt on and a *query set* to be judged by. *Tasks* are given together, stacked: every
 * tensor has a first dim over tasks. `vmap` takes it away, so that the inner loop below is that of one task.
 */
import { noGrad } from "@loopgrad/autograd";
import type { Module } from "@loopgrad/nn";
import {
  ArgumentError,
  admit,
  ShapeError,
  stack,
  Tensor,
  type VmapOptions,
  visitTensors,
  vmap,
} from "@loopgrad/tensor";
import type { Checkpoint } from "./checkpointed-steps.ts";
import type { AnyOptimizer, GradCallback, Mode } from "./differentiable.ts";
import { type InnerLoop, innerLoop } from "./inner-loop.ts";
import type { Override } from "./override.ts";

/** What a model takes, and what it should give: tensors, or arrays and objects of them. */
export interface MetaBatch {
  readonly x: unknown;
  readonly y: unknown;
}

/** Tasks, stacked: tensors of shape [tasks, …]. What else is in there, such as a rate for each task, `override` may use. */
export interface MetaTasks {
  readonly support: MetaBatch;
  readonly query: MetaBatch;
}

/** Options of {@link metaLoss}. Functions see one task: tensors without the dim over tasks. */
export interface MetaLossOptions<T extends MetaTasks = MetaTasks> {
  /** Inner steps; or several numbers of steps, ascending, after each of which the query set is looked at. */
  steps: number | readonly number[];
  /** The inner loss of the model's output on the support set, a scalar, and of that on the query set. */
  loss: (output: Tensor, y: T["support"]["y"]) => Tensor;
  /** What is taken of the query set in place of the loss: an accuracy, the output itself. Of any shape. */
  score?: (output: Tensor, y: T["query"]["y"]) => Tensor;
  /** How much of the inner loop is recorded; see {@link Mode}. In mode "none" the result is a constant. Default "second-order". */
  mode?: Mode;
  /**
   * Hyperparameters in place of the optimizer's. A tensor is the same for all tasks; a function of the step, from 0 up,
   * and of the task gives each step and each task its own.
   */
  override?: Override | ((step: number, task: T) => Override | undefined);
  /** Replaces the gradients of every inner step. */
  gradCallback?: GradCallback;
  /** What of the steps is computed again in the outer backward; see {@link Checkpoint}. Default "none". */
  checkpoint?: Checkpoint;
  /** Tasks that run together; see {@link vmap}. Default: all. */
  chunkSize?: VmapOptions["chunkSize"];
  /** What random operations inside, dropout say, give the tasks; see {@link vmap}. Default "different". */
  randomness?: VmapOptions["randomness"];
}

/**
 * The losses of tasks on their query sets, after a few steps of an optimizer on their support sets: all tasks at once.
 *
 * Each task starts from the model's parameters and the optimizer's state, and goes its own way. Model and optimizer stay as
 * they are; buffers, such as running statistics, are each task's own and are not kept. The losses are differentiable by
 * the model's parameters, the data, and the hyperparameters.
 *
 * @param model  its `forward(x)` takes the `x` of one task
 * @param inner  an optimizer over its parameters, or over some of them
 * @param tasks  { support: { x, y }, query: { x, y } }, in which every tensor is [tasks, …]
 * @returns      [tasks], or [tasks, numbers of steps] for a list of `steps`; and the dims of `score`, if it gives any
 * @throws       ArgumentError, ShapeError for tasks and options that do not fit
 * @example      // MAML
 * metaLoss(model, new SGD(model.parameters(), { lr: 0.1 }), tasks, { steps: 5, loss: F.crossEntropy }).mean().backward();
 * @example      // evaluation: [tasks, 3] accuracies before adaptation, after one step and after ten
 * const accuracy = (logits: Tensor, y: Tensor) => logits.argmax(1).eq(y).to("float32").mean();
 * metaLoss(model, inner, tasks, { steps: [0, 1, 10], loss: F.crossEntropy, score: accuracy, mode: "none" });
 */
export function metaLoss<T extends MetaTasks>(
  model: Module,
  inner: AnyOptimizer,
  tasks: T,
  options: MetaLossOptions<T>,
): Tensor {
  admit(
    arguments,
    "metaLoss(model: module, inner: optimizer, tasks: object, options: { steps: number|numbers, loss: function, score: function, mode: string, override: object|function, gradCallback: function, checkpoint: number|string, chunkSize: any, randomness: string })",
  );
  checkTasks(tasks);
  const marks = marksOf(options.steps);
  const { loss, score, mode, override, gradCallback, checkpoint, chunkSize, randomness = "different" } = options;
  if (typeof loss !== "function") {
    throw new ArgumentError(
      "metaLoss: loss is missing: wanted a function of the model's output and y, such as F.mseLoss",
    );
  }
  const shared = typeof override === "function" ? undefined : override;
  const own = typeof override === "function" ? override : undefined;
  const judge = score ?? loss;

  const ofOneTask = (task: T): Tensor =>
    innerLoop(model as ModelOfOne, inner, { mode, override: shared, gradCallback, checkpoint }, (loop) => {
      const innerLoss = (): Tensor => scalar(loss(loop.fmodel.forward(task.support.x), task.support.y));
      const look = (): Tensor => {
        const result: unknown = judge(loop.fmodel.forward(task.query.x), task.query.y);
        if (!(result instanceof Tensor))
          throw new ArgumentError(`metaLoss: score gave ${String(result)}, wanted a tensor`);
        return score === undefined ? scalar(result) : result;
      };
      const looks = marks.map((mark) => {
        steps(loop, mark, innerLoss, own && ((step) => own(step, task)));
        return mode === "none" ? noGrad(look) : look();
      });
      return typeof options.steps === "number" ? looks[0] : stack(looks);
    });
  return vmap(ofOneTask, { chunkSize, randomness })(tasks);
}

/** A model of one input. What its input is, the caller's types say, and `loss` takes what it gives. */
type ModelOfOne = Module & { forward(x: unknown): Tensor };

/** Takes steps until there have been so many. */
function steps(
  loop: InnerLoop,
  until: number,
  innerLoss: () => Tensor,
  override: ((step: number) => Override | undefined) | undefined,
): void {
  const { time } = loop.fmodel;
  if (override === undefined) loop.run(until - time, innerLoss);
  else for (let step = time; step < until; step++) loop.step(innerLoss, { override: override(step) });
}

/** A loss that was checked to be one. */
function scalar(loss: Tensor): Tensor {
  if (!(loss instanceof Tensor)) throw new ArgumentError(`metaLoss: loss gave ${String(loss)}, wanted a scalar tensor`);
  if (loss.size === 1) return loss.rank === 0 ? loss : loss.reshape([]);
  throw new ShapeError(`metaLoss: loss gave [${loss.shape.join(", ")}] for one task, wanted a scalar: its mean, say`);
}

/** The numbers of steps after which to look, checked. */
function marksOf(given: number | readonly number[]): readonly number[] {
  const marks = typeof given === "number" ? [given] : given;
  const isFine =
    Array.isArray(marks) &&
    marks.length > 0 &&
    marks.every((mark, i) => Number.isInteger(mark) && mark >= 0 && (i === 0 || mark > marks[i - 1]));
  if (isFine) return marks;
  throw new ArgumentError(
    `metaLoss: steps is ${given === undefined ? "missing" : JSON.stringify(given)}: wanted a number of inner steps, at least 0, ` +
      "or several, ascending, such as [0, 1, 5]",
  );
}

const WANTED = "wanted { support: { x, y }, query: { x, y } }, in which every tensor is [tasks, …]";

/** Throws unless all that a task needs is there, for the same number of tasks. */
function checkTasks(tasks: MetaTasks): void {
  let [count, firstAt] = [-1, ""];
  for (const part of ["support", "query"] as const) {
    for (const name of ["x", "y"] as const) {
      const where = `tasks.${part}.${name}`;
      const value = (tasks[part] as Partial<MetaBatch> | undefined)?.[name];
      if (value === undefined || value === null) throw new ArgumentError(`metaLoss: ${where} is missing: ${WANTED}`);
      visitTensors(value, ({ shape }) => {
        if (shape.length === 0) throw new ShapeError(`metaLoss: ${where} has no dim over tasks: ${WANTED}`);
        if (count >= 0 && shape[0] !== count) {
          throw new ShapeError(`metaLoss: ${where} has ${shape[0]} tasks, ${firstAt} has ${count}: wanted as many`);
        }
        if (count < 0) [count, firstAt] = [shape[0], where];
      });
    }
  }
  if (count < 0) throw new ArgumentError(`metaLoss: there is no tensor in the tasks: ${WANTED}`);
}
