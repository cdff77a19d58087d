/**
 * Initialisation: first values for parameters.
 *
 * Each function assigns to a slot and returns it. *Fan-in* and *fan-out* are how many inputs one output sees, and
 * the reverse: for a weight [out, in, …kernel], in × kernel size and out × kernel size. The *gain* makes up for how
 * much a nonlinearity shrinks a signal. Random numbers come from the device-independent generator: `manualSeed`.
 */
import {
  ArgumentError,
  admit,
  argsort,
  full,
  getRngState,
  numel,
  rand,
  randn,
  type Shape,
  ShapeError,
  scope,
  setRngState,
  show,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { checkProbability } from "./options.ts";
import { Slot } from "./slot.ts";

export type Nonlinearity = "linear" | "conv" | "sigmoid" | "tanh" | "relu" | "leakyRelu" | "selu";

type FanMode = "fanIn" | "fanOut";

function set<S extends Slot>(
  slot: S,
  make: (like: { device: S["device"]; dtype: S["dtype"] }, shape: Shape) => Tensor,
): S {
  if (!(slot instanceof Slot)) {
    throw new ArgumentError("init: wanted a Parameter or a Buffer; of a parametrized layer, its originals");
  }
  scope(() => {
    slot.assign(make({ device: slot.device, dtype: slot.dtype }, slot.shape).detach());
  });
  return slot;
}

/** One number everywhere. @see torch.nn.init.constant_ */
export function constant<S extends Slot>(slot: S, value: number): S {
  admit(arguments, "constant(slot: tensor, value: number)");
  return set(slot, (like, shape) => full(shape, value, like));
}

export function zeros<S extends Slot>(slot: S): S {
  admit(arguments, "zeros(slot: tensor)");
  return constant(slot, 0);
}

export function ones<S extends Slot>(slot: S): S {
  admit(arguments, "ones(slot: tensor)");
  return constant(slot, 1);
}

/** U[low, high). @see torch.nn.init.uniform_ */
export function uniform<S extends Slot>(slot: S, low = 0, high = 1): S {
  admit(arguments, "uniform(slot: tensor, low?: number, high?: number)");
  return set(slot, (like, shape) =>
    rand(shape, like)
      .mul(high - low)
      .add(low),
  );
}

/** N(mean, std²). @see torch.nn.init.normal_ */
export function normal<S extends Slot>(slot: S, mean = 0, std = 1): S {
  admit(arguments, "normal(slot: tensor, mean?: number, std?: number)");
  return set(slot, (like, shape) => randn(shape, like).mul(std).add(mean));
}

/**
 * N(mean, std²) cut off outside [low, high], by inverting the distribution function on its two tails' difference.
 *
 * @param options.low, options.high  absolute bounds; default −2 and 2, as in torch
 * @see                              torch.nn.init.trunc_normal_
 */
export function truncNormal<S extends Slot>(
  slot: S,
  mean = 0,
  std = 1,
  options: { low?: number; high?: number } = {},
): S {
  admit(arguments, "truncNormal(slot: tensor, mean?: number, std?: number, options?: { low: number, high: number })");
  const { low = -2, high = 2 } = options;
  if (!(low < high)) throw new ArgumentError(`truncNormal: bounds ${low} and ${high}: wanted low < high`);
  // Redrawing on the device would need a read; eight draws leave one in 10⁵ outside, and those are clamped.
  const DRAWS = 8;
  return set(slot, (like, shape) => {
    let x = randn(shape, like).mul(std).add(mean);
    for (let draw = 1; draw < DRAWS; draw++) {
      const inside = x.ge(low).logicalAnd(x.le(high));
      x = inside
        .to(like.dtype)
        .mul(x)
        .add(inside.logicalNot().to(like.dtype).mul(randn(shape, like).mul(std).add(mean)));
    }
    return x.clamp(low, high);
  });
}

/** The identity matrix for a slot of rank 2. @see torch.nn.init.eye_ */
export function eye<S extends Slot>(slot: S): S {
  admit(arguments, "eye(slot: tensor)");
  if (slot.rank !== 2) throw new ShapeError(`eye: ${show(slot.shape)}: wanted a matrix`);
  return set(slot, (like, shape) =>
    full(shape, 1, like)
      .tril()
      .sub(full(shape, 1, like).tril(-1)),
  );
}

/**
 * A convolution weight that passes its channels through, as far as there are as many: 1 at the kernel's centre.
 *
 * @param options.groups  of the convolution (default 1): each group passes its own channels
 * @see                   torch.nn.init.dirac_
 */
export function dirac<S extends Slot>(slot: S, options: { groups?: number } = {}): S {
  admit(arguments, "dirac(slot: tensor, options?: { groups: number })");
  const { groups = 1 } = options;
  const [rows, columns, ...kernel] = slot.shape;
  if (kernel.length < 1 || kernel.length > 3 || rows % groups !== 0) {
    throw new ShapeError(`dirac: ${show(slot.shape)} in ${groups} groups: wanted the weight of a convolution`);
  }
  const size = numel(kernel);
  const centre = kernel.reduce((at, length) => at * length + Math.floor(length / 2), 0);
  const weight = new Float64Array(rows * columns * size);
  const perGroup = rows / groups;
  for (let row = 0; row < rows; row++) {
    const column = row % perGroup;
    if (column < columns) weight[(row * columns + column) * size + centre] = 1;
  }
  return set(slot, (like, shape) => tensor(weight, { ...like, shape }));
}

/**
 * A random matrix with orthonormal rows or columns, whichever are fewer; uniform among all of them. Dimensions after
 * the first count as one.
 *
 * It is computed on the host, in time O(rows · columns · the fewer of them).
 *
 * @see torch.nn.init.orthogonal_
 */
export function orthogonal<S extends Slot>(slot: S, gain = 1): S {
  admit(arguments, "orthogonal(slot: tensor, gain?: number)");
  if (slot.rank < 2) throw new ShapeError(`orthogonal: ${show(slot.shape)}: wanted rank >= 2`);
  const rows = slot.shape[0];
  const columns = slot.size / rows;
  const vectors = orthonormal(Math.min(rows, columns), Math.max(rows, columns));
  const weight = new Float64Array(rows * columns);
  for (const [i, vector] of vectors.entries()) {
    for (const [j, x] of vector.entries()) weight[rows <= columns ? i * columns + j : j * columns + i] = gain * x;
  }
  return set(slot, (like, shape) => tensor(weight, { ...like, shape }));
}

/** Orthonormal vectors: normal ones, each freed of its parts along those before it (Gram and Schmidt), twice. */
function orthonormal(count: number, length: number): Float64Array[] {
  const normal = hostNormal();
  const vectors: Float64Array[] = [];
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
  while (vectors.length < count) {
    const vector = Float64Array.from({ length }, normal);
    // The first pass leaves rounding errors along the others, the second takes them away.
    for (const other of [...vectors, ...vectors]) {
      const along = dot(vector, other);
      for (let i = 0; i < length; i++) vector[i] -= along * other[i];
    }
    const size = Math.sqrt(dot(vector, vector));
    vectors.push(vector.map((x) => x / size));
  }
  return vectors;
}

/** Normal numbers on the host, from the next place in the random stream: mulberry32, Box and Muller. */
function hostNormal(): () => number {
  const { seed, calls } = getRngState();
  setRngState({ seed, calls: calls + 1 });
  const high = Math.imul(Math.floor(seed / 2 ** 32), 0xc2b2ae3d);
  let state = (Math.imul(seed >>> 0, 0x9e3779b1) ^ high ^ Math.imul((calls + 1) >>> 0, 0x85ebca77)) >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/**
 * N(0, std²) with a share of each column set to 0.
 *
 * @param sparsity  the share, in [0, 1]
 * @see             torch.nn.init.sparse_
 */
export function sparse<S extends Slot>(slot: S, sparsity: number, std = 0.01): S {
  admit(arguments, "sparse(slot: tensor, sparsity: number, std?: number)");
  if (slot.rank !== 2) throw new ShapeError(`sparse: ${show(slot.shape)}: wanted a matrix`);
  checkProbability("sparse", "sparsity", sparsity);
  const zeroed = Math.ceil(sparsity * slot.shape[0]);
  // Ranks of random numbers down each column: a random permutation of the rows.
  const rank = (x: Tensor): Tensor => argsort(argsort(x, 0), 0);
  return set(slot, (like, shape) =>
    randn(shape, like)
      .mul(std)
      .mul(rank(rand(shape, like)).ge(zeroed).to(like.dtype)),
  );
}

/** Gain of a nonlinearity. `slope` is leakyRelu's negative slope. @see torch.nn.init.calculate_gain */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  admit(arguments, "calculateGain(nonlinearity: string, slope?: number)");
  switch (nonlinearity) {
    case "linear":
    case "conv":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + slope * slope));
    case "selu":
      return 3 / 4;
    default:
      nonlinearity satisfies never;
      throw new ArgumentError(`calculateGain: unknown nonlinearity ${String(nonlinearity)}`);
  }
}

/** [fan-in, fan-out] of a weight of rank >= 2. */
export function fans(shape: Shape): [number, number] {
  admit(arguments, "fans(shape: numbers)");
  if (shape.length < 2) throw new ShapeError(`fans: ${show(shape)} has no fan-in: wanted rank >= 2`);
  const kernel = numel(shape.slice(2));
  return [shape[1] * kernel, shape[0] * kernel];
}

/** U(−b, b) with b = gain √(6 / (fan-in + fan-out)). @see torch.nn.init.xavier_uniform_ */
export function xavierUniform<S extends Slot>(slot: S, gain = 1): S {
  admit(arguments, "xavierUniform(slot: tensor, gain?: number)");
  const [fanIn, fanOut] = fans(slot.shape);
  const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
  return uniform(slot, -bound, bound);
}

/** N(0, σ²) with σ = gain √(2 / (fan-in + fan-out)). @see torch.nn.init.xavier_normal_ */
export function xavierNormal<S extends Slot>(slot: S, gain = 1): S {
  admit(arguments, "xavierNormal(slot: tensor, gain?: number)");
  const [fanIn, fanOut] = fans(slot.shape);
  return normal(slot, 0, gain * Math.sqrt(2 / (fanIn + fanOut)));
}

/** Options of Kaiming initialisation. */
export interface KaimingOptions {
  /** Negative slope, for leakyRelu. Default 0. */
  a?: number;
  /** Which fan keeps its variance: forward's or backward's. Default "fanIn". */
  mode?: FanMode;
  /** Default "leakyRelu". */
  nonlinearity?: Nonlinearity;
}

function kaimingStd(shape: Shape, options: KaimingOptions): number {
  const { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" } = options;
  if (mode !== "fanIn" && mode !== "fanOut")
    throw new ArgumentError(`kaiming: mode ${mode}: wanted "fanIn" or "fanOut"`);
  const [fanIn, fanOut] = fans(shape);
  return calculateGain(nonlinearity, a) / Math.sqrt(mode === "fanIn" ? fanIn : fanOut);
}

/** U(−b, b) with b = gain √(3 / fan). @see torch.nn.init.kaiming_uniform_ */
export function kaimingUniform<S extends Slot>(slot: S, options: KaimingOptions = {}): S {
  admit(arguments, "kaimingUniform(slot: tensor, options?: { a: number, mode: string, nonlinearity: string })");
  const bound = Math.sqrt(3) * kaimingStd(slot.shape, options);
  return uniform(slot, -bound, bound);
}

/** N(0, σ²) with σ = gain / √fan. @see torch.nn.init.kaiming_normal_ */
export function kaimingNormal<S extends Slot>(slot: S, options: KaimingOptions = {}): S {
  admit(arguments, "kaimingNormal(slot: tensor, options?: { a: number, mode: string, nonlinearity: string })");
  return normal(slot, 0, kaimingStd(slot.shape, options));
}
