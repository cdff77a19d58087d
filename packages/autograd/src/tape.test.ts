/** What the tape notes, saves and lets go of. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  add,
  currentScope,
  type Device,
  exp,
  init,
  mul,
  ones,
  type Primitive,
  ShapeError,
  scope,
  sinP,
  sum,
  type Tensor,
  tensor,
  where,
  withStandIns,
} from "@loopgrad/tensor";
import { grad, image, noGrad } from "./index.ts";
import { RULES } from "./rules/index.ts";
import { d } from "./rules/rule.ts";
import { type Sources, sourcesOf } from "./sources.ts";
import { nodeOf } from "./tape.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
/** Which operands a tensor's node saved: inputs, the output last. */
const saved = (x: Tensor): boolean[] | null => nodeOf(x)?.saved?.map((value) => value !== null) ?? null;

describe("a node", () => {
  test("saves only what the derivatives in demand read", () => {
    const [x, c] = [leaf(1), tensor([2])];
    expect(saved(mul(x, c))).toEqual([false, true, false]);
    expect(saved(mul(x, x))).toEqual([true, true, false]);
    expect(saved(exp(x))).toEqual([false, true]);
    expect(saved(add(x, c))).toBeNull();
    expect(saved(where(x.gt(0), x, c))).toEqual([true, false, false, false]);
  });

  test("lives while a handle or a child needs it, and no longer", () => {
    const x = leaf(1);
    const node = nodeOf(x);
    const y = scope(() => exp(exp(x)));
    expect(node?.refs).toBe(2);
    const parent = nodeOf(y)?.parents[0];
    expect(parent?.refs).toBe(1);
    expect(parent?.saved).not.toBeNull();
    y.dispose();
    expect(node?.refs).toBe(1);
    expect(parent?.refs).toBe(0);
    expect(parent?.saved).toBeNull();
  });

  test("is not held by its own saved output", () => {
    const x = leaf(1);
    const y = exp(x);
    const node = nodeOf(y);
    expect(node?.refs).toBe(1);
    grad(y, [x], { createGraph: true });
    y.dispose();
    expect(node?.saved === null).toBe(false); // the gradient reads y, at y's place on the tape
  });

  test("does not come about under noGrad or from constants", () => {
    const x = leaf(1);
    expect(nodeOf(noGrad(() => exp(x)))).toBeNull();
    expect(nodeOf(exp(tensor([1])))).toBeNull();
  });
});

test("a rule that gives a share of another shape is an error", () => {
  const x = tensor([[1, 2, 3]], { requiresGrad: true });
  const rule = RULES[sinP.code];
  try {
    for (const shape of [[3], [1, 4], []]) {
      RULES[(sinP as Primitive).code] = [d("", () => ones(shape))];
      expect(() => grad(x.sin().sum(), [x])).toThrow(
        /internal: a rule gave a cotangent of shape .* for an input of \[1, 3\]/,
      );
    }
  } finally {
    RULES[(sinP as Primitive).code] = rule;
  }
});

test("a slot's stand-in is what goes on the tape", async () => {
  const slot = leaf(1);
  const other = leaf(5);
  const [, g] = withStandIns([slot], [other], () => {
    const product = mul(slot, slot);
    return [product, ...grad(product, [slot])];
  });
  expect(Array.from(await (g as Tensor).data())).toEqual([10]);
  expect(() => grad(mul(other, other), [slot])).toThrow(/not used/);
});

test("a leaf that was rebound keeps its place; the graph keeps the old value", async () => {
  const w = leaf(2);
  const y = mul(w, w);
  const next = tensor([100]);
  w._rebind(next._value);
  y.backward();
  expect(Array.from(await (w.grad as Tensor).data())).toEqual([4]);
  mul(w, w).backward();
  expect(Array.from(await (w.grad as Tensor).data())).toEqual([204]);
});

test("a primitive without a rule is an error when a gradient is asked through it", () => {
  const rule = RULES[sinP.code];
  const x = leaf(1);
  try {
    delete RULES[sinP.code];
    expect(() => grad(x.sin(), [x])).toThrow(/sin has no derivative rule/);
    expect(currentScope()).toBeNull();
  } finally {
    RULES[(sinP as Primitive).code] = rule;
  }
});

describe("sources", () => {
  const ids = (set: Sources): number[] => Array.from(set.ids);

  test("are interned: equal sets are one", () => {
    const [a, b, c] = [sourcesOf(1_000_001), sourcesOf(1_000_002), sourcesOf(1_000_003)];
    const ab = a.union(b);
    expect(ids(ab)).toEqual([1_000_001, 1_000_002]);
    expect(b.union(a)).toBe(ab);
    expect(ab.union(a)).toBe(ab);
    expect(a.union(c).union(b)).toBe(ab.union(c));
    expect(sourcesOf(1_000_001)).toBe(a);
  });

  test("of one hash are told apart", () => {
    // By FNV-1a {b} and {b, c} have one hash where c = h ^ (h · prime), and h is that of b before its multiplication.
    let pairs = 0;
    for (let b = 2_000_000; pairs < 3; b++) {
      const h = 0x811c9dc5 ^ b;
      const c = h ^ Math.imul(h, 0x01000193);
      if (c <= b) continue;
      pairs++;
      const [one, other] = [sourcesOf(b), sourcesOf(c)];
      const both = one.union(other);
      expect([ids(one), ids(both), ids(other.union(one))]).toEqual([[b], [b, c], [b, c]]);
      expect([sourcesOf(b), other.union(one)]).toEqual([one, both]);
      expect(sourcesOf(b)).toBe(one);
    }
  });

  test("know what they include", () => {
    const [a, b, c] = [sourcesOf(1), sourcesOf(2), sourcesOf(3)];
    const ac = a.union(c);
    expect([ac.has(1), ac.has(2), ac.has(3), ac.has(4)]).toEqual([true, false, true, false]);
    expect([ac.includes(a), ac.includes(b), a.includes(ac), ac.union(b).includes(ac)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test("of a result are the leaves and images that it was computed from", () => {
    const [x, w] = [leaf(1), leaf(2)];
    const fast = image(w);
    const of = (t: Tensor): number[] => ids(nodeOf(t)?.sources as Sources);
    const numbers = [x, w, fast].map((t) => nodeOf(t)?.source as number);
    expect(of(sum(mul(x, exp(fast))))).toEqual(numbers);
    expect(of(exp(w))).toEqual([numbers[1]]);
  });
});

test("tensor() of tensors passes gradients on; with requiresGrad it is a leaf", async () => {
  const [a, b] = [tensor(2, { requiresGrad: true }), tensor(3, { requiresGrad: true })];
  const joined = tensor([a.square(), b, 1]);
  expect(await joined.toArray()).toEqual([4, 3, 1]);
  joined
    .mul(tensor([1, 10, 100]))
    .sum()
    .backward();
  expect([await a.grad?.item(), await b.grad?.item()]).toEqual([4, 10]);
  const leaf = tensor([a, b], { requiresGrad: true });
  leaf.square().sum().backward();
  expect(await leaf.grad?.toArray()).toEqual([4, 6]);
  expect(await a.grad?.item()).toBe(4);
  expect(tensor([a, b], { requiresGrad: false }).requiresGrad).toBe(false);
});

test("a call that fails gives the tape's values back", async () => {
  const w = tensor([1, 2], { requiresGrad: true });
  const y = w.exp();
  await y.data();
  const { usedBytes } = device.stats();
  for (let i = 0; i < 3; i++) expect(() => y.sigmoid().lerp(y.tanh(), tensor([1, 2, 3]))).toThrow("lerp");
  expect(() => y.std(3)).toThrow(ShapeError);
  expect(await w.add(1).toArray()).toEqual([2, 3]);
  y.sum().backward();
  expect((await w.grad?.data())?.[0]).toBeCloseTo(Math.E, 6);
  expect(device.stats().usedBytes - usedBytes).toBeLessThan(4096);
});
