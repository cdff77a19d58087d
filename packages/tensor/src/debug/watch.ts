/**
 * Watching: tests look at every plan that a program makes, and at every device.
 *
 * A *watcher* is installed once, by the setup of the test runner. A program has none, and pays a comparison a plan and a
 * device for it.
 */
import type { CpuPlan } from "../cpu/check-program.ts";
import type { Device } from "../device.ts";
import type { GpuPlan } from "../plan/check-plan.ts";
import type { audit } from "./audit.ts";
import type { Holders, Ledger } from "./ledger.ts";

export interface Watcher {
  /** Told of every plan for WebGPU, before it runs. Throws if it cannot be right. */
  gpuPlan(plan: GpuPlan): void;
  /** The same for a program of the cpu device. */
  cpuPlan(plan: CpuPlan): void;
  /** Told of every device that is made, and of each before it is destroyed. */
  deviceMade(device: Device): void;
  deviceEnds(device: Device): void;
  /** Told of a device that is lost, of which nothing can be asked any more. */
  deviceLost(device: Device): void;
  /** Where holders of values say what they hold. */
  readonly holders: Holders;
  /** What audits devices: theirs to bring, so that programs do not carry it. */
  readonly audit: typeof audit;
  ledger(): Ledger;
}

let watcher: Watcher | null = null;

/** Installs a watcher; returns the one before. */
export function watch(next: Watcher | null): Watcher | null {
  const before = watcher;
  watcher = next;
  return before;
}

/**
 * Runs a function that nobody watches: devices that it makes are not audited, and what they hold is not held by a watcher.
 *
 * @param why  what it leaves behind on purpose, for readers
 */
export async function unwatched<T>(why: string, fn: () => Promise<T>): Promise<T> {
  if (why === "") throw new Error("unwatched: wanted a reason");
  const before = watch(null);
  try {
    return await fn();
  } finally {
    watch(before);
  }
}

/** The watcher; null outside tests. Holders say `watching()?.holders.add(…)`, which makes no closure then. */
export const watching = (): Watcher | null => watcher;
