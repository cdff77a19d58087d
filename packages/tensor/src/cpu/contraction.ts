/**
 * Contractions: matrix products and convolutions, as their definitions say.
 *
 * The three convolutions share one enumeration: a *tap* is one product x[i] · w[j] that contributes to y[k].
 * `conv` adds up taps by k, its gradients by i and by j.
 */
import type { HostArray } from "../dtype.ts";
import { isFloat } from "../dtype.ts";
import { type ConvGeometry, convGeometry, convInputP, convP, convWeightP } from "../primitives.ts";
import type { GraphNode } from "../record/backend.ts";
import { numel, type Shape } from "../shape.ts";
import { broadcast, contiguous, type HostView, materialized, planWalk, walk } from "./layout.ts";

/** [..., M, K] × [..., K, N], batch axes broadcast; float sums in double precision. */
export function matmul(node: GraphNode, [a, b]: readonly HostView[], out: HostArray): void {
  const rank = node.shape.length;
  const [m, n, k] = [node.shape[rank - 2], node.shape[rank - 1], a.shape[rank - 1]];
  const [am, ak] = a.strides.slice(-2);
  const [bk, bn] = b.strides.slice(-2);
  const batch = node.shape.slice(0, -2);
  const outer = (view: HostView) =>
    broadcast({ shape: view.shape.slice(0, -2), strides: view.strides.slice(0, -2), offset: view.offset }, batch);
  const to = contiguous(node.shape);
  const wrap = isFloat(node.dtype) ? null : Math.imul;
  const plan = planWalk(batch, [{ ...to, shape: batch, strides: to.strides.slice(0, -2) }, outer(a), outer(b)]);
  walk(plan, (at) => {
    for (let row = 0; row < plan.length; row++) {
      const [o, i, j] = at.map((offset, operand) => offset + row * plan.steps[operand]);
      for (let p = 0; p < m; p++) {
        for (let q = 0; q < n; q++) {
          let sum = 0;
          for (let r = 0; r < k; r++) {
            const [x, y] = [a.data[i + p * am + r * ak], b.data[j + r * bk + q * bn]];
            sum += wrap === null ? x * y : wrap(x, y);
          }
          out[o + p * n + q] = sum;
        }
      }
    }
  });
}

/** `conv`, `convInput` and `convWeight`, for 1 to 3 spatial dimensions; sums in double precision. */
export function convolution(node: GraphNode, inputs: readonly HostView[], out: HostArray): void {
  const geometry = convGeometry(node.attrs);
  const [p, q] = inputs.map(materialized);
  const sum = new Float64Array(numel(node.shape));
  const [s, t] = inputs.map((input) => input.shape);
  switch (node.primitive) {
    case convP:
      taps(geometry, s, t, node.shape, (x, w, y) => {
        sum[y] += p[x] * q[w];
      });
      break;
    case convInputP:
      taps(geometry, node.shape, t, s, (x, w, y) => {
        sum[x] += p[y] * q[w];
      });
      break;
    case convWeightP:
      taps(geometry, s, node.shape, t, (x, w, y) => {
        sum[w] += p[x] * q[y];
      });
      break;
    default:
      throw new Error("internal: not a convolution");
  }
  for (let i = 0; i < sum.length; i++) out[i] = sum[i];
}

/** A convolution's geometry as one over three spatial dimensions, the missing ones of size 1 in front. */
export interface Geometry3 {
  readonly batch: number;
  readonly groups: number;
  /** Channels of x and of y in one group. */
  readonly channels: number;
  readonly outChannels: number;
  readonly input: Shape;
  readonly kernel: Shape;
  readonly output: Shape;
  readonly stride: Shape;
  readonly padding: Shape;
  readonly dilation: Shape;
}

export function geometry3(g: ConvGeometry, x: Shape, w: Shape, y: Shape): Geometry3 {
  const fill = (list: readonly number[], missing: number) => [...new Array<number>(3 - g.n).fill(missing), ...list];
  return {
    batch: x[0],
    groups: g.groups,
    channels: w[1],
    outChannels: w[0] / g.groups,
    input: fill(x.slice(2), 1),
    kernel: fill(w.slice(2), 1),
    output: fill(y.slice(2), 1),
    stride: fill(g.stride, 1),
    padding: fill(g.padding, 0),
    dilation: fill(g.dilation, 1),
  };
}

/** Calls `tap` with the positions of every x, w and y that meet in a convolution of row-major arrays. */
function taps(g: ConvGeometry, xs: Shape, ws: Shape, ys: Shape, tap: (x: number, w: number, y: number) => void): void {
  const { batch, groups, channels, outChannels, input, kernel, output, stride, padding, dilation } = geometry3(
    g,
    xs,
    ws,
    ys,
  );
  const total = outChannels * groups;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < total; o++) {
      const firstChannel = n * channels * groups + Math.floor(o / outChannels) * channels;
      for (let c = 0; c < channels; c++) {
        for (const [y, k, x] of meetings(0)) {
          for (const [y1, k1, x1] of meetings(1)) {
            for (const [y2, k2, x2] of meetings(2)) {
              const i = (((firstChannel + c) * input[0] + x) * input[1] + x1) * input[2] + x2;
              const j = (((o * channels + c) * kernel[0] + k) * kernel[1] + k1) * kernel[2] + k2;
              tap(i, j, (((n * total + o) * output[0] + y) * output[1] + y1) * output[2] + y2);
            }
          }
        }
      }
    }
  }

  /** Along one dimension: every output position, kernel position, and input position inside the input. */
  function meetings(d: number): number[][] {
    const list: number[][] = [];
    for (let y = 0; y < output[d]; y++) {
      for (let k = 0; k < kernel[d]; k++) {
        const x = y * stride[d] - padding[d] + k * dilation[d];
        if (x >= 0 && x < input[d]) list.push([y, k, x]);
      }
    }
    return list;
  }
}
