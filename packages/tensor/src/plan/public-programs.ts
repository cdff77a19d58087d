/**
 * Random programs of public operations, for comparing devices. (`random-programs.ts` is the same for primitives.)
 *
 * A program is decoded from a list of numbers, so that a shrinking test runner finds a short one that fails. A value is
 * *exact* if it is made of small integers by operations that stay among them: devices must agree on it to the bit. Others
 * went through a transcendental function, a quotient or a root: devices agree on them within a tolerance, so only
 * continuous operations may read them. Each value has a *limit* that its magnitude stays below: where it grows too large
 * it is scaled or folded back, so that errors do not grow with the length of a program.
 */
import type { Device } from "../device.ts";
import type { HostArray } from "../dtype.ts";
import { LoopgradError } from "../errors.ts";
import * as lg from "../index.ts";
import type { Tensor } from "../tensor.ts";

interface Value {
  readonly t: Tensor;
  readonly exact: boolean;
  readonly limit: number;
}

/** Draws numbers from a list, then zeros. */
class Draw {
  #next = 0;

  constructor(readonly numbers: readonly number[]) {}

  get done(): boolean {
    return this.#next >= this.numbers.length;
  }

  below(bound: number): number {
    const x = this.numbers[this.#next++] ?? 0;
    return bound <= 0 ? 0 : x % bound;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

/** Few shapes, so that programs share kernels: 0-d, empty, size 1, and ranks up to 4. */
const SHAPES = [[2, 3], [4], [], [3, 1], [2, 1, 3], [1, 3, 4], [0, 3], [1], [2, 2, 3, 2]];
const MAX_SIZE = 600;
const LARGEST_EXACT = 6;
const LARGEST_INEXACT = 4;

function integers(device: Device, shape: readonly number[], seed: number): Tensor {
  let state = seed + 1;
  const next = (): number => {
    state = (state * 48271) % 2147483647;
    return (state % 7) - 3;
  };
  return lg.tensor(Float32Array.from({ length: lg.numel(shape) }, next), { shape, device });
}

/** Some leaves are views: transposed, strided, or repeated along a dim. */
function leaf(device: Device, draw: Draw): Value {
  const shape = draw.of(SHAPES);
  const seed = draw.below(50);
  let t: Tensor;
  switch (shape.length === 0 ? 0 : draw.below(4)) {
    case 1:
      t = integers(device, shape.toReversed(), seed).permute(shape.map((_, i) => shape.length - 1 - i));
      break;
    case 2:
      t = integers(device, shape.with(0, 2 * shape[0]), seed).slice(0, 1, null, 2);
      break;
    case 3:
      t = integers(device, shape.with(0, 1), seed).expand(shape);
      break;
    default:
      t = integers(device, shape, seed);
  }
  return { t, exact: true, limit: 3 };
}

/** Brings a value back below the largest limit. */
function settled(t: Tensor, exact: boolean, limit: number): Value {
  if (t.dtype === "bool") return { t, exact: true, limit: 1 };
  if (exact) return limit > LARGEST_EXACT ? { t: lg.fmod(t, 7), exact, limit: LARGEST_EXACT } : { t, exact, limit };
  return limit > LARGEST_INEXACT
    ? { t: t.mul(LARGEST_INEXACT / limit), exact, limit: LARGEST_INEXACT }
    : { t, exact, limit };
}

type Unary = (x: Tensor) => Tensor;

/** From exact values to exact ones, no larger. */
const EXACT: Record<string, Unary> = {
  neg: lg.neg,
  abs: lg.abs,
  sign: lg.sign,
  floor: lg.floor,
  relu: lg.relu,
  trunc: lg.trunc,
  "to int32 and back": (x) => x.to("int32").to("float32"),
  "isfinite, masked": (x) => lg.where(lg.isfinite(x), x, 1),
  "sort, values": (x) => x.sort(-1)[0],
  "max, values": (x) => x.max(-1)[0],
  "min, values": (x) => x.min(0)[0],
};

/** From any value; the result's largest magnitude for operands up to 6. */
const SMOOTH: Record<string, [Unary, number]> = {
  sin: [lg.sin, 1],
  cos: [lg.cos, 1],
  tanh: [lg.tanh, 1],
  sigmoid: [lg.sigmoid, 1],
  erf: [lg.erf, 1],
  erfc: [lg.erfc, 2],
  atan: [lg.atan, 2],
  asinh: [lg.asinh, 3],
  exp: [(x) => x.mul(0.5).exp(), 21],
  expm1: [(x) => x.neg().abs().neg().expm1(), 1],
  log: [(x) => x.abs().add(0.5).log(), 3],
  log1p: [(x) => x.abs().log1p(), 3],
  log2: [(x) => x.square().add(1).log2(), 6],
  sqrt: [(x) => x.abs().add(0.25).sqrt(), 3],
  rsqrt: [(x) => x.square().add(1).rsqrt(), 1],
  reciprocal: [(x) => x.abs().add(1).reciprocal(), 1],
  softplus: [(x) => lg.softplus(x), 7],
  gelu: [(x) => lg.gelu(x), 6],
  silu: [lg.silu, 6],
  mish: [lg.mish, 6],
  elu: [(x) => lg.elu(x), 6],
  softsign: [lg.softsign, 1],
  sinh: [(x) => x.mul(0.5).sinh(), 11],
  "pow 1.5": [(x) => x.abs().add(0.5).pow(1.5), 17],
  sinc: [lg.sinc, 1],
  logit: [(x) => lg.logit(x.mul(0.1), { eps: 0.1 }), 3],
};

type Binary = (x: Tensor, y: Tensor) => Tensor;

/** Broadcasting: exact from exact, and continuous. */
const ARITHMETIC: Record<string, [Binary, (a: number, b: number) => number]> = {
  add: [lg.add, (a, b) => a + b],
  sub: [lg.sub, (a, b) => a + b],
  mul: [lg.mul, (a, b) => a * b],
  maximum: [lg.maximum, Math.max],
  minimum: [lg.minimum, Math.max],
  clamp: [(x, y) => lg.clamp(x, y, 2), (a, b) => Math.max(a, b)],
  addcmul: [(x, y) => lg.addcmul(x, y, y, { value: 2 }), (a, b) => a + 2 * b * b],
};
const QUOTIENTS: Record<string, [Binary, number]> = {
  div: [(x, y) => x.div(y.abs().add(1)), 6],
  atan2: [(x, y) => lg.atan2(x, y.abs().add(1)), 2],
  hypot: [(x, y) => lg.hypot(x, y.abs().add(0.5)), 10],
  logaddexp: [lg.logaddexp, 7],
  lerp: [(x, y) => lg.lerp(x, y, 0.3), 6],
  pow: [(x, y) => lg.pow(x.abs().add(0.5), y.mul(0.25)), 17],
  xlogy: [(x, y) => lg.xlogy(x, y.abs().add(0.5)), 12],
};
const COMPARISONS: Record<string, Binary> = {
  gt: lg.gt,
  le: lg.le,
  eq: lg.eq,
  ne: lg.ne,
  logicalAnd: lg.logicalAnd,
  logicalXor: lg.logicalXor,
};
const EXACT_BINARY: Record<string, Binary> = {
  fmod: (x, y) => lg.fmod(x, y.abs().add(1)),
  remainder: (x, y) => lg.remainder(x, y.abs().add(1)),
  floorDivide: (x, y) => lg.floorDivide(x, y.abs().add(1)),
  "where gt": (x, y) => lg.where(x.gt(y), x, y),
};

type Dims = number | number[] | null;
/** Reductions; the limit of the result for a number of terms. `exact`: integers stay integers. */
const REDUCTIONS: Record<
  string,
  [(x: Tensor, dim: Dims, keepdim: boolean) => Tensor, (limit: number, n: number) => number, boolean]
> = {
  sum: [(x, dim, keepdim) => x.sum(dim, { keepdim }), (limit, n) => limit * n, true],
  amax: [(x, dim, keepdim) => x.amax(dim, { keepdim }), (limit) => limit, true],
  amin: [(x, dim, keepdim) => x.amin(dim, { keepdim }), (limit) => limit, true],
  mean: [(x, dim, keepdim) => x.mean(dim, { keepdim }), (limit) => limit, false],
  var: [(x, dim, keepdim) => x.var(dim, { keepdim, correction: 0 }), (limit) => limit * limit, false],
  logsumexp: [(x, dim, keepdim) => x.logsumexp(dim, { keepdim }), (limit, n) => limit + Math.log(n), false],
  "norm 1": [(x, dim, keepdim) => x.norm(dim, { p: 1, keepdim }), (limit, n) => limit * n, false],
};
/** Along one dim, shape kept. */
const ALONG: Record<string, [(x: Tensor, dim: number) => Tensor, (limit: number, n: number) => number, boolean]> = {
  softmax: [(x, dim) => x.softmax(dim), () => 1, false],
  logSoftmax: [(x, dim) => x.logSoftmax(dim), (limit, n) => 2 * limit + Math.log(n), false],
  cumsum: [(x, dim) => x.cumsum(dim), (limit, n) => limit * n, true],
  flip: [(x, dim) => x.flip(dim), (limit) => limit, true],
  roll: [(x, dim) => x.roll(1, dim), (limit) => limit, true],
};
/** Exact only: their results are integers that jump. */
const COUNTING: Record<string, [(x: Tensor, dim: number) => Tensor, number]> = {
  argmax: [(x, dim) => x.argmax(dim), MAX_SIZE],
  argmin: [(x, dim) => x.argmin(dim), MAX_SIZE],
  argsort: [(x, dim) => x.argsort(dim), MAX_SIZE],
  any: [(x, dim) => x.any(dim), 1],
  all: [(x, dim) => x.all(dim), 1],
  countNonzero: [(x, dim) => x.countNonzero(dim), MAX_SIZE],
  "takeAlongDim of computed indices": [(x, dim) => x.takeAlongDim(computedIndices(x, dim), dim), LARGEST_EXACT],
  "scatter of computed indices": [(x, dim) => x.scatter(dim, computedIndices(x, dim), 2), LARGEST_EXACT],
  "oneHot of computed classes": [(x, dim) => lg.oneHot(computedIndices(x, dim, 0), Math.max(x.shape[dim], 1)), 1],
};

/** Indices in [−n, n), by default, that only the device knows. */
function computedIndices(x: Tensor, dim: number, lowest = -1): Tensor {
  const n = Math.max(x.shape[dim] ?? 1, 1);
  const within = x.abs().fmod(n);
  return (lowest < 0 ? lg.where(x.lt(0), within.sub(n), within) : within).to("int32");
}

/** Shapes and places. `k` is a small number that chooses among possibilities. */
const MOVEMENTS: Record<string, (x: Tensor, dim: number, k: number) => Tensor> = {
  reshape: (x, _, k) => x.reshape(k % 2 === 0 ? [-1, 1] : [1, x.size]),
  flatten: (x) => x.flatten(),
  transpose: (x, dim) => x.transpose(dim, -1),
  permute: (x) => x.permute(x.shape.map((_, i) => x.rank - 1 - i)),
  unsqueeze: (x, dim) => x.unsqueeze(dim),
  squeeze: (x) => x.squeeze(),
  movedim: (x, dim) => x.movedim(dim, 0),
  narrow: (x, dim, k) => x.narrow(dim, k % x.shape[dim], 1),
  slice: (x, dim, k) => x.slice(dim, k % 2, null, 1 + (k % 3)),
  select: (x, dim, k) => x.select(dim, k % x.shape[dim]),
  expand: (x, _, k) => x.unsqueeze(0).expand([1 + (k % 3), ...x.shape]),
  repeat: (x, _, k) => x.repeat(x.shape.map((_d, i) => 1 + ((k + i) % 2))),
  repeatInterleave: (x, dim) => x.repeatInterleave(2, dim),
  pad: (x, _, k) => lg.pad(x, [k % 3, 1], { value: 1 }),
  "pad reflect": (x) => lg.pad(x, [1, 1], { mode: "reflect" }),
  "pad, cut": (x) => lg.pad(x, [-1, 1]),
  tril: (x, _, k) => x.tril((k % 3) - 1),
  triu: (x, _, k) => x.triu((k % 3) - 1),
  diagonal: (x, _, k) => x.diagonal((k % 3) - 1),
  diagEmbed: (x) => x.diagEmbed(),
  unfold: (x, dim) => x.unfold(dim, 2, 1),
  split: (x, dim) => x.split(1, dim)[0],
  "stack with itself": (x, dim) => lg.stack([x, x.neg()], dim),
};

/** Two values whose shapes need not fit: a step that does not fit is left out. */
const JOINS: Record<string, [(x: Tensor, y: Tensor, dim: number) => Tensor, (a: number, b: number) => number]> = {
  cat: [(x, y, dim) => lg.cat([x, y, x], dim), Math.max],
  matmul: [(x, y) => lg.matmul(x, y.transpose(-1, -2)), (a, b) => a * b * MAX_SIZE],
  outer: [(x, y) => lg.outer(x.flatten(), y.flatten()), (a, b) => a * b],
  einsum: [(x, y) => lg.einsum("...i,...i->...", [x, y]), (a, b) => a * b * MAX_SIZE],
  linear: [(x, y) => lg.linear(x, y.reshape([-1, x.shape[x.rank - 1]])), (a, b) => a * b * MAX_SIZE],
  "where gt 0": [(x, y) => lg.where(lg.arange(x.shape[x.rank - 1] ?? 1, { device: x.device }).gt(0), x, y), Math.max],
};

/** Indices that the program does not compute. */
const INDEXED: Record<string, (x: Tensor, dim: number, k: number) => Tensor> = {
  indexSelect: (x, dim, k) =>
    x.indexSelect(dim, lg.tensor(Int32Array.of(0, k % x.shape[dim], 0), { device: x.device })),
  gather: (x, dim) => x.gather(dim, lg.zerosLike(x, { dtype: "int32" })),
  scatterAdd: (x, dim) => x.scatterAdd(dim, lg.onesLike(x, { dtype: "int32" }).neg(), x),
  indexAdd: (x, dim) => x.indexAdd(dim, lg.zeros([x.shape[dim]], { dtype: "int32", device: x.device }), x),
};

/** Images: the last two dims, the others merged. */
const IMAGES: Record<string, [(x: Tensor) => Tensor, number, boolean]> = {
  conv2d: [(x) => lg.conv2d(image(x), integers(x.device, [2, 1, 1, 2], 3), null, { padding: [0, 1] }), 6, true],
  maxPool2d: [(x) => lg.maxPool2d(image(x), [1, 2], { stride: 1, padding: [0, 1] }), 1, true],
  avgPool2d: [(x) => lg.avgPool2d(image(x), [1, 2], { stride: 1 }), 1, false],
};
const image = (x: Tensor): Tensor => x.reshape([-1, 1, 1, x.shape[x.rank - 1] ?? 1]);

/** One more operation on the values so far; null where the draw does not fit. */
function step(values: readonly Value[], draw: Draw): { name: string; value: Value } | null {
  const family = draw.below(16);
  const x = draw.of(values);
  const number = x.t.dtype === "float32" ? x.t : x.t.to("float32");
  const { limit, exact } = x;
  const axis = draw.below(x.t.rank);
  const n = x.t.shape[axis] ?? 1;
  const entry = <T>(table: Record<string, T>): [string, T] => draw.of(Object.entries(table));
  const second = (): Value => {
    const y = draw.of(values);
    return y.t.dtype === "float32" ? y : { ...y, t: y.t.to("float32") };
  };
  const result = (name: string, t: Tensor, stays: boolean, most: number) => ({ name, value: settled(t, stays, most) });
  switch (family) {
    case 0: {
      const [name, f] = entry(EXACT);
      return exact ? result(name, f(number), true, limit) : null;
    }
    case 1:
    case 2: {
      const [name, [f, most]] = entry(SMOOTH);
      return result(name, f(number), false, most);
    }
    case 3:
    case 4: {
      const [name, [f, most]] = entry(ARITHMETIC);
      const y = second();
      return result(name, f(number, y.t), exact && y.exact, most(Math.max(limit, 2), y.limit));
    }
    case 5: {
      const [name, [f, most]] = entry(QUOTIENTS);
      return result(name, f(number, second().t), false, most);
    }
    case 6: {
      const [name, f] = entry(draw.below(2) === 0 ? COMPARISONS : EXACT_BINARY);
      const y = second();
      return exact && y.exact ? result(name, f(number, y.t), true, LARGEST_EXACT) : null;
    }
    case 7:
    case 8: {
      const [name, [f, most, keeps]] = entry(REDUCTIONS);
      const dim = draw.below(3) === 0 ? null : axis;
      const count = dim === null ? x.t.size : n;
      if (count === 0) return null;
      return result(name, f(number, dim, draw.below(2) === 1), exact && keeps, most(limit, count));
    }
    case 9: {
      const [name, [f, most, keeps]] = entry(ALONG);
      return n === 0 ? null : result(name, f(number, axis), exact && keeps, most(limit, n));
    }
    case 10: {
      const [name, [f, most]] = entry(COUNTING);
      return exact ? result(name, f(number, axis), true, most) : null;
    }
    case 11:
    case 12: {
      const [name, f] = entry(MOVEMENTS);
      return result(name, f(number, axis, draw.below(5)), exact, Math.max(limit, 1));
    }
    case 13: {
      const [name, [f, most]] = entry(JOINS);
      const y = second();
      return result(name, f(number, y.t, axis), exact && y.exact, most(limit, y.limit));
    }
    case 14: {
      const [name, f] = entry(INDEXED);
      return result(name, f(number, axis, draw.below(5)), exact, limit * (n + 1));
    }
    default: {
      const [name, [f, factor, keeps]] = entry(IMAGES);
      return result(name, f(number), exact && keeps, limit * factor);
    }
  }
}

/** A value that a program computed. */
export interface Computed {
  readonly name: string;
  readonly exact: boolean;
  readonly data: HostArray;
}

/** Runs the program that a list of numbers stands for on a device. Every value is read, so that none is left out. */
export async function runPublicProgram(device: Device, numbers: readonly number[]): Promise<Computed[]> {
  using _ = lg.scope();
  const draw = new Draw(numbers);
  const values = [leaf(device, draw), leaf(device, draw), leaf(device, draw)];
  const wanted: { name: string; value: Value }[] = [];
  while (!draw.done) {
    let next: ReturnType<typeof step>;
    try {
      next = step(values, draw);
    } catch (error) {
      // A shape that does not fit is rejected before anything runs, on every device alike.
      if (error instanceof LoopgradError) continue;
      throw error;
    }
    if (next === null || next.value.t.size > MAX_SIZE || next.value.t.rank > 5) continue;
    values.push(next.value);
    if (draw.done || draw.below(4) === 0) wanted.push(next);
  }
  wanted.push({ name: "last", value: values[values.length - 1] });
  return Promise.all(
    wanted.map(async ({ name, value }) => ({
      name: `${name}: ${value.t}`.replace(/, \w+\)$/, ")"),
      exact: value.exact,
      data: await value.t.data(),
    })),
  );
}

/** Errors that float32 makes along a program, for values below 4. */
const TOLERANCE = 1e-3;

/** What differs between two runs of a program, in words: nothing where they agree. */
export function differences(got: readonly Computed[], wanted: readonly Computed[]): string[] {
  return wanted.flatMap(({ name, exact, data }, i) => {
    const other = got[i].data;
    const at = data.findIndex((w, k) => {
      const g = other[k];
      if (g === w || (Number.isNaN(g) && Number.isNaN(w))) return false;
      return exact || !(Math.abs(g - w) <= TOLERANCE);
    });
    return at < 0 ? [] : [`${name}, element ${at}: ${other[at]}, wanted ${data[at]}`];
  });
}
