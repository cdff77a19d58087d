/** Saving: what is cheap to compute again is not stored, and gradients are what they were. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  type Device,
  getDevice,
  init,
  manualSeed,
  onBind,
  randn,
  scope,
  type Tensor,
  type Value,
  where,
} from "@loopgrad/tensor";
import { heldValues } from "./held.ts";
import { checkpoint, customFunction, grad } from "./index.ts";
import { nodeOf } from "./tape.ts";

const N = 64;
const MATRIX = N * N * 8;
let device: Device;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  device = getDevice();
  manualSeed(1);
});

const leaves = async (count: number): Promise<Tensor[]> => {
  const tensors = Array.from({ length: count }, () => randn([N, N]).mul(0.1).detach().requiresGrad_());
  await Promise.all(tensors.map((t) => t.data()));
  return tensors;
};

/** The bytes that a graph holds after a flush, leaves apart. Its gradients must be those that one flush gives. */
async function held(fn: (...xs: Tensor[]) => Tensor, xs: Tensor[]): Promise<number> {
  const y = scope(() => fn(...xs));
  device.flush();
  const inputs = new Set(xs.map((x) => x._value));
  const values = heldValues([y], 0).flatMap(({ value }) => (inputs.has(value) ? [] : [value]));
  expect(values.every(({ storage }) => storage !== null)).toBe(true);
  const bytes = values.reduce((sum, { size }) => sum + size * 8, 0);
  const apart = grad(y, xs, { gradOutputs: y.detach() }) as Tensor[];
  const z = fn(...xs);
  const together = grad(z, xs, { gradOutputs: z.detach() }) as Tensor[];
  const read = (gs: Tensor[]): Promise<number[][]> => Promise.all(gs.map(async (g) => Array.from(await g.data())));
  const [a, b] = [(await read(apart)).flat(), (await read(together)).flat()];
  expect(Math.max(...a.map((x, i) => Math.abs(x - b[i])))).toBeLessThan(1e-12);
  return bytes;
}

test("a transposed matrix is saved as the matrix", async () => {
  const [a, b] = await leaves(2);
  expect(await held((x, w) => x.matmul(w.t()), [a, b])).toBe(0);
});

test("a chain with one root is saved as the root", async () => {
  const [a, b] = await leaves(2);
  // sqrt saves its result h; the product would save b, and 1 − h².
  expect(await held((x, y) => x.square().add(1).sqrt().square().neg().add(1).mul(y), [a, b])).toBe(MATRIX);
  // tanh saves what it read, and so does who reads tanh.
  expect(await held((x, y) => x.tanh().square().neg().add(1).mul(y), [a, b])).toBe(0);
  expect(await held((x, y) => x.matmul(x).sigmoid().matmul(y), [a, b])).toBe(MATRIX);
});

test("a product of what its node has saved is not saved beside it", async () => {
  const [a, b, c] = await leaves(3);
  expect(await held((x, y, z) => x.exp().mul(y.exp()).matmul(z), [a, b, c])).toBe(2 * MATRIX);
});

test("what is not cheap, or has a larger root, is saved as it is", async () => {
  const [a, b] = await leaves(2);
  expect(await held((x, y) => x.exp().matmul(y), [a, b])).toBe(MATRIX);
  const column = (x: Tensor, y: Tensor): Tensor =>
    x
      .matmul(x)
      .narrow(1, 0, 1)
      .mul(y.narrow(1, 0, 1));
  expect(await held(column, [a, b])).toBeLessThan(MATRIX / 2);
});

test("all that a node holds goes with it", async () => {
  const [a, b] = await leaves(2);
  device.flush();
  const before = device.stats().usedBytes;
  const y = scope(() => a.tanh().square().neg().add(1).mul(b.t()).matmul(b));
  const node = nodeOf(y);
  expect([...(node?.held() ?? [])].length).toBeGreaterThan(1);
  device.flush();
  y.dispose();
  expect(device.stats().usedBytes).toBe(before);
});

/** The bytes of the values that a graph holds after a flush, and these values' dtypes; leaves apart. */
function stored(y: Tensor, leaves: readonly Tensor[]): { bytes: number; dtypes: string[] } {
  device.flush();
  const values = heldValues([y], 0)
    .map(({ value }) => value)
    .filter((value) => leaves.every((x) => x._value !== value));
  expect(values.every(({ storage }) => storage !== null)).toBe(true);
  return {
    bytes: values.reduce((sum, { size, dtype }) => sum + size * BYTES[dtype as keyof typeof BYTES], 0),
    dtypes: values.map(({ dtype }) => dtype).sort(),
  };
}
const BYTES = { float64: 8, float32: 4, bool: 4 };

test.each([
  ["float64", "bool"], // twice the size of a mask
  ["float32", "float32"],
] as const)("a root counts with its bytes: a mask of %s is saved as %s", async (dtype, saved) => {
  const [x, y] = [0, 1].map(() => randn([N, N], { dtype: "float32" }).to(dtype).detach().requiresGrad_());
  await Promise.all([x.data(), y.data()]);
  // Of x · xᵀ nobody but the mask is saved.
  const mask = x.detach().matmul(x.detach().t()).gt(0);
  const z = where(mask, y, 0);
  mask.dispose();
  expect(stored(z, [x, y])).toEqual({ bytes: N * N * BYTES[saved], dtypes: [saved] });
  const [g] = grad(z, [y], { gradOutputs: z.detach() });
  const wanted = await z.data();
  expect(Array.from(await (g as Tensor).data())).toEqual(Array.from(wanted));
});

test("a root is no larger than what it stands for: a view of part of it is saved as it is", async () => {
  const [a] = await leaves(1);
  const root = a.detach().matmul(a.detach());
  for (const [view, wanted] of [
    [(x: Tensor) => x.neg(), MATRIX],
    [(x: Tensor) => x.slice(0, 0, N - 1), MATRIX - 8 * N],
    [(x: Tensor) => x.expand([2, N, N]), MATRIX],
    [(x: Tensor) => x.slice(0, 0, 1).expand([N, N]), MATRIX],
  ] as const) {
    const y = scope(() => a.slice(0, 0, 1).mul(view(root.mul(1).add(0))));
    expect(stored(y, [a]).bytes).toBe(wanted);
    y.dispose();
  }
});

describe("nothing is stored twice", () => {
  const pair = (): Promise<Tensor[]> => leaves(2);
  /** Values that are saved as they are by one, and would have a recipe for another. */
  const SAVED: Record<string, [fn: (x: Tensor, y: Tensor) => Tensor, matrices: number]> = {
    "a checkpoint took it, then a product": [
      (x, y) => {
        const h = x.matmul(x).neg();
        return checkpoint((a: Tensor) => a.exp())(h).add(h.mul(y));
      },
      1,
    ],
    "a checkpoint took what it is computed from": [
      (x, y) => {
        const h = x.matmul(x).neg();
        return checkpoint((a: Tensor) => a.exp())(h).add(h.neg().add(1).mul(y));
      },
      1,
    ],
    "a function of one's own saved it": [
      (x, y) => {
        const fn = customFunction({
          forward: (ctx, a: Tensor) => {
            ctx.save(a);
            return a.exp();
          },
          backward: (ctx, g: Tensor) => g.mul(ctx.saved[0].exp()),
        });
        const h = x.matmul(x).neg();
        return fn(h).add(h.mul(y));
      },
      1,
    ],
    "two products read it": [(x, y) => ((h: Tensor) => h.mul(y).add(h.mul(x)))(x.matmul(x).neg()), 1],
    "two read different recipes from one root": [
      (x, y) => ((h: Tensor) => h.neg().mul(y).add(h.square().mul(x)))(x.matmul(x)),
      1,
    ],
    "the result that was saved is read again": [(x, y) => ((h: Tensor) => h.mul(y).add(h.neg().mul(x)))(x.exp()), 1],
  };
  test.each(Object.keys(SAVED))("%s", async (what) => {
    const [x, y] = await pair();
    const [fn, matrices] = SAVED[what];
    expect(await held(fn, [x, y])).toBe(matrices * MATRIX);
  });

  test("a value that a flush has stored is saved as it is", async () => {
    const [x, y] = await pair();
    const h = scope(() => x.detach().matmul(x.detach()).neg());
    await h.data();
    const z = h.mul(y);
    expect(heldValues([z], 0).map(({ value }) => value)).toEqual([h._value]);
  });
});

test("chains of up to six steps, and products of up to four roots, are recipes", async () => {
  const [x, y, z, u, v] = await leaves(5);
  const steps = (count: number) => (a: Tensor, b: Tensor) => {
    let h = a;
    for (let i = 0; i < count; i++) h = i % 2 === 0 ? h.add(1) : h.neg();
    return h.mul(b);
  };
  expect([await held(steps(6), [x, y]), await held(steps(7), [x, y])]).toEqual([0, MATRIX]);
  const product =
    (count: number) =>
    (...xs: Tensor[]) =>
      xs
        .slice(0, count)
        .map((a) => a.exp())
        .reduce((a, b) => a.mul(b))
        .matmul(xs[0]);
  expect([await held(product(4), [x, y, z, u]), await held(product(5), [x, y, z, u, v])]).toEqual([
    4 * MATRIX,
    6 * MATRIX,
  ]);
});

test("a walk lets go of all that it had saved: values, roots and steps; one that retains the graph of nothing", async () => {
  const [x, y] = await leaves(2);
  const made: Value[] = [x._value, y._value];
  const before = onBind((primitive, inputs, attrs, output, given) => {
    before?.(primitive, inputs, attrs, output, given);
    made.push(output._value);
  });
  const z = x.tanh().square().neg().add(1).mul(y.t()).matmul(y).exp();
  onBind(before);
  const counts = (): number[][] => made.map(({ saves, recipes }) => [saves, recipes]);
  const saved = counts();
  expect(saved.flat().reduce((a, b) => a + b)).toBeGreaterThan(6);
  scope(() => grad(z.sum(), [x, y], { retainGraph: true }));
  expect(counts()).toEqual(saved);
  scope(() => grad(z.sum(), [x, y]));
  expect(
    counts()
      .flat()
      .every((count) => count === 0),
  ).toBe(true);
});

test("second order reads recipes at their place on the tape", async () => {
  const [a, b] = await leaves(2);
  const order2 = (flushes: boolean): Promise<number[]> => {
    const y = a.tanh().mul(b).matmul(b.t()).sum();
    if (flushes) device.flush();
    const [g] = grad(y, [a], { createGraph: true }) as [Tensor];
    if (flushes) device.flush();
    const [h] = grad(g.square().sum(), [b]) as [Tensor];
    return h.data().then((data) => Array.from(data));
  };
  const [once, thrice] = await Promise.all([order2(false), order2(true)]);
  expect(Math.max(...once.map((x, i) => Math.abs(x - thrice[i])))).toBeLessThan(1e-12);
});
