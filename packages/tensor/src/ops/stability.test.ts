/**
 * Composed operations where a formula written down plainly would overflow, cancel or divide by 0; in float32, on both
 * devices. Expected are the host's functions in float64 of the same float32 numbers.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { softplus } from "../cpu/arithmetic.ts";
import { CpuBackend } from "../cpu/backend.ts";
import * as lg from "../index.ts";
import { Device, scope, setDevice, type Tensor, tensor } from "../index.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

let state = 7;
const random = (): number => {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
};
const sum = (xs: Iterable<number>): number => {
  let total = 0;
  for (const x of xs) total += x;
  return total;
};
const variance = (xs: Float32Array): number => {
  const mean = sum(xs) / xs.length;
  return sum([...xs].map((x) => (x - mean) ** 2)) / (xs.length - 1);
};
const logsumexp = (xs: number[]): number =>
  Math.max(...xs) + Math.log(sum(xs.map((x) => Math.exp(x - Math.max(...xs)))));

describe.each(["cpu", "webgpu"])("%s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(new Device(name === "webgpu" ? await createWebGPUBackend({}) : new CpuBackend()));
  });
  afterAll(() => device.destroy());

  const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
  /** Relative errors within a bound; results below the smallest normal number may be 0. */
  function near(got: ArrayLike<number>, wanted: number[], bound = 1e-6): void {
    const far = wanted.flatMap((w, i) =>
      Math.abs(got[i] - w) <= bound * Math.abs(w) + 2 ** -126 ? [] : [`${got[i]}, wanted ${w}`],
    );
    expect(far).toEqual([]);
  }

  test("logsumexp of large, small and distant numbers", async () => {
    using _ = scope();
    const rows = [
      [1000, 1001, 999],
      [-1000, -1001, -999],
      [10000, 0, -10000],
      [88, 89, 90],
      [0, 0, 0],
      [-1e30, 1e30, 0],
    ];
    near(await read(tensor(rows).logsumexp(1)), rows.map(logsumexp));
  });

  test("logSoftmax and softmax do not notice a constant added to all logits", async () => {
    using _ = scope();
    const logits = [0, 1, -3, 0.5, 2];
    const z = logsumexp(logits);
    for (const offset of [0, 4096, -4096]) {
      const x = tensor(logits.map((v) => v + offset));
      near(
        await read(x.logSoftmax(0)),
        logits.map((v) => v - z),
      );
      near(
        await read(x.softmax(0)),
        logits.map((v) => Math.exp(v - z)),
      );
    }
    near(await read(tensor([0, -200, 200]).logSoftmax(0)), [-200, -400, 0]);
  });

  test("softplus, logsigmoid and their kin over the whole range", async () => {
    using _ = scope();
    const data = [-1000, -100, -87, -20, -1, -1e-6, 0, 1e-6, 1, 19.9, 20.1, 100, 1000].map(Math.fround);
    const x = tensor(data);
    near(await read(lg.softplus(x)), data.map(softplus));
    near(
      await read(lg.softplus(x, { beta: 2 })),
      data.map((v) => softplus(2 * v) / 2),
    );
    near(
      await read(lg.logsigmoid(x)),
      data.map((v) => -softplus(-v)),
    );
    near(
      await read(x.sigmoid()),
      data.map((v) => 1 / (1 + Math.exp(-v))),
    );
    near(
      await read(x.exp().log1p().clamp(null, 50)),
      data.map((v) => Math.min(50, Math.log1p(Math.exp(v)))),
    );
  });

  test("the pieces of binary cross-entropy with logits", async () => {
    using _ = scope();
    const logits = [-1000, -50, -1, 0, 1, 50, 1000];
    const x = tensor(logits);
    for (const y of [0, 1]) {
      const loss = lg.maximum(x, 0).sub(x.mul(y)).add(x.abs().neg().exp().log1p());
      near(
        await read(loss),
        logits.map((v) => softplus(y === 1 ? -v : v)),
      );
    }
  });

  test("a variance does not suffer from a large mean", async () => {
    using _ = scope();
    for (const offset of [0, 100, 1e4]) {
      const data = Float32Array.from({ length: 4096 }, () => offset + random());
      const x = tensor(data);
      near(await read(lg.stack([x.var(), x.std()])), [variance(data), Math.sqrt(variance(data))], 1e-5);
      near([await x.mean().item()], [sum(data) / data.length]);
    }
    expect(await lg.full([1000], 0.1).var().item()).toBeLessThan(1e-14);
  });

  test("products where factors are 0, infinite or many", async () => {
    using _ = scope();
    const x = tensor([
      [2, 0, 3, 4],
      [0, 0, 1, 5],
      [-1, 2, -3, 0],
    ]);
    expect(await read(x.prod(1))).toEqual([0, 0, expect.closeTo(0)]);
    expect(await read(x.cumprod(1))).toEqual([2, 0, 0, 0, 0, 0, 0, 0, -1, -2, 6, 0]);
    near([await lg.full([300], 1.01).prod().item()], [Math.fround(1.01) ** 300], 2e-5);
  });

  test("norms at 0, and powers of 0", async () => {
    using _ = scope();
    const zero = lg.zeros([3]);
    const orders = [0, 0.5, 1, 2, 3, Infinity, -Infinity];
    expect(await read(lg.stack(orders.map((p) => zero.norm(null, { p }))))).toEqual(orders.map(() => 0));
    expect(await read(lg.normalize(lg.zeros([1, 3])))).toEqual([0, 0, 0]);
    const exponents = [0, 0.5, 1, 2, 2.5, 3, -1, -2, -0.5];
    const wanted = [1, 0, 0, 0, 0, 0, Infinity, Infinity, Infinity];
    expect(await read(lg.stack(exponents.map((p) => lg.zeros([]).pow(p))))).toEqual(wanted);
    expect(await read(lg.zeros([9]).pow(tensor(exponents)))).toEqual(wanted);
  });

  test("hypot and atan2 of huge and tiny numbers", async () => {
    using _ = scope();
    const [a, b] = [
      [3e30, 3e-30, 0, 5],
      [4e30, 4e-30, 0, 0],
    ];
    near(await read(lg.hypot(tensor(a), tensor(b))), [5e30, 5e-30, 0, 5]);
    near(
      await read(lg.atan2(tensor(a), tensor(b))),
      a.map((y, i) => Math.atan2(y, b[i])),
    );
  });

  test("sums and means of many terms", async () => {
    using _ = scope();
    const count = 1 << 19;
    const data = Float32Array.from({ length: count }, random);
    const x = tensor(data);
    const total = sum(data);
    near(
      [
        await x.sum().item(),
        await x.mean().item(),
        await x
          .reshape([1, count])
          .matmul(lg.ones([count, 1]))
          .item(),
      ],
      [total, total / count, total],
      2e-6,
    );
    near([await lg.full([count], 0.1).sum().item()], [Math.fround(0.1) * count], 2e-6);
    const running = await read(x.reshape([8, count / 8]).cumsum(1));
    near([running[count / 8 - 1]], [sum(data.subarray(0, count / 8))], 1e-5);
  });
});
