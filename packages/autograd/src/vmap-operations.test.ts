/**
 * Every public operation inside vmap beside a loop over the tasks: values, and first and second derivatives, in float64.
 * Tasks have all inputs of their own, or one of them, and share the others.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import type * as ops from "@loopgrad/tensor";
import { init, scope, stack, Tensor, tensor, vmap } from "@loopgrad/tensor";
import { grad } from "./index.ts";
import { CASES, type Case, leafFor } from "./testing/operation-cases.ts";

const TASKS = 3;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const list = (ys: Tensor | readonly Tensor[]): Tensor[] => (ys instanceof Tensor ? [ys] : [...ys]);

/** A number that depends on every element in another way, the same for each task. */
function score(ys: readonly Tensor[]): Tensor {
  const terms = ys.map((y, j) => {
    const weights = Float64Array.from({ length: y.size }, (_, i) => Math.sin(1 + 2.3 * i + j));
    return y.mul(tensor(weights, { shape: y.shape })).sum();
  });
  return terms.reduce((a, b) => a.add(b));
}

const gradients = (y: Tensor, xs: readonly Tensor[], createGraph: boolean): Tensor[] =>
  (y.requiresGrad ? grad(y, xs, { createGraph, allowUnused: true }) : xs.map(() => null)).map(
    (g, i) => g ?? xs[i].mul(0).detach(),
  );

/** What a function of the tasks gives, and its first and second derivatives by its inputs. */
function derived(values: readonly Tensor[], xs: readonly Tensor[]): Tensor[] {
  const scores = list(values);
  const first = gradients(scores[scores.length - 1].sum(), xs, true);
  const second = gradients(score(first.map((g) => g.square())), xs, false);
  return [...values, ...first, ...second];
}

/** @param shared  which inputs all tasks share */
function compared(
  [fn, ...inputs]: Case,
  shared: readonly boolean[],
): [Promise<ops.HostArray>, Promise<ops.HostArray>][] {
  return scope(() => {
    const own = Array.from({ length: TASKS }, (_, t) => inputs.map((input, i) => leafFor(input, i + 10 * t).detach()));
    const xs = inputs.map((_, i) =>
      (shared[i] ? own[0][i] : stack(own.map((task) => task[i]))).clone().detach().requiresGrad_(),
    );
    const each = (...args: Tensor[]): Tensor[] => {
      const ys = list(fn(...args));
      return [...ys, score(ys)];
    };
    const together = derived(vmap(each, { inAxes: shared.map((one) => (one ? null : 0)) })(...xs), xs);
    const results = Array.from({ length: TASKS }, (_, t) =>
      each(...xs.map((x, i) => (shared[i] ? x : x.select(0, t)))),
    );
    const looped = derived(
      results[0].map((_, i) => stack(results.map((ys) => ys[i]))),
      xs,
    );
    const pairs = together.map((y, i) => [y, looped[i]] as const);
    if (shared.every((one) => !one)) {
      const inside = vmap((...args: Tensor[]) => {
        const places = args.map((x) => x.detach().requiresGrad_());
        return gradients(score(list(fn(...places))), places, false);
      })(...xs);
      const first = together.length - 2 * xs.length;
      inside.forEach((g, i) => void pairs.push([g, looped[first + i]]));
    }
    return pairs.map(([a, b]) => {
      expect(a.shape).toEqual(b.shape);
      return [a.data(), b.data()];
    });
  });
}

/** Which inputs are shared: none, and all but one, in turn. */
const sharings = (count: number): boolean[][] => {
  const none = new Array<boolean>(count).fill(false);
  return count === 1 ? [none] : [none, ...none.map((_, own) => none.map((_, i) => i !== own))];
};

describe.each(Object.keys(CASES))("%s", (name) => {
  test.each(CASES[name].map((one, i) => [i, one] as const))("case %i", async (_, one) => {
    for (const shared of sharings(one.length - 1)) {
      for (const [a, b] of await Promise.all(compared(one, shared).map((pair) => Promise.all(pair)))) {
        a.forEach((x: number, i: number) => {
          if (!(Math.abs(x - b[i]) <= 1e-10 * Math.max(1, Math.abs(b[i])) || Object.is(x, b[i]))) {
            throw new Error(`${name}, shared ${shared}: element ${i} is ${x} inside vmap, ${b[i]} in a loop`);
          }
        });
      }
    }
  });
});
