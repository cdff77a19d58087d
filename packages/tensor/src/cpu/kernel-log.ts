/**
 * A log of the steps that run on the cpu device, with their times.
 */
import type { KernelLog, KernelRun } from "../record/backend.ts";
import type { Step } from "./program.ts";

export class CpuKernelLog implements KernelLog {
  readonly #runs: KernelRun[] = [];
  readonly #ended: () => void;
  #origin = -1;

  /** @param ended  called when the log ends */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** A step has run. */
  note({ kernel, bytes }: Step, startedMs: number): void {
    if (this.#origin < 0) this.#origin = startedMs;
    const us = 1000 * (performance.now() - startedMs);
    this.#runs.push({ kernel, bytes, clock: { start: 1000 * (startedMs - this.#origin), us } });
  }

  async end(): Promise<KernelRun[]> {
    this.#ended();
    return this.#runs;
  }
}
