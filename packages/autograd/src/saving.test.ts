/** Saving: what is cheap to compute again is not stored, and gradients are what they were. */
import { beforeAll, expect, test } from "@jest/globals";
import { type Device, getDevice, init, manualSeed, randn, scope, type Tensor } from "@loopgrad/tensor";
import { heldValues } from "./held.ts";
import { grad } from "./index.ts";
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
