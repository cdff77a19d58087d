/**
 * The benchmarks in a page: `browser.mjs` bundles this file, loads it in a headless browser, and calls `measureInPage`.
 */
import { type Device, type InitOptions, init, type LoopgradError, profile } from "loopgrad";
import { adam200 } from "./catalog/adam200.ts";
import { KERNELS } from "./catalog/kernels.ts";
import { META } from "./catalog/meta.ts";
import { TRAINING } from "./catalog/training.ts";
import { UNROLLS } from "./catalog/unrolls.ts";
import type { Settings } from "./catalog/workload.ts";
import { alternate, OwnSubject } from "./measure.ts";

/** What a page is asked for: a row. */
export interface PageRequest {
  readonly id: string;
  readonly settings: Settings;
  readonly device: "webgpu" | "cpu";
  readonly adapter?: InitOptions["adapter"];
  readonly iterations: number;
  /** One more call, kernel by kernel. */
  readonly profile: boolean;
}

/** The workloads that need nothing of Node's. */
const HERE = new Map(
  [...META, ...UNROLLS, ...KERNELS, ...TRAINING, adam200].map((workload) => [workload.id, workload]),
);

/** Measures one row, on a device of its own. */
export async function measureInPage(request: PageRequest): Promise<object> {
  const { id, settings, device: kind, adapter, iterations } = request;
  const workload = HERE.get(id);
  if (workload === undefined) throw new Error(`${id} does not run in a page`);
  const options: InitOptions = { device: kind, dtype: settings.dtype === "float64" ? "float64" : "float32" };
  const device: Device = await init(adapter === undefined || kind === "cpu" ? options : { ...options, adapter });
  try {
    const { description } = device;
    if (workload.make === undefined) {
      return { description, ...(await workload.measure?.(settings, { device, deviceArgs: [], iterations })) };
    }
    const { call, flops, bytes, repeat = 1, tolerance } = await workload.make(device, settings);
    const subject = new OwnSubject("loopgrad", device, call);
    const [times] = await alternate([subject], {
      calls: iterations,
      warmup: workload.warmup ?? { calls: 2, ms: 200 },
      tolerance,
    });
    if (times instanceof Error) throw times as LoopgradError;
    const profiled = request.profile ? { profile: (await profile(device, call)).rows } : {};
    const rate = (work: number | undefined): number | undefined => work && work / times.minMs / 1e6;
    const { cpuMs: _, ...seen } = subject.seen();
    return {
      description,
      ...times,
      ...seen,
      ...(repeat === 1 ? {} : { repeat }),
      ...profiled,
      ...(flops === undefined ? { gbps: rate(bytes) } : { gflops: rate(flops) }),
    };
  } finally {
    device.destroy();
  }
}

Object.assign(globalThis, { measureInPage });
