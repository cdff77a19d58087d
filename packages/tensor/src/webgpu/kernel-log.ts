/**
 * A log of the kernels that run, with their times where the adapter has a clock (`timestamp-query`).
 *
 * While it is kept, each kernel has a compute pass of its own, at whose begin and end the queue writes its clock. That keeps kernels
 * apart that would overlap, so their times are a little longer than in one pass. Browsers round clocks, to 100 µs or so.
 */
import type { KernelLog, KernelRun } from "../record/backend.ts";

/** What is known of a kernel before it runs. */
export interface LoggedKernel {
  readonly kernel: string;
  readonly bytes: number;
}

/** The times of some kernels, on their way to the host. */
interface Clock {
  readonly queries: GPUQuerySet;
  readonly resolved: GPUBuffer;
  readonly mapped: GPUBuffer;
  /** Of the log, the first run that it times. */
  readonly from: number;
}

/** Queries of a set at most, as WebGPU has it: two a kernel. */
const KERNELS = 2048;

export class GpuKernelLog implements KernelLog {
  readonly #device: GPUDevice;
  readonly #ended: () => void;
  readonly #runs: LoggedKernel[] = [];
  readonly #clocks: Clock[] = [];
  readonly #hasClock: boolean;

  /** @param ended  called when the log ends */
  constructor(device: GPUDevice, ended: () => void) {
    this.#device = device;
    this.#ended = ended;
    this.#hasClock = device.features.has("timestamp-query");
  }

  /** Runs kernels, each in a pass of its own. */
  run<K extends LoggedKernel>(
    encoder: GPUCommandEncoder,
    kernels: readonly K[],
    dispatch: (pass: GPUComputePassEncoder, kernel: K) => void,
  ): void {
    for (let from = 0; from < kernels.length; from += KERNELS) {
      const some = kernels.slice(from, from + KERNELS);
      const clock = this.#hasClock ? this.#clock(some.length) : null;
      some.forEach((kernel, i) => {
        const pass = encoder.beginComputePass(
          clock === null
            ? undefined
            : {
                timestampWrites: {
                  querySet: clock.queries,
                  beginningOfPassWriteIndex: 2 * i,
                  endOfPassWriteIndex: 2 * i + 1,
                },
              },
        );
        dispatch(pass, kernel);
        pass.end();
        this.#runs.push({ kernel: kernel.kernel, bytes: kernel.bytes });
      });
      if (clock === null) continue;
      encoder.resolveQuerySet(clock.queries, 0, 2 * some.length, clock.resolved, 0);
      encoder.copyBufferToBuffer(clock.resolved, 0, clock.mapped, 0, 16 * some.length);
    }
  }

  #clock(kernels: number): Clock {
    const size = 16 * kernels;
    const clock = {
      queries: this.#device.createQuerySet({ type: "timestamp", count: 2 * kernels }),
      resolved: this.#device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC }),
      mapped: this.#device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }),
      from: this.#runs.length,
    };
    this.#clocks.push(clock);
    return clock;
  }

  async end(): Promise<KernelRun[]> {
    this.#ended();
    const times = new Map<number, { start: number; us: number }>();
    let origin: bigint | null = null;
    for (const { queries, resolved, mapped, from } of this.#clocks) {
      await mapped.mapAsync(GPUMapMode.READ);
      const ticks = new BigUint64Array(mapped.getMappedRange());
      for (let i = 0; i < ticks.length; i += 2) {
        origin ??= ticks[i];
        // A clock may be set back between passes: then the kernel took no time that is known.
        const [start, us] = [Number(ticks[i] - origin) / 1000, Math.max(0, Number(ticks[i + 1] - ticks[i]) / 1000)];
        times.set(from + i / 2, { start, us });
      }
      mapped.unmap();
      for (const used of [queries, resolved, mapped]) used.destroy();
    }
    return this.#runs.map((run, i) => ({ ...run, clock: times.get(i) ?? null }));
  }
}
