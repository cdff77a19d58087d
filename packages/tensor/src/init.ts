/**
 * Making devices, and the default one.
 *
 * The *default device* is where tensors are made that are not told another. `init` makes a device and makes
 * it the default.
 */
import { admit } from "./checked.ts";
import { around, enclosed, enter, find, Kind } from "./context.ts";
import { CpuBackend } from "./cpu/backend.ts";
import { loadTiles } from "./cpu/wasm/load.ts";
import { Device } from "./device.ts";
import { type DType, isFloat } from "./dtype.ts";
import { ArgumentError, DeviceError, DTypeError } from "./errors.ts";
import type { Backend } from "./record/backend.ts";

const DEVICES = ["auto", "webgpu", "cpu"] as const;
const POWER = ["low-power", "high-performance"] as const;
const ADAPTERS = ["hardware", "software", "null"] as const;

export interface InitOptions {
  /**
   * "webgpu": a GPU, or a software adapter where there is none; "cpu": JavaScript and WebAssembly, float64 too;
   * "auto": WebGPU on real hardware, else cpu; cpu for float64. Default "auto".
   */
  device?: (typeof DEVICES)[number];
  /** Which GPU to prefer where there are several. */
  powerPreference?: (typeof POWER)[number];
  /** Which kind of WebGPU adapter to take. Default: hardware, else software. "null" computes nothing: for tests. */
  adapter?: (typeof ADAPTERS)[number];
  /** The dtype of tensors made from plain numbers. Default "float32". */
  dtype?: "float32" | "float64";
  /**
   * A budget in bytes: the device holds no more, whatever for. Buffers that wait to be used again go first, then the storage of
   * tensors that can be had again, then plans. Where what is needed does not fit, there is an out-of-memory error. Default:
   * no budget; what waits is then in proportion to what was used lately.
   */
  memory?: number;
}

let defaultDevice: Device | null = null;

/**
 * Makes a device, and makes it the default.
 *
 * @returns  the device; `device.description` names the adapter
 * @throws   DeviceError if there is no WebGPU adapter as wanted, and it says what to do;
 *           ArgumentError for an unknown option or value
 * @example  const device = await init({ device: "cpu", dtype: "float64" });
 */
export async function init(options: InitOptions = {}): Promise<Device> {
  admit(arguments, "init(options?: { device: any, powerPreference: any, adapter: any, dtype: any, memory: any })");
  const { device = "auto", powerPreference, adapter, dtype = "float32", memory } = options;
  oneOf("device", device, DEVICES);
  if (powerPreference !== undefined) oneOf("powerPreference", powerPreference, POWER);
  if (adapter !== undefined) oneOf("adapter", adapter, ADAPTERS);
  if (memory !== undefined && !(typeof memory === "number" && memory > 0)) {
    throw new ArgumentError(
      `init: memory ${String(memory)}: wanted a budget in bytes, a number above 0, such as 2 ** 30`,
    );
  }
  if (!isFloat(dtype as DType)) throw new DTypeError(`init: dtype "${dtype}": wanted "float32" or "float64"`);
  if (device === "cpu" && (powerPreference ?? adapter) !== undefined) {
    throw new ArgumentError('init: powerPreference and adapter are for WebGPU; leave them out with device "cpu"');
  }
  // Only the cpu has float64.
  const kind = device === "auto" && dtype === "float64" && adapter === undefined ? "cpu" : device;
  const backend =
    kind === "cpu"
      ? await cpu(memory)
      : kind === "webgpu"
        ? await webgpu({ powerPreference, adapter, memory })
        : await automatic({ powerPreference, adapter, memory });
  backend.checkDType(dtype);
  return setDevice(new Device(backend, dtype));
}

const DEVICE = new Kind<Device>("default device");

/**
 * The default device: of the innermost `withDevice`, else what `init` or `setDevice` said last.
 *
 * @throws  DeviceError before the first `init()`
 */
export function getDevice(): Device {
  admit(arguments, "getDevice()");
  let context = find(DEVICE);
  // While a block waits, what runs is not its own.
  while (context !== null && context.waiting > 0) context = around(context);
  if (context !== null) return context.value;
  if (defaultDevice === null) throw new DeviceError("there is no device yet: call `await init()` first");
  return defaultDevice;
}

/** Makes a device the default. Tensors stay on the device they were made on. Returns it. */
export function setDevice(device: Device): Device {
  admit(arguments, "setDevice(device: device)");
  defaultDevice = device;
  return device;
}

/**
 * Makes a device the default for a block, or for a function.
 *
 * @param fn  a function, which may be async: use it around an `await`
 * @returns   what `using` ends; with fn, what fn returned
 * @see       torch.device, as a context manager
 * @example   const a = withDevice(cpu, () => tensor([1, 2]));
 * @example   using _ = withDevice(cpu);
 */
export function withDevice(device: Device): Disposable;
export function withDevice<T>(device: Device, fn: () => T): T;
export function withDevice<T>(device: Device, fn?: () => T): T | Disposable {
  admit(arguments, "withDevice(device: device, fn?: function)");
  if (fn !== undefined) return enclosed(DEVICE, device, fn);
  const context = enter(DEVICE, device);
  return { [Symbol.dispose]: () => context.close() };
}

type WebGPUOptions = Pick<InitOptions, "powerPreference" | "adapter" | "memory">;

async function webgpu(options: WebGPUOptions): Promise<Backend & { isHardware: boolean }> {
  const { createWebGPUBackend } = await import("./webgpu/backend.ts");
  return createWebGPUBackend(options);
}

/** WebGPU on real hardware, else cpu. */
async function automatic(options: WebGPUOptions): Promise<Backend> {
  try {
    const backend = await webgpu({ ...options, adapter: options.adapter ?? "hardware" });
    if (backend.isHardware || options.adapter !== undefined) return backend;
    backend.destroy();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    if (options.adapter !== undefined) throw error;
    warnOnce(error);
  }
  return cpu(options.memory);
}

async function cpu(memory: number | undefined): Promise<Backend> {
  await loadTiles();
  return new CpuBackend(undefined, memory);
}

let warned = false;

function warnOnce(error: DeviceError): void {
  if (warned) return;
  warned = true;
  console.warn(`loopgrad: no WebGPU adapter, so tensors are computed on the cpu (${error.message.split("\n")[0]})`);
}

function oneOf(what: string, value: string, accepted: readonly string[]): void {
  if (!accepted.includes(value)) {
    throw new ArgumentError(
      `init: unknown ${what} "${value}"; wanted one of ${accepted.map((a) => `"${a}"`).join(", ")}`,
    );
  }
}
