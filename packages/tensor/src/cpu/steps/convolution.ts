/**
 * Convolutions as matrix products.
 *
 * A *position* is one place of the kernel's window: one output element per channel, for one image. A *patch*
 * is what the window covers there, channels × kernel elements. With the patches as the columns of a matrix P,
 * the weights as W [out, patch] and the output or its gradient as Y [out, position]:
 *
 *     conv: Y = W P        convInput: P = Wᵀ Y, added up where patches overlap        convWeight: W = Y Pᵀ
 *
 * P is never stored whole. The input is copied with its padding, so that element e of the patch at position p
 * lies at base[p] + delta[e], without a condition; panels are filled from there. Images are taken several at a
 * time where they have few positions.
 */
import type { HostArray } from "../../dtype.ts";
import { convGeometry, convInputP, convP } from "../../primitives.ts";
import type { GraphNode } from "../../record/backend.ts";
import { numel, type Shape } from "../../shape.ts";
import { type Geometry3, geometry3 } from "../contraction.ts";
import type { Operand, Run } from "../program.ts";
import { after, multiplyPanels, type Offsets, packGathered, packStrided, tiled, workspace } from "./panels.ts";

/** Positions or patch elements packed at once: as much as the processor's second cache holds. */
const BLOCK = 128;
/** Positions over which a weight's gradient is summed in one pass. */
const DEPTH = 1024;

interface Tables {
  readonly g: Geometry3;
  /** Images taken at a time. */
  readonly images: number;
  /** Elements of a patch within a group. */
  readonly patch: number;
  /** Positions in one image. */
  readonly positions: number;
  readonly padded: Shape;
  /** Elements of one channel of the padded input, and of all channels. */
  readonly plane: number;
  readonly image: number;
  /** For each position of the images taken at a time: where its patch begins in the padded input. */
  readonly base: Int32Array;
  /** For each element of a patch: how far from there it lies. */
  readonly delta: Int32Array;
  /** For each position: where its element of channel 0 lies in the output. */
  readonly place: Int32Array;
  /** For each output channel of a group: how far from there it lies. */
  readonly channel: Int32Array;
}

/** `node` is conv or one of its gradients; inputs are row-major. */
export function lowerConvolution(node: GraphNode, [p, q]: readonly Operand[], slot: number): Run {
  const geometry = convGeometry(node.attrs);
  switch (node.primitive) {
    case convP: {
      const t = tables(geometry3(geometry, p.shape, q.shape, node.shape));
      return (arrays) => forward(t, arrays[p.slot], arrays[q.slot], arrays[slot]);
    }
    case convInputP: {
      const t = tables(geometry3(geometry, node.shape, q.shape, p.shape));
      return (arrays) => inputGradient(t, arrays[p.slot], arrays[q.slot], arrays[slot]);
    }
    default: {
      const t = tables(geometry3(geometry, p.shape, node.shape, q.shape));
      return (arrays) => weightGradient(t, arrays[p.slot], arrays[q.slot], arrays[slot]);
    }
  }
}

function tables(g: Geometry3): Tables {
  const padded = g.input.map((size, d) => size + 2 * g.padding[d]);
  const plane = numel(padded);
  const image = g.channels * g.groups * plane;
  const positions = numel(g.output);
  const window = numel(g.kernel);
  const images = Math.max(1, Math.min(g.batch, Math.floor(BLOCK / positions)));
  const [base, place] = [new Int32Array(images * positions), new Int32Array(images * positions)];
  for (let n = 0; n < images; n++) {
    each(g.output, (at, i, j, k) => {
      base[n * positions + at] =
        n * image + (i * g.stride[0] * padded[1] + j * g.stride[1]) * padded[2] + k * g.stride[2];
      place[n * positions + at] = n * g.outChannels * g.groups * positions + at;
    });
  }
  const delta = new Int32Array(g.channels * window);
  for (let c = 0; c < g.channels; c++) {
    each(g.kernel, (at, i, j, k) => {
      delta[c * window + at] =
        c * plane + (i * g.dilation[0] * padded[1] + j * g.dilation[1]) * padded[2] + k * g.dilation[2];
    });
  }
  const channel = Int32Array.from({ length: g.outChannels }, (_, o) => o * positions);
  return { g, images, patch: delta.length, positions, padded, plane, image, base, delta, place, channel };
}

/** Visits the places of a box in row-major order. */
function each(size: Shape, visit: (at: number, i: number, j: number, k: number) => void): void {
  let at = 0;
  for (let i = 0; i < size[0]; i++) {
    for (let j = 0; j < size[1]; j++) for (let k = 0; k < size[2]; k++) visit(at++, i, j, k);
  }
}

function forward(t: Tables, x: HostArray, w: HostArray, y: HostArray): void {
  const { patch, base, delta, place } = t;
  const { groups, outChannels } = t.g;
  const left = workspace(0, groups * tiled(outChannels) * patch);
  const right = workspace(1, BLOCK * patch);
  const sum = workspace(2, tiled(outChannels) * BLOCK);
  const leftOf = (group: number) => after(left, group * tiled(outChannels) * patch);
  for (let group = 0; group < groups; group++) {
    packStrided(leftOf(group), w, group * outChannels * patch, outChannels, patch, patch, 1);
  }
  eachBlock(t, (first, images, group, q, columns) => {
    if (group === 0 && q === 0) pad(t, x, first, images);
    const width = tiled(columns);
    const input = paddedInput(t);
    packGathered(right, input, inputAt(t, group), { table: base, first: q, count: columns }, whole(delta));
    sum.data.fill(0, 0, tiled(outChannels) * width);
    multiplyPanels(leftOf(group), right, patch, outChannels, columns, sum);
    for (let o = 0; o < outChannels; o++) {
      const to = outputAt(t, first, group) + t.channel[o];
      for (let j = 0; j < columns; j++) y[to + place[q + j]] = sum.data[o * width + j];
    }
  });
}

function inputGradient(t: Tables, y: HostArray, w: HostArray, x: HostArray): void {
  const { patch, base, delta, place, channel } = t;
  const { groups, outChannels } = t.g;
  const left = workspace(0, groups * tiled(patch) * outChannels);
  const right = workspace(1, BLOCK * outChannels);
  const sum = workspace(2, tiled(patch) * BLOCK);
  const leftOf = (group: number) => after(left, group * tiled(patch) * outChannels);
  for (let group = 0; group < groups; group++) {
    packStrided(leftOf(group), w, group * outChannels * patch, patch, 1, outChannels, patch);
  }
  const input = paddedInput(t);
  eachBlock(t, (first, images, group, q, columns) => {
    if (group === 0 && q === 0) input.fill(0, 0, images * t.image);
    const width = tiled(columns);
    packGathered(right, y, outputAt(t, first, group), { table: place, first: q, count: columns }, whole(channel));
    sum.data.fill(0, 0, tiled(patch) * width);
    multiplyPanels(leftOf(group), right, outChannels, patch, columns, sum);
    for (let e = 0; e < patch; e++) {
      const to = inputAt(t, group) + delta[e];
      for (let j = 0; j < columns; j++) input[to + base[q + j]] += sum.data[e * width + j];
    }
    if (group === groups - 1 && q + columns === images * t.positions) crop(t, x, first, images);
  });
}

function weightGradient(t: Tables, x: HostArray, y: HostArray, w: HostArray): void {
  const { patch, base, delta, place, channel } = t;
  const { groups, outChannels } = t.g;
  const height = tiled(outChannels);
  const left = workspace(0, height * DEPTH);
  const right = workspace(1, BLOCK * DEPTH);
  const sum = workspace(2, groups * height * tiled(patch)).data.fill(0, 0, groups * height * tiled(patch));
  /** The sums of a group for a block of patch elements are row-major on their own. */
  const sumOf = (group: number, e: number) => ({ data: sum, at: height * (group * tiled(patch) + e) });
  eachBlock(
    t,
    (first, images, group, q, depth) => {
      if (group === 0 && q === 0) pad(t, x, first, images);
      packGathered(left, y, outputAt(t, first, group), whole(channel), { table: place, first: q, count: depth });
      for (let e = 0; e < patch; e += BLOCK) {
        const columns = Math.min(BLOCK, patch - e);
        const lines = { table: delta, first: e, count: columns };
        packGathered(right, paddedInput(t), inputAt(t, group), lines, { table: base, first: q, count: depth });
        multiplyPanels(left, right, depth, outChannels, columns, sumOf(group, e));
      }
    },
    DEPTH,
  );
  for (let group = 0; group < groups; group++) {
    for (let e = 0; e < patch; e++) {
      const begin = e - (e % BLOCK);
      const width = tiled(Math.min(BLOCK, patch - begin));
      const { at } = sumOf(group, begin);
      for (let o = 0; o < outChannels; o++) w[(group * outChannels + o) * patch + e] = sum[at + o * width + e - begin];
    }
  }
}

const whole = (table: Int32Array): Offsets => ({ table, first: 0, count: table.length });

/** Where a group's channels begin in the padded input, and in the output of the image `first`. */
const inputAt = (t: Tables, group: number): number => group * t.g.channels * t.plane;
const outputAt = (t: Tables, first: number, group: number): number =>
  (first * t.g.groups + group) * t.g.outChannels * t.positions;

/** Calls `block` for the images taken at a time, every group, and blocks of `size` positions from `q` on. */
function eachBlock(
  t: Tables,
  block: (first: number, images: number, group: number, q: number, count: number) => void,
  size = BLOCK,
): void {
  for (let first = 0; first < t.g.batch; first += t.images) {
    const images = Math.min(t.images, t.g.batch - first);
    for (let group = 0; group < t.g.groups; group++) {
      const end = images * t.positions;
      for (let q = 0; q < end; q += size) block(first, images, group, q, Math.min(size, end - q));
    }
  }
}

const paddedInput = (t: Tables): Float64Array => workspace(3, t.images * t.image).data;

/** Copies images into the padded input, zeros around them. */
function pad(t: Tables, x: HostArray, first: number, images: number): void {
  const to = paddedInput(t).fill(0, 0, images * t.image);
  const length = t.g.input[2];
  eachRow(t, first, images, (i, p) => {
    for (let k = 0; k < length; k++) to[p + k] = x[i + k];
  });
}

/** Copies images out of the padded input. */
function crop(t: Tables, x: HostArray, first: number, images: number): void {
  const from = paddedInput(t);
  const length = t.g.input[2];
  eachRow(t, first, images, (i, p) => {
    for (let k = 0; k < length; k++) x[i + k] = from[p + k];
  });
}

/** Visits the rows of images: where each begins in the batch and in the padded input. */
function eachRow(t: Tables, first: number, images: number, row: (i: number, p: number) => void): void {
  const { input, padding, channels, groups } = t.g;
  const [, height, width] = t.padded;
  let i = first * channels * groups * numel(input);
  for (let plane = 0; plane < images * channels * groups; plane++) {
    for (let d = 0; d < input[0]; d++) {
      for (let h = 0; h < input[1]; h++, i += input[2]) {
        row(i, plane * t.plane + ((d + padding[0]) * height + h + padding[1]) * width + padding[2]);
      }
    }
  }
}
