/**
 * Convolutions and transposed convolutions of random geometries, with gradients of first and second order: against the
 * definition, in plain loops, and central differences in float64; the other device against these.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, type Tensor, tensor } from "@loopgrad/tensor";
import { grad, gradgradcheck } from "./index.ts";

let state = 12345;
const random = (): number => {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
};
const pick = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));

interface Geometry {
  readonly transposed: boolean;
  readonly groups: number;
  readonly stride: number[];
  readonly padding: number[];
  readonly dilation: number[];
  readonly outputPadding: number[];
  /** [N, C, …] and [O, C / groups, …] of a convolution; [N, O, …] is the transposed one's input. */
  readonly input: number[];
  readonly kernel: number[];
  readonly output: number[];
}

function randomGeometry(n: number): Geometry {
  const transposed = random() < 0.6;
  const groups = pick(1, 2);
  const each = (least: number, most: number) => Array.from({ length: n }, () => pick(least, most));
  const [stride, dilation, kernel] = [each(1, 3), each(1, 4), each(1, 3)];
  const padding = each(0, 2);
  const [channels, outs] = [groups * pick(1, 2), groups * pick(1, 2)];
  const size = each(1, n === 1 ? 5 : 2);
  // Transposed: `size` is the input, which determines the result; else the other way about, with a rest that no window takes.
  const outputPadding = stride.map((s, i) => (transposed ? pick(0, Math.max(s, dilation[i]) - 1) : pick(0, s - 1)));
  const long = size.map(
    (d, i) => (d - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + 1 + outputPadding[i],
  );
  if (long.some((d) => d < 1)) return randomGeometry(n);
  const batch = pick(1, 2);
  return {
    ...{ transposed, groups, stride, padding, dilation, outputPadding },
    input: [batch, channels, ...long],
    kernel: [outs, channels / groups, ...kernel],
    output: [batch, outs, ...size],
  };
}

const numel = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every index of a shape. */
function* indices(shape: readonly number[]): Generator<number[]> {
  for (let i = 0; i < numel(shape); i++) {
    let rest = i;
    yield shape.map((_, axis) => {
      const inner = numel(shape.slice(axis + 1));
      const at = Math.floor(rest / inner);
      rest %= inner;
      return at;
    });
  }
}
const offset = (shape: readonly number[], at: readonly number[]): number =>
  at.reduce((sum, i, axis) => sum * shape[axis] + i, 0);

/** Calls `tap` for every product of x, w and y that a convolution has, with their offsets. */
function taps(g: Geometry, tap: (x: number, w: number, y: number) => void): void {
  const perGroup = g.kernel[0] / g.groups;
  for (const [n, o, ...place] of indices(g.output)) {
    for (const [c, ...k] of indices(g.kernel.slice(1))) {
      const at = place.map((p, i) => p * g.stride[i] - g.padding[i] + k[i] * g.dilation[i]);
      if (at.some((p, i) => p < 0 || p >= g.input[i + 2])) continue;
      const channel = Math.floor(o / perGroup) * g.kernel[1] + c;
      tap(offset(g.input, [n, channel, ...at]), offset(g.kernel, [o, c, ...k]), offset(g.output, [n, o, ...place]));
    }
  }
}

/** The result for an operand and a weight, and the gradients of Σ r · result. */
function reference(g: Geometry, p: number[], w: number[], r: number[]): number[][] {
  const result = new Array<number>(r.length).fill(0);
  const byP = new Array<number>(p.length).fill(0);
  const byW = new Array<number>(w.length).fill(0);
  taps(g, (x, k, y) => {
    const [from, to] = g.transposed ? [y, x] : [x, y];
    result[to] += p[from] * w[k];
    byP[from] += r[to] * w[k];
    byW[k] += r[to] * p[from];
  });
  return [result, byP, byW];
}

const CONVS = [ops.conv1d, ops.conv2d, ops.conv3d];
const TRANSPOSED = [ops.convTranspose1d, ops.convTranspose2d, ops.convTranspose3d];

function apply(g: Geometry, p: Tensor, w: Tensor): Tensor {
  const n = g.stride.length;
  const { stride, padding, dilation, groups, outputPadding } = g;
  return g.transposed
    ? TRANSPOSED[n - 1](p, w, null, { stride, padding, dilation, groups, outputPadding })
    : CONVS[n - 1](p, w, null, { stride, padding, dilation, groups });
}

const numbers = (count: number): number[] => Array.from({ length: count }, () => Math.round(random() * 8 - 4) / 4);

describe.each([
  ["cpu", "float64", 20],
  ["webgpu", "float32", 6],
] as const)("%s", (name, dtype, count) => {
  let device: ops.Device;
  beforeAll(async () => {
    device = await init({ device: name, dtype });
  });
  afterAll(() => device.destroy());

  test.each([1, 2, 3])("random geometries over %i dims", async (n) => {
    for (let i = 0; i < count; i++) {
      using _ = ops.scope();
      const g = randomGeometry(n);
      const [from, to] = g.transposed ? [g.output, g.input] : [g.input, g.output];
      const [p, w, r] = [from, g.kernel, to].map((shape) => numbers(numel(shape)));
      const x = tensor(p, { shape: from, requiresGrad: true });
      const k = tensor(w, { shape: g.kernel, requiresGrad: true });
      const y = apply(g, x, k);
      const by = grad(y, [x, k], { gradOutputs: tensor(r, { shape: to }), createGraph: true });
      const got = await Promise.all([y, ...by].map(async (t) => [...(await t.data())]));
      const wanted = reference(g, p, w, r);
      // Quarters, and few: exact in either dtype.
      expect([g, ...got.map((values) => values.map((v) => v + 0))]).toEqual([g, ...wanted]);
      // Of the second order: y is bilinear, so the gradient of Σ s · (gradient by x) by w is the one with s for x.
      const s = numbers(p.length);
      const [second] = grad(by[0], [k], { gradOutputs: tensor(s, { shape: from }) });
      expect([g, [...(await second.data())].map((v) => v + 0)]).toEqual([g, reference(g, s, w, r)[2]]);
      if (name === "cpu" && i % 5 === 0) {
        const check = await gradgradcheck(
          (a, b) => apply(g, a, b).tanh(),
          [x.detach().requiresGrad_(true), k.detach().requiresGrad_(true)],
        );
        expect(check).toBe(true);
      }
    }
  });

  test("outputPadding beyond the stride, under a dilation", async () => {
    using _ = ops.scope();
    const x = ops.ones([1, 1, 4], { requiresGrad: true });
    const w = ops.ones([1, 1, 3], { requiresGrad: true });
    const y = ops.convTranspose1d(x, w, null, { stride: 2, dilation: 4, outputPadding: 2 });
    const [gx, gw] = grad(y.square().sum(), [x, w]);
    expect([await gx.toArray(), await gw.toArray()]).toEqual([[[[10, 10, 10, 10]]], [[[12, 16, 12]]]]);
  });
});
