/**
 * Single operations, each again and again: what the device makes of the arithmetic and the memory that it has.
 *
 * A call does the operation `repeat` times, submits each by itself, and reads the last result in full. `--shape` says how
 * the operands of a size n lie.
 */
import {
  conv2d,
  convTranspose2d,
  type Device,
  functional as F,
  matmul,
  scope,
  softmax,
  type Tensor,
  tensor,
} from "loopgrad";
import { uniform } from "../data.ts";
import { PEERS, type Settings, type Shape, type Task, type Workload } from "./workload.ts";

/** Bytes of an element. */
const BYTES = { float64: 8, float32: 4, float16: 2 } as const;

/** How often a call of so much work does it: enough to outweigh the read. Peers do the same (`bench/peers/README.md`). */
export const repeats = (work: number, enough: number): number => Math.max(1, Math.min(64, Math.round(enough / work)));

const ENOUGH_FLOPS = 5e8;
const ENOUGH_BYTES = 64e6;

/** A tensor of the seed's numbers. */
const operand = (device: Device, { dtype }: Settings, seed: number, shape: readonly number[], bound = 1): Tensor =>
  tensor(
    uniform(
      seed,
      shape.reduce((n, d) => n * d, 1),
      bound,
    ),
    { device, dtype, shape },
  );

/** Does an operation `repeat` times, each in a submission of its own, and reads what came last. */
function again(device: Device, repeat: number, operation: () => Tensor): Task["call"] {
  return async () => {
    using _ = scope();
    for (let i = 1; i < repeat; i++) {
      using _ = scope();
      operation();
      device.flush();
    }
    return [await operation().data()];
  };
}

/** [batch, m, k] × [batch, k, n]; transposed: the left operand lies in memory as [k, m]. */
export function matmulSizes(n: number, shape: Shape): { batch: number; m: number; k: number; n: number } {
  if (shape === "tall") return { batch: 1, m: 8 * n, k: n, n: Math.ceil(n / 8) };
  if (shape === "batched") return { batch: 8, m: n / 2, k: n / 2, n: n / 2 };
  return { batch: 1, m: n, k: n, n };
}

const product: Workload = {
  id: "matmul",
  what: "matrix product: n×n; tall: 8n×n by n×n/8; batched: 8 of n/2; transposed: the left one is read across its rows",
  options: { size: 512, shape: "square", dtype: "float32" },
  iterations: 7,
  peers: PEERS.filter((peer) => peer !== "higher"),
  least: { size: 8 },
  make(device, settings) {
    const { batch, m, k, n } = matmulSizes(settings.size, settings.shape);
    const lead = batch === 1 ? [] : [batch];
    const transposed = settings.shape === "transposed";
    const left = operand(device, settings, 1, [...lead, ...(transposed ? [k, m] : [m, k])]);
    const right = operand(device, settings, 2, [...lead, k, n]);
    const flops = 2 * batch * m * k * n;
    const repeat = repeats(flops, ENOUGH_FLOPS);
    const call = again(device, repeat, () => matmul(transposed ? left.transpose(-2, -1) : left, right));
    return { call, flops: flops * repeat, repeat, tolerance: settings.dtype === "float16" ? 1e-2 : 1e-4 };
  },
};

/** [batch, 64, height, width], convolved with 64 3×3 kernels. */
export function convSizes(n: number, shape: Shape): { batch: number; height: number; width: number } {
  if (shape === "tall") return { batch: 8, height: 4 * n, width: Math.ceil(n / 4) };
  return { batch: shape === "batched" ? 32 : 8, height: n, width: n };
}
const CHANNELS = 64;

const convolution: Workload = {
  id: "conv",
  what: "convolution 3×3, 64 to 64 channels: 8 images n×n; tall: 4n×n/4; batched: 32 images; transposed: convTranspose2d",
  options: { size: 28, shape: "square", dtype: "float32" },
  iterations: 7,
  peers: PEERS.filter((peer) => peer !== "higher"),
  least: { size: 4 },
  make(device, settings) {
    const { batch, height, width } = convSizes(settings.size, settings.shape);
    const x = operand(device, settings, 1, [batch, CHANNELS, height, width]);
    const w = operand(device, settings, 2, [CHANNELS, CHANNELS, 3, 3], 0.05);
    const convolve = settings.shape === "transposed" ? convTranspose2d : conv2d;
    const flops = 2 * batch * CHANNELS * height * width * CHANNELS * 9;
    const repeat = repeats(flops, ENOUGH_FLOPS);
    const call = again(device, repeat, () => convolve(x, w, null, { padding: 1 }));
    return { call, flops: flops * repeat, repeat, tolerance: settings.dtype === "float16" ? 1e-2 : 1e-4 };
  },
};

/** The shape of a tensor of n² elements, and the axis that is worked along. */
export function streamSizes(n: number, shape: Shape): { shape: number[]; axis: number } {
  if (shape === "tall") return { shape: [16 * n, Math.ceil(n / 16)], axis: 1 };
  if (shape === "batched") return { shape: [8, n, Math.ceil(n / 8)], axis: 1 };
  return { shape: [n, n], axis: shape === "transposed" ? 0 : 1 };
}

/** An operation that is limited by memory. */
function stream(
  id: string,
  what: string,
  streams: (elements: number, along: number) => number,
  operation: (operands: {
    x: Tensor;
    y: Tensor;
    z: Tensor;
    axis: number;
    rows: Tensor[];
    transposed: boolean;
  }) => Tensor,
  shapes?: readonly Shape[],
): Workload {
  return {
    id,
    what,
    options: { size: 1024, shape: "square", dtype: "float32" },
    ...(shapes === undefined ? {} : { fits: { shape: shapes } }),
    iterations: 7,
    peers: PEERS.filter((peer) => peer !== "higher"),
    least: { size: 16 },
    make(device, settings) {
      const { shape, axis } = streamSizes(settings.size, settings.shape);
      const [x, y, z] = [1, 2, 3].map((seed) => operand(device, settings, seed, shape));
      const last = [shape[shape.length - 1]];
      const rows = [4, 5].map((seed) => operand(device, settings, seed, last));
      const bytes = BYTES[settings.dtype] * streams(x.size, shape[axis]);
      const repeat = repeats(bytes, ENOUGH_BYTES);
      const transposed = settings.shape === "transposed";
      const call = again(device, repeat, () => operation({ x, y, z, axis, rows, transposed }));
      return { call, bytes: bytes * repeat, repeat, tolerance: settings.dtype === "float16" ? 1e-2 : 1e-4 };
    },
  };
}

export const KERNELS: readonly Workload[] = [
  product,
  convolution,
  stream(
    "elementwise",
    "x·y + z of n×n elements; tall: 16n×n/16; batched: 8×n×n/8; transposed: y is read across its rows",
    (elements) => 4 * elements,
    ({ x, y, z, transposed }) => x.mul(transposed ? y.transpose(0, 1) : y).add(z),
  ),
  stream(
    "reduce",
    "sums along the last axis of n×n; tall: 16n×n/16; batched: the middle axis of 8×n×n/8; transposed: the first axis",
    (elements, along) => elements + elements / along,
    ({ x, axis }) => x.sum(axis),
  ),
  stream(
    "softmax",
    "softmax along the last axis of n×n; tall: 16n×n/16; batched: the middle axis of 8×n×n/8; transposed: the first axis",
    (elements) => 2 * elements,
    ({ x, axis }) => softmax(x, axis),
  ),
  stream(
    "layernorm",
    "layer norm with weight and bias over the last axis of n×n; tall: 16n×n/16; batched: 8×n×n/8",
    (elements) => 2 * elements,
    ({ x, rows: [weight, bias] }) => F.layerNorm(x, [x.shape[x.shape.length - 1]], weight, bias),
    ["square", "tall", "batched"],
  ),
];
