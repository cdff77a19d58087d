/** What cannot be meant is an error that says so, at the call that is wrong. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { Linear } from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { ArgumentError, GradError, init, ones, type Tensor } from "@loopgrad/tensor";
import {
  applyHyperparameters,
  createDifferentiable,
  DifferentiableOptimizer,
  differentiable,
  FunctionalModule,
  functionalize,
  type GradCallback,
  innerLoop,
  perParameter,
  registerDifferentiable,
  trainableHyperparameters,
} from "./index.ts";
import { PerParameter } from "./override.ts";

let model: Linear;
let inner: SGD;
let x: Tensor;

beforeAll(async () => {
  await init({ device: "cpu" });
  model = new Linear(2, 1);
  inner = new SGD(model.parameters(), { lr: 0.1 });
  x = ones([3, 2]);
});

test("a loss of the model in place of the functional module would do nothing", () => {
  using loop = innerLoop(model, inner);
  const loss = model.forward(x).square().mean();
  expect(() => loop.diffopt.step(loss, { retainGraph: true })).toThrow(GradError);
  expect(() => loop.diffopt.step(loss, { retainGraph: true })).toThrow("compute it with the functional module");
  loop.diffopt.step(loss, { allowUnused: true });
  expect(loop.fmodel.time).toBe(1);
});

test("diffopt.step takes a loss and known options", () => {
  using loop = innerLoop(model, inner);
  const loss = loop.fmodel.forward(x).square().mean();
  const call = loop.diffopt.step.bind(loop.diffopt) as unknown as (...args: unknown[]) => unknown;
  expect(() => call(loss, { lr: 0.1 })).toThrow(
    "DifferentiableOptimizer.step: unknown option lr: wanted one of params, override",
  );
  expect(() => call()).toThrow("grad: output 0 is undefined: wanted a tensor");
  expect(() => call(3)).toThrow("grad: output 0 is 3: wanted a tensor");
  expect(() => call(() => loss)).toThrow("grad: output 0 is a function: wanted a tensor");
});

test("loop.step takes a function", () => {
  using loop = innerLoop(model, inner);
  const loss = loop.fmodel.forward(x).square().mean();
  expect(() => loop.step(loss as never)).toThrow("wanted a function that computes the loss");
});

test("loop.step and loop.run know their options", () => {
  using loop = innerLoop(model, inner);
  const loss = () => loop.fmodel.forward(x).square().mean();
  expect(() => loop.step(loss, { lr: 0.1 } as object)).toThrow("InnerLoop.step: unknown option lr");
  expect(() => loop.run(2, loss, { lr: 0.1 } as object)).toThrow("InnerLoop.run: unknown option lr");
  expect(loop.fmodel.time).toBe(0);
});

test.each([
  ["second-order", undefined, true],
  ["first-order", undefined, true],
  ["none", undefined, false],
  ["second-order", "step", false],
] as const)("mode %s, checkpoint %s: are the weights in between kept: %s", (mode, checkpoint, kept) => {
  using loop = innerLoop(model, inner, { mode, checkpoint });
  for (let i = 0; i < 3; i++) loop.step(() => loop.fmodel.forward(x).square().mean());
  for (const time of [0, 3]) expect(() => loop.fmodel.parameters({ time })).not.toThrow();
  const between = () => loop.fmodel.parameters({ time: 1 });
  if (kept) expect(between).not.toThrow();
  else expect(between).toThrow(/time 1 were not kept, only those at 0 and 3/);
});

test.each<[string, unknown, string]>([
  ["nothing", () => {}, "gradCallback: returned undefined: wanted an array of gradients"],
  ["a promise", async () => [], "gradCallback: returned a promise"],
  ["its argument", (grads: unknown) => grads, "gradCallback: gradient 0 is [object Object]: wanted a tensor or null"],
])("a gradCallback that returns %s", (_, gradCallback, message) => {
  using loop = innerLoop(model, inner, { gradCallback: gradCallback as GradCallback });
  const loss = loop.fmodel.forward(x).square().mean();
  expect(() => loop.diffopt.step(loss)).toThrow(ArgumentError);
  expect(() => loop.diffopt.step(loss, { retainGraph: true })).toThrow(message);
});

test("innerLoop takes a module and an optimizer", () => {
  const begin = innerLoop as unknown as (...args: unknown[]) => unknown;
  expect(() => begin()).toThrow("innerLoop: model is missing: wanted a module");
  expect(() => begin(inner, model)).toThrow("wanted a module");
  expect(() => begin(model)).toThrow("innerLoop: opt is missing: wanted an optimizer");
});

describe("arguments that do not exist are refused, and change nothing", () => {
  type Loop = ReturnType<typeof innerLoop<Linear>>;
  const lossOf = ({ fmodel }: Loop): Tensor => fmodel.forward(x).square().mean();
  const make =
    (cls: unknown) =>
    (...args: unknown[]): unknown =>
      new (cls as new (...args: unknown[]) => unknown)(...args);
  class Own extends SGD {}
  /** What is called, on what, and the arguments that it takes. */
  const CALLS: Record<string, (loop: Loop) => [fn: unknown, self: object | null, ...args: unknown[]]> = {
    innerLoop: () => [innerLoop, null, model, inner, {}, () => 1],
    functionalize: () => [functionalize, null, model, {}],
    FunctionalModule: () => [make(FunctionalModule), null, model, {}],
    differentiable: () => [differentiable, null, inner, model.parameters(), {}],
    DifferentiableOptimizer: () => [make(DifferentiableOptimizer), null, inner, model.parameters(), {}],
    createDifferentiable: () => [createDifferentiable, null, SGD, { lr: 1 }, { params: model.parameters() }],
    registerDifferentiable: () => [registerDifferentiable, null, Own, differentiable],
    trainableHyperparameters: () => [trainableHyperparameters, null, inner, ["lr"]],
    applyHyperparameters: () => [applyHyperparameters, null, inner, { lr: [0.1] }],
    perParameter: () => [perParameter, null, [1, 2]],
    PerParameter: () => [make(PerParameter), null, [1, 2]],
    "InnerLoop.step": (loop) => [loop.step, loop, () => lossOf(loop), {}],
    "InnerLoop.run": (loop) => [loop.run, loop, 2, () => lossOf(loop), {}],
    "InnerLoop.stats": (loop) => [loop.stats, loop],
    "InnerLoop.detach": (loop) => [loop.detach, loop],
    "InnerLoop.reset": (loop) => [loop.reset, loop],
    "InnerLoop.dispose": (loop) => [loop.dispose, loop],
    "DifferentiableOptimizer.step": (loop) => [loop.diffopt.step, loop.diffopt, lossOf(loop), {}],
    "DifferentiableOptimizer.reset": ({ diffopt }) => [diffopt.reset, diffopt],
    "DifferentiableOptimizer.stateOf": ({ diffopt }) => [diffopt.stateOf, diffopt, 0],
    "DifferentiableOptimizer.detach": ({ diffopt }) => [diffopt.detach, diffopt],
    "DifferentiableOptimizer.commitTo": ({ diffopt }) => [diffopt.commitTo, diffopt, inner],
    "DifferentiableOptimizer.dispose": ({ diffopt }) => [diffopt.dispose, diffopt],
    "FunctionalModule.call": ({ fmodel }) => [fmodel.call, fmodel, () => 1],
    "FunctionalModule.withParams": ({ fmodel }) => [fmodel.withParams, fmodel, fmodel.parameters()],
    "FunctionalModule.parameters": ({ fmodel }) => [fmodel.parameters, fmodel, {}],
    "FunctionalModule.namedParameters": ({ fmodel }) => [fmodel.namedParameters, fmodel, {}],
    "FunctionalModule.detach": ({ fmodel }) => [fmodel.detach, fmodel],
    "FunctionalModule.reset": ({ fmodel }) => [fmodel.reset, fmodel],
    "FunctionalModule.commitTo": ({ fmodel }) => [fmodel.commitTo, fmodel, model],
    "FunctionalModule.dispose": ({ fmodel }) => [fmodel.dispose, fmodel],
  };

  test.each(Object.keys(CALLS))("by %s", async (name) => {
    using loop = innerLoop(model, inner);
    loop.step(() => lossOf(loop));
    const [fn, self, ...args] = CALLS[name](loop);
    const call = async (...more: unknown[]): Promise<unknown> =>
      Reflect.apply(fn as () => void, self, [...args, ...more]);
    const weights = loop.fmodel.parameters();
    // Array.map gives a function of one argument three.
    await expect(call(1, 2, 3, 4)).rejects.toThrow(ArgumentError);
    await expect(call(1, 2, 3, 4)).rejects.toThrow(new RegExp(`^${name}: `));
    expect([loop.fmodel.time, loop.fmodel.parameters()]).toEqual([1, weights]);
    const made = await call();
    (made as { dispose?: () => void } | undefined)?.dispose?.();
  });
});
