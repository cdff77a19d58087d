/** Checkpointed functions that do something else when they are run again are refused; those that do the same are not. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  bernoulli,
  GradError,
  init,
  keep,
  manualSeed,
  rand,
  randn,
  type Tensor,
  tensor,
  untracked,
  zeros,
} from "@loopgrad/tensor";
import { CheckpointChain, checkpoint, enableGrad, grad, noGrad } from "./index.ts";
import type { Recomputation } from "./recompute.ts";
import { nodeOf } from "./tape.ts";
import type { Trace } from "./trace.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  pair = [tensor([1, 2, 3]), tensor([4, 5, 6])];
  ones = [tensor([[1, 1, 1]]), tensor([[1], [1], [1]])];
  leaves = [1, 2].map((v) => tensor([v, v, v], { requiresGrad: true }));
});

const x = (): Tensor => tensor([0.5, -0.25, 0.75], { requiresGrad: true });
const values = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

/** A function that is told which run it is in: 0, 1. */
type Body = (h: Tensor, run: number) => Tensor;
let pair: Tensor[];
let leaves: Tensor[];
let ones: Tensor[];
const data = [1, 2, 3];

describe("refused", () => {
  const cases: Record<string, [Body, RegExp]> = {
    "another tensor of the same shape": [(h, run) => h.mul(pair[run]), /another tensor or other data/],
    "another tensor on the tape": [(h, run) => h.mul(leaves[run]), /another tensor or other data|a tensor of the tape/],
    "another number": [(h, run) => h.mul(2 + run), /the number 3, and 2 the first time/],
    "a random number of the host": [(h) => h.mul(Math.random()), /the number 0\.\d+, and 0\.\d+ the first time/],
    "another option of an operation": [
      (h, run) =>
        h
          .reshape([1, 3])
          .mul(tensor([[1], [2], [3]]))
          .sum(run),
      /other options/,
    ],
    "the other order of elements": [
      (h, run) => (run === 0 ? h.flip(0) : h.flip([])).square(),
      /operation 0|operations/,
    ],
    "the other order of operands": [
      (h, run) => (run === 0 ? h.div(pair[0]) : pair[0].div(h)),
      /operands|another tensor/,
    ],
    "the other order of operations": [
      (h, run) => (run === 0 ? h.sin().exp() : h.exp().sin()),
      /its operation 0 was exp, and sin the first time/,
    ],
    "more operations": [(h, run) => (run === 0 ? h.sin() : h.sin().cos()), /it did 2 operations, and 1 the first time/],
    "fewer operations": [
      (h, run) => (run === 0 ? h.sin().cos() : h.sin()),
      /it did 1 operations, and 2 the first time/,
    ],
    "other data": [(h, run) => h.mul(tensor(data.map((v) => v + run))), /other data/],
    "equal data of another shape": [
      (h, run) => h.mul(run === 0 ? tensor([[1, 2, 3]]) : tensor([[1], [2], [3]])).sum(),
      /another tensor or other data/,
    ],
    "ones of another shape": [(h, run) => h.mul(ones[run]).sum(), /another tensor or other data/],
    "data that were changed in place": [
      (h) => {
        data[1]++;
        return h.mul(tensor(data));
      },
      /other data/,
    ],
    "another operation where no listener hears": [
      (h, run) => h.mul(untracked(() => (run === 0 ? pair[0].sin() : pair[0].exp()))),
      /other operands/,
    ],
    "another operand there, three operations before": [
      (h, run) => h.mul(untracked(() => pair[run].sin().mul(2).exp())),
      /other operands|another tensor/,
    ],
    "an operation off the tape the second time": [(h, run) => h.mul(run === 0 ? h : h.detach()), /other operands/],
  };

  test.each(Object.entries(cases))("%s", (_, [body, says]) => {
    let run = 0;
    const h = x();
    const y = checkpoint((t: Tensor) => body(t, run++))(h);
    expect(() => grad(y.sum(), [h])).toThrow(GradError);
    run = 0;
    const z = checkpoint((t: Tensor) => body(t, run++))(h);
    expect(() => grad(z.sum(), [h])).toThrow(says);
  });
});

test("refused: results of another number, shape or dtype, of any stage, whether or not a gradient goes there", () => {
  /** The second run's results, for the first one's [h · 2, h]. */
  const AGAIN: Record<string, [(h: Tensor) => Tensor[], RegExp]> = {
    "one less": [(h) => [h.mul(2)], /fn's result 1 was .*, and run again is missing/],
    none: [() => [], /an empty list/],
    "one more": [(h) => [h.mul(2), h, h.exp()], /fn's result 2 was undefined, and run again .*\[3\]/],
    "another shape": [(h) => [h.mul(2), h.sum()], /fn's result 1 was .*\[3\].*, and run again .*\[\]/],
    "another dtype": [(h) => [h.mul(2).to("float32"), h], /fn's result 0 was .*float64.*, and run again .*float32/],
    "the other order": [(h) => [h, h.mul(2)], /fn did something else/],
  };
  for (const [second, says] of Object.values(AGAIN)) {
    for (const at of [0, 1]) {
      for (const stages of [1, 2]) {
        let run = 0;
        const body = (h: Tensor): Tensor[] => (run++ < stages ? [h.mul(2), h] : second(h));
        const h = x();
        const chain = new CheckpointChain(() => h.device.flush());
        let results = chain.extend(body, [h]);
        if (stages === 2) results = chain.extend(body, [results[0]]);
        expect(chain.length).toBe(stages);
        const walk = (): unknown => grad(results[at].sum(), [h]);
        expect(walk).toThrow(says);
      }
    }
  }
});

describe("taken", () => {
  let cached: Tensor | null = null;
  const cases: Record<string, Body> = {
    "the same again": (h) => h.exp().mul(2),
    "tensors made anew of equal data": (h) => h.mul(tensor([1, 2, 3])).add(tensor(Float64Array.of(3, 2, 1))),
    "constants and random numbers of the device": (h) =>
      h
        .mul(rand([3]))
        .add(zeros([3]))
        .add(randn([3]))
        .mul(bernoulli(tensor([0.5, 0.5, 0.5]))),
    "captured tensors, whoever made them": (h) => h.mul(pair[0].sin()).sub(pair[1]),
    "parts without gradients": (h) =>
      h.mul(noGrad(() => h.square().exp())).add(noGrad(() => enableGrad(() => h.sin()))),
    "another call inside": (h) => checkpoint((t: Tensor) => t.mul(2).tanh())(h.sin()),
    "gradients taken inside": (h) => {
      const w = tensor([2, 3, 4], { requiresGrad: true });
      const [g] = grad(h.mul(w).tanh().sum(), [w], { createGraph: true });
      return w.sub(g.mul(0.1)).mul(h);
    },
    "softmax, whose maximum the tape does not see": (h) => h.softmax(0).mul(pair[0]),
    "something more that no result depends on": (h, run) => {
      if (run === 1) h.square().add(17).sum();
      return h.sin();
    },
    "a constant that is made in the first run and kept": (h) => {
      cached ??= keep(pair[0].cos().mul(3));
      return h.mul(cached);
    },
  };

  test.each(Object.entries(cases))("%s", async (_, body) => {
    cached = null;
    for (const createGraph of [false, true]) {
      let run = 0;
      const h = x();
      manualSeed(9);
      const [wanted] = grad(body(h, 0).sum(), [h], { createGraph });
      cached = null;
      manualSeed(9);
      const y = checkpoint((t: Tensor) => body(t, run++))(h);
      rand([2]);
      const [found] = grad(y.sum(), [h], { createGraph });
      expect(await values(found)).toEqual(await values(wanted));
      if (createGraph && found.requiresGrad) {
        const [a, b] = [found, wanted].map((g) => grad(g.square().sum(), [h], { retainGraph: true })[0]);
        expect(await values(a)).toEqual(await values(b));
      }
    }
  });
});

test("a captured tensor may have a long history that is still to be computed", async () => {
  const h = x();
  let c = pair[0];
  for (let i = 0; i < 12_000; i++) {
    const next = c.add(1);
    if (c !== pair[0]) c.dispose();
    c = next;
  }
  const [g] = grad(checkpoint((t: Tensor) => t.mul(c))(h).sum(), [h]);
  expect(await values(g)).toEqual([12_001, 12_002, 12_003]);
});

describe("runs that are alike keep one copy of what they did", () => {
  const stepsOf = (body: (h: Tensor) => Tensor, h: Tensor): Trace["steps"] => {
    const call = nodeOf(checkpoint(body)(h))?.parents[0] as Recomputation;
    return call.stages[0].trace.steps;
  };

  test("all of it, or the part that is alike", () => {
    const h = x();
    const steps = stepsOf((t) => t.mul(2).sin().mul(pair[0]), h);
    expect([steps.names, steps.numbers]).toEqual([["mul", "sin", "mul"], [2]]);
    expect(stepsOf((t) => t.mul(2).sin().mul(pair[0]), h)).toBe(steps);
    const parts = (other: Trace["steps"]): boolean[] =>
      (["names", "numbers", "reads"] as const).map((part) => other[part] === steps[part]);
    expect(parts(stepsOf((t) => t.mul(3).sin().mul(pair[0]), h))).toEqual([true, false, true]);
    expect(parts(stepsOf((t) => t.mul(2).sin().mul(pair[1]), h))).toEqual([true, true, false]);
    expect(parts(stepsOf((t) => t.mul(2).cos().mul(pair[0]), h))).toEqual([false, true, true]);
    expect(parts(stepsOf((t) => t.mul(2).sin().mul(pair[0]), x()))).toEqual([true, true, false]);
  });

  test("of the last four: what came before is let go of", () => {
    const h = x();
    const others: ((t: Tensor) => Tensor)[] = [(t) => t.sin(), (t) => t.cos(), (t) => t.exp(), (t) => t.tanh()];
    const kept = (between: number): boolean => {
      const first = stepsOf((t) => t.neg().abs(), h);
      for (const other of others.slice(0, between)) stepsOf(other, h);
      return stepsOf((t) => t.neg().abs(), h) === first;
    };
    expect([kept(3), kept(4)]).toEqual([true, false]);
  });
});
