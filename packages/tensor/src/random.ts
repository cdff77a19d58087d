/**
 * Random numbers: the same on every device.
 *
 * A *generator* is a seed and a count of calls. Each call derives a *key* from both (threefry on the host), and
 * element i of its result is a function of that key and i alone. The key travels as two runtime scalars, so that a
 * call in a training loop makes no new plan.
 */

import { bind } from "./bind.ts";
import { operation } from "./checked.ts";
import { threefry } from "./cpu/random.ts";
import { asLeaf, CREATION, type CreationOptions, iota } from "./creation.ts";
import type { Device } from "./device.ts";
import { type DType, isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError } from "./errors.ts";
import { elementOf } from "./host-data.ts";
import { getDevice } from "./init.ts";
import { sliceAxis } from "./ops/movement.ts";
import { cast, literal, scalar } from "./ops/operand.ts";
import {
  addP,
  argsortP,
  cosP,
  eqP,
  fmodP,
  logP,
  ltP,
  mulP,
  randomBitsP,
  reshapeP,
  shrP,
  sqrtP,
  subP,
  whereP,
} from "./primitives.ts";
import { checkShape, type Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A place in the stream of random numbers. */
export interface RngState {
  readonly seed: number;
  /** Calls made since the seed was set. */
  readonly calls: number;
}

let state: RngState = { seed: Math.floor(Math.random() * 2 ** 32), calls: 0 };

/**
 * Starts the stream of random numbers anew.
 *
 * @param seed  an integer in [0, 2⁵³)
 */
export const manualSeed = operation("manualSeed(seed: number)", (seed: number): void => {
  setRngState({ seed, calls: 0 });
});

/** Where the stream stands, for {@link setRngState}. */
export const getRngState = operation("getRngState()", (): RngState => state);

/** Continues the stream from a state that {@link getRngState} gave. */
export const setRngState = operation("setRngState(options: object)", ({ seed, calls }: RngState): void => {
  for (const [name, n] of Object.entries({ seed, calls })) {
    if (!Number.isSafeInteger(n) || n < 0) throw new ArgumentError(`random: ${name} is ${n}: wanted an integer >= 0`);
  }
  state = { seed, calls };
});

/** Uniform uint32, under a fresh key. */
function bits(device: Device, shape: Shape): Tensor {
  const { seed, calls } = state;
  state = { seed, calls: calls + 1 };
  const [first, second] = threefry(seed >>> 0, Math.floor(seed / 2 ** 32), calls >>> 0, Math.floor(calls / 2 ** 32));
  const isFirst = bind(eqP, [iota(device, "int32", 2), literal(device, "int32", 0)]);
  const key = bind(whereP, [isFirst, scalar(device, "uint32", first >>> 0), scalar(device, "uint32", second >>> 0)]);
  return bind(randomBitsP, [key], [...shape]);
}

/** The 24 high bits as a float: integers in [0, 2²⁴). */
const high24 = (x: Tensor, dtype: DType): Tensor => cast(bind(shrP, [x, literal(x.device, "uint32", 8)]), dtype);

function floatOptions(op: string, options: CreationOptions): [Device, DType] {
  const device = options.device ?? getDevice();
  const dtype = options.dtype ?? device.defaultDType;
  if (!isFloat(dtype)) throw new DTypeError(`${op}: wanted a float dtype, got ${dtype}`);
  return [device, dtype];
}

/** Uniform in [0, 1): multiples of 2⁻²⁴. */
export const rand = operation(
  `rand(shape: numbers, options?: ${CREATION})`,
  (shape: Shape, options: CreationOptions = {}): Tensor => {
    checkShape(shape, "rand");
    const [device, dtype] = floatOptions("rand", options);
    const x = high24(bits(device, shape), dtype);
    return asLeaf(bind(mulP, [x, scalar(device, dtype, 2 ** -24)]), options);
  },
);

/** Standard normal: √(−2 log u) cos(2πv) of two uniform numbers (Box and Muller). */
export const randn = operation(
  `randn(shape: numbers, options?: ${CREATION})`,
  (shape: Shape, options: CreationOptions = {}): Tensor => {
    checkShape(shape, "randn");
    const [device, dtype] = floatOptions("randn", options);
    const pairs = high24(bits(device, [2, ...shape]), dtype);
    const [p, q] = [0, 1].map((i) => bind(reshapeP, [sliceAxis(pairs, 0, i, 1)], [...shape]));
    const number = (value: number): Tensor => scalar(device, dtype, value);
    // u in (0, 1], so that its logarithm is finite; the angle in [−π, π), where cosines are most accurate.
    const u = bind(mulP, [bind(addP, [p, literal(device, dtype, 1)]), number(2 ** -24)]);
    const angle = bind(mulP, [bind(subP, [q, number(2 ** 23)]), number(Math.PI * 2 ** -23)]);
    const radius = bind(sqrtP, [bind(mulP, [bind(logP, [u]), literal(device, dtype, -2)])]);
    return asLeaf(bind(mulP, [radius, bind(cosP, [angle])]), options);
  },
);

/** Integers, uniform in [low, high): int32 unless a dtype is given. */
export const randint = operation(
  `randint(low: number, high: number, shape: numbers, options?: ${CREATION})`,
  (low: number, high: number, shape: Shape, options: CreationOptions = {}): Tensor => {
    if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low || high - low > 2 ** 31 - 1) {
      throw new ArgumentError(`randint: [${low}, ${high}): wanted integers with 0 < high - low < 2^31`);
    }
    const device = options.device ?? getDevice();
    const counting = options.dtype === "uint32" ? "uint32" : "int32";
    for (const end of [low, high - 1]) elementOf("a bound", end, counting);
    const x = bits(device, checkShape(shape, "randint"));
    const offset = cast(bind(fmodP, [x, scalar(device, "uint32", high - low)]), counting);
    const result = bind(addP, [offset, scalar(device, counting, low)]);
    return asLeaf(options.dtype === undefined ? result : cast(result, options.dtype), options);
  },
);

/** The numbers 0 to n − 1 in random order: int32 unless a dtype is given. */
export const randperm = operation(
  `randperm(n: number, options?: ${CREATION})`,
  (n: number, options: CreationOptions = {}): Tensor => {
    const device = options.device ?? getDevice();
    const order = bind(argsortP, [bits(device, checkShape([n], "randperm"))], [0, 0]);
    return asLeaf(options.dtype === undefined ? order : cast(order, options.dtype), options);
  },
);

/**
 * 1 with the probability that the element of p says, else 0, in p's shape and dtype; a constant to the tape.
 *
 * @example bernoulli(fullLike(x, 0.9)) // a mask that keeps nine of ten
 */
export const bernoulli = operation("bernoulli(p: tensor)", (p: Tensor): Tensor => {
  return cast(bind(ltP, [rand(p.shape, { dtype: p.dtype, device: p.device }), p]), p.dtype);
});

/** Uniform in [0, 1), in the shape, dtype and device of another tensor. */
export const randLike = operation(
  `randLike(x: tensor, options?: ${CREATION})`,
  (x: Tensor, options: CreationOptions = {}): Tensor => rand(x.shape, { dtype: x.dtype, device: x.device, ...options }),
);

/** Standard normal, in the shape, dtype and device of another tensor. */
export const randnLike = operation(
  `randnLike(x: tensor, options?: ${CREATION})`,
  (x: Tensor, options: CreationOptions = {}): Tensor =>
    randn(x.shape, { dtype: x.dtype, device: x.device, ...options }),
);
