/**
 * Creation: tensors from data of the host, and tensors of known numbers.
 *
 * Data given by the host become a leaf that is uploaded when a plan first needs it. Zeros, ones and ranges are
 * constants of the recorded program: they cost no memory and no upload.
 */

import { bind, bindConstant, untracked } from "./bind.ts";
import { operation } from "./checked.ts";
import type { Device } from "./device.ts";
import { type DType, dtypeCode, isFloat } from "./dtype.ts";
import { ArgumentError, DeviceError, GradError, ShapeError } from "./errors.ts";
import {
  described,
  elementOf,
  hostElements,
  integerRange,
  kindOfData,
  type NumberArray,
  shapeOfData,
  tensorsIn,
} from "./host-data.ts";
import { getDevice } from "./init.ts";
import { stack } from "./ops/join.ts";
import { expandTo, reshapeTo } from "./ops/movement.ts";
import { cast, literal, numberOf, scalar } from "./ops/operand.ts";
import { addP, aliasP, eqP, iotaP, ltP, mulP, subP, whereP } from "./primitives.ts";
import { checkShape, numel, type Shape, show } from "./shape.ts";
import { Tensor, wrap } from "./tensor.ts";

export interface CreationOptions {
  /** Default: the device's default float dtype; see the function for exceptions. */
  dtype?: DType;
  /** Default: the device that `init` or `setDevice` made the default. */
  device?: Device;
  /** Whether the tape watches the tensor, as a leaf. */
  requiresGrad?: boolean;
}

/** Numbers nested as deep as the tensor has dims, typed arrays as rows or as the whole, or tensors. */
export type TensorData = number | boolean | bigint | NumberArray | Tensor | readonly TensorData[];

let leafHook: ((tensor: Tensor) => void) | null = null;

/** @internal Installed by `@loopgrad/autograd`: makes a tensor a leaf of the tape. */
export function setLeafHook(hook: (tensor: Tensor) => void): void {
  leafHook = hook;
}

/** @internal {@link CreationOptions} in signatures. */
export const CREATION = "{ dtype: string, device: device, requiresGrad: boolean }";

/** @internal Makes the tensor a leaf of the tape if the options say so. */
export function asLeaf(tensor: Tensor, options: CreationOptions): Tensor {
  if (options.requiresGrad) {
    if (leafHook === null) {
      throw new GradError("requiresGrad: no tape is installed; import @loopgrad/autograd, or loopgrad, first");
    }
    leafHook(tensor);
  }
  return tensor;
}

/**
 * A tensor from numbers, nested arrays, typed arrays or tensors. The elements are copied.
 *
 * | data | dtype, unless one is given |
 * | --- | --- |
 * | numbers, or numbers and booleans | the device's default float dtype |
 * | booleans alone | bool |
 * | Float32Array, Float64Array | float32, float64 |
 * | Float16Array, where the engine has one | float16 if the device has it, else float32 |
 * | Uint32Array | uint32 |
 * | every other array of integers, Node's Buffer, bigints | int32 |
 * | typed arrays and numbers in one array, or tensors | as operands meet: uint32 < int32 < float32 < float64 |
 *
 * An integer dtype takes whole numbers in its range, and refuses others; nothing wraps. A float dtype rounds, to
 * infinity if need be, as in torch. For bool all but 0 is true: `data()` of a bool tensor is a Uint8Array, so
 * `tensor(await mask.data(), { dtype: "bool" })` makes it again.
 *
 * Tensors are joined as by {@link stack}, and gradients flow to them; with `requiresGrad` the result is a leaf, and none
 * do.
 *
 * @param options.shape  shape of the elements in row-major order; default: the nesting
 * @throws               ShapeError if rows differ in length, or the shape does not hold the data
 * @throws               ArgumentError for what is no number, or none that the dtype holds
 * @see                  torch.tensor
 * @example              tensor([[1, 2], [3, 4]], { requiresGrad: true })
 * @example              tensor(pixels, { shape: [28, 28] }).div(255) // pixels: a Uint8Array
 */
export const tensor = operation(
  "tensor(data: any, options?: { dtype: string, device: device, requiresGrad: boolean, shape: numbers })",
  (data: TensorData, options: CreationOptions & { shape?: Shape } = {}): Tensor => {
    const tensors = tensorsIn(data);
    const device = options.device ?? tensors[0]?.device ?? getDevice();
    const dtype = options.dtype ?? kindOfData(data, tensors, device);
    if (tensors.length > 0) return ofTensors(data, tensors, device, dtype, options);
    const nested = shapeOfData(data);
    const shape = options.shape === undefined ? nested : filled(options.shape, numel(nested));
    return asLeaf(wrap(device.fromHost(hostElements("tensor", data, nested, dtype), shape, dtype)), options);
  },
);

/** A copy of the shape, if it holds so many elements. */
function filled(shape: Shape, size: number): number[] {
  if (numel(checkShape(shape, "tensor")) !== size) {
    throw new ShapeError(`tensor: ${size} numbers do not fill shape ${show(shape)}, which holds ${numel(shape)}`);
  }
  return [...shape];
}

/** Data with tensors in it: what is on the host becomes tensors as well, and all are stacked. */
function ofTensors(
  data: TensorData,
  tensors: readonly Tensor[],
  device: Device,
  dtype: DType,
  options: CreationOptions & { shape?: Shape },
): Tensor {
  const elsewhere = tensors.find((x) => x.device !== device);
  if (elsewhere !== undefined) {
    throw new DeviceError(`tensor: data are on ${device} and on ${elsewhere.device}; move one with to()`);
  }
  const build = (item: TensorData): Tensor => {
    if (item instanceof Tensor) return item.dtype === dtype ? bind(aliasP, [item]) : cast(item, dtype);
    if (Array.isArray(item) && tensorsIn(item).length > 0) return stack(item.map(build));
    return wrap(device.fromHost(hostElements("tensor", item, shapeOfData(item), dtype), shapeOfData(item), dtype));
  };
  const make = (): Tensor => {
    const x = build(data);
    return options.shape === undefined ? x : reshapeTo(x, filled(options.shape, x.size));
  };
  return options.requiresGrad === undefined ? make() : asLeaf(untracked(make), options);
}

/**
 * @internal Zeros or ones of a formula, such as the cotangent that a walk begins with: plans simplify them away. Those
 * of a program are other numbers to a plan, since 0 · ∞ is not 0.
 */
export const literals = (value: number, shape: Shape, { device, dtype }: { device: Device; dtype: DType }): Tensor =>
  expandTo(literal(device, dtype, value), [...shape]);

function repeated(op: string, shape: Shape, value: number | boolean, options: CreationOptions): Tensor {
  checkShape(shape, op);
  const device = options.device ?? getDevice();
  const dtype = options.dtype ?? (typeof value === "boolean" ? "bool" : device.defaultDType);
  return asLeaf(expandTo(scalar(device, dtype, numberOf(op, "the value", value)), [...shape]), options);
}

/** All 0. */
export const zeros = operation(
  `zeros(shape: numbers, options?: ${CREATION})`,
  (shape: Shape, options: CreationOptions = {}): Tensor => repeated("zeros", shape, 0, options),
);

/** All 1, or true. */
export const ones = operation(
  `ones(shape: numbers, options?: ${CREATION})`,
  (shape: Shape, options: CreationOptions = {}): Tensor => repeated("ones", shape, 1, options),
);

/**
 * All the same number, which may change from replay to replay without a new plan.
 *
 * @param value  true or false makes a bool tensor, unless `dtype` says otherwise
 * @throws       ArgumentError for a number that an integer dtype does not hold
 */
export const full = operation(
  `full(shape: numbers, value: number|boolean, options?: ${CREATION})`,
  (shape: Shape, value: number | boolean, options: CreationOptions = {}): Tensor =>
    repeated("full", shape, value, options),
);

const like = (x: Tensor, options: CreationOptions): CreationOptions => ({
  dtype: x.dtype,
  device: x.device,
  ...options,
});

/** Zeros in the shape, dtype and device of another tensor. */
export const zerosLike = operation(
  `zerosLike(x: tensor, options?: ${CREATION})`,
  (x: Tensor, options: CreationOptions = {}): Tensor => zeros(x.shape, like(x, options)),
);

/** Ones in the shape, dtype and device of another tensor. */
export const onesLike = operation(
  `onesLike(x: tensor, options?: ${CREATION})`,
  (x: Tensor, options: CreationOptions = {}): Tensor => ones(x.shape, like(x, options)),
);

/** One number in the shape, dtype and device of another tensor. */
export const fullLike = operation(
  `fullLike(x: tensor, value: number|boolean, options?: ${CREATION})`,
  (x: Tensor, value: number | boolean, options: CreationOptions = {}): Tensor => full(x.shape, value, like(x, options)),
);

/** 0, 1, …, n − 1 as a constant. */
export const iota = (device: Device, dtype: DType, n: number): Tensor =>
  bindConstant(device, iotaP, [dtypeCode(dtype), n]);

interface Arange {
  (stop: number, options?: CreationOptions): Tensor;
  (start: number, stop: number, step?: number, options?: CreationOptions): Tensor;
}

/**
 * Numbers from `start` (0) up to but without `stop`, `step` (1) apart. int32 if all are integers, as in torch.
 *
 * @example arange(3) // 0, 1, 2
 * @example arange(1, 2, 0.25) // 1, 1.25, 1.5, 1.75
 */
export const arange: Arange = operation(
  [
    `arange(stop: number, options?: ${CREATION})`,
    `arange(start: number, stop: number, step?: number, options?: ${CREATION})`,
  ],
  (first: number, second?: number | CreationOptions, step: number = 1, last: CreationOptions = {}): Tensor => {
    const [start, stop] = typeof second === "number" ? [first, second] : [0, first];
    const options = typeof second === "object" ? second : last;
    const n = Math.ceil((stop - start) / step);
    if (!Number.isFinite(n) || n < 0 || (stop - start) * step < 0) {
      throw new ArgumentError(`arange: steps of ${step} do not lead from ${start} to ${stop}`);
    }
    const device = options.device ?? getDevice();
    const whole = Number.isInteger(start) && Number.isInteger(stop) && Number.isInteger(step);
    const dtype = options.dtype ?? (whole ? "int32" : device.defaultDType);
    const counting = dtype === "bool" ? "int32" : dtype;
    if (n > 0) for (const end of [start, start + (n - 1) * step]) elementOf("a number", end, counting);
    // Unsigned integers count downwards by what wraps to the same.
    const by = counting === "uint32" ? ((step % 2 ** 32) + 2 ** 32) % 2 ** 32 : step;
    let x = iota(device, counting, n);
    if (step !== 1 && n > 1) x = bind(mulP, [x, scalar(device, counting, by)]);
    if (start !== 0) x = bind(addP, [x, scalar(device, counting, start)]);
    return asLeaf(dtype === counting ? x : cast(x, dtype), options);
  },
) as Arange;

/**
 * `steps` numbers evenly from `start` to `end`, both included; of one step, `start`. An integer dtype cuts them towards 0,
 * as in torch.
 *
 * @param start, end  numbers, or float tensors of no dims: then the result is computed on their device, and has a
 *                    derivative by them
 */
export const linspace = operation(
  `linspace(start: tensor|number, end: tensor|number, steps: number, options?: ${CREATION})`,
  (start: number | Tensor, end: number | Tensor, steps: number, options: CreationOptions = {}): Tensor => {
    checkShape([steps], "linspace");
    if (typeof start !== "number" || typeof end !== "number") return linspaceOf(start, end, steps, options);
    const device = options.device ?? getDevice();
    const dtype = options.dtype ?? device.defaultDType;
    const data = new Float64Array(steps);
    // From the nearer end, so that both ends are exact.
    const step = steps > 1 ? (end - start) / (steps - 1) : 0;
    for (let i = 0; i < steps; i++) data[i] = i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step;
    if (integerRange(dtype) !== null) for (let i = 0; i < steps; i++) data[i] = Math.trunc(data[i]);
    return tensor(data, { ...options, device, dtype });
  },
);

/** `linspace` with an end that only the device knows. */
function linspaceOf(start: number | Tensor, end: number | Tensor, steps: number, options: CreationOptions): Tensor {
  for (const [name, x] of Object.entries({ start, end })) {
    if (typeof x === "number") continue;
    if (!(x instanceof Tensor))
      throw new ArgumentError(`linspace: ${name} is ${described(x)}: wanted a number or a tensor`);
    if (x.rank > 0) throw new ShapeError(`linspace: ${name} has shape ${show(x.shape)}: wanted [], one number`);
  }
  const device = options.device ?? [start, end].find((x) => x instanceof Tensor)?.device ?? getDevice();
  const dtype = options.dtype ?? device.defaultDType;
  const float = isFloat(dtype) ? dtype : device.defaultDType;
  const side = (x: number | Tensor): Tensor => (x instanceof Tensor ? cast(x, float) : scalar(device, float, x));
  const weights = (end: boolean): Tensor => {
    const share = (i: number): number => (steps > 1 ? i / (steps - 1) : 0);
    // From the nearer end, so that both ends are exact.
    const mine = (i: number): boolean => i < steps / 2 !== end;
    return tensor(
      Float64Array.from({ length: steps }, (_, i) => (mine(i) ? (end ? share(i) - 1 : share(i)) : 0)),
      { device, dtype: float },
    );
  };
  const first = bind(ltP, [iota(device, "int32", steps), literal(device, "int32", Math.ceil(steps / 2))]);
  const [a, b] = [side(start), side(end)];
  const distance = bind(subP, [b, a]);
  const from = (x: Tensor, share: Tensor): Tensor => bind(addP, [x, bind(mulP, [distance, share])]);
  return asLeaf(cast(bind(whereP, [first, from(a, weights(false)), from(b, weights(true))]), dtype), options);
}

/** The identity matrix, [n, n] or [n, m]. */
export const eye = operation(
  `eye(n: number, m?: number, options?: ${CREATION})`,
  (n: number, m: number = n, options: CreationOptions = {}): Tensor => {
    checkShape([n, m], "eye");
    const device = options.device ?? getDevice();
    const rows = reshapeTo(iota(device, "int32", n), [n, 1]);
    return asLeaf(cast(bind(eqP, [rows, iota(device, "int32", m)]), options.dtype ?? device.defaultDType), options);
  },
);

/**
 * The same elements in another dtype, or on another device.
 *
 * @returns a tensor for a dtype; a promise for a device, because the elements travel through the host. The copy on
 *          the other device is a constant to the tape.
 */
export const to: To = operation(
  "to(x: tensor, target: string|device)",
  (x: Tensor, target: DType | Device): Tensor | Promise<Tensor> =>
    typeof target === "string" ? cast(x, target) : moved(x, target),
) as To;

interface To {
  (x: Tensor, dtype: DType): Tensor;
  (x: Tensor, device: Device): Promise<Tensor>;
  (x: Tensor, target: DType | Device): Tensor | Promise<Tensor>;
}

async function moved(x: Tensor, device: Device): Promise<Tensor> {
  const { shape, dtype } = x;
  return x.device === device ? x : wrap(device.fromHost(await x.data(), shape, dtype));
}

/** Whether the dtype has fractions: float32 or float64. */
export const isFloatingPoint = operation("isFloatingPoint(x: tensor)", (x: Tensor): boolean => isFloat(x.dtype));
