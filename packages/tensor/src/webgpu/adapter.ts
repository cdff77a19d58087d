/**
 * Finding a WebGPU adapter: `navigator.gpu` in browsers, Dawn's bindings (npm `webgpu`) in Node.
 */
import { DeviceError } from "../errors.ts";

export interface AdapterOptions {
  /** Which kind to take; by default hardware if there is some, else software. */
  readonly adapter?: "hardware" | "software" | "null";
  readonly powerPreference?: GPUPowerPreference;
  /** Bytes that the device holds at most. */
  readonly memory?: number;
  /** What plans are made for, where it shall differ from what the adapter offers: for tests and measurements. */
  readonly tuning?: Partial<Tuning>;
}

/** Properties of an adapter that plans depend on. */
export interface Tuning {
  /** Workgroup memory and barriers are cheap: true for GPUs. */
  readonly workgroupMemory: boolean;
  /** Storage buffers a kernel may bind. */
  readonly maxBuffers: number;
}

export interface FoundDevice {
  readonly device: GPUDevice;
  readonly description: string;
  readonly isHardware: boolean;
  readonly tuning: Tuning;
}

/** Deno has a `process` too. */
const inNode = (): boolean =>
  typeof process === "object" && process.versions?.node !== undefined && !("Deno" in globalThis);

/** Where there is `Deno`, an own `navigator.gpu` stands for Dawn's bindings. */
const inDeno = (): boolean => "Deno" in globalThis;

const DRIVERS: Record<string, string> = {
  linux: "Install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers), or let VK_DRIVER_FILES name one's JSON file",
  darwin: "Metal is part of macOS: a virtual machine, or a session without graphics, may have none",
  win32: "Update the driver of the graphics card, which brings Direct3D 12",
};

/** What helps where the program runs. */
function remedy(): string {
  const advice = inDeno()
    ? "In Deno before 2, start with --unstable-webgpu; on Linux it needs a Vulkan driver"
    : inNode()
      ? (DRIVERS[process.platform] ?? "Install a driver for Vulkan, Metal or Direct3D 12")
      : "Use a browser with WebGPU (Chrome or Edge 113, Safari 26, Firefox 141, or later), with hardware acceleration " +
        "switched on, and serve the page from https or localhost";
  return `${advice}. init({ device: "cpu" }) needs none.`;
}

async function webGPU(options: AdapterOptions): Promise<GPU> {
  if (!inNode()) {
    if (options.adapter === "null") throw new DeviceError('adapter "null" is for Node only');
    const { gpu } = navigator;
    if (gpu === undefined) throw new DeviceError(`${inDeno() ? "Deno" : "this browser"} has no WebGPU. ${remedy()}`);
    return gpu;
  }
  // A name that bundlers for browsers do not follow.
  const name = "webgpu";
  let dawn: typeof import("webgpu");
  try {
    dawn = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  } catch (cause) {
    throw new DeviceError("WebGPU in Node needs the npm package webgpu: `npm install webgpu`", { cause });
  }
  Object.assign(globalThis, dawn.globals);
  return instanceOf(dawn.create, options.adapter === "null" ? "backend=null" : "");
}

/**
 * Dawn's instance for a setting. It lives as long as the process: an instance that is collected while events of its
 * devices are pending leaves Dawn waiting for a lock that is gone. So it is kept on the binding's own function, of which
 * a process has one, however often this module is loaded. It does not keep Node alive; a device does, until it is destroyed.
 */
function instanceOf(create: typeof import("webgpu").create, setting: string): GPU {
  const binding = create as typeof create & { loopgradInstances?: Map<string, GPU> };
  binding.loopgradInstances ??= new Map();
  let instance = binding.loopgradInstances.get(setting);
  if (instance === undefined) {
    // Else clocks have steps of 65 µs, against pages that spy: this is no page.
    const settings = [setting, "disable-dawn-features=timestamp_quantization"].filter((one) => one !== "");
    instance = create(settings) as GPU;
    binding.loopgradInstances.set(setting, instance);
  }
  return instance;
}

/** What browsers of some years ago have in place of `info`. */
interface OldAdapter {
  readonly isFallbackAdapter?: boolean;
  requestAdapterInfo?(): Promise<GPUAdapterInfo>;
}

/** Who an adapter is: any of it may be missing, or empty, where a browser tells pages little. */
interface Identity extends Partial<Pick<GPUAdapterInfo, "vendor" | "architecture" | "device" | "description">> {
  readonly isSoftware: boolean;
}

async function identify(adapter: GPUAdapter): Promise<Identity> {
  const old = adapter as OldAdapter;
  const info: Partial<GPUAdapterInfo> = adapter.info ?? (await old.requestAdapterInfo?.()) ?? {};
  const { vendor, architecture, device, description } = info;
  const names = [vendor, architecture, device, description].join(" ");
  const isSoftware =
    info.isFallbackAdapter === true ||
    old.isFallbackAdapter === true ||
    /swiftshader|llvmpipe|lavapipe|basic render|\bwarp\b/i.test(names);
  return { vendor, architecture, device, description, isSoftware };
}

const nameOf = ({ vendor, architecture, device, description }: Identity): string =>
  description || device || [vendor, architecture].filter(Boolean).join(" ") || "an adapter without a name";

/** Waits for what the browser gives; where it fails, as it does beside a GPU that just crashed, the error says what to do. */
async function given<T>(what: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (cause) {
    throw new DeviceError(`WebGPU gave no ${what} (${String(cause)}). ${remedy()}`, { cause });
  }
}

/** A device with all that its adapter offers. */
export async function findDevice(options: AdapterOptions): Promise<FoundDevice> {
  const gpu = await webGPU(options);
  const { powerPreference } = options;
  const request = (forceFallbackAdapter: boolean): Promise<GPUAdapter | null> =>
    given("adapter", gpu.requestAdapter({ powerPreference, forceFallbackAdapter }));
  let adapter: GPUAdapter | null = null;
  if (options.adapter !== "software") adapter = await request(false);
  if (adapter === null && options.adapter !== "hardware") adapter = await request(true);
  // Some systems offer their software adapter as an ordinary one only.
  if (adapter === null && options.adapter === "software") adapter = await request(false);
  const kind = options.adapter ?? "any";
  if (adapter === null) throw new DeviceError(`no WebGPU adapter was found (wanted: ${kind}). ${remedy()}`);
  const identity = await identify(adapter);
  const software = options.adapter !== "null" && identity.isSoftware;
  if (options.adapter === "hardware" && software) {
    throw new DeviceError(`the only WebGPU adapter is a software one, and hardware was wanted. ${remedy()}`);
  }
  if (options.adapter === "software" && !software) {
    throw new DeviceError("the WebGPU adapter is a hardware one, and a software one was wanted");
  }
  const limits: Record<string, number> = {};
  const wanted = [
    "maxStorageBuffersPerShaderStage",
    "maxStorageBufferBindingSize",
    "maxBufferSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupStorageSize",
    "maxComputeWorkgroupsPerDimension",
  ] as const;
  for (const name of wanted) limits[name] = adapter.limits[name];
  const features = ["shader-f16", "timestamp-query"] as const;
  const requiredFeatures: GPUFeatureName[] = features.filter((name) => adapter.features.has(name));
  const device = await given("device", adapter.requestDevice({ requiredLimits: limits, requiredFeatures }));
  const description = nameOf(identity);
  // Barriers cost ten times as much on a processor as they gain; a GPU lives by workgroup memory.
  const tuning = {
    workgroupMemory: !software,
    maxBuffers: device.limits.maxStorageBuffersPerShaderStage,
    ...options.tuning,
  };
  return { device, description, isHardware: !software, tuning };
}
