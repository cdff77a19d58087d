/**
 * Initialisation: first values for parameters.
 *
 * Each function assigns to a slot and returns it. *Fan-in* and *fan-out* are how many inputs one output sees, and
 * the reverse: for a weight [out, in, …kernel], in × kernel size and out × kernel size. The *gain* makes up for how
 * much a nonlinearity shrinks a signal. Random numbers come from the device-independent generator: `manualSeed`.
 */
import {
  ArgumentError,
  full,
  numel,
  rand,
  randn,
  type Shape,
  ShapeError,
  scope,
  show,
  type Tensor,
} from "@loopgrad/tensor";
import type { Slot } from "./slot.ts";

export type Nonlinearity = "linear" | "conv" | "sigmoid" | "tanh" | "relu" | "leakyRelu" | "selu";

type FanMode = "fanIn" | "fanOut";

function set<S extends Slot>(
  slot: S,
  make: (like: { device: S["device"]; dtype: S["dtype"] }, shape: Shape) => Tensor,
): S {
  scope(() => {
    slot.assign(make({ device: slot.device, dtype: slot.dtype }, slot.shape).detach());
  });
  return slot;
}

/** One number everywhere. @see torch.nn.init.constant_ */
export const constant = <S extends Slot>(slot: S, value: number): S =>
  set(slot, (like, shape) => full(shape, value, like));

export const zeros = <S extends Slot>(slot: S): S => constant(slot, 0);

export const ones = <S extends Slot>(slot: S): S => constant(slot, 1);

/** U[low, high). @see torch.nn.init.uniform_ */
export const uniform = <S extends Slot>(slot: S, low = 0, high = 1): S =>
  set(slot, (like, shape) =>
    rand(shape, like)
      .mul(high - low)
      .add(low),
  );

/** N(mean, std²). @see torch.nn.init.normal_ */
export const normal = <S extends Slot>(slot: S, mean = 0, std = 1): S =>
  set(slot, (like, shape) => randn(shape, like).mul(std).add(mean));

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
  if (slot.rank !== 2) throw new ShapeError(`eye: ${show(slot.shape)}: wanted a matrix`);
  return set(slot, (like, shape) =>
    full(shape, 1, like)
      .tril()
      .sub(full(shape, 1, like).tril(-1)),
  );
}

/** Gain of a nonlinearity. `slope` is leakyRelu's negative slope. @see torch.nn.init.calculate_gain */
export function gainOf(nonlinearity: Nonlinearity, slope = 0.01): number {
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
      throw new ArgumentError(`gainOf: unknown nonlinearity ${String(nonlinearity)}`);
  }
}

/** [fan-in, fan-out] of a weight of rank >= 2. */
export function fans(shape: Shape): [number, number] {
  if (shape.length < 2) throw new ShapeError(`fans: ${show(shape)} has no fan-in: wanted rank >= 2`);
  const kernel = numel(shape.slice(2));
  return [shape[1] * kernel, shape[0] * kernel];
}

/** U(−b, b) with b = gain √(6 / (fan-in + fan-out)). @see torch.nn.init.xavier_uniform_ */
export function xavierUniform<S extends Slot>(slot: S, gain = 1): S {
  const [fanIn, fanOut] = fans(slot.shape);
  const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
  return uniform(slot, -bound, bound);
}

/** N(0, σ²) with σ = gain √(2 / (fan-in + fan-out)). @see torch.nn.init.xavier_normal_ */
export function xavierNormal<S extends Slot>(slot: S, gain = 1): S {
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
  const [fanIn, fanOut] = fans(shape);
  return gainOf(nonlinearity, a) / Math.sqrt(mode === "fanIn" ? fanIn : fanOut);
}

/** U(−b, b) with b = gain √(3 / fan). @see torch.nn.init.kaiming_uniform_ */
export function kaimingUniform<S extends Slot>(slot: S, options: KaimingOptions = {}): S {
  const bound = Math.sqrt(3) * kaimingStd(slot.shape, options);
  return uniform(slot, -bound, bound);
}

/** N(0, σ²) with σ = gain / √fan. @see torch.nn.init.kaiming_normal_ */
export const kaimingNormal = <S extends Slot>(slot: S, options: KaimingOptions = {}): S =>
  normal(slot, 0, kaimingStd(slot.shape, options));
