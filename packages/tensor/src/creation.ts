/**
 * Creation: tensors from data of the host, and tensors of known numbers.
 *
 * Data given by the host become a leaf that is uploaded when a plan first needs it. Zeros, ones and ranges are
 * constants of the recorded program: they cost no memory and no upload.
 */

import { bind, bindConstant } from "./bind.ts";
import type { Device } from "./device.ts";
import { DTYPES, type DType, dtypeCode, type HostArray, hostArray, isFloat } from "./dtype.ts";
import { ArgumentError, DTypeError, GradError, ShapeError } from "./errors.ts";
import { getDevice } from "./init.ts";
import { expandTo, reshapeTo } from "./ops/movement.ts";
import { named } from "./ops/named.ts";
import { cast, literal, scalar } from "./ops/operand.ts";
import { checkDevice, checkOptions } from "./options.ts";
import { addP, eqP, iotaP, ltP, mulP, subP, whereP } from "./primitives.ts";
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

/** Numbers nested as deep as the tensor has dims, or a flat typed array. */
export type TensorData = number | boolean | readonly TensorData[] | HostArray;

let leafHook: ((tensor: Tensor) => void) | null = null;

/** @internal Installed by `@loopgrad/autograd`: makes a tensor a leaf of the tape. */
export function setLeafHook(hook: (tensor: Tensor) => void): void {
  leafHook = hook;
}

/** The names of {@link CreationOptions}. */
const CREATION = ["dtype", "device", "requiresGrad"];

/** @internal Throws for options that creation does not know; `op` begins the message. */
export function checkCreation(op: string, options: CreationOptions, known: readonly string[] = CREATION): void {
  checkOptions(op, options, known);
  checkDevice(op, options.device);
}

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
 * A tensor from numbers, nested arrays or a typed array, which are copied.
 *
 * @param data           numbers become the device's default float dtype and booleans bool; a typed array keeps its
 *                       own kind (Uint8Array is bool)
 * @param options.shape  shape of a flat array; default: the nesting, or [length] of a typed array
 * @throws               ShapeError if rows differ in length, or the shape does not hold the data
 * @example              tensor([[1, 2], [3, 4]], { requiresGrad: true })
 */
export const tensor = named("tensor", (data: TensorData, options: CreationOptions & { shape?: Shape } = {}): Tensor => {
  checkCreation("tensor", options, [...CREATION, "shape"]);
  const device = options.device ?? getDevice();
  const nested = ArrayBuffer.isView(data) ? [data.length] : nestedShape(data);
  const size = numel(nested);
  const shape = options.shape === undefined ? nested : [...checkShape(options.shape, "tensor")];
  if (numel(shape) !== size) {
    throw new ShapeError(`tensor: ${size} numbers do not fill shape ${show(shape)}, which holds ${numel(shape)}`);
  }
  const dtype = options.dtype ?? dtypeOf(data, device);
  const array = hostArray(dtype, size);
  if (ArrayBuffer.isView(data)) {
    if (dtype === "bool") for (let i = 0; i < size; i++) array[i] = data[i] === 0 ? 0 : 1;
    else array.set(data);
  } else fill(array, data, nested, dtype === "bool");
  return asLeaf(wrap(device.fromHost(array, shape, dtype)), options);
});

/** The lengths along the first elements; `fill` checks the others. */
function nestedShape(data: TensorData): number[] {
  const shape: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  return shape;
}

function fill(array: HostArray, data: TensorData, shape: Shape, asBool: boolean): void {
  let position = 0;
  const path: number[] = [];
  const visit = (item: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof item !== "number" && typeof item !== "boolean") {
        throw new ShapeError(`tensor: data${at(path)} is ${kind(item)}, wanted a number as at the first position`);
      }
      array[position++] = asBool ? (item ? 1 : 0) : Number(item);
      return;
    }
    if (!Array.isArray(item)) {
      throw new ShapeError(`tensor: data${at(path)} is ${kind(item)}, wanted an array of length ${shape[axis]}`);
    }
    if (item.length !== shape[axis]) {
      throw new ShapeError(
        `tensor: data${at(path)} has length ${item.length}, wanted ${shape[axis]} as in the first row`,
      );
    }
    for (let i = 0; i < item.length; i++) {
      path.push(i);
      visit(item[i], axis + 1);
      path.pop();
    }
  };
  visit(data, 0);
}

const at = (path: readonly number[]): string => path.map((i) => `[${i}]`).join("");
const kind = (item: unknown): string =>
  Array.isArray(item) ? "an array" : item === null ? "null" : `a ${typeof item}`;

function dtypeOf(data: TensorData, device: Device): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Uint32Array) return "uint32";
  if (data instanceof Uint8Array) return "bool";
  if (ArrayBuffer.isView(data)) {
    throw new ArgumentError(
      "tensor: wanted a Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array (bool); or give numbers in a plain array",
    );
  }
  let first: unknown = data;
  while (Array.isArray(first)) first = first[0];
  return typeof first === "boolean" ? "bool" : device.defaultDType;
}

/** All elements the same literal. */
function literals(value: number, shape: Shape, options: CreationOptions, op: string): Tensor {
  checkShape(shape, op);
  checkCreation(op, options);
  const device = options.device ?? getDevice();
  const dtype = options.dtype ?? device.defaultDType;
  return asLeaf(expandTo(literal(device, dtype, value), [...shape]), options);
}

/** All 0. */
export const zeros = named(
  "zeros",
  (shape: Shape, options: CreationOptions = {}): Tensor => literals(0, shape, options, "zeros"),
);

/** All 1, or true. */
export const ones = named(
  "ones",
  (shape: Shape, options: CreationOptions = {}): Tensor => literals(1, shape, options, "ones"),
);

/**
 * All the same number, which may change from replay to replay without a new plan.
 *
 * @param value  true or false makes a bool tensor, unless `dtype` says otherwise
 */
export const full = named("full", (shape: Shape, value: number | boolean, options: CreationOptions = {}): Tensor => {
  checkCreation("full", options);
  const device = options.device ?? getDevice();
  const dtype = options.dtype ?? (typeof value === "boolean" ? "bool" : device.defaultDType);
  return asLeaf(expandTo(scalar(device, dtype, Number(value)), [...checkShape(shape, "full")]), options);
});

const like = (x: Tensor, options: CreationOptions): CreationOptions => ({
  dtype: x.dtype,
  device: x.device,
  ...options,
});

/** Zeros in the shape, dtype and device of another tensor. */
export const zerosLike = named(
  "zerosLike",
  (x: Tensor, options: CreationOptions = {}): Tensor => zeros(x.shape, like(x, options)),
);

/** Ones in the shape, dtype and device of another tensor. */
export const onesLike = named(
  "onesLike",
  (x: Tensor, options: CreationOptions = {}): Tensor => ones(x.shape, like(x, options)),
);

/** One number in the shape, dtype and device of another tensor. */
export const fullLike = named(
  "fullLike",
  (x: Tensor, value: number | boolean, options: CreationOptions = {}): Tensor => full(x.shape, value, like(x, options)),
);

/** 0, 1, …, n − 1 as a constant. */
export const iota = (device: Device, dtype: DType, n: number): Tensor =>
  bindConstant(device, iotaP, [dtypeCode(dtype), n]);

/**
 * Numbers from `start` (0) up to but without `stop`, `step` (1) apart. int32 if all are integers, as in torch.
 *
 * @example arange(3) // 0, 1, 2
 * @example arange(1, 2, 0.25) // 1, 1.25, 1.5, 1.75
 */
export function arange(stop: number, options?: CreationOptions): Tensor;
export function arange(start: number, stop: number, step?: number, options?: CreationOptions): Tensor;
export function arange(first: number, second?: number | CreationOptions, step = 1, last: CreationOptions = {}): Tensor {
  const [start, stop] = typeof second === "number" ? [first, second] : [0, first];
  const options = typeof second === "object" ? second : last;
  checkCreation("arange", options);
  const n = Math.ceil((stop - start) / step);
  if (!Number.isFinite(n) || n < 0) {
    throw new ArgumentError(`arange: steps of ${step} do not lead from ${start} to ${stop}`);
  }
  const device = options.device ?? getDevice();
  const whole = Number.isInteger(start) && Number.isInteger(stop) && Number.isInteger(step);
  const dtype = options.dtype ?? (whole ? "int32" : device.defaultDType);
  if (!DTYPES.includes(dtype))
    throw new DTypeError(`arange: unknown dtype ${dtype}: wanted one of ${DTYPES.join(", ")}`);
  const counting = dtype === "bool" ? "int32" : dtype;
  let x = iota(device, counting, n);
  if (step !== 1) x = bind(mulP, [x, scalar(device, counting, step)]);
  if (start !== 0) x = bind(addP, [x, scalar(device, counting, start)]);
  return asLeaf(dtype === counting ? x : cast(x, dtype), options);
}

/**
 * `steps` numbers evenly from `start` to `end`, both included; of one step, `start`.
 *
 * @param start, end  numbers, or float tensors of no dims: then the result is computed on their device, and has a
 *                    derivative by them
 */
export const linspace = named(
  "linspace",
  (start: number | Tensor, end: number | Tensor, steps: number, options: CreationOptions = {}): Tensor => {
    checkCreation("linspace", options);
    checkShape([steps], "linspace");
    if (typeof start !== "number" || typeof end !== "number") return linspaceOf(start, end, steps, options);
    const device = options.device ?? getDevice();
    const dtype = options.dtype ?? device.defaultDType;
    const data = new Float64Array(steps);
    // From the nearer end, so that both ends are exact.
    const step = steps > 1 ? (end - start) / (steps - 1) : 0;
    for (let i = 0; i < steps; i++) data[i] = i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step;
    return tensor(data, { ...options, device, dtype });
  },
);

/** `linspace` with an end that only the device knows. */
function linspaceOf(start: number | Tensor, end: number | Tensor, steps: number, options: CreationOptions): Tensor {
  for (const [name, x] of Object.entries({ start, end })) {
    if (typeof x === "number") continue;
    if (!(x instanceof Tensor)) throw new ArgumentError(`linspace: ${name} is ${kind(x)}: wanted a number or a tensor`);
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
export const eye = named("eye", (n: number, m: number = n, options: CreationOptions = {}): Tensor => {
  checkCreation("eye", options);
  checkShape([n, m], "eye");
  const device = options.device ?? getDevice();
  const rows = reshapeTo(iota(device, "int32", n), [n, 1]);
  return asLeaf(cast(bind(eqP, [rows, iota(device, "int32", m)]), options.dtype ?? device.defaultDType), options);
});

/**
 * The same elements in another dtype, or on another device.
 *
 * @returns a tensor for a dtype; a promise for a device, because the elements travel through the host. The copy on
 *          the other device is a constant to the tape.
 */
export function to(x: Tensor, dtype: DType): Tensor;
export function to(x: Tensor, device: Device): Promise<Tensor>;
export function to(x: Tensor, target: DType | Device): Tensor | Promise<Tensor>;
export function to(x: Tensor, target: DType | Device): Tensor | Promise<Tensor> {
  return typeof target === "string" ? castTo(x, target) : moved(x, target);
}

const castTo = named("to", cast);

async function moved(x: Tensor, device: Device): Promise<Tensor> {
  const { shape, dtype } = x;
  return x.device === device ? x : wrap(device.fromHost(await x.data(), shape, dtype));
}

/** Whether the dtype has fractions: float32 or float64. */
export const isFloatingPoint = (x: Tensor): boolean => isFloat(x.dtype);
