/**
 * Every public operation inside vmap beside a loop over the tasks: values, and first and second derivatives, in float64.
 * Tasks have all inputs of their own, or one of them, and share the others.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, scope, stack, Tensor, tensor, vmap } from "@loopgrad/tensor";
import { grad } from "./index.ts";
import { bool, CASES, type Case, leafFor, NO_GRADIENT } from "./testing/operation-cases.ts";

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

// ---- operations without a gradient -------------------------------------------------------------------------------

/** Operations by name, on any operands. */
const byName = ops as unknown as Readonly<Record<string, (...args: unknown[]) => Tensor>>;

/** The same call of several operations. */
const each = (names: string, call: (fn: (...args: unknown[]) => Tensor) => Case): Record<string, Case[]> =>
  Object.fromEntries(names.split(" ").map((name) => [name, [call(byName[name])]]));

const whole = (x: Tensor): Tensor => x.mul(5).to("int32");

/** Values only: the results are whole, or the operation has no derivative. */
const VALUES: Record<string, Case[]> = {
  ...each("all any", (fn) => [(x) => [fn(x.gt(0), 1), fn(x.gt(-1))], [2, 3]]),
  ...each("argmax argmin", (fn) => [(x) => [fn(x, 1), fn(x), fn(x, 0, { keepdim: true })], [2, 3]]),
  ...each("bitwiseAnd bitwiseOr bitwiseXor", (fn) => [(a, b) => fn(whole(a), whole(b)), [2, 3], [3]]),
  ...each("eq ne lt le gt ge isclose", (fn) => [(a, b) => fn(a.round(), b.round()), [2, 3], [2, 1]]),
  ...each("logicalAnd logicalOr logicalXor", (fn) => [(a, b) => fn(a.gt(0), b.gt(0)), [2, 3], [3]]),
  argsort: [[(x) => [ops.argsort(x, 1), ops.argsort(x, 0, { descending: true })], [2, 3]]],
  bitwiseNot: [[(x) => ops.bitwiseNot(whole(x)), [2, 3]]],
  countNonzero: [[(x) => [ops.countNonzero(x.round()), ops.countNonzero(x.round(), 1)], [2, 3]]],
  logicalNot: [[(x) => ops.logicalNot(x.gt(0)), [2, 3]]],
  isfinite: [[(x) => ops.isfinite(x.round().reciprocal()), [2, 3]]],
  isinf: [[(x) => ops.isinf(x.round().reciprocal()), [2, 3]]],
  isnan: [[(x) => ops.isnan(x.log()), [2, 3]]],
  isin: [[(x, y) => ops.isin(x.round(), y.round()), [2, 3], [4]]],
  oneHot: [[(x) => ops.oneHot(x.abs().to("int32"), 3), [2, 3]]],
};

/** Operations that make tensors like another: the same for all tasks. */
const LIKE: Record<string, Case[]> = {
  ...each("onesLike zerosLike", (fn) => [(x) => fn(x), [2, 3]]),
  ...each("newOnes newZeros", (fn) => [(x) => fn(x, [2, 2]), [2, 3]]),
  fullLike: [[(x) => ops.fullLike(x, 3), [2, 3]]],
  newFull: [[(x) => ops.newFull(x, [2, 2], 3), [2, 3]]],
};

test.each(Object.entries({ ...VALUES, ...LIKE }))("%s: values as in a loop", async (_, cases) => {
  for (const [fn, ...inputs] of cases) {
    for (const shared of sharings(inputs.length)) {
      const own = Array.from({ length: TASKS }, (_, t) =>
        inputs.map((input, i) => leafFor(input, i + 10 * t).detach()),
      );
      const xs = inputs.map((_, i) => (shared[i] ? own[0][i] : stack(own.map((task) => task[i]))));
      const run = (...args: Tensor[]): Tensor[] => list(fn(...args));
      const together = vmap(run, { inAxes: shared.map((one) => (one ? null : 0)) })(...xs);
      const results = Array.from({ length: TASKS }, (_, t) =>
        run(...xs.map((x, i) => (shared[i] ? x : x.select(0, t)))),
      );
      for (const [i, y] of together.entries()) {
        const looped = stack(results.map((ys) => ys[i]));
        expect([y.shape, y.dtype]).toEqual([looped.shape, looped.dtype]);
        expect(await y.data()).toEqual(await looped.data());
      }
    }
  }
});

/** What needs elements on the host. */
const READING: Record<string, (x: Tensor) => Promise<unknown>> = {
  allclose: (x) => ops.allclose(x, x),
  argwhere: (x) => ops.argwhere(x),
  equal: (x) => ops.equal(x, x),
  maskedSelect: (x) => ops.maskedSelect(x, bool([1, 0], 2)).then((y) => y.data()),
  nonzero: (x) => ops.nonzero(x),
};

test.each(Object.entries(READING))("%s reads, and is refused for a tensor of tasks", async (name, read) => {
  const reads: Promise<unknown>[] = [];
  vmap((x: Tensor) => {
    // The mask is one for all tasks: what is selected leaves the vmap behind.
    reads.push(read(x));
    return x;
  })(leafFor([3, 2], 1).detach());
  await expect(reads[0]).rejects.toThrow(name === "maskedSelect" ? /vmap|released/ : /vmap/);
});

/** By the reasons for which they have no gradient: those that compute nothing of tensors, or stand in other tests. */
const ELSEWHERE = [
  "another name of an operation",
  "a new tensor, that depends on no other's elements",
  "a sample: the probability has a gradient by other ways only",
  "no operation, but devices, memory, shapes, dtypes, errors and the seams",
  "off the tape: for optimizers",
  "a constant to the tape",
];

test("every export is in a table here, or is no operation on tensors", () => {
  const elsewhere = ELSEWHERE.flatMap((reason) => NO_GRADIENT[reason].split(" "));
  const exported = Object.entries(ops).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  const missing = exported.filter(
    (name) => ![CASES, VALUES, LIKE, READING].some((table) => name in table) && !elsewhere.includes(name),
  );
  // Their results have no elements yet, are random (see vmap.test.ts in tensor), or are on the host.
  expect(missing.sort()).toEqual(
    ["empty", "emptyLike", "isFloatingPoint", "logspace", "newEmpty", "randint", "randperm"].sort(),
  );
});

test("another name of an operation is the same function, or calls it", () => {
  const names = NO_GRADIENT["another name of an operation"].split(" ");
  const functions = new Set([...Object.keys(CASES), ...Object.keys(VALUES)].map((name) => byName[name]));
  expect(names.filter((name) => !functions.has(byName[name]))).toEqual([]);
});
