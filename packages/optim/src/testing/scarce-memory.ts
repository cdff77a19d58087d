/**
 * Scarce memory: a GPU whose memory ends when a test says so.
 *
 * A buffer that is *refused* is invalid, and the error scope around it reports that memory ran out, as WebGPU has it. What is
 * submitted with it does not run.
 */

/** Decides about the buffer of this number, counted from 1. */
export type Refuses = (buffer: number, size: number) => boolean;

/** What device methods are replaced. */
type Methods = Pick<GPUDevice, "createBuffer" | "pushErrorScope" | "popErrorScope">;

export class ScarceMemory {
  /** Buffers asked for. */
  asked = 0;
  refused = 0;
  refuses: Refuses = () => false;
  readonly #prototype: Methods;
  readonly #original: Methods;

  /** Takes over all devices of the process, until `end`. */
  constructor() {
    const prototype = GPUDevice.prototype as Methods;
    const { createBuffer, pushErrorScope, popErrorScope } = prototype;
    this.#prototype = prototype;
    this.#original = { createBuffer, pushErrorScope, popErrorScope };
    const scopes: { filter: GPUErrorFilter; error: GPUError | null }[] = [];
    const scarce = this;
    Object.assign(prototype, {
      pushErrorScope(this: GPUDevice, filter: GPUErrorFilter): undefined {
        scopes.push({ filter, error: null });
        return pushErrorScope.call(this, filter);
      },
      async popErrorScope(this: GPUDevice): Promise<GPUError | null> {
        const scope = scopes.pop();
        return (await popErrorScope.call(this)) ?? scope?.error ?? null;
      },
      createBuffer(this: GPUDevice, descriptor: GPUBufferDescriptor): GPUBuffer {
        if (!scarce.refuses(++scarce.asked, descriptor.size)) return createBuffer.call(this, descriptor);
        scarce.refused++;
        const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
        if (scope === undefined) throw new Error("a buffer was made outside an out-of-memory scope");
        scope.error ??= new GPUOutOfMemoryError("refused by the test");
        // A buffer that is larger than buffers may be is invalid as well.
        pushErrorScope.call(this, "validation");
        const buffer = createBuffer.call(this, { ...descriptor, size: this.limits.maxBufferSize + 4 });
        void popErrorScope.call(this);
        return buffer;
      },
    });
  }

  end(): void {
    Object.assign(this.#prototype, this.#original);
  }
}
