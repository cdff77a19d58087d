/**
 * Watching: tests look at every plan that a program makes, and at every device.
 *
 * A *watcher* is installed once, by the setup of the test runner. A program has none, and pays a comparison a plan and a
 * device for it.
 */
import type { CpuPlan } from "../cpu/check-program.ts";
import type { Device } from "../device.ts";
import type { GpuPlan } from "../plan/check-plan.ts";

export interface Watcher {
  /** Told of every plan for WebGPU, before it runs. Throws if it cannot be right. */
  gpuPlan(plan: GpuPlan): void;
  /** The same for a program of the cpu device. */
  cpuPlan(plan: CpuPlan): void;
  /** Told of every device that is made. */
  deviceMade(device: Device): void;
}

let watcher: Watcher | null = null;

/** Installs a watcher; returns the one before. */
export function watch(next: Watcher | null): Watcher | null {
  const before = watcher;
  watcher = next;
  return before;
}

/** The watcher; null outside tests. */
export const watching = (): Watcher | null => watcher;
